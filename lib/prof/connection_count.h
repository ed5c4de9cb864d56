/* How many TCP connections a process has, and how many of them are new, by looks at its descriptors now and then. Nothing is allocated, no lock is taken. */
#ifndef QL_CONNECTION_COUNT_H
#define QL_CONNECTION_COUNT_H

#include <stdbool.h>
#include <stdint.h>

#define QL__PORT_WORDS (65536 / 64)

typedef struct ql__connection_count {
    bool wanted;         /* somebody has a use for looks */
    uint64_t looks;      /* that saw a connection */
    uint64_t new_looks;  /* that saw one which was not there before */
    uint64_t seen;       /* connections, added up over the looks */
    uint64_t seen_new;   /* of them those that were not there before */
    uint32_t age;        /* looks since `lately` began */
    uint64_t now[QL__PORT_WORDS], lately[QL__PORT_WORDS], before[QL__PORT_WORDS]; /* local ports: of this look, of this age and of the one before */
} ql__connection_count;

/*
 * One look, at the descriptors of the calling process. A connection is known by its local port: those that a server accepted share one. Connections are
 * streams over IPv4 and IPv6 with a peer; descriptors from 256 on, and those behind 64 that are closed, are not looked at. One that another thread
 * closes or makes meanwhile may be counted or not. Threads: one at a time. Cost: a system call a descriptor, two more a connection; see the source.
 */
void ql__connection_look(ql__connection_count *self);

#endif
