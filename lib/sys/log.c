/*
 * The log sink. The program's function runs under the lock, so that it sees one line at a time; the lock is recursive, so
 * that it may call the library again. A line longer than LINE_BYTES is cut. Threads: safe. Cost: a compare when filtered.
 */
#include "sys/log.h"

#include <stdio.h>

#define LINE_BYTES 1024

void ql__log_init(ql__log *self, ql_log_fn fn, void *user, ql_log_level level_min)
{
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&self->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    self->fn = fn;
    self->user = user;
    self->level_min = level_min;
}

void ql__log_dispose(ql__log *self)
{
    pthread_mutex_destroy(&self->lock);
    self->fn = NULL;
}

/* File names in a message come from outside: no line breaks, no terminal control. */
static void make_one_line(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < 0x20 || *text == 0x7f) *text = ' ';
    }
}

void ql__log_write(ql__log *self, ql_log_level level, const char *subsystem, const char *format, ...)
{
    if (!self || !self->fn || level < self->level_min) return;
    char line[LINE_BYTES];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(line, sizeof line, format, args);
    va_end(args);
    if (size < 0) return;
    make_one_line(line);
    pthread_mutex_lock(&self->lock);
    self->fn(self->user, level, subsystem, line);
    pthread_mutex_unlock(&self->lock);
}
