/*
 * YAML 1.1 (libyaml) as a tree of typed values, each with its place in the text. One document. Aliases point to the node of their
 * anchor, so a tree costs what the text costs; its expanded size and depth are capped, so whoever walks it is bounded too.
 */
#ifndef QL_YAML_H
#define QL_YAML_H

#include "base/arena.h"
#include <qloader/base.h>

typedef enum ql__yaml_kind {
    QL__YAML_NULL,
    QL__YAML_BOOL,
    QL__YAML_INT,
    QL__YAML_FLOAT, /* also whole numbers beyond 64 bits */
    QL__YAML_STRING,
    QL__YAML_TIME,  /* an unquoted date or date and time; see text */
    QL__YAML_LIST,
    QL__YAML_MAP,
} ql__yaml_kind;

typedef struct ql__yaml_node ql__yaml_node;

typedef struct ql__yaml_pair {
    ql__yaml_node *key; /* always a scalar; its text is the key */
    ql__yaml_node *value;
} ql__yaml_pair;

struct ql__yaml_node {
    ql__yaml_kind kind;
    uint32_t line, column; /* from 1; columns count characters */
    uint32_t height;       /* levels below and including this node */
    bool plain;            /* a scalar without quotes or tag */
    bool seen, replaced, unresolved; /* for whoever walks the tree: visited; not what the file says; still holds a name of something missing */
    bool open;             /* being read: an alias to it would be endless */
    uint64_t weight;       /* nodes when every alias is written out */
    ql_str text;           /* scalars: as written, quotes and escapes resolved */
    union {
        bool boolean;
        int64_t integer;
        double number;
        struct {
            ql__yaml_node **items;
            size_t count;
        } list;
        struct {
            ql__yaml_pair *pairs; /* in file order; merged keys ("<<") after the map's own */
            size_t count;
        } map;
    };
};

typedef void (*ql__yaml_problem_fn)(void *user, uint32_t line, uint32_t column, const char *sentence);

/*
 * Reads text into arena. Whatever is wrong goes to problem_fn with its place: a key written twice (the last counts), an unknown tag, a
 * merge of something that is no map; then the tree is still built. A syntax error, an endless alias or a cap ends the reading:
 * QL_E_FORMAT or QL_E_LIMIT, with the same sentence in err. An empty text gives a null node.
 */
ql_status ql__yaml_parse(ql_str text, ql__arena *arena, ql__yaml_problem_fn problem_fn, void *user, ql__yaml_node **out, ql_error *err);
/* The value under key, or NULL; NULL too when self is no map. */
const ql__yaml_node *ql__yaml_get(const ql__yaml_node *self, ql_str key);
/* The number that plain text stands for: QL__YAML_NULL, BOOL, INT, FLOAT, TIME or STRING, value in *out (text is borrowed). */
void ql__yaml_resolve(ql_str text, ql__yaml_node *out);

#endif
