/* Questions on a terminal: asked on stderr, answered on stdin. Breaking off (end of input, Ctrl-C) ends them all; nothing was written then. */
#ifndef CLI_SETUP_ASK_H
#define CLI_SETUP_ASK_H

#include <qloader.h>

/* Whether there is somebody to ask. */
bool ask_possible(void);
/* From here on SIGINT, SIGTERM and SIGHUP end the program by saying that nothing was written. */
void ask_begin(void);
/* They wait, while files are written; true: one has come. */
void ask_hold(void);
bool ask_was_broken_off(void);
/* They act again; with `done` those that came meanwhile are forgotten, since everything is in place. */
void ask_release(bool done);

/* "question [shown]: "; the answer without blanks around it, fallback (may be "") when it is empty. False: the input has ended or is too long. */
bool ask_text(const char *question, const char *shown, const char *fallback, ql_buf *out);
/* Asks again until it is answered by yes or no. */
bool ask_yes(const char *question, bool fallback, bool *out);
/* What was wrong with an answer, before the same is asked again. */
void ask_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
