/* A terminal as a screen: another page of it, keys without Enter. Put back when closed. One a process. */
#ifndef CLI_LIVE_SCREEN_H
#define CLI_LIVE_SCREEN_H

#include "command.h"

#define SCREEN_SUSPEND_KEY 26 /* Ctrl-Z */

bool screen_open(void);    /* false: stdin or stdout is no terminal that can, nothing was changed */
void screen_close(void);   /* safe in a signal handler, and when it is not open */
void screen_suspend(void); /* as Ctrl-Z does elsewhere */
void screen_show(const ql_buf *text);
void screen_size(int *rows, int *columns);
/* A key within so many milliseconds; 0: none, or a signal. The end of the terminal is 'q'. */
int screen_key(int timeout_ms);

#endif
