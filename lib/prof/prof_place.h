/* Where a thread is in a capture: labels, task, span. Handed from the caller of a parallel loop to the threads that help. */
#ifndef QL_PROF_PLACE_H
#define QL_PROF_PLACE_H

#include <stdint.h>

#define QL__PLACE_WORDS 3

void ql__place_take(uintptr_t out[QL__PLACE_WORDS]);       /* all 0 without a capture */
void ql__place_put(const uintptr_t place[QL__PLACE_WORDS]); /* of an earlier capture, or none: nothing */

/* What a wait of the library was for, when it took over 1 ms: a sample of kind LOCK with the caller's stack. begin_ns: of ql__place_wait_begin, 0: off. */
uint64_t ql__place_wait_begin(void);
void ql__place_wait_end(uint64_t begin_ns, const char *subject);
/* A wait of no length: this thread is one that waits for it, whether it ever has to or not. */
void ql__place_wait_mark(const char *subject);

#endif
