/* What the converter for code knows of each language: names of syntax nodes as data, and the loaded grammar. */
#ifndef QL_CODE_LANGUAGE_H
#define QL_CODE_LANGUAGE_H

#include <tree_sitter/api.h>

#include <qloader/base.h>

#include "code_guard.h"

/* What a kind of node means to the outline. */
typedef enum ql__code_act {
    QL__CODE_NOTHING = 0,
    QL__CODE_ELEMENT,     /* a declaration with a name */
    QL__CODE_LEAD,        /* comment, attribute, decorator: belongs to the element right after it */
    QL__CODE_DESCEND,     /* its children are looked at as if they stood in its place */
    QL__CODE_WRAP,        /* an element if it holds one: export, template, decorated definition */
    QL__CODE_VARIABLE,    /* an element if it binds a name to a function or class */
    QL__CODE_DECLARATION  /* of C and C++: an element if it declares a function or holds the body of a type */
} ql__code_act;

typedef enum ql__code_name {
    QL__CODE_BY_FIELD = 0,   /* the field "name" */
    QL__CODE_BY_DECLARATOR,  /* C: the identifier inside the declarators */
    QL__CODE_BY_RECEIVER,    /* Go: Type.Method */
    QL__CODE_BY_TYPE_SPEC,   /* Go: name of the first spec, detail by its type */
    QL__CODE_BY_IMPL,        /* Rust: Type, or Trait for Type */
    QL__CODE_BY_REFERENCE,   /* SQL: the first object reference or identifier */
    QL__CODE_BY_LABEL,       /* it has none: the rule's label */
    QL__CODE_BY_KEYWORD      /* Kotlin, Swift: the field "name"; detail by the keyword */
} ql__code_name;

#define QL__CODE_CONTAINER 1u  /* elements inside it are elements too */
#define QL__CODE_NEEDS_BODY 2u /* without a body it only mentions the name */

typedef struct ql__code_rule {
    const char *node;   /* type of the node in the grammar; NULL ends a table */
    uint8_t act;        /* ql__code_act */
    uint8_t name;       /* ql__code_name */
    uint8_t flags;
    const char *detail; /* of the block; a "function" inside a container is a "method" */
    const char *label;  /* of what has no name; NULL: none */
} ql__code_rule;

#define QL__CODE_RULES_MAX 64     /* rows of a table, its shared part included */

typedef struct ql__code_language {
    const char *name;         /* "python": label of its code blocks */
    const char *module;       /* "qloader-grammar-python" */
    const char *symbol;       /* "tree_sitter_python" */
    const char *extensions;   /* blank-separated */
    const char *line_comment; /* or NULL */
    const ql__code_rule *rules;
    const ql__code_rule *more; /* rules shared with another language, or NULL */
} ql__code_language;

/* The language of a file extension, or NULL. Static. */
const ql__code_language *ql__code_language_of(ql_str extension);
const ql__code_language *ql__code_languages(size_t *count);

typedef struct ql__code_grammar {
    const TSLanguage *language; /* with the fence of code_guard.h */
    const ql__code_original *original; /* without */
    const ql__code_rule *const *rule_of; /* by symbol; symbol_count entries, NULL: no rule */
    uint32_t symbol_count;
} ql__code_grammar;

/* Opens the grammar on first use. QL_E_UNSUPPORTED when it is not installed. Thread-safe; what *out points to is static. */
ql_status ql__code_grammar_load(const ql__code_language *language, ql__code_grammar *out, ql_error *err);
/* Name of the first rule that the grammar does not know, or NULL; for tests. */
const char *ql__code_unknown_node(const ql__code_language *language, const TSLanguage *grammar);

#endif
