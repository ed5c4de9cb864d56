/* See output.h. */
#include "output.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "exit_code.h"
#include "log_file.h"

/* --- text of others ------------------------------------------------------------------------------------------------------------ */

static size_t sequence_bytes(unsigned char lead)
{
    if (lead < 0x80) return 1;
    return lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0;
}

/* 0: not UTF-8. */
static size_t character_bytes(ql_str text, size_t at)
{
    size_t count = sequence_bytes((unsigned char)text.ptr[at]);
    if (count > text.len - at) return 0;
    for (size_t i = 1; i < count; i++)
        if (((unsigned char)text.ptr[at + i] & 0xc0) != 0x80) return 0;
    unsigned char lead = (unsigned char)text.ptr[at], second = count > 1 ? (unsigned char)text.ptr[at + 1] : 0;
    bool overlong = (lead == 0xe0 && second < 0xa0) || (lead == 0xf0 && second < 0x90);
    bool beyond = (lead == 0xed && second >= 0xa0) || (lead == 0xf4 && second >= 0x90); /* surrogates, above U+10FFFF */
    return overlong || beyond ? 0 : count;
}

bool text_is_control(ql_str text, size_t at, size_t *bytes)
{
    const unsigned char *c = (const unsigned char *)text.ptr + at;
    size_t count = character_bytes(text, at);
    *bytes = count > 0 ? count : 1;
    if (count == 0 || c[0] < 0x20 || c[0] == 0x7f) return true;
    if (c[0] == 0xc2) return c[1] < 0xa0;
    if (c[0] != 0xe2) return false;
    return (c[1] == 0x80 && c[2] >= 0xaa && c[2] <= 0xae) || (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
}

void text_put(FILE *file, ql_str text)
{
    for (size_t i = 0, n = 0; i < text.len; i += n) {
        bool control = text_is_control(text, i, &n);
        if (!control) (void)fwrite(text.ptr + i, 1, n, file);
        for (size_t b = 0; control && b < n; b++) fprintf(file, "\\x%02x", (unsigned char)text.ptr[i + b]);
    }
}

void text_put_passage(FILE *file, ql_str text)
{
    for (size_t i = 0, n = 0; i < text.len; i += n)
        if (!text_is_control(text, i, &n) || text.ptr[i] == '\n' || text.ptr[i] == '\t') (void)fwrite(text.ptr + i, 1, n, file);
}

json_t *text_json(ql_str text)
{
    ql_buf copy = QL_BUF_INIT;
    for (size_t i = 0, n = 0; i < text.len; i += n) {
        bool broken = text_is_control(text, i, &n) && (unsigned char)text.ptr[i] >= 0x80 && n == 1;
        if (broken) ql_buf_printf(&copy, "\\x%02x", (unsigned char)text.ptr[i]);
        else ql_buf_append(&copy, (ql_str){text.ptr + i, n});
    }
    json_t *json = copy.status < 0 ? NULL : json_stringn(ql_buf_cstr(&copy), copy.len);
    if (json == NULL && copy.status >= 0) json = json_string("(no text)"); /* UTF-8 that JSON refuses: surrogates and overlong forms */
    ql_buf_dispose(&copy);
    return json;
}

static bool is_plain_word(ql_str word)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_./:@%+,=-~";
    for (size_t i = 0; i < word.len; i++)
        if (word.ptr[i] == '\0' || strchr(plain, word.ptr[i]) == NULL) return false;
    return word.len > 0 && word.ptr[0] != '~';
}

void text_shell_quote(ql_buf *out, ql_str word)
{
    bool control = false;
    for (size_t i = 0, n = 0; i < word.len; i += n) control |= text_is_control(word, i, &n);
    if (is_plain_word(word)) {
        ql_buf_append(out, word);
        return;
    }
    ql_buf_append(out, ql_str_of(control ? "$'" : "'"));
    for (size_t i = 0, n = 0; i < word.len; i += n) {
        if (text_is_control(word, i, &n))
            for (size_t b = 0; b < n; b++) ql_buf_printf(out, "\\x%02x", (unsigned char)word.ptr[i + b]);
        else if (word.ptr[i] == '\'') ql_buf_append(out, ql_str_of(control ? "\\'" : "'\\''"));
        else {
            if (control && word.ptr[i] == '\\') ql_buf_append_char(out, '\\');
            ql_buf_append(out, (ql_str){word.ptr + i, n});
        }
    }
    ql_buf_append_char(out, '\'');
}

/* --- lines of JSON ------------------------------------------------------------------------------------------------------------- */

void line_json(json_t *object)
{
    char *text = object != NULL ? json_dumps(object, JSON_COMPACT | JSON_REAL_PRECISION(10)) : NULL;
    flockfile(stderr);
    if (text != NULL) fputs(text, stderr); /* for want of memory a line is lost, not the run */
    if (text != NULL) fputc('\n', stderr);
    funlockfile(stderr);
    free(text);
    json_decref(object);
}

void line_log(const char *level, const char *subsystem, ql_str message)
{
    line_json(json_pack("{s:s, s:s, s:s, s:o}", "type", "log", "level", level, "subsystem", subsystem, "message", text_json(message)));
}

/* --- failures ------------------------------------------------------------------------------------------------------------------ */

void cli_tell_error(const cli *self, const char *kind, const char *message, int code)
{
    if (self->json_lines) {
        line_json(json_pack("{s:s, s:s, s:o, s:i}", "type", "error", "kind", kind, "message", text_json(ql_str_of(message)), "exit_code", code));
        return;
    }
    fprintf(stderr, "%serror:%s ", self->color_err ? "\033[1;31m" : "", self->color_err ? "\033[0m" : "");
    text_put(stderr, ql_str_of(message));
    fputc('\n', stderr);
}

static int tell(const cli *self, const char *kind, const char *message, int code)
{
    if (self->command != NULL) log_file_write(self->log, "error", self->command->name, message);
    cli_tell_error(self, kind, message, code);
    if (!self->json) return code;
    json_t *object = json_pack("{s:{s:s, s:o, s:i}}", "error", "kind", kind, "message", text_json(ql_str_of(message)), "exit_code", code);
    if (object == NULL || json_dumpf(object, stdout, JSON_INDENT(2)) != 0) printf("{\"error\": {\"exit_code\": %d}}", code);
    printf("\n");
    json_decref(object);
    return code;
}

int cli_fail_as(const cli *self, ql_status status, const ql_error *err, int code)
{
    return tell(self, ql_status_name(status), err != NULL && err->message[0] != '\0' ? err->message : ql_status_name(status), code);
}

int cli_fail(const cli *self, ql_status status, const ql_error *err)
{
    return cli_fail_as(self, status, err, cli_exit_of(status));
}

int cli_usage_error(const cli *self, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(message, sizeof message, format, args);
    va_end(args);
    return tell(self, "usage", message, EXIT_USAGE);
}
