/*
 * Languages as data: which syntax nodes are declarations, what leads up to one, what only wraps it. Grammars are modules
 * opened on first use and never closed; a table from symbol to rule is made then, once per process, under a lock.
 * Threads: all functions are thread-safe. Cost: one dlopen per language and process.
 */
#include "code_language.h"

#include <pthread.h>
#include <string.h>

#include "base/status.h"
#include "convert/convert.h"
#include "dep/dynlib.h"

#define SYMBOLS_MAX 4096 /* the largest grammar has about 1500; symbols beyond have no rule */
#define LANGUAGES_MAX 20

#define ELEMENT(node, detail) {node, QL__CODE_ELEMENT, QL__CODE_BY_FIELD, 0, detail, NULL}
#define CONTAINER(node, detail) {node, QL__CODE_ELEMENT, QL__CODE_BY_FIELD, QL__CODE_CONTAINER, detail, NULL}
#define BODIED(node, detail) {node, QL__CODE_ELEMENT, QL__CODE_BY_FIELD, QL__CODE_CONTAINER | QL__CODE_NEEDS_BODY, detail, NULL}
#define NAMED(node, name, flags, detail) {node, QL__CODE_ELEMENT, name, flags, detail, NULL}
#define LEAD(node) {node, QL__CODE_LEAD, 0, 0, NULL, NULL}
#define DESCEND(node) {node, QL__CODE_DESCEND, 0, 0, NULL, NULL}
#define WRAP(node) {node, QL__CODE_WRAP, 0, 0, NULL, NULL}
#define VARIABLE(node) {node, QL__CODE_VARIABLE, 0, 0, "function", NULL}
#define DECLARATION(node) {node, QL__CODE_DECLARATION, QL__CODE_BY_DECLARATOR, 0, "function", NULL}
#define UNNAMED(node, flags, detail, label) {node, QL__CODE_ELEMENT, QL__CODE_BY_LABEL, flags, detail, label}
#define END {NULL, 0, 0, 0, NULL, NULL}

static const ql__code_rule c_rules[] = {
    NAMED("function_definition", QL__CODE_BY_DECLARATOR, 0, "function"), BODIED("struct_specifier", "struct"), BODIED("union_specifier", "union"),
    BODIED("enum_specifier", "enum"), NAMED("type_definition", QL__CODE_BY_DECLARATOR, 0, "type"), ELEMENT("preproc_function_def", "macro"),
    DECLARATION("declaration"), LEAD("comment"), DESCEND("preproc_if"), DESCEND("preproc_ifdef"), DESCEND("preproc_elif"), DESCEND("preproc_else"),
    DESCEND("linkage_specification"), DESCEND("declaration_list"), END,
};

static const ql__code_rule cpp_rules[] = {
    BODIED("class_specifier", "class"), BODIED("namespace_definition", "namespace"), ELEMENT("concept_definition", "concept"),
    WRAP("template_declaration"), DECLARATION("field_declaration"), DESCEND("field_declaration_list"), END,
};

static const ql__code_rule python_rules[] = {
    ELEMENT("function_definition", "function"), CONTAINER("class_definition", "class"), WRAP("decorated_definition"), LEAD("comment"), DESCEND("block"),
    DESCEND("if_statement"), DESCEND("elif_clause"), DESCEND("else_clause"), DESCEND("try_statement"), DESCEND("except_clause"), END,
};

static const ql__code_rule javascript_rules[] = {
    ELEMENT("function_declaration", "function"), ELEMENT("generator_function_declaration", "function"), CONTAINER("class_declaration", "class"),
    ELEMENT("method_definition", "function"), WRAP("export_statement"), VARIABLE("lexical_declaration"), VARIABLE("variable_declaration"),
    VARIABLE("expression_statement"), LEAD("comment"), LEAD("decorator"), DESCEND("class_body"), DESCEND("statement_block"), END,
};

static const ql__code_rule javascript_only[] = {VARIABLE("field_definition"), END};

static const ql__code_rule typescript_rules[] = {
    CONTAINER("abstract_class_declaration", "class"), ELEMENT("interface_declaration", "interface"), ELEMENT("enum_declaration", "enum"),
    ELEMENT("type_alias_declaration", "type"), CONTAINER("internal_module", "namespace"), CONTAINER("module", "module"),
    ELEMENT("function_signature", "function"), ELEMENT("method_signature", "function"), ELEMENT("abstract_method_signature", "function"),
    VARIABLE("public_field_definition"), WRAP("ambient_declaration"), END,
};

static const ql__code_rule go_rules[] = {
    ELEMENT("function_declaration", "function"), NAMED("method_declaration", QL__CODE_BY_RECEIVER, 0, "method"),
    NAMED("type_declaration", QL__CODE_BY_TYPE_SPEC, 0, "type"), LEAD("comment"), END,
};

static const ql__code_rule rust_rules[] = {
    ELEMENT("function_item", "function"), ELEMENT("function_signature_item", "function"), ELEMENT("struct_item", "struct"), ELEMENT("enum_item", "enum"),
    ELEMENT("union_item", "union"), CONTAINER("trait_item", "trait"), NAMED("impl_item", QL__CODE_BY_IMPL, QL__CODE_CONTAINER, "impl"),
    BODIED("mod_item", "module"), ELEMENT("macro_definition", "macro"), LEAD("line_comment"), LEAD("block_comment"), LEAD("attribute_item"),
    DESCEND("declaration_list"), DESCEND("foreign_mod_item"), END,
};

static const ql__code_rule java_rules[] = {
    CONTAINER("class_declaration", "class"), CONTAINER("interface_declaration", "interface"), CONTAINER("enum_declaration", "enum"),
    CONTAINER("record_declaration", "record"), CONTAINER("annotation_type_declaration", "annotation"), ELEMENT("method_declaration", "method"),
    ELEMENT("constructor_declaration", "constructor"), ELEMENT("compact_constructor_declaration", "constructor"), ELEMENT("module_declaration", "module"),
    LEAD("line_comment"), LEAD("block_comment"), DESCEND("class_body"), DESCEND("interface_body"), DESCEND("enum_body"), DESCEND("enum_body_declarations"),
    DESCEND("annotation_type_body"), END,
};

static const ql__code_rule csharp_rules[] = {
    CONTAINER("class_declaration", "class"), CONTAINER("interface_declaration", "interface"), CONTAINER("struct_declaration", "struct"),
    CONTAINER("record_declaration", "record"), ELEMENT("enum_declaration", "enum"), CONTAINER("namespace_declaration", "namespace"),
    ELEMENT("method_declaration", "method"), ELEMENT("constructor_declaration", "constructor"), ELEMENT("destructor_declaration", "destructor"),
    ELEMENT("delegate_declaration", "delegate"), UNNAMED("operator_declaration", 0, "operator", "operator"), ELEMENT("local_function_statement", "function"),
    ELEMENT("property_declaration", "property"), UNNAMED("indexer_declaration", 0, "property", "this[]"), WRAP("global_statement"), LEAD("comment"),
    DESCEND("declaration_list"), DESCEND("preproc_if"), DESCEND("preproc_elif"), DESCEND("preproc_else"), END,
};

static const ql__code_rule php_rules[] = {
    ELEMENT("function_definition", "function"), CONTAINER("class_declaration", "class"), CONTAINER("interface_declaration", "interface"),
    CONTAINER("trait_declaration", "trait"), CONTAINER("enum_declaration", "enum"), ELEMENT("method_declaration", "method"),
    BODIED("namespace_definition", "namespace"), LEAD("comment"), DESCEND("declaration_list"), DESCEND("enum_declaration_list"),
    DESCEND("compound_statement"), DESCEND("if_statement"), END,
};

static const ql__code_rule ruby_rules[] = {
    CONTAINER("class", "class"), CONTAINER("module", "module"), ELEMENT("method", "function"), ELEMENT("singleton_method", "function"),
    UNNAMED("singleton_class", QL__CODE_CONTAINER, "class", "self"), LEAD("comment"), DESCEND("body_statement"), END,
};

static const ql__code_rule kotlin_rules[] = {
    NAMED("class_declaration", QL__CODE_BY_KEYWORD, QL__CODE_CONTAINER, "class"), CONTAINER("object_declaration", "object"),
    {"companion_object", QL__CODE_ELEMENT, QL__CODE_BY_FIELD, QL__CODE_CONTAINER, "object", "Companion"}, ELEMENT("function_declaration", "function"), UNNAMED("secondary_constructor", 0, "constructor", "constructor"),
    LEAD("line_comment"), LEAD("block_comment"), DESCEND("class_body"), DESCEND("enum_class_body"), END,
};

static const ql__code_rule swift_rules[] = {
    NAMED("class_declaration", QL__CODE_BY_KEYWORD, QL__CODE_CONTAINER, "class"), CONTAINER("protocol_declaration", "protocol"),
    ELEMENT("function_declaration", "function"), ELEMENT("protocol_function_declaration", "function"), ELEMENT("init_declaration", "constructor"),
    UNNAMED("deinit_declaration", 0, "destructor", "deinit"), UNNAMED("subscript_declaration", 0, "method", "subscript"), LEAD("comment"), LEAD("multiline_comment"),
    DESCEND("class_body"), DESCEND("enum_class_body"), DESCEND("protocol_body"), END,
};

static const ql__code_rule scala_rules[] = {
    CONTAINER("class_definition", "class"), CONTAINER("object_definition", "object"), CONTAINER("trait_definition", "trait"),
    CONTAINER("enum_definition", "enum"), CONTAINER("package_object", "object"), ELEMENT("function_definition", "function"),
    ELEMENT("function_declaration", "function"), {"given_definition", QL__CODE_ELEMENT, QL__CODE_BY_FIELD, QL__CODE_CONTAINER, "given", "given"}, UNNAMED("extension_definition", QL__CODE_CONTAINER, "extension", "extension"),
    LEAD("comment"), LEAD("block_comment"), DESCEND("package_clause"), DESCEND("template_body"), DESCEND("enum_body"), DESCEND("with_template_body"), END,
};

static const ql__code_rule bash_rules[] = {ELEMENT("function_definition", "function"), LEAD("comment"), END};

#define SQL(node, detail) NAMED(node, QL__CODE_BY_REFERENCE, 0, detail)
static const ql__code_rule sql_rules[] = {
    SQL("create_table", "table"), SQL("create_view", "view"), SQL("create_materialized_view", "view"), SQL("create_function", "function"),
    SQL("create_index", "index"), SQL("create_type", "type"), SQL("create_trigger", "trigger"), SQL("create_schema", "schema"),
    SQL("create_sequence", "sequence"), SQL("create_database", "database"), SQL("create_role", "role"), SQL("create_extension", "extension"),
    WRAP("statement"), LEAD("comment"), LEAD("marginalia"), END,
};

static const ql__code_language languages[] = {
    {"c", "qloader-grammar-c", "tree_sitter_c", "c h", "//", c_rules, NULL},
    {"cpp", "qloader-grammar-cpp", "tree_sitter_cpp", "cpp cc cxx c++ hpp hh hxx h++ ipp tpp inl", "//", cpp_rules, c_rules},
    {"python", "qloader-grammar-python", "tree_sitter_python", "py pyi pyw", "#", python_rules, NULL},
    {"javascript", "qloader-grammar-javascript", "tree_sitter_javascript", "js mjs cjs jsx", "//", javascript_only, javascript_rules},
    {"typescript", "qloader-grammar-typescript", "tree_sitter_typescript", "ts mts cts", "//", typescript_rules, javascript_rules},
    {"typescript", "qloader-grammar-tsx", "tree_sitter_tsx", "tsx", "//", typescript_rules, javascript_rules},
    {"go", "qloader-grammar-go", "tree_sitter_go", "go", "//", go_rules, NULL},
    {"rust", "qloader-grammar-rust", "tree_sitter_rust", "rs", "//", rust_rules, NULL},
    {"java", "qloader-grammar-java", "tree_sitter_java", "java", "//", java_rules, NULL},
    {"csharp", "qloader-grammar-c_sharp", "tree_sitter_c_sharp", "cs csx", "//", csharp_rules, NULL},
    {"php", "qloader-grammar-php", "tree_sitter_php", "php phtml", "//", php_rules, NULL},
    {"ruby", "qloader-grammar-ruby", "tree_sitter_ruby", "rb rake", "#", ruby_rules, NULL},
    {"kotlin", "qloader-grammar-kotlin", "tree_sitter_kotlin", "kt kts", "//", kotlin_rules, NULL},
    {"swift", "qloader-grammar-swift", "tree_sitter_swift", "swift", "//", swift_rules, NULL},
    {"scala", "qloader-grammar-scala", "tree_sitter_scala", "scala sc", "//", scala_rules, NULL},
    {"bash", "qloader-grammar-bash", "tree_sitter_bash", "sh bash", "#", bash_rules, NULL},
    {"sql", "qloader-grammar-sql", "tree_sitter_sql", "sql", "--", sql_rules, NULL},
};

#define LANGUAGE_COUNT (sizeof languages / sizeof *languages)
_Static_assert(LANGUAGE_COUNT <= LANGUAGES_MAX, "the table of loaded grammars is too short");

const ql__code_language *ql__code_languages(size_t *count)
{
    *count = LANGUAGE_COUNT;
    return languages;
}

static bool has_word(const char *list, ql_str word)
{
    for (const char *at = list; *at;) {
        size_t len = strcspn(at, " ");
        if (len == word.len && memcmp(at, word.ptr, len) == 0) return true;
        at += len;
        while (*at == ' ') at++;
    }
    return false;
}

const ql__code_language *ql__code_language_of(ql_str extension)
{
    if (extension.len == 0) return NULL;
    for (size_t i = 0; i < LANGUAGE_COUNT; i++) {
        if (has_word(languages[i].extensions, extension)) return &languages[i];
    }
    return NULL;
}

static TSSymbol symbol_of(const TSLanguage *grammar, const char *node)
{
    return ts_language_symbol_for_name(grammar, node, (uint32_t)strlen(node), true);
}

const char *ql__code_unknown_node(const ql__code_language *language, const TSLanguage *grammar)
{
    const ql__code_rule *const parts[] = {language->rules, language->more};
    for (size_t p = 0; p < 2; p++) {
        for (const ql__code_rule *rule = parts[p]; rule && rule->node; rule++) {
            if (symbol_of(grammar, rule->node) == 0) return rule->node;
        }
    }
    return NULL;
}

typedef const TSLanguage *(*grammar_fn)(void);

/* Guarded by `lock` while loading; constant once `ready` is set. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct loaded {
    const TSLanguage *language; /* `room`, when the grammar has a scanner */
    ql__code_original original;
    ql__code_guarded room;
    const ql__code_rule *rule_of[SYMBOLS_MAX];
    bool ready;
} loaded[LANGUAGES_MAX];

static void fill_rules(struct loaded *self, const ql__code_rule *rules)
{
    for (; rules && rules->node; rules++) {
        TSSymbol symbol = symbol_of(self->language, rules->node);
        if (symbol != 0 && symbol < SYMBOLS_MAX && !self->rule_of[symbol]) self->rule_of[symbol] = rules;
    }
}

static ql_status load(const ql__code_language *language, struct loaded *self, ql_error *err)
{
    const char *const names[] = {language->symbol, QL__GRAMMAR_MEMORY_USE};
    void *symbols[2] = {NULL};
    QL_TRY(ql__dynlib_load(language->module, names, 2, symbols, err));
    grammar_fn make;
    memcpy(&make, &symbols[0], sizeof make); /* POSIX: a function's address fits an object pointer */
    memcpy(&self->original.use_memory, &symbols[1], sizeof self->original.use_memory);
    const TSLanguage *grammar = make();
    uint32_t version = grammar ? ts_language_abi_version(grammar) : 0;
    if (version < TREE_SITTER_MIN_COMPATIBLE_LANGUAGE_VERSION || version > TREE_SITTER_LANGUAGE_VERSION)
        return ql__fail(err, QL_E_UNSUPPORTED, "%s has version %u of the grammar interface, this build reads %d to %d", language->module, version,
                        TREE_SITTER_MIN_COMPATIBLE_LANGUAGE_VERSION, TREE_SITTER_LANGUAGE_VERSION);
    self->original.grammar = grammar;
    self->language = ql__code_guard(grammar, &self->room);
    fill_rules(self, language->rules);
    fill_rules(self, language->more);
    self->ready = true;
    return QL_OK;
}

ql_status ql__code_grammar_load(const ql__code_language *language, ql__code_grammar *out, ql_error *err)
{
    struct loaded *self = &loaded[language - languages];
    pthread_mutex_lock(&lock);
    ql_status status = self->ready ? QL_OK : load(language, self, err);
    pthread_mutex_unlock(&lock);
    QL_TRY(status);
    uint32_t count = ts_language_symbol_count(self->language);
    *out = (ql__code_grammar){self->language, &self->original, self->rule_of, count < SYMBOLS_MAX ? count : SYMBOLS_MAX};
    return QL_OK;
}

static bool is_missing(const ql__code_language *language)
{
    ql__code_grammar grammar;
    ql_error ignored = {0};
    return ql_status_kind(ql__code_grammar_load(language, &grammar, &ignored)) == QL_E_UNSUPPORTED;
}

const char *ql__convert_missing_grammar(ql_str extension)
{
    const ql__code_language *language = ql__code_language_of(extension);
    return language != NULL && is_missing(language) ? language->name : NULL;
}

bool ql__convert_is_missing(ql_str name)
{
    size_t count;
    const ql__code_language *all = ql__code_languages(&count);
    for (size_t i = 0; i < count; i++)
        if (ql_str_equal(name, ql_str_of(all[i].name))) return is_missing(&all[i]);
    return false;
}

const char *ql__grammar_name(size_t index)
{
    return index < LANGUAGE_COUNT ? languages[index].module + sizeof "qloader-grammar-" - 1 : NULL;
}

ql_status ql__grammar_check(size_t index, ql_error *err)
{
    ql__code_grammar grammar;
    return ql__code_grammar_load(&languages[index], &grammar, err);
}
