/*
 * Every key of config.yaml, once: parsing, validation, hints for misspelt names, defaults, masking, the output of `config` and
 * docs/configuration.md all read this table. Not for folders outside lib/model.
 */
#ifndef QL_CONFIG_SCHEMA_H
#define QL_CONFIG_SCHEMA_H

#include <qloader/base.h>

typedef enum ql__config_type {
    QL__TYPE_MAP,         /* the rows below its path */
    QL__TYPE_NAMED,       /* names that the user chooses, each as the row "<path>.*" */
    QL__TYPE_LIST,        /* a list, each item as the row "<path>.*" */
    QL__TYPE_FREE,        /* a map of anything */
    QL__TYPE_STRING,
    QL__TYPE_NAME,        /* letter, then letters, digits, '_' and '-' */
    QL__TYPE_INT,
    QL__TYPE_NUMBER,
    QL__TYPE_BOOL,
    QL__TYPE_BOOL_STRICT, /* true or false, nothing else */
    QL__TYPE_CHOICE,      /* one of the words in choices, any case */
    QL__TYPE_CHOICES,     /* a list of those */
    QL__TYPE_STRINGS,     /* a list of text */
    QL__TYPE_STRING_MAP,  /* name: text */
    QL__TYPE_DURATION,    /* seconds */
    QL__TYPE_TIME,
    QL__TYPE_URL,         /* scheme://... */
    QL__TYPE_HTTP_URL,
    QL__TYPE_GIT_URL,     /* URL, user@host:path or a folder */
    QL__TYPE_FOLDER,      /* file:///... or a path */
} ql__config_type;

typedef enum ql__config_fate {
    QL__FATE_HONOURED,
    QL__FATE_LATER,  /* validated and kept; what uses it is not in this build and says so by name when it is used */
    QL__FATE_NONE,   /* accepted for compatibility, without effect; written, it gives a warning with the row's note */
    QL__FATE_REFUSED /* any value but the default is a problem, with the row's note */
} ql__config_fate;

enum {
    QL__KEY_NULLABLE = 1 << 0,
    QL__KEY_REQUIRED = 1 << 1,
    QL__KEY_SECRET = 1 << 2,   /* masked in every output */
    QL__KEY_NONBLANK = 1 << 3, /* text: not only blanks; lists and maps: at least one */
    QL__KEY_OPTIONAL = 1 << 4, /* a map that is left out of the output when it is not written */
    QL__KEY_NONE_WORD = 1 << 5, /* the texts "none" and "null" mean null */
    QL__KEY_EXTRA = 1 << 6,    /* a map that may hold further keys of any kind */
    QL__KEY_DROPS = 1 << 7,    /* written, it makes the index lose text: a warning with the row's note */
    QL__KEY_TRIMMED = 1 << 8,
};

typedef struct ql__config_key {
    const char *path; /* dotted; '*' stands for a name or an item */
    uint8_t type, fate;
    uint16_t flags;
    double min, max;
    const char *standard; /* the default as YAML; NULL: none */
    const char *choices;  /* "a|b|c" */
    const char *note;
} ql__config_key;

const ql__config_key *ql__config_schema(size_t *count);
/* The row under parent ("" is the root) with this name; a '*' row if there is no other. NULL: unknown. */
const ql__config_key *ql__config_schema_child(const char *parent, ql_str name);
/* The last part of a row's path. */
ql_str ql__config_key_name(const ql__config_key *key);
/* Whether the row stands directly under parent. */
bool ql__config_key_is_child(const ql__config_key *key, const char *parent);
/* The name among the children of parent that looks most like a misspelt one; NULL: none is near. */
const ql__config_key *ql__config_schema_nearest(const char *parent, ql_str name);
/* Edits (insert, delete, replace, swap neighbours) between two words; stops counting at limit. */
size_t ql__edit_distance(ql_str a, ql_str b, size_t limit);

#endif
