/*
 * A night's work of a small team: stores readings, ingests the tickets of a tracker, downloads pages, and lets four threads count their words.
 * Usage: nightly_import FOLDER URL (night.db, capture.qprof and the index go to FOLDER; the pages are URL/page/0 and so on)
 */
#include "night.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>

static size_t keep(char *bytes, size_t size, size_t count, void *user)
{
    return ql_buf_append(user, (ql_str){bytes, size * count}) < 0 ? 0 : size * count;
}

static CURLcode download_pages(night *self)
{
    CURLcode code = CURLE_OUT_OF_MEMORY;
    CURL *curl = curl_easy_init();
    if (curl == NULL || curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep) != CURLE_OK) return code;
    code = CURLE_OK;
    for (int i = 0; code == CURLE_OK && i < PAGES; i++) {
        char url[1024];
        QL_PROF_SPAN(span, "GET", "http");
        snprintf(url, sizeof url, "%s/page/%d", self->url, i);
        ql_span_text(&span, "url", ql_str_of(url));
        curl_easy_setopt(curl, CURLOPT_URL, url);
        curl_easy_setopt(curl, CURLOPT_WRITEDATA, &self->pages[i]);
        code = curl_easy_perform(curl);
        ql_span_end(&span);
    }
    curl_easy_cleanup(curl);
    return code;
}

static void *count_pages(void *user)
{
    night *self = user;
    for (int page = 0; page < PAGES;) {
        float counts[WIDTH] = {0};
        pthread_mutex_lock(&self->lock);
        page = self->next++;
        pthread_mutex_unlock(&self->lock);
        for (int turn = 0; page < PAGES && turn < 20; turn++)
            workbench_count_words((ql_str){ql_buf_cstr(&self->pages[page]), self->pages[page].len}, counts, WIDTH);
        pthread_mutex_lock(&self->lock);
        for (int i = 0; i < WIDTH; i++) self->total[i] += counts[i];
        pthread_mutex_unlock(&self->lock);
    }
    return NULL;
}

static ql_status list_tickets(void *self, const ql_source_sink *sink, ql_error *err)
{
    (void)self, (void)err;
    return workbench_list(sink, "ticket", TICKETS);
}

static ql_status fetch_ticket(void *self, const ql_item *item, ql_document *out, void **token, ql_error *err)
{
    const char *text = ((night *)self)->tickets[atoi(item->url.ptr + 7)];
    (void)token, (void)err;
    if (text == NULL) return QL_E_NOTFOUND;
    *out = workbench_document(item, text);
    return QL_OK;
}

static void release_ticket(void *self, void *token)
{
    (void)self, (void)token;
}

static ql_status work(const char *folder, void *user, ql_error *err)
{
    static const ql_source_ops source = {.struct_size = sizeof source, .type = "tickets", .list_fn = list_tickets, .fetch_fn = fetch_ticket, .release_fn = release_ticket};
    char path[4096];
    night *self = user;
    sqlite3 *db = NULL;
    pthread_t threads[COUNTERS];
    int started = 0;
    snprintf(path, sizeof path, "%s/night.db", folder);
    int code = sqlite3_open(path, &db);
    if (code == SQLITE_OK) code = night_store_readings(db);
    if (code == SQLITE_OK) code = night_read_tickets(db, self);
    sqlite3_close(db);
    if (code != SQLITE_OK || download_pages(self) != CURLE_OK) return QL_E_IO;
    while (started < COUNTERS && pthread_create(&threads[started], NULL, count_pages, self) == 0) started++;
    for (int i = 0; i < started; i++) pthread_join(threads[i], NULL);
    return workbench_ingest(folder, 0, NULL, NULL, &source, self, err);
}

int main(int argc, char **argv)
{
    static night self = {.lock = PTHREAD_MUTEX_INITIALIZER};
    if (argc < 3 || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) return 1;
    self.url = argv[2];
    int code = workbench_capture(argv[1], NULL, work, &self);
    for (int i = 0; i < TICKETS; i++) free(self.tickets[i]);
    for (int i = 0; i < PAGES; i++) ql_buf_dispose(&self.pages[i]);
    curl_global_cleanup();
    return code;
}
