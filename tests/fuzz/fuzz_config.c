/*
 * A configuration from a stranger: YAML, substitution, the schema, both outputs. The YAML output of what loads must load again. The files are
 * fed through a table of file calls, so nothing touches the disk.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz_files.h"
#include "model/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *few_variables(void *user, const char *name)
{
    (void)user;
    return strcmp(name, "HOME") == 0 ? "/home/me" : strcmp(name, "X") == 0 ? "${X}1" : NULL;
}

static ql__config_set *load(ql_str text, bool lenient, ql_buf *problems)
{
    fuzz_files files;
    fuzz_files_init(&files);
    fuzz_files_add(&files, "config.yaml", text);
    ql__config_options options = {.config_path = "config.yaml", .lenient = lenient, .sys = &files.sys, .getenv_fn = few_variables};
    ql__config_set *set = NULL;
    ql_error err = {0};
    ql_status status = ql__config_load(&options, &set, problems, &err);
    if ((status == QL_OK) != (set != NULL) || (status == QL_E_CONFIG) != (problems->len != 0)) abort();
    return set;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ql_buf problems = QL_BUF_INIT, yaml = QL_BUF_INIT, json = QL_BUF_INIT;
    ql__config_set *set = load((ql_str){(const char *)data, size}, size % 2 == 0, &problems);
    if (set != NULL) {
        if (ql__config_write_json(set, &json, NULL) != QL_OK || ql__config_write_yaml(set, &yaml, NULL) != QL_OK) abort();
        ql__config_free(set);
        ql_buf_clear(&problems);
        ql__config_set *again = load(ql_buf_str(&yaml), true, &problems);
        if (again == NULL && memmem(data, size, "://", 3) == NULL && memmem(data, size, "${", 2) == NULL) abort(); /* masks and inserted text may make URLs unreadable */
        ql__config_free(again);
    }
    ql_buf_dispose(&problems);
    ql_buf_dispose(&yaml);
    ql_buf_dispose(&json);
    return 0;
}
