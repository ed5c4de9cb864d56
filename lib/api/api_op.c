/*
 * A blocking call in a thread, and its callbacks brought back to the thread that polls.
 *
 * The thread copies each event into a bounded queue and the latest progress into one place, and signals a descriptor; poll takes them. The
 * end is noted under the lock after the last event was queued, so that who sees the end has the events before it in the queue. What the end is
 * is settled there once: a cancel that comes later changes nothing; only a callback that stops while the rest is told still makes it a cancelled one.
 */
#include <stdatomic.h>
#include <string.h>

#include "api/handles.h"
#include "base/alloc.h"
#include "base/arena.h"
#include "base/status.h"
#include "sys/queue.h"
#include "sys/thread.h"
#include "sys/wake.h"

#define EVENTS_MAX 256

struct ql_op {
    ql_workspace *workspace;
    bool is_search;
    ql__arena arena; /* copies of what the options point to */
    ql_ingest_options ingest;
    ql_search_options search;
    ql_str query;

    int fd;
    pthread_t thread;
    bool started;
    atomic_bool cancelled; /* asked for before the end; set under the lock */
    atomic_bool nomem;     /* an event could not be kept */
    bool muted;            /* a callback stopped: nothing more is told. Of the thread that polls */
    ql__queue *events;     /* of ql_ingest_event with its texts behind it, an event counts as one byte */

    pthread_mutex_t lock; /* guards what follows */
    ql_ingest_progress progress;
    ql_buf progress_names; /* project, type and source of it, one behind the other */
    bool has_progress, over;
    ql_status status;
    ql_error error;
    ql_ingest_report report;
    ql_results *results;
};

/* --- in the operation's thread ---------------------------------------------------------------------------------------------------- */

static size_t place_text(char *at, ql_str *text)
{
    if (text->len > 0) memcpy(at, text->ptr, text->len);
    text->ptr = at;
    return text->len;
}

/* With its texts behind it in the same piece of memory. */
static ql_ingest_event *copy_event(const ql_ingest_event *event)
{
    ql_ingest_event copy = *event;
    ql_str *const texts[] = {&copy.project, &copy.source_type, &copy.source, &copy.url, &copy.message};
    size_t bytes = sizeof copy;
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) bytes += texts[i]->len;
    ql_ingest_event *self = ql__alloc(bytes);
    if (self == NULL) return NULL;
    char *at = (char *)(self + 1);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) at += place_text(at, texts[i]);
    *self = copy;
    return self;
}

static bool should_stop(ql_op *self)
{
    return atomic_load(&self->cancelled) || atomic_load(&self->nomem);
}

static int on_event(void *user, const ql_ingest_event *event)
{
    ql_op *self = user;
    if (self->ingest.event_fn == NULL || should_stop(self)) return should_stop(self);
    ql_ingest_event *copy = copy_event(event);
    if (copy == NULL) {
        atomic_store(&self->nomem, true);
        return 1;
    }
    ql__wake_signal(self->fd); /* before the push, which may wait for a place */
    if (!ql__queue_push(self->events, copy, 1)) ql__free(copy);
    ql__wake_signal(self->fd);
    return should_stop(self);
}

static int on_progress(void *user, const ql_ingest_progress *progress)
{
    ql_op *self = user;
    if (self->ingest.progress_fn == NULL) return should_stop(self);
    pthread_mutex_lock(&self->lock);
    ql_buf_clear(&self->progress_names);
    (void)ql_buf_append(&self->progress_names, progress->project);
    (void)ql_buf_append(&self->progress_names, progress->source_type);
    self->has_progress = ql_buf_append(&self->progress_names, progress->source) >= 0; /* without memory this one is not told, the next may be */
    self->progress = *progress;
    pthread_mutex_unlock(&self->lock);
    ql__wake_signal(self->fd);
    return should_stop(self);
}

static ql_status run(ql_op *self, ql_ingest_report *report, ql_results **results, ql_error *err)
{
    if (self->is_search) return ql_search(self->workspace, self->query, &self->search, results, err);
    ql_ingest_options options = self->ingest;
    options.event_fn = on_event;
    options.progress_fn = on_progress;
    options.user = self;
    return ql_ingest(self->workspace, &options, report, err);
}

static void *op_main(void *user)
{
    ql_op *self = user;
    ql_error err = {0};
    ql_ingest_report report = QL_INGEST_REPORT_INIT;
    ql_results *results = NULL;
    ql_status status = run(self, &report, &results, &err);
    if (atomic_load(&self->nomem)) status = ql__fail_nomem(&err); /* it looks like a stop from inside */
    pthread_mutex_lock(&self->lock);
    if (status >= 0 && self->is_search && atomic_load(&self->cancelled)) status = ql__fail(&err, QL_E_CANCELLED, "cancelled");
    self->status = status;
    self->error = err;
    self->report = report;
    self->results = results;
    self->over = true;
    pthread_mutex_unlock(&self->lock);
    ql__wake_signal(self->fd);
    return NULL;
}

/* --- in the caller's thread ------------------------------------------------------------------------------------------------------- */

static bool copy_text(ql_op *self, ql_str *text)
{
    return ql__arena_copy(&self->arena, *text, text);
}

static bool copy_cstring(ql_op *self, const char **text)
{
    ql_str copy;
    if (*text == NULL) return true;
    if (!ql__arena_copy(&self->arena, ql_str_of(*text), &copy)) return false;
    *text = copy.ptr;
    return true;
}

static ql_status copy_ingest(ql_op *self, const ql_ingest_options *options, ql_error *err)
{
    QL_TRY(ql__ingest_options_read(options, &self->ingest, err));
    bool copied = copy_text(self, &self->ingest.project) && copy_text(self, &self->ingest.source_type) && copy_text(self, &self->ingest.source);
    return copied ? QL_OK : ql__fail_nomem(err);
}

static ql_status copy_search(ql_op *self, ql_str query, const ql_search_options *options, ql_error *err)
{
    QL_TRY(ql__query_check(query, err));
    QL_TRY(ql__search_options_read(options, &self->search, err));
    ql_filter *filter = &self->search.filter;
    self->query = query;
    bool copied = copy_text(self, &self->query) && copy_text(self, &filter->project) && copy_text(self, &filter->source_type) && copy_text(self, &filter->source) &&
                  copy_text(self, &filter->path_prefix) && copy_cstring(self, &self->search.reranker);
    return copied ? QL_OK : ql__fail_nomem(err);
}

static ql_op *op_new(ql_workspace *workspace)
{
    ql_op *self = ql__alloc_zero(1, sizeof *self);
    if (self == NULL) return NULL;
    self->workspace = workspace;
    self->fd = -1;
    ql__arena_init(&self->arena, 0);
    ql_buf_init(&self->progress_names, 0);
    atomic_init(&self->cancelled, false);
    atomic_init(&self->nomem, false);
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

static ql_status op_start(ql_op *self, ql_status status, ql_op **out, ql_error *err)
{
    if (status >= 0) status = ql__wake_open(&self->fd, err);
    if (status >= 0) status = ql__queue_new(EVENTS_MAX, &self->events, err);
    if (status >= 0) status = ql__thread_start(&self->thread, op_main, self, err);
    if (status < 0) {
        ql_op_free(self);
        return status;
    }
    self->started = true;
    *out = self;
    return QL_OK;
}

ql_status ql_op_ingest(ql_workspace *workspace, const ql_ingest_options *options, ql_op **out, ql_error *err)
{
    if (workspace == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", workspace == NULL ? "workspace" : "out");
    ql_op *self = op_new(workspace);
    if (self == NULL) return ql__fail_nomem(err);
    return op_start(self, copy_ingest(self, options, err), out, err);
}

ql_status ql_op_search(ql_workspace *workspace, ql_str query, const ql_search_options *options, ql_op **out, ql_error *err)
{
    if (workspace == NULL || out == NULL) return ql__fail(err, QL_E_INVALID, "%s is NULL", workspace == NULL ? "workspace" : "out");
    ql_op *self = op_new(workspace);
    if (self == NULL) return ql__fail_nomem(err);
    self->is_search = true;
    return op_start(self, copy_search(self, query, options, err), out, err);
}

int ql_op_fd(const ql_op *self)
{
    return self != NULL ? self->fd : -1;
}

static bool is_over(ql_op *self)
{
    pthread_mutex_lock(&self->lock);
    bool over = self->over;
    pthread_mutex_unlock(&self->lock);
    return over;
}

/* What a callback that stops does: the operation, if it still runs, and everything that was still to be told. */
static void stop_telling(ql_op *self)
{
    self->muted = true;
    ql_op_cancel(self);
}

/* At most a queue full, so that a poll ends however quick the ingest is; false: there is more. */
static bool tell_events(ql_op *self)
{
    void *item = NULL;
    bool timed_out = false;
    for (int i = 0; i < EVENTS_MAX && ql__queue_pop_until(self->events, &item, 0, &timed_out); i++) {
        ql_ingest_event *event = item;
        bool told = !self->muted && !atomic_load(&self->cancelled);
        if (told && self->ingest.event_fn(self->ingest.user, event) != 0) stop_telling(self);
        ql__free(event);
    }
    return ql__queue_bytes(self->events) == 0;
}

static void tell_progress(ql_op *self)
{
    QL_AUTO(ql_buf, ql_buf_dispose) names = QL_BUF_INIT;
    pthread_mutex_lock(&self->lock);
    bool has = self->has_progress;
    ql_ingest_progress progress = self->progress;
    self->has_progress = false;
    if (has) { /* the callback runs without the lock, on names of its own */
        names = self->progress_names;
        self->progress_names = QL_BUF_INIT;
    }
    pthread_mutex_unlock(&self->lock);
    if (!has || self->muted || atomic_load(&self->cancelled)) return;
    progress.project.ptr = ql_buf_cstr(&names);
    progress.source_type.ptr = progress.project.ptr + progress.project.len;
    progress.source.ptr = progress.source_type.ptr + progress.source_type.len;
    if (self->ingest.progress_fn(self->ingest.user, &progress) != 0) stop_telling(self);
}

static ql_status ending(const ql_op *self, ql_error *err)
{
    if (self->status >= 0) return self->muted ? ql__fail(err, QL_E_CANCELLED, "stopped by a callback; the operation itself had ended") : QL_DONE;
    if (err != NULL) *err = self->error;
    return self->status;
}

ql_status ql_op_poll(ql_op *self, ql_error *err)
{
    if (self == NULL) return ql__fail(err, QL_E_INVALID, "self is NULL");
    ql__wake_clear(self->fd);
    bool over = is_over(self); /* before the events are taken: none comes after it */
    bool all = tell_events(self);
    tell_progress(self);
    if (over || !all) ql__wake_signal(self->fd); /* there is more; or it is over, and a loop that asks again gets the same answer */
    return over && all ? ending(self, err) : QL_OK;
}

ql_status ql_op_wait(ql_op *self, int timeout_ms, ql_error *err)
{
    if (self == NULL) return ql__fail(err, QL_E_INVALID, "self is NULL");
    const ql__sys *sys = self->workspace->runtime->sys;
    uint64_t end_ns = ql__monotonic_ns(sys) + (uint64_t)(timeout_ms > 0 ? timeout_ms : 0) * 1000000;
    for (;;) {
        ql_status status = ql_op_poll(self, err);
        if (status != QL_OK) return status;
        uint64_t now_ns = ql__monotonic_ns(sys);
        if (timeout_ms >= 0 && now_ns >= end_ns) return QL_OK;
        ql__wake_wait(self->fd, timeout_ms < 0 ? -1 : (int)((end_ns - now_ns) / 1000000) + 1);
    }
}

void ql_op_cancel(ql_op *self)
{
    if (self == NULL) return;
    pthread_mutex_lock(&self->lock);
    bool in_time = !self->over;
    if (in_time) atomic_store(&self->cancelled, true);
    pthread_mutex_unlock(&self->lock);
    if (in_time) ql__queue_close(self->events); /* who waits for a place waits no longer */
}

static void drop_events(ql_op *self)
{
    void *item = NULL;
    bool timed_out = false;
    while (self->events != NULL && ql__queue_pop_until(self->events, &item, 0, &timed_out)) ql__free(item);
    ql__queue_free(self->events);
}

void ql_op_free(ql_op *self)
{
    if (self == NULL) return;
    if (self->started) {
        ql_op_cancel(self);
        pthread_join(self->thread, NULL);
    }
    drop_events(self);
    ql_results_free(self->results);
    ql__wake_close(self->fd);
    ql_buf_dispose(&self->progress_names);
    ql__arena_dispose(&self->arena);
    pthread_mutex_destroy(&self->lock);
    ql__free(self);
}

const ql_ingest_report *ql_op_report(const ql_op *self)
{
    return self != NULL && !self->is_search && is_over((ql_op *)(uintptr_t)self) ? &self->report : NULL;
}

ql_results *ql_op_results_take(ql_op *self)
{
    if (self == NULL || !is_over(self) || self->status < 0) return NULL;
    return QL_STEAL(self->results);
}
