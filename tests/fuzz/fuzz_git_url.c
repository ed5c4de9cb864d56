/*
 * Foreign addresses of repositories. Holds: a parsed address never shows its password, a document's address begins with the base, and
 * two different paths never get the same address.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "source/git_url.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void documents(const ql__git_url *url, ql_str one, ql_str two)
{
    ql_buf first = QL_BUF_INIT, second = QL_BUF_INIT;
    if (ql__git_document_url(url, QL_STR("main"), one, &first) != QL_OK || ql__git_document_url(url, QL_STR("main"), two, &second) != QL_OK) abort();
    if (first.len < url->base.len || memcmp(ql_buf_cstr(&first), ql_buf_cstr(&url->base), url->base.len) != 0) abort();
    bool comparable = one.len > 0 && two.len > 0 && one.ptr[0] != '/' && two.ptr[0] != '/'; /* git's paths never begin with one */
    if (comparable && !ql_str_equal(one, two) && ql_str_equal(ql_buf_str(&first), ql_buf_str(&second))) abort();
    ql_buf_dispose(&first);
    ql_buf_dispose(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ql__git_url url;
    ql_str text = {(const char *)data, size};
    if (ql__git_url_parse(text, &url, NULL) == QL_OK) {
        if (url.password.len > 3 && url.reach == QL__GIT_HTTP && url.host.len > 0) {
            ql_str secret = ql_buf_str(&url.password), authority = {url.base.ptr, url.base.len};
            const char *end = memchr(authority.ptr + 8, '/', authority.len > 8 ? authority.len - 8 : 0);
            if (end != NULL) authority.len = (size_t)(end - authority.ptr);
            if (memchr(authority.ptr, '@', authority.len) != NULL && memmem(authority.ptr, authority.len, secret.ptr, secret.len) != NULL) abort();
        }
        documents(&url, (ql_str){text.ptr, size / 2}, (ql_str){text.ptr + size / 2, size - size / 2});
    }
    ql__git_url_dispose(&url);
    return 0;
}
