/*
 * Ingests the pages of a small web server.
 * Usage: page_source FOLDER URL (capture.qprof and the index go to FOLDER; the pages are URL/page/0 and so on)
 */
#include "workbench.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

enum { PAGES = 400 };

static size_t keep(char *bytes, size_t size, size_t count, void *user)
{
    return ql_buf_append(user, (ql_str){bytes, size * count}) < 0 ? 0 : size * count;
}

static CURLcode download(const char *url, ql_buf *body, long *status)
{
    QL_PROF_SPAN(span, "GET", "http");
    ql_span_text(&span, "url", ql_str_of(url));
    CURLcode code = CURLE_OUT_OF_MEMORY;
    CURL *curl = curl_easy_init();
    if (curl != NULL) {
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, 30L);
        curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, body);
        code = curl_easy_perform(curl);
        curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, status);
        curl_easy_cleanup(curl);
    }
    ql_span_int(&span, "status", *status);
    ql_span_end(&span);
    return code;
}

static ql_status list_pages(void *self, const ql_source_sink *sink, ql_error *err)
{
    (void)self, (void)err;
    return workbench_list(sink, "page", PAGES);
}

static ql_status fetch_page(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    char url[1024];
    long status = 0;
    ql_buf *body = calloc(1, sizeof *body);
    if (body == NULL) return QL_E_NOMEM;
    *body = (ql_buf)QL_BUF_INIT;
    snprintf(url, sizeof url, "%s/page/%d", (const char *)self, atoi(item->url.ptr + 5));
    CURLcode code = download(url, body, &status);
    *token = body;
    *out = workbench_document(item, ql_buf_cstr(body));
    if (code == CURLE_OK && status == 200) return QL_OK;
    snprintf(err->message, sizeof err->message, "%.200s: %s, status %ld", url, curl_easy_strerror(code), status);
    ql_buf_dispose(body);
    free(body);
    return QL_E_NET;
}

static void release_page(void *self, void *token)
{
    (void)self;
    ql_buf_dispose(token);
    free(token);
}

static ql_status ingest_pages(const char *folder, void *user, ql_error *err)
{
    static const ql_source_ops pages = {.struct_size = sizeof pages, .type = "pages", .list_fn = list_pages, .fetch_fn = fetch_page, .release_fn = release_page};
    return workbench_ingest(folder, 0, NULL, NULL, &pages, user, err);
}

int main(int argc, char **argv)
{
    if (argc < 3 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 1;
    int code = workbench_capture(argv[1], NULL, ingest_pages, argv[2]);
    curl_global_cleanup();
    return code;
}
