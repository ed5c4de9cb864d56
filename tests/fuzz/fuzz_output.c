/*
 * Text of strangers that the program shows. On a terminal: no byte that steers it gets through, passages keep their lines. As JSON: whatever the
 * bytes are, it can be read again, and text that was sound comes back as it was. For a shell: one word, as bash reads it.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect_harmless(const char *shown, size_t len, bool lines)
{
    for (size_t i = 0, n = 0; i < len; i += n)
        if (text_is_control((ql_str){shown, len}, i, &n) && !(lines && (shown[i] == '\n' || shown[i] == '\t'))) abort();
}

static void show(ql_str text, void (*put)(FILE *, ql_str), bool lines)
{
    char *shown = NULL;
    size_t len = 0;
    FILE *file = open_memstream(&shown, &len);
    if (file == NULL) abort();
    put(file, text);
    if (fclose(file) != 0) abort();
    expect_harmless(shown, len, lines);
    free(shown);
}

static void show_json(ql_str text)
{
    json_t *json = text_json(text), *again = NULL;
    if (json == NULL) abort();
    char *line = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
    if (line == NULL || strchr(line, '\n') != NULL) abort();
    again = json_loads(line, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    if (!json_equal(json, again)) abort();
    json_t *sound = json_stringn(text.ptr, text.len); /* NULL: no UTF-8 */
    if (sound != NULL && !json_equal(sound, json)) abort();
    json_decref(sound);
    json_decref(again);
    json_decref(json);
    free(line);
}

static int hex(char c)
{
    return c <= '9' ? c - '0' : c - 'a' + 10;
}

/* What bash makes of the word: '...' with '\'' for a quote, or $'...' with \xNN, \\ and \'. */
static void read_word(ql_str word, ql_buf *out)
{
    const char *at = word.ptr, *end = word.ptr + word.len;
    bool escapes = *at == '$';
    if (*at != '\'' && !escapes) {
        (void)ql_buf_append(out, word);
        return;
    }
    for (at += escapes ? 2 : 1; at < end; at++) {
        if (!escapes && end - at > 4 && memcmp(at, "'\\''", 4) == 0) {
            (void)ql_buf_append_char(out, '\'');
            at += 3;
        } else if (*at == '\'') {
            break;
        } else if (escapes && *at == '\\' && at[1] == 'x') {
            (void)ql_buf_append_char(out, (char)(hex(at[2]) * 16 + hex(at[3])));
            at += 3;
        } else if (escapes && *at == '\\') {
            (void)ql_buf_append_char(out, *++at);
        } else {
            (void)ql_buf_append_char(out, *at);
        }
    }
    if (at != end - 1) abort();
}

static void quote(ql_str text)
{
    ql_buf word = QL_BUF_INIT, back = QL_BUF_INIT;
    text_shell_quote(&word, text);
    if (word.len == 0) abort();
    expect_harmless(ql_buf_cstr(&word), word.len, false);
    read_word(ql_buf_str(&word), &back);
    if (!ql_str_equal(ql_buf_str(&back), text)) abort();
    ql_buf_dispose(&word);
    ql_buf_dispose(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ql_str text = {(const char *)data, size};
    show(text, text_put, false);
    show(text, text_put_passage, true);
    show_json(text);
    quote(text);
    return 0;
}
