/*
 * Copies the pages of a web server that is busy. Planted: a page that is refused is asked for again at once, whatever the server says of when to come back.
 * Usage: mirror FOLDER URL (pages are URL/0 and so on)
 */
#include "planted.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdio.h>
#include <time.h>

enum { PAGES = 20, TRIES = 10, PAUSE_MS = 20 };

static size_t drop_bytes(char *bytes, size_t size, size_t count, void *user)
{
    (void)bytes, (void)user;
    return size * count;
}

static long request_page(CURL *curl, const char *url)
{
    long code = 0;
    QL_PROF_SPAN(span, "GET", "http");
    ql_span_text(&span, "host", QL_STR("127.0.0.1"));
    ql_span_text(&span, "url", ql_str_of(url));
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, drop_bytes);
    if (curl_easy_perform(curl) == CURLE_OK) curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &code);
    ql_span_int(&span, "status", code);
    ql_span_end(&span);
    return code;
}

static bool copy_page(CURL *curl, const char *base, int number)
{
    char url[1024];
    long code = 503;
    QL_PROF_SPAN(page, "page", "mirror"); /* planted */
    snprintf(url, sizeof url, "%s/%d", base, number);
    for (int tries = 0; tries < TRIES && code == 503; tries++) {
        struct timespec rest = {0, PAUSE_MS * 1000000L};
        while (tries > 0 && nanosleep(&rest, &rest) != 0 && errno == EINTR) {
        }
        code = request_page(curl, url);
    }
    ql_span_end(&page);
    return code == 200;
}

static ql_status copy_all(const char *folder, void *user, ql_error *err)
{
    CURL *curl = curl_easy_init();
    bool good = curl != NULL;
    (void)folder;
    for (int i = 0; good && i < PAGES; i++) good = copy_page(curl, user, i);
    curl_easy_cleanup(curl);
    if (!good) snprintf(err->message, sizeof err->message, "a page is missing");
    return good ? QL_OK : QL_E_NET;
}

int main(int argc, char **argv)
{
    if (argc < 3 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 1;
    int code = planted_run(argv[1], 0, copy_all, argv[2]);
    curl_global_cleanup();
    return code;
}
