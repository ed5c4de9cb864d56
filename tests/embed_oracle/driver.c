/*
 * The C side of compare.py: reads (uint32 length, bytes) records from stdin and answers (uint32 count, uint32 ids...) on stdout.
 * usage: tokenize_driver vocab.txt
 */
#include <stdio.h>
#include <stdlib.h>

#include "embed/wordpiece.h"
#include "sys/file.h"

enum { TEXT_BYTES_MAX = 1 << 26, TOKENS_MAX = 1 << 24 };

int main(int argc, char **argv)
{
    ql_buf vocab = QL_BUF_INIT;
    ql_error err = {0};
    ql__wordpiece *words = NULL;
    char *text = malloc(TEXT_BYTES_MAX);
    uint32_t *ids = malloc(TOKENS_MAX * sizeof *ids), len;
    if (argc != 2 || !text || !ids) return 2;
    ql_status status = ql__file_read_all(ql__sys_default(), argv[1], &vocab, &err);
    if (status >= 0) status = ql__wordpiece_new(ql_buf_str(&vocab), QL__WORDPIECE_LOWER | QL__WORDPIECE_STRIP | QL__WORDPIECE_IDEOGRAPHS, &words, &err);
    if (status < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 2;
    }
    while (fread(&len, sizeof len, 1, stdin) == 1) {
        if (len > TEXT_BYTES_MAX || fread(text, 1, len, stdin) != len) return 2;
        size_t count = ql__wordpiece_run(words, (ql_str){text, len}, ids, NULL, TOKENS_MAX);
        uint32_t written = (uint32_t)count;
        if (count > TOKENS_MAX || fwrite(&written, sizeof written, 1, stdout) != 1 || fwrite(ids, sizeof *ids, count, stdout) != count) return 2;
    }
    ql__wordpiece_free(words);
    ql_buf_dispose(&vocab);
    free(text);
    free(ids);
    return fflush(stdout) == 0 ? 0 : 2;
}
