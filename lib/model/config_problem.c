/*
 * The list of everything that is wrong or worth a warning, each with its place. Sentences hold names of keys and variables, never the values
 * of secrets nor of the environment. One loader, one thread.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/array.h"
#include "model/config_loader.h"
#include "text/utf8.h"

#define SENTENCE_BYTES 640
#define PROBLEMS_MAX 1000 /* a file with more is something else altogether */

void *ql__loader_alloc(ql__config_loader *self, size_t count, size_t size)
{
    void *memory = ql__arena_alloc_zero(self->arena, count, size);
    if (memory == NULL) self->nomem = true;
    return memory;
}

ql_str ql__loader_copy(ql__config_loader *self, ql_str text)
{
    ql_str copy = QL_STR("");
    if (!ql__arena_copy(self->arena, text, &copy)) self->nomem = true;
    return copy;
}

ql_str ql__loader_printf(ql__config_loader *self, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *text = length >= 0 ? ql__loader_alloc(self, (size_t)length + 1, 1) : NULL;
    if (text != NULL) (void)vsnprintf(text, (size_t)length + 1, format, args);
    va_end(args);
    return text != NULL ? (ql_str){text, (size_t)length} : QL_STR("");
}

/* Names come from the file: one line, valid UTF-8, nothing that moves a cursor. Works in place, as every replacement is a single byte. */
static size_t make_printable(char *text, size_t length)
{
    ql_str view = {text, length};
    for (size_t at = 0; at < length;) {
        uint32_t code_point;
        size_t taken = ql__utf8_next(view, at, &code_point);
        bool broken = taken == 1 && (unsigned char)text[at] >= 0x80;
        if (broken || code_point < 0x20 || (code_point >= 0x7F && code_point < 0xA0)) memset(text + at, broken ? '?' : ' ', taken);
        at += taken;
    }
    return length;
}

void ql__problem_add(ql__config_loader *self, ql__config_file file, uint32_t line, uint32_t column, bool is_warning, const char *format, ...)
{
    if (self->problem_count == PROBLEMS_MAX) {
        if (!is_warning) self->error_count++;
        return;
    }
    char sentence[SENTENCE_BYTES];
    va_list args;
    va_start(args, format);
    int length = vsnprintf(sentence, sizeof sentence, format, args);
    va_end(args);
    if (length < 0) return;
    size_t used = (size_t)length < sizeof sentence ? (size_t)length : sizeof sentence - 1;
    ql__problem problem = {.file = file, .line = line == 0 ? 1 : line, .column = column == 0 ? 1 : column, .is_warning = is_warning, .order = self->problem_count};
    problem.sentence = ql__loader_copy(self, (ql_str){sentence, make_printable(sentence, used)});
    if (!ql__array_push(self->problems, self->problem_count, self->problem_capacity, problem)) self->nomem = true;
    else if (!is_warning) self->error_count++;
}

static int compare(const void *left, const void *right)
{
    const ql__problem *a = left, *b = right;
    if (a->file != b->file) return a->file < b->file ? 1 : -1; /* the environment first: what it lacks explains the rest */
    if (a->line != b->line) return a->line < b->line ? -1 : 1;
    if (a->column != b->column) return a->column < b->column ? -1 : 1;
    return a->order < b->order ? -1 : 1;
}

void ql__problems_sort(ql__config_loader *self)
{
    if (self->problem_count > 1) qsort(self->problems, self->problem_count, sizeof *self->problems, compare);
}

void ql__problem_print(const ql__config_loader *self, const ql__problem *problem, ql_buf *out)
{
    if (problem->file == QL__FILE_NONE) {
        (void)ql_buf_append(out, QL_STR("environment: "));
    } else {
        (void)ql_buf_append(out, problem->file == QL__FILE_ENV ? self->env_path : self->config_path);
        (void)ql_buf_printf(out, ":%u:%u: ", problem->line, problem->column);
    }
    (void)ql_buf_append(out, problem->sentence);
}
