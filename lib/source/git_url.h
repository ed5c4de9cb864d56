/* What a git source's base_url says: how to reach the repository, and how its documents are called. */
#ifndef QL_GIT_URL_H
#define QL_GIT_URL_H

#include <qloader/base.h>

typedef enum ql__git_reach {
    QL__GIT_LOCAL, /* a folder of this machine, read in place */
    QL__GIT_HTTP,  /* http or https */
    QL__GIT_SSH,
    QL__GIT_PLAIN, /* git:// */
} ql__git_reach;

typedef struct ql__git_url {
    ql__git_reach reach;
    bool encrypted;     /* https or ssh */
    ql_buf path;        /* LOCAL: the folder */
    ql_buf remote;      /* else: what libgit2 connects to, without user name and password when HTTP */
    ql_buf host;        /* lower case, with ":port" if there is one */
    ql_buf user, password; /* from the address, decoded; may be empty */
    ql_buf base;        /* beginning of every document's address: no ".git" at the end, no password */
    ql_str name, owner; /* last two parts of the path (those around "_git" at Azure DevOps); views into base */
} ql__git_url;

/* Accepts scheme://..., user@host:path and plain folders. QL_E_CONFIG says what is wrong. Dispose also after a failure. */
ql_status ql__git_url_parse(ql_str text, ql__git_url *out, ql_error *err);
void ql__git_url_dispose(ql__git_url *self);

/*
 * The user name that goes with an access token at this host, for the n-th try (0, 1): hosts differ in what they accept; NULL after the
 * last. *token_is_user: the token itself is the user name, as in the reference.
 */
const char *ql__git_token_user(ql_str host, uint32_t attempt, bool *token_is_user);

/*
 * The document's address: base/blob/branch/path. A path that is not plain text has its bytes percent-encoded and a second '/' before it,
 * which no plain path can have, so different files never share an address.
 */
ql_status ql__git_document_url(const ql__git_url *self, ql_str branch, ql_str path, ql_buf *out);

#endif
