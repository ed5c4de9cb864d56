/*
 * qloader/base.h - status values, error detail, text views and growable buffers.
 *
 * Everything in libqloader speaks with the types of this header. A fallible function returns a
 * ql_status: QL_OK (0) or a negative value; loops that end normally answer QL_DONE (1). The value is
 * -(kind | detail << 8): switch on ql_status_kind(status), refine with the full value if you care.
 * Detail for people goes to an optional ql_error, a plain value that the caller owns; it is written only
 * on failure and never goes stale behind your back. Outputs are written only on success.
 *
 * Text comes in as ql_str, a view that needs no terminating NUL, and goes out as ql_buf, which always
 * has one. A ql_buf grows up to the cap it was given; a failed append empties it and stays failed, so a
 * sequence of appends needs one check at the end.
 *
 *     #include <qloader/base.h>
 *     #include <stdio.h>
 *     int main(void) {
 *         ql_buf buf = QL_BUF_INIT;
 *         ql_buf_append(&buf, QL_STR("libqloader "));
 *         ql_buf_append(&buf, QL_STR(QLOADER_VERSION));
 *         if (buf.status < 0) { fprintf(stderr, "%s\n", ql_status_name(buf.status)); return 1; }
 *         puts(ql_buf_cstr(&buf));
 *         ql_buf_dispose(&buf);
 *         return 0;
 *     }
 */
#ifndef QLOADER_BASE_H
#define QLOADER_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <qloader/version.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__) && defined(QLOADER_SHARED_BUILD)
#define QL_API __attribute__((visibility("default")))
#else
#define QL_API
#endif
#define QL_MUST_USE __attribute__((warn_unused_result))
#define QL_PRINTF(fmt_index, args_index) __attribute__((format(printf, fmt_index, args_index)))

/** Status of a call: QL_OK, QL_DONE, or -(kind | detail << 8). */
typedef int32_t ql_status;

#define QL_OK 0
#define QL_DONE 1

/* kind, number, sentence. Never renumbered. */
#define QL_STATUS_KINDS(X) \
    X(INVALID, 1, "invalid argument") \
    X(NOMEM, 2, "out of memory") \
    X(IO, 3, "input/output error") \
    X(NOTFOUND, 4, "not found") \
    X(EXISTS, 5, "already exists") \
    X(CORRUPT, 6, "damaged data") \
    X(CONFIG, 7, "invalid configuration") \
    X(UNSUPPORTED, 8, "not in this build") \
    X(BUSY, 9, "in use by another process or thread") \
    X(CANCELLED, 10, "cancelled") \
    X(CALLBACK, 11, "stopped by a callback") \
    X(LIMIT, 12, "limit exceeded") \
    X(NET, 13, "network error") \
    X(AUTH, 14, "authentication failed") \
    X(FORMAT, 15, "malformed input") \
    X(MISMATCH, 16, "does not match what is stored") \
    X(NOSPACE, 17, "no space left") \
    X(TIMEOUT, 18, "timed out") \
    X(PARTIAL, 19, "finished with failures") \
    X(INTERNAL, 20, "internal error")

enum {
#define QL_STATUS_ENUM(name, number, text) QL_E_##name = -(number),
    QL_STATUS_KINDS(QL_STATUS_ENUM)
#undef QL_STATUS_ENUM
};

/** The kind of `status` (a QL_E_ value, QL_OK or QL_DONE), without its detail. */
static inline ql_status ql_status_kind(ql_status status)
{
    return status < 0 ? -(((-(status + 1) & 0xff) + 1) & 0xff) : status; /* the low byte of -status, which need not fit */
}

/** A short English sentence for the kind of `status`; static storage, never NULL. */
QL_API const char *ql_status_name(ql_status status);

/** What failed, for people and for retry logic. A plain value of frozen size; zero it before use or let the call fill it. */
typedef struct ql_error {
    ql_status status;        /**< the status the call returned */
    int32_t os_code;         /**< errno, or 0 */
    int32_t http_code;       /**< HTTP status, or 0 */
    int32_t callback_value;  /**< what the callback returned, with QL_E_CALLBACK */
    uint32_t retry_after_ms; /**< the peer asked to wait this long, or 0 */
    uint32_t reserved[3];
    char message[480];       /**< one lower-case line, NUL-terminated, no secrets */
} ql_error;

/** A borrowed view of bytes, UTF-8 unless said otherwise; `ptr` may be NULL when `len` is 0. */
typedef struct ql_str {
    const char *ptr;
    size_t len;
} ql_str;

#ifdef __cplusplus
#define QL_STR(literal) (ql_str{(literal), sizeof(literal) - 1})
#else
#define QL_STR(literal) ((ql_str){(literal), sizeof(literal) - 1})
#endif

/** View of a NUL-terminated text; NULL gives the empty view. */
QL_API ql_str ql_str_of(const char *text);
/** True when both views hold the same bytes. */
QL_API bool ql_str_equal(ql_str a, ql_str b);
/** Byte order: negative, 0 or positive, like memcmp with the shorter first. */
QL_API int ql_str_compare(ql_str a, ql_str b);

/** Growable bytes. `limit` 0 means QL_BUF_LIMIT_DEFAULT (1 GiB). Start from QL_BUF_INIT or ql_buf_init(). */
typedef struct ql_buf {
    char *ptr;
    size_t len;
    size_t capacity;
    size_t limit_bytes;
    ql_status status; /**< QL_OK, or why an append failed; sticky */
    uint32_t reserved;
} ql_buf;

#ifdef __cplusplus
#define QL_BUF_INIT (ql_buf{NULL, 0, 0, 0, QL_OK, 0})
#else
#define QL_BUF_INIT ((ql_buf){NULL, 0, 0, 0, QL_OK, 0})
#endif

/** Makes an empty buffer that never grows beyond `limit_bytes` (0: 1 GiB). */
QL_API void ql_buf_init(ql_buf *self, size_t limit_bytes);
/** Frees what the buffer holds and leaves it empty and usable. */
QL_API void ql_buf_dispose(ql_buf *self);
/** Empties the buffer, keeps its memory, clears the sticky status. */
QL_API void ql_buf_clear(ql_buf *self);
/** Appends bytes. On failure (QL_E_NOMEM, QL_E_LIMIT; QL_E_INVALID: bytes that have no ptr) the buffer is emptied and every later append fails too. */
QL_API ql_status ql_buf_append(ql_buf *self, ql_str bytes);
QL_API ql_status ql_buf_append_char(ql_buf *self, char byte);
/** Appends formatted text; number text does not depend on the locale for integers and strings (do not use %f). */
QL_API ql_status ql_buf_printf(ql_buf *self, const char *format, ...) QL_PRINTF(2, 3);
/** Makes room for `extra` more bytes, so that the next appends up to that size cannot fail. */
QL_API ql_status ql_buf_reserve(ql_buf *self, size_t extra);
/** The content as a NUL-terminated text, never NULL; borrowed until the next change. */
QL_API const char *ql_buf_cstr(const ql_buf *self);
/** The content as a view; borrowed until the next change. */
QL_API ql_str ql_buf_str(const ql_buf *self);

/** The allocator behind the whole library. All three are required and must be thread-safe. */
typedef struct ql_allocator {
    uint32_t struct_size;
    uint32_t reserved;
    void *(*realloc_fn)(void *user, void *ptr, size_t size); /**< ptr NULL allocates; size is never 0; alignment as malloc */
    void (*free_fn)(void *user, void *ptr);                  /**< ptr is never NULL */
    void *user;
} ql_allocator;

/**
 * Replaces malloc for this process's libqloader.
 * Call once before any other function of the library; a later call answers QL_E_BUSY once memory was handed out.
 */
QL_API QL_MUST_USE ql_status ql_allocator_set(const ql_allocator *allocator);

/** The version of the library that runs, MAJOR * 1000000 + MINOR * 1000 + PATCH; compare with QLOADER_VERSION_NUMBER. */
QL_API uint32_t ql_version_number(void);
/** The same as text, "0.1.0". */
QL_API const char *ql_version(void);

#ifdef __cplusplus
}
#endif

#endif
