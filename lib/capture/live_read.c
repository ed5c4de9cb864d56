/*
 * See live_read.h. Names come from the symbol tables of the files that the page names, where those are still the same build; lines would need their debug
 * information, which takes longer to read than the page is fresh. Cost: the symbol tables of the modules that have a row.
 */
#include "capture/live_read.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "capture/elf_image.h"
#include "dep/json.h"
#include "prof/qprof.h"

#define TRIES 200
#define TRY_MS 5

ql_status ql__live_page_read(const ql__sys *sys, const char *path, ql__live_page *page, ql_error *err)
{
    int fd;
    uint64_t again = 0;
    ql_status status;
    uint64_t size = 0;
    QL_TRY(ql__file_open(sys, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0, &fd, err));
    status = ql__file_size(sys, fd, &size, err);
    if (status >= 0 && size < sizeof *page) status = ql__fail(err, QL_E_CORRUPT, "'%s' is shorter than a page of a live view", path);
    if (status < 0) {
        ql__file_close(sys, fd);
        return status;
    }
    for (int i = 0; i < TRIES; i++) {
        status = ql__file_read_at(sys, fd, page, sizeof *page, 0, err);
        if (status >= 0) status = ql__file_read_at(sys, fd, &again, sizeof again, offsetof(ql__live_page, sequence), err);
        if (status < 0 || page->version != QL__LIVE_VERSION || (page->sequence == again && again % 2 == 0)) break;
        (void)ql__sleep_ms(sys, TRY_MS, NULL, NULL);
        status = ql__fail(err, QL_E_TIMEOUT, "'%s' is never whole: its process ended, or was stopped, in the middle of writing it", path);
    }
    ql__file_close(sys, fd);
    return status;
}

static ql_status check_page(const ql__live_page *page, size_t size, ql_error *err)
{
    if (size < offsetof(ql__live_page, sequence) || memcmp(page->magic, QL__LIVE_MAGIC, sizeof page->magic) != 0) return ql__fail(err, QL_E_CORRUPT, "it is no page of a live view");
    if (page->version != QL__LIVE_VERSION)
        return ql__fail(err, QL_E_UNSUPPORTED, "the process shows a page of version %u, this library reads %d: take the qloader that belongs to it", page->version, QL__LIVE_VERSION);
    bool fits = size == sizeof *page && page->size == sizeof *page && page->module_count <= QL__LIVE_MODULES && page->function_count <= QL__LIVE_FUNCTIONS &&
                page->stage_count <= QL__LIVE_STAGES && page->counter_count <= QL__LIVE_COUNTERS && page->thread_count <= QL__LIVE_THREADS && page->mode <= QL__LIVE_ELSEWHERE;
    return fits ? QL_OK : ql__fail(err, QL_E_CORRUPT, "the page of the live view is damaged");
}

/* --- JSON ------------------------------------------------------------------------------------------------------------------------ */

static ql_str text_of(const char *bytes, size_t size)
{
    return (ql_str){bytes, strnlen(bytes, size)};
}
#define TEXT(array) text_of((array), sizeof(array))

/* What no process comes to is shown as the largest that readers of JSON take. */
static void put_number(ql__json_writer *json, uint64_t value)
{
    ql__json_uint(json, value <= INT64_MAX ? value : INT64_MAX);
}

static void put_uint(ql__json_writer *json, const char *key, uint64_t value)
{
    ql__json_key(json, key);
    put_number(json, value);
}

static void put_known(ql__json_writer *json, const char *key, uint64_t value)
{
    ql__json_key(json, key);
    if (value == QL__LIVE_UNKNOWN) ql__json_null(json);
    else put_number(json, value);
}

/* Only files, and those of the same build: a page may name anything. */
static bool open_module(const ql__sys *sys, const ql__live_module *module, ql__elf_image *out)
{
    char path[sizeof module->path + 1];
    ql_str name = TEXT(module->path);
    memcpy(path, name.ptr, name.len);
    path[name.len] = '\0';
    if (path[0] != '/' || module->build_id_size > sizeof module->build_id || ql__file_expect_regular(sys, path, NULL) < 0 || ql__elf_open(sys, path, out, NULL) < 0) return false;
    size_t known = out->build_id.len < sizeof module->build_id ? out->build_id.len : sizeof module->build_id;
    bool same = known == module->build_id_size && (known == 0 || memcmp(out->build_id.ptr, module->build_id, known) == 0);
    if (!same) ql__elf_close(out);
    return same;
}

static void put_name(ql__json_writer *json, const ql__live_page *page, const ql__live_function *function, const ql__elf_image *image)
{
    const ql__elf_function *found = image != NULL ? ql__elf_find(image, function->address) : NULL;
    ql__json_key(json, "name");
    if (found != NULL) ql__json_string(json, ql__elf_name(image, found));
    else if (function->module == 0) ql__json_string(json, function->name[0] != '\0' ? TEXT(function->name) : QL_STR("[unknown]"));
    else {
        ql_buf name = QL_BUF_INIT;
        ql_str path = TEXT(page->modules[function->module - 1].path);
        const char *slash = memrchr(path.ptr, '/', path.len);
        if (slash != NULL) path = (ql_str){slash + 1, (size_t)(path.ptr + path.len - slash - 1)};
        (void)ql_buf_printf(&name, "[%.*s+0x%llx]", (int)path.len, path.ptr, (unsigned long long)function->address);
        ql__json_string(json, ql_buf_str(&name));
        ql_buf_dispose(&name);
    }
}

static void put_functions(const ql__sys *sys, ql__json_writer *json, const ql__live_page *page, bool symbols)
{
    ql__json_key(json, "functions");
    ql__json_array(json);
    for (uint32_t module = 0; module <= page->module_count; module++) { /* one file open at a time */
        ql__elf_image image;
        bool open = false, tried = false;
        for (uint32_t i = 0; i < page->function_count; i++) {
            const ql__live_function *function = &page->functions[i];
            uint32_t of = function->module <= page->module_count ? function->module : 0;
            if (of != module) continue;
            if (!tried && module != 0 && symbols) open = open_module(sys, &page->modules[module - 1], &image);
            tried = true;
            ql__live_function row = *function;
            row.module = of;
            ql__json_object(json);
            put_name(json, page, &row, open ? &image : NULL);
            ql__json_key(json, "module");
            if (module != 0) ql__json_string(json, TEXT(page->modules[module - 1].path));
            else ql__json_null(json);
            put_uint(json, "self_ns", function->self_ns);
            put_uint(json, "total_ns", function->total_ns);
            ql__json_object_end(json);
        }
        if (open) ql__elf_close(&image);
    }
    ql__json_array_end(json);
}

static void put_stages(ql__json_writer *json, const ql__live_page *page)
{
    ql__json_key(json, "stages");
    ql__json_array(json);
    for (uint32_t i = 0; i < page->stage_count; i++) {
        ql__json_object(json);
        ql__json_member(json, "name", TEXT(page->stages[i].name));
        put_uint(json, "count", page->stages[i].count);
        put_uint(json, "wall_ns", page->stages[i].wall_ns);
        put_uint(json, "cpu_ns", page->stages[i].cpu_ns);
        ql__json_object_end(json);
    }
    ql__json_array_end(json);
    ql__json_key(json, "counters");
    ql__json_array(json);
    for (uint32_t i = 0; i < page->counter_count; i++) {
        ql__json_object(json);
        ql__json_member(json, "name", TEXT(page->counters[i].name));
        put_uint(json, "value", page->counters[i].value);
        ql__json_key(json, "total");
        ql__json_bool(json, page->counters[i].total != 0);
        ql__json_object_end(json);
    }
    ql__json_array_end(json);
}

static void put_threads(ql__json_writer *json, const ql__live_page *page)
{
    ql__json_key(json, "threads");
    ql__json_array(json);
    for (uint32_t i = 0; i < page->thread_count; i++) {
        char state[2] = {page->threads[i].state, '\0'};
        bool letter = (state[0] >= 'A' && state[0] <= 'Z') || (state[0] >= 'a' && state[0] <= 'z');
        ql__json_object(json);
        ql__json_key(json, "id");
        ql__json_int(json, page->threads[i].tid);
        ql__json_member(json, "name", TEXT(page->threads[i].name));
        ql__json_member(json, "state", ql_str_of(letter ? state : "?"));
        put_uint(json, "cpu_ns", page->threads[i].cpu_ns);
        ql__json_object_end(json);
    }
    ql__json_array_end(json);
}

static const char *const task_states[QL__LIVE_TASK_STATES] = {"unknown", "ready", "running", "waiting", "ended"};

static void put_tasks(ql__json_writer *json, const ql__live_page *page)
{
    ql__json_key(json, "tasks");
    ql__json_object(json);
    for (size_t i = 1; i < QL__LIVE_TASK_STATES; i++) put_uint(json, task_states[i], page->tasks[i]);
    put_uint(json, "not_kept", page->tasks[0]);
    ql__json_object_end(json);
}

ql_status ql__live_page_json(const ql__sys *sys, ql_str bytes, const ql__live_reading *reading, ql_buf *out, ql_error *err)
{
    static const char *const modes[] = {"passive", "sampling", "recording", "elsewhere"};
    static ql__live_page const none;
    const ql__live_page *page = bytes.len > 0 ? (const ql__live_page *)(const void *)bytes.ptr : &none;
    ql__json_writer json;
    char state[2] = {reading->state, '\0'};
    QL_TRY(check_page(page, bytes.len, err));
    ql_buf_clear(out);
    ql__json_begin(&json, out);
    ql__json_object(&json);
    put_uint(&json, "pid", page->pid);
    ql__json_member(&json, "version", TEXT(page->library));
    ql__json_member(&json, "state", ql_str_of(reading->state != '\0' ? state : "?"));
    put_uint(&json, "page_age_ns", reading->now_ns > page->heartbeat_ns ? reading->now_ns - page->heartbeat_ns : 0);
    put_uint(&json, "shown_ns", page->heartbeat_ns > page->begin_ns ? page->heartbeat_ns - page->begin_ns : 0);
    ql__json_member(&json, "mode", ql_str_of(modes[page->mode]));
    put_uint(&json, "rate_hz", page->rate_hz);
    put_uint(&json, "window_ns", page->window_ns);
    put_uint(&json, "sampled_ns", page->sampled_ns);
    put_known(&json, "cpu_ns", page->cpu_ns);
    put_known(&json, "rss_bytes", page->rss_bytes);
    put_known(&json, "virtual_bytes", page->virtual_bytes);
    put_known(&json, "read_bytes", page->read_bytes);
    put_known(&json, "write_bytes", page->write_bytes);
    put_tasks(&json, page);
    put_uint(&json, "threads_all", page->threads_all);
    put_threads(&json, page);
    put_stages(&json, page);
    put_functions(sys, &json, page, reading->symbols);
    ql__json_object_end(&json);
    return out->status < 0 ? ql__fail_nomem(err) : QL_OK;
}

/* --- tasks ----------------------------------------------------------------------------------------------------------------------- */

static void put_task(ql__json_writer *json, const ql__live_task *row, uint64_t now_ns)
{
    static const char *const waits[] = {"something else", "a descriptor", "a timer", "a queue", "a lock", "the pool"};
    uint32_t state = row->state < QL__LIVE_TASK_STATES ? row->state : 0;
    bool runs = state == QL__QPROF_TASK_RUNNING, waiting = state == QL__QPROF_TASK_WAITING;
    uint64_t in_state = now_ns > row->changed_ns ? now_ns - row->changed_ns : 0;
    ql__json_object(json);
    put_uint(json, "task", row->number);
    ql__json_key(json, "parent");
    if (row->parent != 0) put_number(json, row->parent);
    else ql__json_null(json);
    ql__json_member(json, "kind", TEXT(row->kind));
    ql__json_member(json, "name", TEXT(row->name));
    ql__json_member(json, "state", ql_str_of(task_states[state]));
    ql__json_key(json, "waits_for");
    if (waiting) ql__json_string(json, row->on[0] != '\0' ? TEXT(row->on) : ql_str_of(row->wait < sizeof waits / sizeof *waits ? waits[row->wait] : waits[0]));
    else ql__json_null(json);
    ql__json_key(json, "thread");
    if (runs) ql__json_int(json, row->tid);
    else ql__json_null(json);
    put_uint(json, "age_ns", now_ns > row->begin_ns ? now_ns - row->begin_ns : 0);
    put_uint(json, "in_state_ns", in_state);
    put_uint(json, "busy_ns", runs && row->busy_ns <= UINT64_MAX - in_state ? row->busy_ns + in_state : row->busy_ns);
    ql__json_object_end(json);
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = ((const ql__live_task *)a)->number, y = ((const ql__live_task *)b)->number;
    return (x > y) - (x < y);
}

ql_status ql__live_tasks_json(ql_str bytes, uint64_t now_ns, ql_buf *out, ql_error *err)
{
    size_t count = bytes.len / sizeof(ql__live_task);
    ql__json_writer json;
    if (bytes.len % sizeof(ql__live_task) != 0) return ql__fail(err, QL_E_CORRUPT, "the process sent no whole tasks");
    ql__live_task *rows = ql__alloc(bytes.len + 1); /* aligned, and to be sorted */
    if (rows == NULL) return ql__fail_nomem(err);
    if (count != 0) memcpy(rows, bytes.ptr, bytes.len);
    qsort(rows, count, sizeof *rows, by_number);
    ql_buf_clear(out);
    ql__json_begin(&json, out);
    ql__json_object(&json);
    ql__json_key(&json, "tasks");
    ql__json_array(&json);
    for (size_t i = 0; i < count; i++) put_task(&json, &rows[i], now_ns);
    ql__json_array_end(&json);
    ql__json_object_end(&json);
    ql__free(rows);
    return out->status < 0 ? ql__fail_nomem(err) : QL_OK;
}
