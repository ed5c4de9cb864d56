/*
 * Names that threads hand out themselves: sites (process-wide, for ever) and sets of labels (of one capture). Ids are dense, from 1; what was
 * published is never changed while a capture runs, so the control thread reads it without the lock that writers take.
 */
#ifndef QL_PLACE_TABLE_H
#define QL_PLACE_TABLE_H

#include <qloader/prof.h>

#define QL__SITES_MAX 4096     /* places in source code; later ones share the last */
#define QL__LABELS_MAX 65535   /* different sets in a capture */
#define QL__LABELS_THREAD_MAX 16
#define QL__LABEL_KEY_BYTES 63
#define QL__LABEL_VALUE_BYTES 1023

/* Copied: the code that a site is in may be unloaded. */
typedef struct ql__site_copy {
    const char *name, *category, *function, *file;
    uint32_t line;
} ql__site_copy;

typedef struct ql__label {
    const char *key, *value;
    uint32_t key_size, value_size;
    uint32_t base; /* the set that this label was put on; 0: none */
} ql__label;

/* The id of a site, registering it if need be, by `name` where it has none itself. */
uint32_t ql__site_id(ql_site *site, const char *name);
const ql__site_copy *ql__site_get(uint32_t id); /* NULL: unknown */

/* The set `base` with one label more or other (value empty: without it). base itself where the table is full, which is counted. */
uint32_t ql__labels_with(uint32_t base, const char *key, ql_str value);
const ql__label *ql__labels_get(uint32_t id); /* its last label; NULL: unknown */
void ql__labels_reset(void);                  /* before a capture; no thread may be using ids of the last one */
uint64_t ql__labels_dropped(void);
void ql__places_after_fork(void);

#endif
