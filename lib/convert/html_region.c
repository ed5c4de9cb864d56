/*
 * Boilerplate: what may be one, and what is left out.
 *
 * Rules, from certain to doubtful: scripts, styles and form controls are no text; navigation, site headers and footers, and what a
 * page hides are left out by tag or role; sidebars known by class or id only when they are mostly links. Whatever holds half of
 * a page's running text stays, and if hardly anything would remain, everything stays: a page never becomes empty by this.
 * Running text is text outside links. Cost: one scan of the page, memory linear in the number of candidates.
 */
#include "html_region.h"

#include "base/alloc.h"
#include "base/array.h"
#include "base/status.h"

#include <string.h>

#define SMALL_LOSS_BYTES 1500 /* a footer or a login line, not an article */
#define META_BYTES_MAX 4096 /* of title, description and language kept */

const char *ql__html_reason_name(int reason)
{
    static const char *const names[] = {
        [QL__HTML_KEEP] = "kept", [QL__HTML_INVISIBLE] = "not text", [QL__HTML_NAVIGATION] = "navigation", [QL__HTML_FOOTER] = "site footer",
        [QL__HTML_HEADER] = "site header", [QL__HTML_ASIDE] = "aside", [QL__HTML_HIDDEN] = "hidden", [QL__HTML_SIDEBAR] = "sidebar",
        [QL__HTML_FURNITURE] = "page furniture", [QL__HTML_OUTSIDE] = "outside the main content",
    };
    return reason >= 0 && reason <= QL__HTML_OUTSIDE ? names[reason] : "other";
}

typedef struct named_rule {
    const char *word;
    uint8_t reason;
    uint8_t main;
    bool always;
} named_rule;

/* Class and id words of page generators, whole words only. */
static const named_rule rules[] = {
    {"sphinxsidebar", QL__HTML_NAVIGATION, 0, false}, {"sphinxsidebarwrapper", QL__HTML_NAVIGATION, 0, false},
    {"breadcrumb", QL__HTML_NAVIGATION, 0, false}, {"breadcrumbs", QL__HTML_NAVIGATION, 0, false},
    {"sidebar", QL__HTML_SIDEBAR, 0, false}, {"side-bar", QL__HTML_SIDEBAR, 0, false}, {"sidenav", QL__HTML_SIDEBAR, 0, false},
    {"side-nav", QL__HTML_SIDEBAR, 0, false}, {"related", QL__HTML_SIDEBAR, 0, false}, {"toc", QL__HTML_SIDEBAR, 0, false},
    {"table-of-contents", QL__HTML_SIDEBAR, 0, false}, {"tableofcontents", QL__HTML_SIDEBAR, 0, false}, {"navbar", QL__HTML_SIDEBAR, 0, false},
    {"nav", QL__HTML_SIDEBAR, 0, false}, {"navigation", QL__HTML_SIDEBAR, 0, false}, {"menu", QL__HTML_SIDEBAR, 0, false},
    {"pager", QL__HTML_SIDEBAR, 0, false}, {"pagination", QL__HTML_SIDEBAR, 0, false}, {"footer", QL__HTML_SIDEBAR, 0, false},
    {"site-footer", QL__HTML_SIDEBAR, 0, false}, {"page-footer", QL__HTML_SIDEBAR, 0, false}, {"share-buttons", QL__HTML_SIDEBAR, 0, false},
    {"social-share", QL__HTML_SIDEBAR, 0, false}, {"skip-link", QL__HTML_SIDEBAR, 0, false}, {"skip-to-content", QL__HTML_SIDEBAR, 0, false},
    {"skiplink", QL__HTML_SIDEBAR, 0, false}, {"catlinks", QL__HTML_SIDEBAR, 0, false},
    {"cookie-banner", QL__HTML_FURNITURE, 0, false}, {"cookie-consent", QL__HTML_FURNITURE, 0, false},
    {"linenos", QL__HTML_FURNITURE, 0, true}, {"lineno", QL__HTML_FURNITURE, 0, true}, {"linenumber", QL__HTML_FURNITURE, 0, true},
    {"line-numbers-rows", QL__HTML_FURNITURE, 0, true}, {"mw-editsection", QL__HTML_FURNITURE, 0, true}, {"copybtn", QL__HTML_FURNITURE, 0, true},
    {"markdown-body", 0, QL__HTML_CONTAINER, false}, {"rst-content", 0, QL__HTML_CONTAINER, false},
    {"theme-doc-markdown", 0, QL__HTML_CONTAINER, false}, {"td-content", 0, QL__HTML_CONTAINER, false},
    {"md-content", 0, QL__HTML_CONTAINER, false}, {"post-content", 0, QL__HTML_CONTAINER, false}, {"entry-content", 0, QL__HTML_CONTAINER, false},
    {"article-content", 0, QL__HTML_CONTAINER, false}, {"article-body", 0, QL__HTML_CONTAINER, false},
    {"main-content", 0, QL__HTML_CONTAINER, false}, {"maincontent", 0, QL__HTML_CONTAINER, false},
    {"mw-content-text", 0, QL__HTML_CONTAINER, false}, {"documentwrapper", 0, QL__HTML_CONTAINER, false},
};

static void apply_words(ql_str list, ql__html_element *element)
{
    for (size_t i = 0; list.ptr && list.len > 0 && i < sizeof rules / sizeof *rules; i++) {
        if (!ql__html_has_word(list, rules[i].word)) continue;
        if (rules[i].reason && element->reason == QL__HTML_KEEP) {
            element->reason = rules[i].reason;
            element->always = rules[i].always;
        }
        if (rules[i].main && element->main == QL__HTML_NOT_MAIN) element->main = rules[i].main;
    }
}

static void apply_role(const lxb_html_token_t *token, const ql__html_context *context, ql__html_element *element)
{
    static const struct {
        const char *role;
        uint8_t reason;
        bool site_level;
    } roles[] = {
        {"navigation", QL__HTML_NAVIGATION, false}, {"search", QL__HTML_NAVIGATION, false}, {"menu", QL__HTML_NAVIGATION, false},
        {"menubar", QL__HTML_NAVIGATION, false}, {"contentinfo", QL__HTML_FOOTER, true}, {"banner", QL__HTML_HEADER, true},
        {"complementary", QL__HTML_ASIDE, true},
    };
    ql_str role = ql__html_attribute(token, "role");
    if (role.len == 0) return;
    if (ql__html_equal(role, "main")) element->main = QL__HTML_MAIN;
    for (size_t i = 0; i < sizeof roles / sizeof *roles; i++) {
        if (ql__html_equal(role, roles[i].role) && !(roles[i].site_level && context->in_content)) element->reason = roles[i].reason;
    }
}

static void apply_tag(const ql__html_context *context, ql__html_element *element)
{
    switch (element->tag) {
    case LXB_TAG_NAV: element->reason = QL__HTML_NAVIGATION; break;
    case LXB_TAG_SEARCH: element->reason = QL__HTML_NAVIGATION; break;
    case LXB_TAG_FOOTER: element->reason = context->in_content ? QL__HTML_KEEP : QL__HTML_FOOTER; break;
    case LXB_TAG_HEADER: element->reason = context->in_content ? QL__HTML_KEEP : QL__HTML_HEADER; break;
    case LXB_TAG_ASIDE: element->reason = context->in_content ? QL__HTML_KEEP : QL__HTML_ASIDE; break;
    case LXB_TAG_NOSCRIPT: element->reason = QL__HTML_HIDDEN; break;
    case LXB_TAG_MAIN: element->main = QL__HTML_MAIN; break;
    case LXB_TAG_ARTICLE: element->main = QL__HTML_ARTICLE; break;
    default: break;
    }
}

static void apply_hidden(const lxb_html_token_t *token, ql__html_element *element)
{
    ql_str hidden = ql__html_attribute(token, "hidden");
    bool is_panel = ql__html_equal(ql__html_attribute(token, "role"), "tabpanel"); /* the other tabs of the content */
    if (hidden.ptr && !ql__html_equal(hidden, "until-found") && !is_panel) element->reason = QL__HTML_HIDDEN;
    if (ql__html_equal(ql__html_attribute(token, "aria-hidden"), "true") && !is_panel) element->reason = QL__HTML_HIDDEN;
    if (element->tag == LXB_TAG_DIALOG && !ql__html_attribute(token, "open").ptr) element->reason = QL__HTML_HIDDEN;
}

void ql__html_classify(const lxb_html_token_t *token, const ql__html_context *context, ql__html_element *element)
{
    if (element->tag == LXB_TAG_HTML || element->tag == LXB_TAG_BODY || element->tag == LXB_TAG_HEAD) return;
    bool dropped = (element->flags & QL__HTML_DROP) != 0 && element->tag != LXB_TAG_NOSCRIPT;
    if (dropped || (element->tag == LXB_TAG_BUTTON && !context->in_bare_heading)) { /* a button that is a heading's whole text folds what follows */
        element->reason = QL__HTML_INVISIBLE;
        element->always = true;
        return;
    }
    apply_tag(context, element);
    if (!token->attr_first) return;
    apply_role(token, context, element);
    apply_words(ql__html_attribute(token, "class"), element);
    apply_words(ql__html_attribute(token, "id"), element);
    if (!(element->flags & QL__HTML_VOID)) apply_hidden(token, element);
}

/* The first pass. */
typedef struct measure {
    ql__html_regions *regions;
    uint32_t current;       /* index into items */
    uint32_t link_depth, heading_depth, heading_1_depth, dropped_depth, title_depth, foreign_text_depth;
    bool heading_1_counted;
    bool title_done;
    uint32_t tables[64];    /* open ones, innermost last; deeper ones share the last place */
    uint32_t table_depth;
    uint64_t cell_text;
} measure;

enum { EFFECT_LINK = 1, EFFECT_HEADING = 2, EFFECT_DROPPED = 4, EFFECT_TITLE = 8, EFFECT_TABLE = 16, EFFECT_CELL = 32, EFFECT_ANY_HEADING = 64 };

static ql__html_table *open_table(measure *self)
{
    if (self->table_depth == 0) return NULL;
    uint32_t at = self->table_depth < 64 ? self->table_depth : 64;
    uint32_t number = self->tables[at - 1];
    return number < self->regions->table_count ? &self->regions->tables[number] : NULL;
}

static bool enter_table(measure *self, const ql__html_element *element, const lxb_html_token_t *token)
{
    ql__html_table *outer = open_table(self);
    if (outer) outer->layout = true;
    ql_str role = ql__html_attribute(token, "role");
    ql__html_table table = {.layout = ql__html_equal(role, "presentation") || ql__html_equal(role, "none")};
    ql__html_regions *r = self->regions;
    if (!ql__array_push(r->tables, r->table_count, r->table_capacity, table)) return false;
    self->table_depth++;
    self->tables[(self->table_depth < 64 ? self->table_depth : 64) - 1] = element->table;
    return true;
}

static void keep_meta(measure *self, const lxb_html_token_t *token, uintptr_t tag)
{
    ql__html_regions *r = self->regions;
    ql_str value = {NULL, 0};
    ql_buf *into = NULL;
    if (tag == LXB_TAG_HTML) {
        value = ql__html_attribute(token, "lang");
        into = &r->language;
    } else if (ql__html_equal(ql__html_attribute(token, "name"), "description")) {
        value = ql__html_attribute(token, "content");
        into = &r->description;
    }
    if (into && into->len == 0 && value.len > 0 && value.len <= META_BYTES_MAX) ql_buf_append(into, value);
}

static bool enter_region(measure *self, ql__html_element *element)
{
    ql__html_regions *r = self->regions;
    ql__html_region region = {.parent = self->current, .reason = element->reason, .main = element->main, .always = element->always};
    if (!ql__array_push(r->items, r->count, r->capacity, region)) return false;
    self->current = (uint32_t)(r->count - 1);
    return true;
}

static bool measure_open(void *user, ql__html_element *element, const lxb_html_token_t *token)
{
    measure *self = user;
    uintptr_t tag = element->tag;
    if (element->region != QL__HTML_NO_REGION && !enter_region(self, element)) return false;
    unsigned effect = 0;
    if (tag == LXB_TAG_A && ql__html_attribute(token, "href").ptr) effect |= EFFECT_LINK;
    if (tag == LXB_TAG_H1) effect |= EFFECT_HEADING;
    if (element->flags & QL__HTML_HEADING) effect |= EFFECT_ANY_HEADING;
    if (element->always) effect |= EFFECT_DROPPED;
    if (tag == LXB_TAG_TITLE && !element->foreign && !self->title_done) effect |= EFFECT_TITLE;
    if (tag == LXB_TAG_HTML || tag == LXB_TAG_META) keep_meta(self, token, tag);
    ql__html_table *table = open_table(self);
    if (table && (element->flags & QL__HTML_HEADING)) table->headings++;
    if (table && (tag == LXB_TAG_PRE || tag == LXB_TAG_LISTING || tag == LXB_TAG_XMP || tag == LXB_TAG_PLAINTEXT)) table->layout = true;
    if (table && tag == LXB_TAG_TR) table->rows++;
    if (table && (tag == LXB_TAG_TD || tag == LXB_TAG_TH)) {
        table->cells++;
        self->cell_text = 0;
        effect |= EFFECT_CELL;
    }
    if (tag == LXB_TAG_TABLE) {
        if (!enter_table(self, element, token)) return false;
        effect |= EFFECT_TABLE;
    }
    self->link_depth += (effect & EFFECT_LINK) != 0;
    self->heading_depth += (effect & EFFECT_ANY_HEADING) != 0;
    self->dropped_depth += (effect & EFFECT_DROPPED) != 0;
    self->title_depth += (effect & EFFECT_TITLE) != 0;
    if (effect & EFFECT_HEADING) {
        self->heading_1_depth++;
        self->heading_1_counted = false;
    }
    element->effect = (uint8_t)effect;
    return true;
}

static bool measure_close(void *user, ql__html_element *element, size_t end)
{
    (void)end;
    measure *self = user;
    unsigned effect = element->effect;
    self->link_depth -= (effect & EFFECT_LINK) != 0;
    self->heading_depth -= (effect & EFFECT_ANY_HEADING) != 0;
    self->heading_1_depth -= (effect & EFFECT_HEADING) != 0;
    self->dropped_depth -= (effect & EFFECT_DROPPED) != 0;
    if (effect & EFFECT_TITLE) {
        self->title_depth--;
        self->title_done = self->regions->title.len > 0;
    }
    ql__html_table *table = open_table(self);
    if ((effect & EFFECT_CELL) && table && self->cell_text > table->cell_text_max) table->cell_text_max = self->cell_text;
    if (effect & EFFECT_TABLE) self->table_depth--;
    if (element->region != QL__HTML_NO_REGION) self->current = self->regions->items[element->region + 1].parent;
    return true;
}

static bool is_blank(unsigned char c)
{
    return c <= ' ';
}

static void add_title(ql_buf *title, const char *text, size_t len)
{
    for (size_t i = 0; i < len && title->len < META_BYTES_MAX;) {
        size_t begin = i;
        while (i < len && is_blank((unsigned char)text[i])) i++;
        if (i > begin && title->len > 0 && i < len) ql_buf_append_char(title, ' ');
        begin = i;
        while (i < len && !is_blank((unsigned char)text[i])) i++;
        if (i - begin <= META_BYTES_MAX) ql_buf_append(title, (ql_str){text + begin, i - begin});
    }
}

/* Regions around the text that had none before now know how they begin. */
static void note_first_text(measure *self)
{
    for (uint32_t i = self->current; i != QL__HTML_NO_REGION && !self->regions->items[i].has_text; i = self->regions->items[i].parent) {
        self->regions->items[i].has_text = true;
        self->regions->items[i].headed = self->heading_depth > 0;
    }
}

static bool measure_text(void *user, const char *text, size_t len, size_t begin, size_t end)
{
    (void)begin, (void)end;
    measure *self = user;
    if (self->title_depth > 0) add_title(&self->regions->title, text, len);
    if (self->dropped_depth > 0) return true;
    uint64_t dark = 0;
    for (size_t i = 0; i < len; i++) dark += !is_blank((unsigned char)text[i]);
    if (dark == 0) return true;
    note_first_text(self);
    ql__html_region *region = &self->regions->items[self->current];
    region->text += dark;
    if (self->link_depth > 0) region->link_text += dark;
    self->cell_text += dark;
    if (self->heading_1_depth > 0 && !self->heading_1_counted) {
        self->heading_1_counted = true;
        region->headings_1++;
    }
    return true;
}

/* Text of region i with all it contains, less what is removed inside when `kept`. */
static bool sum_up(const ql__html_regions *self, bool kept, uint64_t *text, uint64_t *plain)
{
    for (size_t i = 0; i < self->count; i++) {
        const ql__html_region *r = &self->items[i];
        bool gone = r->always || (kept && r->removed);
        text[i] = gone ? 0 : r->text;
        plain[i] = gone ? 0 : r->text - r->link_text;
    }
    for (size_t i = self->count; i-- > 1;) {
        const ql__html_region *r = &self->items[i];
        if (r->always || (kept && r->removed)) continue;
        text[r->parent] += text[i];
        plain[r->parent] += plain[i];
    }
    return true;
}

static bool is_boilerplate(const ql__html_region *r, uint64_t text, uint64_t plain, uint64_t page_plain)
{
    if (r->always) return true;
    if (r->reason == QL__HTML_KEEP) return false;
    if (plain > 0 && plain * 2 >= page_plain) return false;
    if (r->reason == QL__HTML_SIDEBAR) return text == 0 || plain * 2 <= text || text < 200;
    return true;
}

static void pick_main(ql__html_regions *self, const uint64_t *plain, const uint64_t *text)
{
    /* Share of the page's running text, in percent, that a candidate must hold; by ql__html_main. */
    static const uint64_t share[] = {0, 50, 60, 80};
    uint32_t articles = 0;
    for (size_t i = 1; i < self->count; i++) articles += self->items[i].main == QL__HTML_ARTICLE && !self->items[i].removed;
    for (int kind = QL__HTML_MAIN; kind <= QL__HTML_CONTAINER; kind++) {
        size_t best = 0;
        for (size_t i = 1; i < self->count; i++) {
            const ql__html_region *r = &self->items[i];
            if (r->main != kind || r->removed || (kind == QL__HTML_ARTICLE && articles > 1)) continue;
            if (best == 0 || plain[i] > plain[best]) best = i;
        }
        if (best == 0 || text[best] == 0) continue;
        bool bulk = plain[best] * 100 >= plain[0] * share[kind] && text[best] * 100 >= text[0] * (share[kind] / 2);
        /* A page of contents is all links; then what the author calls main is believed if little else is lost. */
        bool small_loss = text[best] * 4 >= text[0] && text[0] - text[best] <= SMALL_LOSS_BYTES;
        if (bulk || (kind == QL__HTML_MAIN && small_loss)) {
            self->main = (uint32_t)(best - 1);
            return;
        }
    }
}

static void mark_main(ql__html_regions *self)
{
    for (size_t i = 1; i < self->count; i++) {
        ql__html_region *r = &self->items[i];
        r->in_main = i - 1 == self->main || (r->parent != QL__HTML_NO_REGION && self->items[r->parent].in_main);
    }
}

static void decide(ql__html_regions *self, uint64_t *text, uint64_t *plain)
{
    sum_up(self, false, text, plain);
    uint64_t all_text = text[0], all_plain = plain[0];
    for (size_t i = 1; i < self->count; i++) {
        ql__html_region *r = &self->items[i];
        r->removed = self->items[r->parent].removed || is_boilerplate(r, text[i], plain[i], all_plain);
    }
    sum_up(self, true, text, plain);
    pick_main(self, plain, text);
    mark_main(self);
    size_t content = self->main == QL__HTML_NO_REGION ? 0 : (size_t)self->main + 1;
    bool declared = self->items[content].main == QL__HTML_MAIN && text[content] * 10 >= all_text;
    if ((plain[content] * 10 < all_plain * 3 && !declared) || text[content] * 20 < all_text) {
        self->keep_all = true;
        self->main = QL__HTML_NO_REGION;
        for (size_t i = 1; i < self->count; i++) self->items[i].removed = self->items[i].always || self->items[self->items[i].parent].removed;
        return;
    }
    uint64_t headings = 0;
    for (size_t i = 0; i < self->count; i++) {
        if (!self->items[i].removed && (content == 0 || self->items[i].in_main)) headings += self->items[i].headings_1;
    }
    /* Content that begins with a heading of any level has its title; an <h1> outside is then the name of the site. */
    self->rescue_headings = headings == 0 && !self->items[content].headed;
}

void ql__html_regions_init(ql__html_regions *self)
{
    memset(self, 0, sizeof *self);
    self->main = QL__HTML_NO_REGION;
    ql_buf_init(&self->title, 3 * META_BYTES_MAX);
    ql_buf_init(&self->language, 3 * META_BYTES_MAX);
    ql_buf_init(&self->description, 3 * META_BYTES_MAX);
}

void ql__html_regions_dispose(ql__html_regions *self)
{
    ql__free(self->items);
    ql__free(self->tables);
    ql_buf_dispose(&self->title);
    ql_buf_dispose(&self->language);
    ql_buf_dispose(&self->description);
}

static void settle_tables(ql__html_regions *self)
{
    const uint64_t cell_max = 2000; /* a longer cell is a column of a page, not a datum */
    const uint64_t rows_per_heading = 8; /* headings over many rows are captions inside a table of data */
    for (size_t i = 0; i < self->table_count; i++) {
        ql__html_table *t = &self->tables[i];
        if (t->rows < t->headings * rows_per_heading) t->layout = true;
        if (t->rows <= 1 || t->cells <= 1 || t->cell_text_max > cell_max) t->layout = true;
    }
}

ql_status ql__html_regions_measure(ql__html_regions *self, ql_str html, const ql__html_options *options, ql_error *err)
{
    ql__html_region page = {.parent = QL__HTML_NO_REGION};
    if (!ql__array_push(self->items, self->count, self->capacity, page)) return ql__fail_nomem(err);
    measure state = {.regions = self};
    ql__html_events events = {.open_fn = measure_open, .close_fn = measure_close, .text_fn = measure_text, .user = &state};
    QL_TRY(ql__html_scan_run(html, options, &events, err));
    if (self->title.status < 0 || self->language.status < 0 || self->description.status < 0) return ql__fail_nomem(err);
    uint64_t *sums = ql__alloc_zero(self->count, 2 * sizeof *sums);
    if (!sums) return ql__fail_nomem(err);
    decide(self, sums, sums + self->count);
    ql__free(sums);
    settle_tables(self);
    return QL_OK;
}
