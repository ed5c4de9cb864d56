/* From status to exit code. */
#include "exit_code.h"

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
