/* The program's own malloc, see heap_watch.c. */
#ifndef CLI_HEAP_WATCH_H
#define CLI_HEAP_WATCH_H

/* First thing in main(): from here on a capture sees every allocation of the process. */
void heap_watch_begin(void);

#endif
