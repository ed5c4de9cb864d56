/* See curl_api.h. Process-wide: the functions, and libcurl's own start, which can happen once only. */
#include "dep/curl_api.h"

#include <pthread.h>
#include <string.h>

#include "base/status.h"
#include "dep/dynlib.h"

#define CURL_SONAME "libcurl.so.4"

ql__curl_functions ql__curl;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static ql_status opened;
static ql_error why;

static void load(void)
{
#define CURL_NAME(name) #name,
    static const char *const names[] = {QL__CURL_FUNCTIONS(CURL_NAME) "curl_easy_setopt", "curl_easy_getinfo", "curl_multi_setopt"};
#undef CURL_NAME
    void *found[sizeof names / sizeof *names];
    _Static_assert(sizeof(ql__curl_functions) == sizeof found, "one pointer per name");
    opened = ql__dynlib_load(CURL_SONAME, names, sizeof names / sizeof *names, found, &why);
    if (opened < 0) return;
    memcpy(&ql__curl, found, sizeof found);
    if (ql__curl.curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) opened = ql__fail(&why, QL_E_INTERNAL, "libcurl does not start");
}

ql_status ql__curl_open(ql_error *err)
{
    (void)pthread_once(&once, load);
    if (opened < 0 && err != NULL) *err = why;
    return opened;
}
