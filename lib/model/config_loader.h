/* What the parts of the configuration reader share while a file is being read. Not for folders outside lib/model. */
#ifndef QL_CONFIG_LOADER_H
#define QL_CONFIG_LOADER_H

#include "base/arena.h"
#include "base/map.h"
#include "dep/dotenv.h"
#include "dep/yaml.h"
#include "model/config.h"
#include "model/config_schema.h"

/* A validated value. Its kind is one of NULL, BOOL, INT, FLOAT, STRING, LIST, MAP. */
typedef struct ql__value ql__value;
typedef struct ql__member {
    ql_str key;
    ql__value *value;
    uint32_t line, column; /* of the key; 0 for a default */
} ql__member;
struct ql__value {
    ql__yaml_kind kind;
    const ql__config_key *row; /* NULL where anything goes */
    bool written;              /* in the file, not a default */
    bool replaced;             /* holds text of the environment: never shown in a message */
    uint32_t line, column;
    union {
        bool boolean;
        int64_t integer;
        double number;
        ql_str text; /* NUL-terminated */
        struct {
            ql__value **items;
            size_t count;
        } list;
        struct {
            ql__member *members;
            size_t count;
        } map;
    };
};

typedef enum ql__config_file { QL__FILE_CONFIG, QL__FILE_ENV, QL__FILE_NONE /* the environment itself */ } ql__config_file;

typedef struct ql__problem {
    ql__config_file file;
    uint32_t line, column;
    bool is_warning;
    size_t order; /* in which it was found: equal places keep it */
    ql_str sentence;
} ql__problem;

typedef struct ql__config_loader {
    const ql__config_options *options;
    const ql__sys *sys;
    ql__arena *arena;
    ql_str config_path, env_path; /* as shown in messages */
    ql_str config_dir;            /* absolute */
    const ql__dotenv_entry *env;
    size_t env_count;
    ql__map env_places;
    bool env_wins;                /* the file's values beat those of the process */
    ql__problem *problems;
    size_t problem_count, problem_capacity, error_count;
    bool nomem;                   /* sticky: reading goes on with less, the load then fails as a whole */
} ql__config_loader;

/* ---- Problems ---- */
void ql__problem_add(ql__config_loader *self, ql__config_file file, uint32_t line, uint32_t column, bool is_warning, const char *format, ...) QL_PRINTF(6, 7);
#define ql__problem(self, line, column, ...) ql__problem_add((self), QL__FILE_CONFIG, (line), (column), false, __VA_ARGS__)
#define ql__warning(self, line, column, ...) ql__problem_add((self), QL__FILE_CONFIG, (line), (column), true, __VA_ARGS__)
void ql__problems_sort(ql__config_loader *self);
/* "config.yaml:12:5: sentence" */
void ql__problem_print(const ql__config_loader *self, const ql__problem *problem, ql_buf *out);

/* ---- Memory: NULL sets nomem ---- */
void *ql__loader_alloc(ql__config_loader *self, size_t count, size_t size);
ql_str ql__loader_copy(ql__config_loader *self, ql_str text); /* NUL-terminated; empty when out of memory */
ql_str ql__loader_printf(ql__config_loader *self, const char *format, ...) QL_PRINTF(2, 3);

/* ---- Environment (config_env.c) ---- */
ql_status ql__config_env_load(ql__config_loader *self, ql_error *err);
void ql__config_env_dispose(ql__config_loader *self);
/* As find, but an empty value counts as not set. */
bool ql__config_env_filled(const ql__config_loader *self, const char *name, ql_str *value);
/* Replaces $HOME and ${NAME} in every text value of the tree. */
void ql__config_substitute(ql__config_loader *self, ql__yaml_node *root);

/* ---- Reading by the table (config_read.c) ---- */
/* The root map with its defaults; problems are noted and what is wrong is left out. NULL: not a map. */
ql__value *ql__config_read(ql__config_loader *self, const ql__yaml_node *root);
/* A letter, then letters, digits, '_' and '-'; at most 255. */
bool ql__config_is_name(ql_str text);
bool ql__config_is_added_type(const ql__config_loader *self, ql_str type);
ql__value *ql__value_get(const ql__value *map, const char *key);   /* NULL-tolerant */
ql__value *ql__value_at(const ql__value *root, const char *path);  /* dotted */
ql_str ql__value_text(const ql__value *value);                     /* empty for null and others */
int64_t ql__value_int(const ql__value *value, int64_t fallback);
bool ql__value_bool(const ql__value *value);
/* Written, and neither null nor blank nor an empty map. */
bool ql__value_is_filled(const ql__value *value);

/* ---- Places of sources (config_url.c) ---- */
/* Normalises an http(s) URL into *out; on failure *why is a sentence part. */
bool ql__config_url(ql__config_loader *self, ql_str text, bool normalise, ql_str *out, const char **why);
bool ql__config_git_url(ql__config_loader *self, ql_str text, ql_str *out, const char **why);
bool ql__config_folder(ql__config_loader *self, ql_str text, ql_str *out, const char **why);
/* The folder that a normalised base_url names on this machine; empty if none. */
ql_str ql__config_local_path(ql__config_loader *self, ql_str base_url);

/* ---- Rules across keys (config_check.c), then the result (config_build.c) ---- */
/* Also chooses store and embedder into *out. file is the tree that root was read from. */
void ql__config_check(ql__config_loader *self, ql__value *root, const ql__yaml_node *file, ql__config *out);
void ql__config_build(ql__config_loader *self, const ql__value *root, ql__config *out);

/* ---- Output (config_write.c) ---- */
/* Puts a mask for the user part of any URL in text (https://user:word@host). */
void ql__mask_user(ql_str text, ql_buf *out);
void ql__value_write_json(const ql__value *value, bool masked, ql_buf *out);

struct ql__config_set {
    ql__arena arena;
    ql__config config;
    ql__value *root;
};

#endif
