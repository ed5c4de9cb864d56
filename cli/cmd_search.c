/* qloader search: the question from the words of the command line; hits for people, for programs (JSON) or for models (Markdown). */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "exit_code.h"
#include "output.h"
#include "profile.h"
#include "session.h"

#define SNIPPET_BYTES 400
#define QUESTION_BYTES_MAX (64 << 10)
#define AGE_MAX 99999 /* of any unit: weeks of it are 1,900 years */

/* A lone "-": the question is what comes in; one byte more than allowed, so that the library says it is too long. */
static bool read_question(ql_buf *out)
{
    char piece[4096];
    for (size_t got; out->len <= QUESTION_BYTES_MAX && (got = fread(piece, 1, sizeof piece, stdin)) > 0;) ql_buf_append(out, (ql_str){piece, got});
    return out->status >= 0 && !ferror(stdin);
}

static bool join_words(const cli *self, ql_buf *out)
{
    if (self->positional_count == 1 && strcmp(self->positional[0], "-") == 0) return read_question(out);
    for (int i = 0; i < self->positional_count; i++) {
        if (i > 0) ql_buf_append_char(out, ' ');
        ql_buf_append(out, ql_str_of(self->positional[i]));
    }
    return out->status >= 0;
}

/* A number of whatever length with a unit behind: what looks like an age, also where parse_age() refuses it. */
static bool looks_like_age(const char *text)
{
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && text[digits] != '\0' && strchr("mhdw", text[digits]) != NULL && text[digits + 1] == '\0';
}

static bool parse_age(const char *text, int64_t *out_ms)
{
    static const struct { char unit; int64_t ms; } units[] = {{'m', 60000}, {'h', 3600000}, {'d', 86400000}, {'w', 604800000}};
    char *end = NULL;
    long amount = strtol(text, &end, 10);
    if (end == text || end[0] == '\0' || end[1] != '\0' || amount < 0 || amount > AGE_MAX) return false;
    for (size_t i = 0; i < sizeof units / sizeof *units; i++) {
        if (*end != units[i].unit) continue;
        *out_ms = (int64_t)time(NULL) * 1000 - amount * units[i].ms;
        return true;
    }
    return false;
}

/* "", "Z", "+01:00", "-0530" behind a time; what to add to the time to have it in UTC. */
static bool parse_offset(const char *text, int64_t *out_ms)
{
    *out_ms = 0;
    if (text[0] == '\0' || strcmp(text, "Z") == 0) return true;
    if (text[0] != '+' && text[0] != '-') return false;
    int digits[4] = {0}, count = 0;
    for (const char *at = text + 1; *at != '\0'; at++) {
        if (*at == ':' && at == text + 3) continue;
        if (!isdigit((unsigned char)*at) || count == 4) return false;
        digits[count++] = *at - '0';
    }
    int hours = digits[0] * 10 + digits[1], minutes = digits[2] * 10 + digits[3];
    if (count != 4 || hours > 14 || minutes > 59) return false;
    *out_ms = (text[0] == '+' ? -1 : 1) * (int64_t)(hours * 60 + minutes) * 60000;
    return true;
}

/* "7d", "12h", "2w", "30m" ago, or an ISO date with optional time and offset; UTC where none is given. */
static bool parse_since(const char *text, int64_t *out_ms)
{
    struct tm tm = {0};
    int64_t offset_ms = 0;
    if (parse_age(text, out_ms)) return true;
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (rest == NULL) {
        memset(&tm, 0, sizeof tm);
        rest = strptime(text, "%Y-%m-%d", &tm);
        if (rest != NULL && strcmp(rest, "Z") != 0 && *rest != '\0') return false;
    }
    if (rest == NULL || !parse_offset(rest, &offset_ms)) return false;
    struct tm given = tm;
    *out_ms = (int64_t)timegm(&tm) * 1000 + offset_ms;
    return given.tm_mday == tm.tm_mday && given.tm_mon == tm.tm_mon; /* timegm turns 30 February into March */
}

static bool build_options(const cli *self, ql_search_options *options)
{
    ql_search_options_init(options);
    options->limit = (uint32_t)cli_number(self, OPT_LIMIT);
    options->mode = (int32_t)cli_chosen(self, OPT_MODE)->value;
    options->filter.project = cli_str(self, OPT_PROJECT);
    options->filter.source_type = cli_str(self, OPT_SOURCE_TYPE);
    options->filter.source = cli_str(self, OPT_SOURCE);
    options->filter.path_prefix = cli_str(self, OPT_PATH);
    if (cli_has(self, OPT_SINCE) && !parse_since(self->values[OPT_SINCE], &options->filter.since_ms)) {
        if (looks_like_age(self->values[OPT_SINCE])) (void)cli_usage_error(self, "--since '%s' is an age of more than %d minutes, hours, days or weeks: write a date", self->values[OPT_SINCE], AGE_MAX);
        else (void)cli_usage_error(self, "--since '%s' is neither a date (2026-01-31, 2026-01-31T12:00:00, with Z or +01:00 behind) nor an age (30m, 12h, 7d, 2w)", self->values[OPT_SINCE]);
        return false;
    }
    return true;
}

/* --- for people ---------------------------------------------------------------------------------------------------------------- */

static int terminal_width(void)
{
    struct winsize size;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col >= 40) return size.ws_col > 120 ? 120 : size.ws_col;
    return 100;
}

/* The passage with white space as it is (code keeps its shape), indented, long lines wrapped at blanks, control characters dropped. */
static void print_passage(ql_str text, size_t limit, int width)
{
    bool cut = text.len > limit;
    if (cut) {
        text.len = limit;
        while (text.len > 0 && ((unsigned char)text.ptr[text.len] & 0xc0) == 0x80) text.len--;
        size_t word = text.len; /* a whole word at the end, unless that one is very long */
        while (word > 0 && !isspace((unsigned char)text.ptr[word])) word--;
        if (word + 40 > text.len) text.len = word;
    }
    while (text.len > 0 && isspace((unsigned char)text.ptr[text.len - 1])) text.len--;
    while (text.len > 0 && (text.ptr[0] == '\n' || text.ptr[0] == '\r')) text.ptr++, text.len--;
    printf("     ");
    int column = 5;
    for (size_t i = 0, n = 0; i < text.len; i += n) {
        bool control = text_is_control(text, i, &n);
        char c = text.ptr[i];
        if (c == '\n' || (c == ' ' && column >= width - 12)) {
            printf("\n     ");
            column = 5;
        } else if (c == '\t') {
            printf("    ");
            column += 4;
        } else if (!control) {
            fwrite(text.ptr + i, 1, n, stdout);
            column++;
        }
    }
    printf("%s\n", cut ? " ..." : "");
}

static void print_explain(const ql_hit *hit)
{
    printf("     why: score %.3f from meaning %.3f and words %.3f; cosine %.3f", hit->score, hit->part_dense, hit->part_sparse, hit->score_dense);
    if (hit->rank_dense > 0) printf(" (rank %u)", hit->rank_dense);
    printf(", BM25 %.2f", hit->score_sparse);
    if (hit->rank_sparse > 0) printf(" (rank %u)", hit->rank_sparse);
    printf("; chunk %u of %u, bytes %llu-%llu\n", hit->chunk_index + 1, hit->chunk_count, (unsigned long long)hit->source_begin,
           (unsigned long long)hit->source_end);
}

static void print_text(const cli *self, const ql_results *results)
{
    const char *bold = self->color_out ? "\033[1m" : "", *dim = self->color_out ? "\033[2m" : "", *off = self->color_out ? "\033[0m" : "";
    int width = terminal_width();
    for (size_t i = 0; i < ql_results_count(results); i++) {
        const ql_hit *hit = ql_results_hit(results, i);
        printf("%2u.  %s", hit->rank, bold);
        text_put(stdout, hit->title);
        if (hit->section_path.len > 0) {
            printf(" > ");
            text_put(stdout, hit->section_path);
        }
        printf("%s  %s%.3f%s\n     %s", off, dim, hit->score, off, dim);
        text_put(stdout, hit->url);
        printf("%s\n", off);
        if (cli_has(self, OPT_EXPLAIN)) print_explain(hit);
        print_passage(hit->text, cli_has(self, OPT_FULL) ? hit->text.len : SNIPPET_BYTES, width);
        printf("\n");
    }
}

/* --- for models ---------------------------------------------------------------------------------------------------------------- */

static void print_markdown(const ql_results *results)
{
    for (size_t i = 0; i < ql_results_count(results); i++) {
        const ql_hit *hit = ql_results_hit(results, i);
        size_t fence = 3, run = 0; /* longer than any run of backticks inside */
        for (size_t c = 0; c < hit->text.len; c++) {
            run = hit->text.ptr[c] == '`' ? run + 1 : 0;
            if (run >= fence) fence = run + 1;
        }
        printf("## %u. ", hit->rank);
        text_put(stdout, hit->title);
        printf("\n\nSource: ");
        text_put(stdout, hit->url);
        if (hit->section_path.len > 0) {
            printf("\nSection: ");
            text_put(stdout, hit->section_path);
        }
        printf("\nScore: %.3f\n\n", hit->score);
        for (size_t c = 0; c < fence; c++) putchar('`');
        printf("text\n");
        text_put_passage(stdout, hit->text);
        if (hit->text.len == 0 || hit->text.ptr[hit->text.len - 1] != '\n') printf("\n");
        for (size_t c = 0; c < fence; c++) putchar('`');
        printf("\n\n");
    }
}

static int print_results(const cli *self, const char *format, const ql_results *results)
{
    ql_error err = {0};
    if (strcmp(format, "json") == 0) {
        ql_buf json = QL_BUF_INIT;
        ql_status status = ql_results_json(results, &json, &err);
        if (status >= 0) printf("%s\n", ql_buf_cstr(&json));
        ql_buf_dispose(&json);
        if (status < 0) return cli_fail(self, status, &err);
    } else if (strcmp(format, "md") == 0) {
        print_markdown(results);
    } else {
        print_text(self, results);
    }
    if (fflush(stdout) != 0) {
        perror("error: stdout");
        return EXIT_STORAGE;
    }
    return EXIT_OK;
}

/* With --profile a search that is stopped goes on to its end, which is near, so that the profile has it. A second signal ends it at once. */
static ql_status search(const cli *self, const cli_session *session, ql_str question, const ql_search_options *options, cli_profile *profile, ql_results **out, ql_error *err)
{
    if (cli_has(self, OPT_PROFILE)) stop_install_silent(NULL);
    ql_status status = ql_search(session->workspace, question, options, out, err);
    profile_keep_unless_refused(profile, status);
    if (status < 0 || !stop_asked()) return status;
    (void)snprintf(err->message, sizeof err->message, "stopped");
    return err->status = QL_E_CANCELLED;
}

int cmd_search(cli *self)
{
    ql_search_options options;
    const char *format = cli_format(self, OPT_FORMAT);
    if (!build_options(self, &options)) return EXIT_USAGE;
    cli_session session;
    cli_profile profile;
    int code = profile_begin(self, &profile);
    if (code < 0) code = session_open(self, false, &session);
    if (code >= 0) return profile_end(self, &profile, code);
    if (cli_has(self, OPT_VERBOSE)) session_tell_choice(&session, NULL);
    ql_buf question = QL_BUF_INIT;
    ql_results *results = NULL;
    ql_error err = {0};
    ql_status status;
    if (join_words(self, &question)) status = search(self, &session, ql_buf_str(&question), &options, &profile, &results, &err);
    else {
        status = err.status = question.status < 0 ? QL_E_NOMEM : QL_E_IO;
        snprintf(err.message, sizeof err.message, question.status < 0 ? "out of memory" : "cannot read the question from stdin");
    }
    if (status >= 0 && ql_results_count(results) == 0 && !self->json && !cli_has(self, OPT_QUIET)) fprintf(stderr, "nothing found\n");
    code = status < 0 ? session_fail(self, status, &err) : print_results(self, format, results);
    ql_results_free(results);
    ql_buf_dispose(&question);
    session_close(&session);
    return profile_end(self, &profile, code);
}
