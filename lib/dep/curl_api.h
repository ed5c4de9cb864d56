/*
 * libcurl's functions, opened on first use and started once for the process.
 */
#ifndef QL_CURL_API_H
#define QL_CURL_API_H

#include <curl/curl.h>

#include <qloader/base.h>

#define QL__CURL_FUNCTIONS(X) \
    X(curl_global_init) X(curl_easy_init) X(curl_easy_cleanup) X(curl_easy_reset) X(curl_easy_perform) X(curl_easy_strerror) X(curl_slist_append) X(curl_slist_free_all) \
    X(curl_multi_init) X(curl_multi_cleanup) X(curl_multi_add_handle) X(curl_multi_remove_handle) X(curl_multi_perform) X(curl_multi_poll) X(curl_multi_info_read)

/* The variadic ones are macros in curl's header, so their types are spelt out. */
typedef struct ql__curl_functions {
#define QL__CURL_MEMBER(name) __typeof__(&name) name;
    QL__CURL_FUNCTIONS(QL__CURL_MEMBER)
#undef QL__CURL_MEMBER
    CURLcode (*set)(CURL *handle, CURLoption option, ...);
    CURLcode (*get)(CURL *handle, CURLINFO info, ...);
    CURLMcode (*multi_set)(CURLM *multi, CURLMoption option, ...);
} ql__curl_functions;

/* What ql__curl_open filled in; before its QL_OK not to be called. */
extern ql__curl_functions ql__curl;
/* QL_E_UNSUPPORTED says what is missing. Any thread; work is done the first time only. */
ql_status ql__curl_open(ql_error *err);

#endif
