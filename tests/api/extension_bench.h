/*
 * What the tests of an application's extensions share: a runtime in a fresh folder, an embedder that takes no time, documents in memory.
 */
#ifndef QL_EXTENSION_BENCH_H
#define QL_EXTENSION_BENCH_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <math.h>
#include <qloader.h>

#define DIMS 16

typedef struct bench {
    char dir[64], data[128];
    ql_runtime *runtime;
    ql_workspace *workspace;
    const char *store; /* NULL: the embedded one */
    ql_ingest_report report;
    char failure[480]; /* of the last document that failed */
    int closed;        /* extensions closed so far */
} bench;

static inline void close_counted(void *self)
{
    ((bench *)self)->closed++;
}

static inline int setup(void **state)
{
    static bench self;
    ql_error err = {0};
    self = (bench){.closed = 0};
    strcpy(self.dir, "/tmp/qloader-api-XXXXXX");
    assert_non_null(mkdtemp(self.dir));
    snprintf(self.data, sizeof self.data, "%s/data", self.dir);
    assert_int_equal(ql_runtime_new(NULL, &self.runtime, &err), QL_OK);
    *state = &self;
    return 0;
}

static inline int teardown(void **state)
{
    bench *self = *state;
    char command[128];
    ql_workspace_free(self->workspace);
    ql_runtime_free(self->runtime);
    snprintf(command, sizeof command, "rm -rf '%s'", self->dir);
    return system(command);
}

/* Opens the same index again on a new runtime, on which other things can be registered. */
static inline void again(bench *self)
{
    ql_error err = {0};
    ql_workspace_free(self->workspace);
    ql_runtime_free(self->runtime);
    self->workspace = NULL;
    assert_int_equal(ql_runtime_new(NULL, &self->runtime, &err), QL_OK);
}

/* --- a small embedder, so that a test takes milliseconds: letters of a text, counted ------------------------------------------------ */

typedef struct letters {
    bench *bench;
    float scale; /* 1: unit vectors */
    ql_status status;
} letters;

static const char *letters_model(void *self)
{
    (void)self;
    return "letters-16";
}

static inline uint32_t letters_dims(void *self)
{
    (void)self;
    return DIMS;
}

static inline ql_status letters_embed(void *user, ql_embed_role role, const ql_str *texts, size_t count, float *out, ql_error *err)
{
    const letters *self = user;
    (void)role;
    if (self->status < 0) {
        err->status = self->status;
        strcpy(err->message, "the letters are out");
        return self->status;
    }
    for (size_t i = 0; i < count; i++) {
        double squares = 0;
        float *row = out + i * DIMS;
        for (size_t d = 0; d < DIMS; d++) row[d] = 0.001f;
        for (size_t c = 0; c < texts[i].len; c++) row[(unsigned char)texts[i].ptr[c] % DIMS] += 1;
        for (size_t d = 0; d < DIMS; d++) squares += (double)row[d] * (double)row[d];
        for (size_t d = 0; d < DIMS; d++) row[d] *= self->scale / (float)sqrt(squares);
    }
    return QL_OK;
}

static inline void letters_close(void *self)
{
    ((letters *)self)->bench->closed++;
}

static const ql_embedder_ops letters_ops = {.struct_size = sizeof letters_ops, .name = "letters", .model_fn = letters_model, .dims_fn = letters_dims,
                                            .embed_fn = letters_embed, .close_fn = letters_close};

static inline letters *with_letters(bench *self)
{
    static letters object;
    ql_error err = {0};
    object = (letters){self, 1, QL_OK};
    assert_int_equal(ql_embedder_register(self->runtime, &letters_ops, &object, &err), QL_OK);
    return &object;
}

static inline void open_workspace(bench *self)
{
    ql_error err = {0};
    ql_workspace_options options = QL_WORKSPACE_OPTIONS_INIT;
    options.data_dir = self->data;
    options.embedder = "letters";
    options.store = self->store;
    assert_int_equal(ql_workspace_open(self->runtime, &options, &self->workspace, NULL, &err), QL_OK);
}

/* --- documents in memory -------------------------------------------------------------------------------------------------------------- */

typedef struct text {
    const char *url, *type, *content;
} text;

typedef struct texts {
    const text *items;
    size_t count;
} texts;

static inline ql_status list(void *self, const ql_source_sink *sink, ql_error *err)
{
    const texts *all = self;
    (void)err;
    for (size_t i = 0; i < all->count; i++) {
        ql_item item = {.struct_size = sizeof item, .url = ql_str_of(all->items[i].url), .version = QL_STR("1")};
        if (sink->item_fn(sink->user, &item) != 0) return QL_E_CALLBACK;
    }
    return QL_OK;
}

static inline ql_status fetch(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    const texts *all = self;
    (void)err;
    *token = NULL;
    for (size_t i = 0; i < all->count; i++) {
        if (!ql_str_equal(item->url, ql_str_of(all->items[i].url))) continue;
        *out = (ql_document){.struct_size = sizeof *out, .url = item->url, .title = item->url, .content_type = ql_str_of(all->items[i].type),
                             .content = ql_str_of(all->items[i].content), .created_at_ms = QL_TIME_UNKNOWN, .updated_at_ms = QL_TIME_UNKNOWN};
        return QL_OK;
    }
    return QL_E_NOTFOUND;
}

static inline void release(void *self, void *token)
{
    (void)self;
    (void)token;
}

static const ql_source_ops text_ops = {.struct_size = sizeof text_ops, .type = "text", .list_fn = list, .fetch_fn = fetch, .release_fn = release};

static inline int on_event(void *user, const ql_ingest_event *event)
{
    bench *self = user;
    if (event->action == QL_INGEST_FAIL) snprintf(self->failure, sizeof self->failure, "%.*s", (int)event->message.len, event->message.ptr);
    return 0;
}

static inline ql_status ingest(bench *self, const text *items, size_t count, ql_error *err)
{
    texts all = {items, count};
    ql_ingest_options options = QL_INGEST_OPTIONS_INIT;
    options.event_fn = on_event;
    options.user = self;
    self->failure[0] = '\0';
    ql_ingest_report_init(&self->report);
    return ql_ingest_source(self->workspace, QL_STR("p"), QL_STR("s"), &text_ops, &all, &options, &self->report, err);
}

static inline void expect_failure(bench *self, const text *item, const char *part)
{
    ql_error err = {0};
    assert_int_equal(ingest(self, item, 1, &err), QL_E_PARTIAL);
    if (strstr(self->failure, part) == NULL) fail_msg("'%s' is not in '%s'", part, self->failure);
}

static inline ql_results *find(bench *self, const char *question, const ql_search_options *options)
{
    ql_error err = {0};
    ql_results *results = NULL;
    ql_status status = ql_search(self->workspace, ql_str_of(question), options, &results, &err);
    if (status < 0) fail_msg("%s", err.message);
    return results;
}

static inline bool text_is(const ql_results *results, size_t index, const char *wanted)
{
    const ql_hit *hit = ql_results_hit(results, index);
    return hit != NULL && ql_str_equal(hit->text, ql_str_of(wanted));
}

#endif
