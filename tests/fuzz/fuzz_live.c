/*
 * What another process shows of itself and answers: a page and rows of tasks, any bytes. The first byte says which, the rest are the bytes; a page is cut or
 * filled up to its size, and its head put right where the first byte says so. Read as JSON that can be read again, or refused. No other file is opened.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/live_answer.h"
#include "capture/live_read.h"
#include "dep/json.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) abort();
}

static void expect_json(const ql_buf *out)
{
    ql_error err = {0};
    ql__json *json = NULL;
    expect(ql__json_parse(ql_buf_str(out), &json, &err) == QL_OK);
    ql__json_free(json);
}

static void read_page(ql_str bytes, bool mend)
{
    static ql__live_page page;
    ql_buf out = QL_BUF_INIT;
    ql_error err = {0};
    const ql__live_reading reading = {.now_ns = 1000, .state = 'R', .symbols = false};
    memset(&page, 0, sizeof page);
    memcpy(&page, bytes.ptr, bytes.len < sizeof page ? bytes.len : sizeof page);
    if (mend) {
        memcpy(page.magic, QL__LIVE_MAGIC, sizeof page.magic);
        page.version = QL__LIVE_VERSION;
        page.size = sizeof page;
        page.mode %= QL__LIVE_ELSEWHERE + 1;
        page.module_count %= QL__LIVE_MODULES + 1;
        page.function_count %= QL__LIVE_FUNCTIONS + 1;
        page.stage_count %= QL__LIVE_STAGES + 1;
        page.counter_count %= QL__LIVE_COUNTERS + 1;
        page.thread_count %= QL__LIVE_THREADS + 1;
    }
    size_t shown = mend || bytes.len >= sizeof page ? sizeof page : bytes.len;
    ql_status status = ql__live_page_json(NULL, (ql_str){(const char *)&page, shown}, &reading, &out, &err);
    if (status == QL_OK) expect_json(&out);
    else expect(!mend && err.message[0] != '\0');
    ql_buf_dispose(&out);
}

static void read_tasks(ql_str bytes)
{
    ql_buf out = QL_BUF_INIT;
    ql_error err = {0};
    if (ql__live_tasks_json(bytes, 1000, &out, &err) == QL_OK) expect_json(&out);
    else expect(bytes.len % sizeof(ql__live_task) != 0 && err.message[0] != '\0');
    ql_buf_dispose(&out);
}

/* One message of the socket. */
static void read_answer(ql_str bytes)
{
    ql_error err = {0};
    ql_str data = {NULL, 0};
    ql_status status = ql__live_answer_read(bytes, &data, &err);
    expect(status >= 0 || (err.message[0] != '\0' && strnlen(err.message, sizeof err.message) < sizeof err.message));
    expect(data.len == 0 || (status == QL_OK && data.ptr == bytes.ptr + 1 && data.len == bytes.len - 1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) return 0;
    ql_str bytes = {(const char *)data + 1, size - 1};
    switch (data[0] % 4) {
    case 0: read_page(bytes, false); break;
    case 1: read_page(bytes, true); break;
    case 2: read_tasks(bytes); break;
    default: read_answer(bytes); break;
    }
    return 0;
}
