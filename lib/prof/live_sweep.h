/* Files of live views whose process was killed. */
#ifndef QL_LIVE_SWEEP_H
#define QL_LIVE_SWEEP_H

#include "sys/file.h"

/* Takes away pages that nobody holds a lock on, and sockets on which nobody listens; young ones are spared, since a process that starts locks what it just made. */
void ql__live_sweep(const ql__sys *sys, const char *folder);

/* The lock of a page, from now until the descriptor is closed; false: somebody has it. */
bool ql__live_lock(int fd);
/* Whether somebody holds the lock of the page at that path; false also where there is none that can be opened. */
bool ql__live_held(const ql__sys *sys, const char *path);

#endif
