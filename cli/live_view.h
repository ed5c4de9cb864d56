/* The screen of qloader top: text made from two readings of a page, so that it can be looked at without a terminal. */
#ifndef CLI_LIVE_VIEW_H
#define CLI_LIVE_VIEW_H

#include <jansson.h>

#include "command.h"

typedef struct live_view {
    int rows, columns; /* 0: all of it, for a file */
    bool by_self, paused;
    unsigned long rate_hz; /* asked for; 0: none */
} live_view;

/* before: an earlier reading, from which rates are, or NULL. Returns text with '\n', without what would steer a terminal. */
void live_view_print(const live_view *self, const json_t *stats, const json_t *before, ql_buf *out);

#endif
