/* Which functions hand on memory: whoever calls them is the place that allocates. */
#ifndef QL_ALLOCATORS_H
#define QL_ALLOCATORS_H

#include "capture/profile.h"

/* Where a stack of an allocation is, leaf first. Zeroed at the leaf. */
typedef struct ql__allocator_walk {
    bool named; /* malloc or one of its kind was passed: the hooks that it calls are behind */
} ql__allocator_walk;

/* How far from the leaf a program's malloc may be: what it tells the hooks with lies between. */
#define QL__ALLOCATOR_DEPTH 8
/* A function that the C library allocates with, under its own name: a program that tells the hooks has its own of these, and all it calls is the allocator. */
bool ql__allocator_is_malloc(ql_str function);

/* Whether a function belongs to the allocator, to be asked from the leaf on until it answers no. */
bool ql__allocator_has(ql__allocator_walk *self, ql_str function);

#endif
