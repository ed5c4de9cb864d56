/* Filling ql_error and passing failures on. */
#ifndef QL_STATUS_H
#define QL_STATUS_H

#include <qloader/base.h>

/* Writes status and message into err (NULL is fine) and returns status, so that a failure is one statement. */
ql_status ql__fail(ql_error *err, ql_status status, const char *format, ...) QL_PRINTF(3, 4);
/* The same with an errno: ENOSPC/EDQUOT become QL_E_NOSPACE, ENOENT QL_E_NOTFOUND, EEXIST QL_E_EXISTS,
   ENOMEM QL_E_NOMEM, others QL_E_IO; appends ": " and the text of the errno, untranslated. */
ql_status ql__fail_errno(ql_error *err, int os_code, const char *format, ...) QL_PRINTF(3, 4);
/* QL_E_NOMEM without allocating. */
ql_status ql__fail_nomem(ql_error *err);
/* The status itself; err says it where the failing step answered with a status alone. */
ql_status ql__fail_status(ql_error *err, ql_status status);
/*
 * What a callback of the application answered, with `detail` the error that was its own until now: QL_OK for any success, or its failure with a
 * message, copied into err. So a callback always has an error to write, and never writes the caller's.
 */
ql_status ql__callback_status(ql_status answer, ql_error *detail, ql_error *err);
/* Puts "context: " before the message already in err; keeps the status. */
void ql__error_prefix(ql_error *err, const char *format, ...) QL_PRINTF(2, 3);

#define QL_TRY(expression) \
    do { \
        ql_status status_ = (expression); \
        if (status_ < 0) return status_; \
    } while (0)

#endif
