/* See live_json.h. */
#include "live_json.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "output.h"
#include "session.h"

int64_t live_pid(const char *word)
{
    int64_t number = 0;
    if (strspn(word, "0123456789") != strlen(word) || strlen(word) > 9) return 0;
    for (; *word != '\0'; word++) number = number * 10 + (*word - '0');
    return number;
}

static json_t *parse(const ql_buf *text, ql_error *err)
{
    json_error_t problem;
    json_t *json = json_loadb(text->ptr != NULL ? text->ptr : "", text->len, 0, &problem);
    if (json == NULL) {
        *err = (ql_error){.status = QL_E_NOMEM};
        snprintf(err->message, sizeof err->message, "out of memory");
    }
    return json;
}

json_t *live_stats(int64_t pid, ql_error *err)
{
    ql_buf text = QL_BUF_INIT;
    json_t *json = ql_live_stats_json(pid, NULL, &text, err) >= 0 ? parse(&text, err) : NULL;
    ql_buf_dispose(&text);
    return json;
}

typedef struct recording {
    FILE *file;
    int os_code; /* of a write that failed */
} recording;

static int to_file(void *user, const void *bytes, size_t size)
{
    recording *self = user;
    errno = 0;
    if (size > 0 && fwrite(bytes, 1, size, self->file) != size) self->os_code = errno != 0 ? errno : EIO;
    return self->os_code != 0 || stop_asked();
}

ql_status live_record(int64_t pid, const char *request, FILE *file, bool *cut, ql_error *err)
{
    recording self = {file, 0};
    ql_status status = ql_live_ask(pid, NULL, ql_str_of(request), to_file, &self, err);
    *cut = ql_status_kind(status) == QL_E_PARTIAL;
    if (*cut) status = QL_OK;
    if (status >= 0 && (self.os_code != 0 || fflush(file) != 0)) {
        *err = (ql_error){.status = QL_E_IO, .os_code = self.os_code};
        snprintf(err->message, sizeof err->message, "the recording cannot be kept: %s", strerror(self.os_code != 0 ? self.os_code : errno));
        status = err->status;
    }
    return status;
}

ql_status live_capture_open(FILE *file, ql_capture **out, ql_error *err)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/self/fd/%d", fileno(file));
    return ql_capture_open(path, 0, out, err);
}

static int to_buffer(void *user, const void *data, size_t size)
{
    return ql_buf_append(user, (ql_str){data, size}) < 0;
}

json_t *live_moment(int64_t pid, const char *request, ql_error *err)
{
    bool cut = false;
    ql_capture *capture = NULL;
    ql_buf text = QL_BUF_INIT;
    json_t *json = NULL;
    FILE *file = tmpfile();
    ql_status status = QL_OK;
    if (file == NULL) {
        *err = (ql_error){.status = status = QL_E_IO, .os_code = errno};
        snprintf(err->message, sizeof err->message, "no temporary file: %s", strerror(errno));
        return NULL;
    }
    status = live_record(pid, request, file, &cut, err);
    if (status >= 0) status = live_capture_open(file, &capture, err);
    if (status >= 0) status = ql_capture_write(capture, QL_CAPTURE_JSON, NULL, to_buffer, &text, err);
    if (status >= 0) json = parse(&text, err);
    ql_capture_free(capture);
    ql_buf_dispose(&text);
    fclose(file);
    return json;
}

/* --- threads and tasks ----------------------------------------------------------------------------------------------------------- */

static json_int_t at(const json_t *table, const char *column, size_t row)
{
    return json_integer_value(json_array_get(json_object_get(table, column), row));
}

static json_t *text_at(const json_t *moment, json_int_t string)
{
    json_t *text = json_array_get(json_object_get(moment, "strings"), (size_t)string);
    return json_is_string(text) && json_string_length(text) > 0 ? json_incref(text) : json_null();
}

static json_t *stack_json(const json_t *moment, json_int_t stack)
{
    json_t *frames = json_array(), *index;
    size_t i;
    const json_t *functions = json_object_get(moment, "functions"), *lines = json_object_get(moment, "frames");
    json_array_foreach(json_array_get(json_object_get(moment, "stacks"), (size_t)stack), i, index)
    {
        size_t line = (size_t)json_integer_value(index), function = (size_t)at(lines, "function", line);
        json_array_append_new(frames, json_pack("{s:o, s:o, s:I}", "name", text_at(moment, at(functions, "name", function)), "file",
                                                text_at(moment, at(functions, "file", function)), "line", at(lines, "line", line)));
    }
    return frames;
}

/* The last sample of a thread; SIZE_MAX: it has none. */
static size_t last_sample(const json_t *wall, size_t thread)
{
    size_t found = SIZE_MAX, count = json_array_size(json_object_get(wall, "thread"));
    for (size_t i = 0; i < count; i++)
        if ((size_t)at(wall, "thread", i) == thread + 1) found = i;
    return found;
}

/* The task that a thread runs. */
static json_t *task_on(const json_t *tasks, json_int_t thread)
{
    size_t i;
    json_t *task;
    json_array_foreach(tasks, i, task)
    {
        const json_t *runs_on = json_object_get(task, "thread");
        if (json_is_integer(runs_on) && json_integer_value(runs_on) == thread) return json_incref(json_object_get(task, "task"));
    }
    return json_null();
}

json_t *live_threads(const json_t *moment, const json_t *tasks)
{
    json_t *list = json_array();
    const json_t *threads = json_object_get(moment, "threads"), *wall = json_object_get(json_object_get(moment, "samples"), "wall");
    for (size_t i = 0; i < json_array_size(json_object_get(threads, "id")); i++) {
        size_t sample = last_sample(wall, i);
        json_int_t id = at(threads, "id", i);
        json_t *thread = json_pack("{s:I, s:o}", "id", id, "name", text_at(moment, at(threads, "name", i)));
        json_object_set_new(thread, "waiting", sample != SIZE_MAX ? json_boolean(json_is_true(json_array_get(json_object_get(wall, "waiting"), sample)) || at(wall, "waiting", sample) != 0) : json_null());
        json_object_set_new(thread, "task", task_on(tasks, id));
        json_object_set_new(thread, "stack", sample != SIZE_MAX ? stack_json(moment, at(wall, "stack", sample)) : json_array());
        json_array_append_new(list, thread);
    }
    return list;
}

json_t *live_tasks(int64_t pid, ql_error *err)
{
    ql_buf text = QL_BUF_INIT;
    json_t *json = ql_live_tasks_json(pid, NULL, &text, err) >= 0 ? parse(&text, err) : NULL, *tasks = json_incref(json_object_get(json, "tasks"));
    ql_buf_dispose(&text);
    json_decref(json);
    return tasks;
}
