/*
 * Bringing a model: what is shown meanwhile, and when it is done without being asked for by name.
 *
 * Whether the model is missing is looked at only after a command failed, so that a run that has its model pays nothing, and one that
 * wants another embedder is never offered it.
 */
#include "bring_model.h"

#include <ctype.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include "output.h"
#include "session.h"

#define BAR_CELLS 16
#define SHOW_EVERY_MS 100

typedef struct pull_view {
    const cli *cli;
    char file[64];
    uint64_t began_ms, shown_ms; /* of this file; shown_ms 0: not yet */
} pull_view;

static uint64_t now_ms(void)
{
    struct timespec now = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000 + 1;
}

/* At most 79 columns: name, bar, per cent, megabytes, rate, time left. */
static void show_bar(const pull_view *self, uint64_t done, uint64_t total, uint64_t elapsed_ms)
{
    char bar[BAR_CELLS + 1] = {0};
    double rate = elapsed_ms > 0 ? (double)done * 1000.0 / (double)elapsed_ms : 0.0;
    if (total == 0) {
        fprintf(stderr, "\r\033[K%.22s: %.1f MB, %.1f MB/s", self->file, (double)done / 1e6, rate / 1e6);
        return;
    }
    size_t full = (size_t)(done * BAR_CELLS / total);
    for (size_t i = 0; i < BAR_CELLS; i++) bar[i] = i < full ? '#' : '.';
    unsigned long long left_s = rate > 0 ? (unsigned long long)((double)(total - done) / rate) : 0;
    fprintf(stderr, "\r\033[K%-18.18s [%s] %3u %%, %.1f MB, %.1f MB/s, ETA %llu:%02llu", self->file, bar, (unsigned)(done * 100 / total),
            (double)total / 1e6, rate / 1e6, left_s / 60, left_s % 60);
}

static int on_pull(void *user, ql_str file, uint64_t done_bytes, uint64_t total_bytes)
{
    pull_view *self = user;
    uint64_t now = now_ms();
    if (!self->cli->progress_tty || cli_has(self->cli, OPT_QUIET)) return stop_asked();
    if (!ql_str_equal(file, ql_str_of(self->file))) {
        snprintf(self->file, sizeof self->file, "%.*s", (int)(file.len < sizeof self->file ? file.len : sizeof self->file - 1), file.ptr);
        self->began_ms = now;
        self->shown_ms = 0;
    }
    bool whole = total_bytes > 0 && done_bytes >= total_bytes;
    if (now < self->shown_ms + SHOW_EVERY_MS && !whole) return stop_asked();
    self->shown_ms = now;
    show_bar(self, done_bytes < total_bytes || total_bytes == 0 ? done_bytes : total_bytes, total_bytes, now - self->began_ms);
    fflush(stderr);
    return stop_asked();
}

/* The path that a file: URL names, into `out`; 0: it is none, and to be taken as it is. */
static ql_status path_of_url(const char *url, ql_buf *out, ql_error *err)
{
    static const char scheme[] = "file://", host[] = "localhost";
    if (url == NULL || strncasecmp(url, scheme, sizeof scheme - 1) != 0) return QL_OK;
    const char *path = url + sizeof scheme - 1;
    if (strncasecmp(path, host, sizeof host - 1) == 0) path += sizeof host - 1;
    if (path[0] != '/') {
        snprintf(err->message, sizeof err->message, "'%.200s' names no place of this machine: write file:///FOLDER, or a path", url);
        return err->status = QL_E_INVALID;
    }
    for (; *path != '\0'; path++) {
        char hex[] = {path[1], path[1] != '\0' ? path[2] : '\0', '\0'};
        bool coded = *path == '%' && isxdigit((unsigned char)hex[0]) && isxdigit((unsigned char)hex[1]) && strcmp(hex, "00") != 0;
        ql_buf_append_char(out, coded ? (char)strtoul(hex, NULL, 16) : *path);
        path += coded ? 2 : 0;
    }
    if (out->status < 0) err->status = QL_E_NOMEM;
    return out->status < 0 ? QL_E_NOMEM : QL_OK;
}

/* A message about a part of what was brought names the whole as well. An address may hold a password, and names itself. */
static void name_origin(const char *from, ql_error *err)
{
    ql_error first = *err;
    if (from == NULL || strstr(from, "://") != NULL || err->message[0] == '\0' || strstr(err->message, from) != NULL) return;
    snprintf(err->message, sizeof err->message, "'%.100s': %.370s", from, first.message);
}

/* How much of the path of a folder is there; what is behind that is made on the way. */
static size_t length_there(const char *dir)
{
    char path[PATH_MAX];
    size_t len = strlen(dir);
    if (len >= sizeof path) return len;
    memcpy(path, dir, len + 1);
    while (len > 0 && access(path, F_OK) != 0) {
        while (len > 0 && path[len - 1] == '/') len--;
        while (len > 0 && path[len - 1] != '/') len--;
        path[len] = '\0';
    }
    return len;
}

/* Innermost first; one that is not empty stays, and what is above it. */
static void remove_made(const char *dir, size_t there)
{
    char path[PATH_MAX];
    size_t len = strlen(dir);
    if (len >= sizeof path) return;
    memcpy(path, dir, len + 1);
    while (len > there && rmdir(path) == 0) {
        while (len > there && path[len - 1] == '/') len--;
        while (len > there && path[len - 1] != '/') len--;
        path[len] = '\0';
    }
}

static ql_status pull(const cli *self, ql_str name, const char *from, const char *to_dir, ql_error *err)
{
    pull_view view = {.cli = self};
    ql_buf path = QL_BUF_INIT;
    size_t there = to_dir != NULL ? length_there(to_dir) : 0;
    ql_status status = path_of_url(from, &path, err);
    if (status >= 0 && path.len > 0) from = ql_buf_cstr(&path);
    if (status >= 0) {
        status = ql_model_pull(name, from, to_dir, on_pull, &view, err);
        if (status < 0) name_origin(from, err);
        if (status < 0 && to_dir != NULL) remove_made(to_dir, there);
    }
    ql_buf_dispose(&path);
    return status;
}

ql_status bring_model(const cli *self, ql_str name, const char *from, const char *to_dir, ql_buf *place, ql_error *err)
{
    stop_install(self);
    ql_status status = pull(self, name, from, to_dir, err);
    if (self->progress_tty && !cli_has(self, OPT_QUIET)) fprintf(stderr, "\r\033[K");
    if (status >= 0) status = to_dir != NULL ? ql_buf_append(place, ql_str_of(to_dir)) : ql_model_user_dir(place, err);
    if (status >= 0) status = ql_buf_printf(place, "/%.*s", (int)name.len, name.ptr);
    return status;
}

/* --- on first use -------------------------------------------------------------------------------------------------------------- */

static const char *model_workspace(const cli *self)
{
    if (cli_has(self, OPT_WORKSPACE)) return self->values[OPT_WORKSPACE];
    return cli_has(self, OPT_CONFIG) ? NULL : ".";
}

static bool is_missing(const cli *self)
{
    ql_buf info = QL_BUF_INIT;
    ql_status status = ql_model_info_json(model_workspace(self), ql_str_of(ql_model_default()), &info, NULL);
    ql_buf_dispose(&info);
    return ql_status_kind(status) == QL_E_NOTFOUND;
}

static bool is_wanted(const cli *self, bool at_terminal)
{
    if (cli_has(self, OPT_PULL) || cli_has(self, OPT_PULL_FROM)) return true;
    return at_terminal && isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

/* A line for people, or with --progress json for programs. */
static void tell(const cli *self, const ql_buf *line)
{
    if (self->json_lines) {
        line_log("info", "model", ql_buf_str(line));
        return;
    }
    text_put(stderr, ql_buf_str(line));
    fputc('\n', stderr);
}

/* The line before it starts: what, how much, from where. */
static void announce(const cli *self)
{
    size_t i = 0;
    ql_buf list = QL_BUF_INIT;
    json_t *models = ql_model_list_json(model_workspace(self), &list, NULL) >= 0 ? json_loads(ql_buf_cstr(&list), 0, NULL) : NULL, *model = NULL;
    json_array_foreach(models, i, model)
    {
        const char *address = cli_has(self, OPT_PULL_FROM) ? "the place --pull-from names" /* it may hold a password */ : json_string_value(json_object_get(model, "address"));
        if (strcmp(json_string_value(json_object_get(model, "name")), ql_model_default()) != 0) continue;
        ql_buf line = QL_BUF_INIT;
        ql_buf_printf(&line, "the model %s is not on this machine; bringing its %.0f MB from %s (Ctrl-C stops)", ql_model_default(),
                      (double)json_integer_value(json_object_get(model, "size_bytes")) / 1e6, address != NULL ? address : "its address");
        tell(self, &line);
        ql_buf_dispose(&line);
    }
    json_decref(models);
    ql_buf_dispose(&list);
}

bool bring_missing_model(const cli *self, bool at_terminal, ql_status *status, ql_error *err)
{
    if (ql_status_kind(*status) != QL_E_NOTFOUND || !is_missing(self) || !is_wanted(self, at_terminal)) return false;
    ql_buf place = QL_BUF_INIT;
    if (!cli_has(self, OPT_QUIET)) announce(self);
    *status = bring_model(self, ql_str_of(ql_model_default()), self->values[OPT_PULL_FROM], NULL, &place, err);
    if (*status >= 0 && !cli_has(self, OPT_QUIET)) {
        ql_buf line = QL_BUF_INIT;
        ql_buf_printf(&line, "%s is ready in %s", ql_model_default(), ql_buf_cstr(&place));
        tell(self, &line);
        ql_buf_dispose(&line);
    }
    ql_buf_dispose(&place);
    return *status >= 0;
}
