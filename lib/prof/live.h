/* What the live view (qloader/live.h) does for the rest of the library. Threads: any. */
#ifndef QL_LIVE_H
#define QL_LIVE_H

#include <stdbool.h>

enum { QL__LIVE_ROUND_MS = 50 }; /* of its thread, while it samples */

/* From here on its sampling gives way to a capture of the process, a round later at most, until ql__live_yield_end(). false: there is no view. */
bool ql__live_yield(void);
void ql__live_yield_end(void);

#endif
