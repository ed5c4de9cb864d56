/* From status to exit code, and the one place where a failure is told. */
#include "exit_code.h"

#include <jansson.h>
#include <stdio.h>

#include "command.h"
#include "log_file.h"

int cli_exit_of(ql_status status)
{
    switch (ql_status_kind(status)) {
    case QL_OK:
    case QL_DONE: return EXIT_OK;
    case QL_E_INVALID: return EXIT_USAGE;
    case QL_E_CONFIG: return EXIT_CONFIG;
    case QL_E_NOTFOUND: return EXIT_NOTFOUND;
    case QL_E_PARTIAL: return EXIT_PARTIAL;
    case QL_E_BUSY: return EXIT_BUSY;
    case QL_E_IO:
    case QL_E_NOSPACE: return EXIT_STORAGE;
    case QL_E_CORRUPT: return EXIT_CORRUPT;
    case QL_E_UNSUPPORTED: return EXIT_UNSUPPORTED;
    case QL_E_MISMATCH: return EXIT_MISMATCH;
    case QL_E_CANCELLED: return EXIT_INTERRUPTED;
    default: return EXIT_FAILED;
    }
}

int cli_fail(const cli *self, ql_status status, const ql_error *err)
{
    const char *message = err != NULL && err->message[0] != '\0' ? err->message : ql_status_name(status);
    int code = cli_exit_of(status);
    log_file_write(self->log, "error", self->command->name, message);
    fprintf(stderr, "%serror:%s %s\n", self->color_err ? "\033[1;31m" : "", self->color_err ? "\033[0m" : "", message);
    if (cli_has(self, OPT_JSON)) {
        json_t *object = json_pack("{s:{s:s, s:s, s:i}}", "error", "kind", ql_status_name(status), "message", message, "exit_code", code);
        if (object != NULL) json_dumpf(object, stdout, JSON_INDENT(2));
        printf("\n");
        json_decref(object);
    }
    return code;
}
