/*
 * Goal: a capture tells the truth: planted shares of CPU time come out as planted, all threads are in it, tasks, spans and labels too, and
 * it is one at a time, bounded, readable at any moment, and gone in a child. Method: real work of known shares, the capture read back.
 */
#include "support/qprof_read.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "prof/collector.h"
#include "prof/prof_place.h"
#include "prof/span.h"
#include "sys/pool.h"

#if defined(__SANITIZE_THREAD__)
#define SIGNALS_LATE 1 /* delivered later than they come, with the registers of before: stacks and shares are not true */
#else
#define SIGNALS_LATE 0
#endif

static _Thread_local volatile double sink;

/* The clock of this program and of the library in it, as the linker puts it in the place of the other: how many seconds it is ahead. */
static atomic_int ahead_s;
int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);

int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int result = __real_clock_gettime(clock, now);
    if (result == 0 && clock == CLOCK_MONOTONIC) now->tv_sec += atomic_load(&ahead_s);
    return result;
}

static uint64_t cpu_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void burn(uint64_t ns)
{
    uint64_t until = cpu_ns() + ns;
    while (cpu_ns() < until)
        for (int i = 1; i < 2000; i++) sink = sink + 1.0 / i;
}

__attribute__((noinline, aligned(64))) static void sixty(void)
{
    burn(6000000);
    __asm__ volatile("");
}

__attribute__((noinline, aligned(64))) static void thirty(void)
{
    burn(3000000);
    __asm__ volatile("");
}

__attribute__((noinline, aligned(64))) static void ten(void)
{
    burn(1000000);
    __asm__ volatile("");
}

static ql_prof *begin(uint32_t sources, uint32_t rate_hz)
{
    ql_prof *prof = NULL;
    ql_error err = {0};
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = sources;
    options.rate_hz = rate_hz;
    if (ql_prof_start(&options, &prof, &err) < 0) fail_msg("%s", err.message);
    return prof;
}

/* Stops and gives the capture; dispose it. */
static ql_buf end(ql_prof *prof)
{
    ql_buf file = QL_BUF_INIT;
    ql_error err = {0};
    if (ql_prof_stop(prof, &err) < 0 || ql_prof_snapshot(prof, qprof_keep, &file, &err) < 0) fail_msg("%s", err.message);
    ql_prof_free(prof);
    assert_int_equal(qprof_end(ql_buf_str(&file)).complete, 1);
    return file;
}

/* Weight of the samples of a kind with a frame in one of these functions (each aligned to 64 bytes, and shorter), and of all of them. */
typedef struct shares {
    double of[3], all;
    uint64_t samples, rooted;
} shares;

static bool has_frame(const ql__qprof_frame *frames, uint32_t count, uintptr_t function)
{
    for (uint32_t i = 0; i < count; i++)
        if (frames[i].pc > function && frames[i].pc < function + 64) return true;
    return false;
}

static shares shares_of(ql_str file, uint32_t kind, const uintptr_t functions[3])
{
    shares out = {0};
    qprof_cursor cursor = qprof_begin(file);
    qprof_row row;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_sample sample;
        if (row.kind != QL__QPROF_SAMPLE) continue;
        qprof_get(&row, &sample);
        if (sample.kind != kind) continue;
        ql__qprof_stack stack;
        ql__qprof_frame frames[QL__QPROF_FRAMES_MAX];
        uint32_t count = qprof_stack(file, sample.stack, &stack, frames);
        assert_true(count > 0);
        out.samples++;
        out.rooted += (stack.flags & QL__QPROF_STACK_ROOT) != 0;
        out.all += (double)sample.weight_ns;
        for (int i = 0; i < 3; i++) out.of[i] += has_frame(frames, count, functions[i]) ? (double)sample.weight_ns : 0;
    }
    return out;
}

static const uintptr_t *planted(void)
{
    static uintptr_t functions[3];
    functions[0] = (uintptr_t)sixty, functions[1] = (uintptr_t)thirty, functions[2] = (uintptr_t)ten;
    return functions;
}

/*
 * took: nanoseconds of processor time that each function really had; on a busy machine the same work is not always the same time. Four standard errors of a
 * share of so many samples: a fixed bound of 3 points would be 2.8 of them for the largest share, and be passed once in a hundred runs.
 */
static void check_planted(ql_str file, const double took[3])
{
    shares seen = shares_of(file, QL__QPROF_CPU, planted());
    assert_true(seen.samples >= 2000);
    assert_true(SIGNALS_LATE || seen.rooted * 100 >= seen.samples * 99);
    for (int i = 0; i < 3; i++) {
        double percent = seen.of[i] / seen.all * 100, wanted = took[i] / (took[0] + took[1] + took[2]) * 100;
        double room = 4 * sqrt(wanted * (100 - wanted) / (double)seen.samples);
        if (!SIGNALS_LATE && !(fabs(percent - wanted) <= room)) fail_msg("%d: %.1f %% of the time, it had %.1f", i, percent, wanted);
    }
}

static uint64_t samples_of(ql_prof *prof)
{
    ql_prof_info info = {.struct_size = sizeof info};
    assert_int_equal(ql_prof_info_read(prof, &info, NULL), QL_OK);
    return info.samples;
}

__attribute__((noinline, aligned(64))) static double timed(void (*work)(void))
{
    struct timespec begin, end;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &begin);
    work();
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &end);
    return (double)(end.tv_sec - begin.tv_sec) * 1e9 + (double)(end.tv_nsec - begin.tv_nsec);
}

static void capture_planted(ql_prof_engine engine, uint32_t rate_hz)
{
    ql_prof *prof = NULL;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_CPU;
    options.engine = engine;
    options.rate_hz = rate_hz;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    double took[3] = {0};
    while (samples_of(prof) < 2050) {
        took[0] += timed(sixty);
        took[1] += timed(thirty);
        took[2] += timed(ten);
    }
    ql_buf file = end(prof);
    check_planted(ql_buf_str(&file), took);
    ql_buf_dispose(&file);
}

static void test_prof_capture__planted_shares_come_out_by_timers(void **state)
{
    (void)state;
    capture_planted(QL_PROF_CTIMER, 1000);
}

static void test_prof_capture__planted_shares_come_out_by_perf(void **state)
{
    (void)state;
    capture_planted(QL_PROF_PERF, 2000); /* falls back where the kernel refuses: the shares hold all the same */
}

static atomic_bool stop_workers;

static void *work_in_thread(void *user)
{
    (void)user;
    while (!atomic_load(&stop_workers)) sixty();
    return NULL;
}

static void test_prof_capture__finds_threads_that_never_heard_of_it(void **state)
{
    (void)state;
    pthread_t threads[3];
    ql_prof *prof = begin(QL_PROF_CPU, 500);
    atomic_store(&stop_workers, false);
    for (int i = 0; i < 3; i++) pthread_create(&threads[i], NULL, work_in_thread, NULL);
    while (samples_of(prof) < 300) usleep(10000);
    atomic_store(&stop_workers, true);
    for (int i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    ql_buf file = end(prof);
    shares seen = shares_of(ql_buf_str(&file), QL__QPROF_CPU, planted());
    assert_true(SIGNALS_LATE || seen.rooted * 100 >= seen.samples * 99);
    assert_true(SIGNALS_LATE || seen.of[0] > 0.9 * seen.all);
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    size_t foreign = 0;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_thread thread;
        if (row.kind != QL__QPROF_THREAD) continue;
        qprof_get(&row, &thread);
        if (thread.flags & QL__QPROF_THREAD_FOREIGN && thread.end_ns != 0) foreign++;
    }
    assert_true(foreign <= 3);
    ql_buf_dispose(&file);
}

static void *wait_in_thread(void *user)
{
    (void)user;
    while (!atomic_load(&stop_workers)) usleep(1000);
    return NULL;
}

static long worked_ms(pthread_t thread)
{
    clockid_t clock;
    struct timespec used = {0, 0};
    if (pthread_getcpuclockid(thread, &clock) == 0) (void)clock_gettime(clock, &used);
    return used.tv_sec * 1000 + used.tv_nsec / 1000000;
}

static void test_prof_capture__wall_samples_tell_waiting_from_running(void **state)
{
    (void)state;
    pthread_t waiting, running;
    ql_prof *prof = begin(QL_PROF_WALL, 200);
    atomic_store(&stop_workers, false);
    pthread_create(&waiting, NULL, wait_in_thread, NULL);
    pthread_create(&running, NULL, work_in_thread, NULL);
    while (samples_of(prof) < 400 || worked_ms(running) < 1000) usleep(10000); /* on a busy machine it stands in line most of the time */
    atomic_store(&stop_workers, true);
    pthread_join(waiting, NULL);
    pthread_join(running, NULL);
    ql_buf file = end(prof);
    uint64_t by_state[3] = {0};
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_sample sample;
        if (row.kind != QL__QPROF_SAMPLE) continue;
        qprof_get(&row, &sample);
        assert_int_equal(sample.kind, QL__QPROF_WALL);
        by_state[sample.running]++;
    }
    assert_true(by_state[QL__QPROF_RUNNING] > 20);
    assert_true(by_state[QL__QPROF_WAITING] > 100);
    ql_buf_dispose(&file);
}

/* --- spans, tasks, labels ------------------------------------------------------------------------------------------------------ */

static void test_prof_capture__spans_nest_and_carry_what_is_known(void **state)
{
    (void)state;
    ql_prof *prof = begin(QL_PROF_SPANS, 0);
    QL_PROF_SPAN(outer, "outer", "test");
    uint64_t outer_id = outer.id, inner_id;
    assert_int_equal(ql_span_current(), outer_id);
    {
        uint64_t before = ql_label_set("document", QL_STR("a.md"));
        QL_PROF_SPAN(inner, "inner", "test");
        inner_id = inner.id;
        ql_span_int(&inner, "rows", -5);
        ql_span_double(&inner, "ratio", 0.5);
        ql_span_text(&inner, "statement", QL_STR("SELECT ?"));
        ql_span_end(&inner);
        ql_label_restore(before);
        ql_span_link(inner_id, outer_id);
    }
    ql_span_end(&outer);
    ql_span_end(&outer);
    ql_buf file = end(prof);
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    ql_str start = qprof_meta(ql_buf_str(&file), "start_monotonic_ns");
    char digits[24] = "";
    memcpy(digits, start.ptr, start.len < sizeof digits ? start.len : 0);
    uint64_t start_ns = strtoull(digits, NULL, 10);
    assert_true(start_ns != 0);
    size_t seen = 0;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_span span;
        ql__qprof_attribute attributes[8];
        if (row.kind != QL__QPROF_SPAN) continue;
        qprof_get(&row, &span);
        seen++;
        assert_true(span.end_ns >= span.begin_ns && span.site != 0 && span.thread != 0);
        assert_true(span.begin_ns >= start_ns); /* it was begun as soon as it could be */
        if (span.id == outer_id) {
            assert_int_equal(span.parent, 0);
            assert_int_equal(span.labels, 0);
            assert_int_equal(row.count, 0);
            continue;
        }
        assert_int_equal(span.id, inner_id);
        assert_int_equal(span.parent, outer_id);
        assert_true(span.labels != 0);
        assert_int_equal(row.count, 3);
        memcpy(attributes, row.tail, 3 * sizeof *attributes);
        assert_true(ql_str_equal(qprof_string(ql_buf_str(&file), attributes[0].key), QL_STR("rows")));
        assert_int_equal((int64_t)attributes[0].value, -5);
        assert_int_equal(attributes[2].type, QL__QPROF_TEXT);
        assert_true(ql_str_equal(qprof_string(ql_buf_str(&file), (uint32_t)attributes[2].value), QL_STR("SELECT ?")));
    }
    assert_int_equal(seen, 2);
    assert_int_equal(qprof_count(ql_buf_str(&file), QL__QPROF_LINK), 1);
    assert_int_equal(qprof_count(ql_buf_str(&file), QL__QPROF_LABELS), 1);
    ql_buf_dispose(&file);
}

static void one_stage(void)
{
    QL_SPAN(CHUNK);
    burn(1000000);
    ql__counter_add(QL__COUNTER_CHUNKS, 3);
}

static void test_prof_capture__stages_of_the_library_are_spans_and_labels(void **state)
{
    (void)state;
    ql_prof *prof = begin(QL_PROF_SPANS | QL_PROF_CPU, 1000);
    for (int i = 0; i < 100; i++) one_stage();
    ql_buf file = end(prof);
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    size_t spans = 0, labelled = 0, in_span = 0, samples = 0;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_sample sample;
        if (row.kind == QL__QPROF_SPAN) spans++;
        if (row.kind != QL__QPROF_SAMPLE) continue;
        qprof_get(&row, &sample);
        samples++;
        labelled += sample.labels != 0;
        in_span += sample.span != 0;
    }
    assert_int_equal(spans, 100);
    assert_true(samples > 0 && labelled * 10 >= samples * 9 && in_span * 10 >= samples * 9);
    ql_buf_dispose(&file);
}

static void test_prof_capture__tasks_add_up_their_states(void **state)
{
    (void)state;
    static ql_site site = QL_SITE_INIT("document", "task");
    ql_prof *prof = begin(QL_PROF_SPANS, 0);
    ql_task task = ql_task_begin(&site, QL_STR("a.md"), 0);
    ql_task_run(&task);
    burn(2000000);
    ql_task_wait(&task, QL_TASK_WAIT_QUEUE, "embed");
    usleep(3000);
    ql_task_ready(&task);
    ql_task_run(&task);
    burn(1000000);
    ql_task_end(&task);
    ql_buf file = end(prof);
    ql__qprof_task last = {0};
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    while (qprof_next(&cursor, &row))
        if (row.kind == QL__QPROF_TASK) qprof_get(&row, &last);
    assert_int_equal(last.state, QL__QPROF_TASK_ENDED);
    assert_int_equal(last.polls, 2);
    assert_true(last.busy_ns >= 3000000 && last.idle_ns >= 3000000 && last.longest_poll_ns >= 2000000 && last.longest_poll_ns <= last.busy_ns);
    assert_true(last.busy_ns + last.ready_ns + last.idle_ns == last.end_ns - last.begin_ns);
    assert_true(ql_str_equal(qprof_string(ql_buf_str(&file), last.name), QL_STR("a.md")));
    ql_buf_dispose(&file);
}

static void test_prof_capture__long_waits_have_a_stack(void **state)
{
    (void)state;
    ql_prof *prof = begin(QL_PROF_SPANS, 0);
    uint64_t at = ql__place_wait_begin();
    ql__place_wait_end(at, "too short");
    at = ql__place_wait_begin();
    usleep(5000);
    ql__place_wait_end(at, "queue");
    ql_buf file = end(prof);
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    size_t waits = 0;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_sample sample;
        ql__qprof_stack stack;
        ql__qprof_frame frames[QL__QPROF_FRAMES_MAX];
        if (row.kind != QL__QPROF_SAMPLE) continue;
        qprof_get(&row, &sample);
        assert_int_equal(sample.kind, QL__QPROF_LOCK);
        assert_true(sample.weight_ns >= 5000000);
        assert_true(ql_str_equal(qprof_string(ql_buf_str(&file), sample.subject), QL_STR("queue")));
        assert_true(qprof_stack(ql_buf_str(&file), sample.stack, &stack, frames) > 1);
        assert_true(stack.flags & QL__QPROF_STACK_ROOT && stack.flags & QL__QPROF_STACK_CALL);
        waits++;
    }
    assert_int_equal(waits, 1);
    ql_buf_dispose(&file);
}

__attribute__((noinline)) static void run_here(ql_task *task)
{
    ql_task_run(task);
    __asm__ volatile(""); /* no tail call: it is to be on the stack */
}

/* A span that is told of and then lasts keeps what was told, whatever the number of short ones meanwhile; the table of those under way has 256 places. */
static void test_prof_capture__a_long_span_keeps_what_is_known(void **state)
{
    (void)state;
    ql_prof *prof = begin(QL_PROF_SPANS, 0);
    QL_PROF_SPAN(outer, "outer", "test");
    ql_span_int(&outer, "texts", 7);
    for (int i = 0; i < 300; i++) {
        QL_PROF_SPAN(inner, "inner", "test");
        ql_span_int(&inner, "row", i);
        ql_span_end(&inner);
    }
    ql_span_end(&outer);
    ql_buf file = end(prof);
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    size_t spans = 0, facts = 0;
    while (qprof_next(&cursor, &row)) {
        if (row.kind == QL__QPROF_SPAN) spans++, facts += row.count;
        if (row.kind == QL__QPROF_END) assert_int_equal(row.count, 0); /* nothing was lost */
    }
    assert_int_equal(spans, 301);
    assert_int_equal(facts, 301);
    ql_buf_dispose(&file);
}

/* What the kernel says a thread waited for a processor so far. */
static uint64_t waited_ns(pid_t tid)
{
    char path[64];
    unsigned long long ran = 0, waited = 0;
    (void)snprintf(path, sizeof path, "/proc/self/task/%ld/schedstat", (long)tid);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_int_equal(fscanf(file, "%llu %llu", &ran, &waited), 2);
    fclose(file);
    return waited;
}

/* The last value of the counter, and how many there are; it never falls. */
static double run_delay_of(const ql_buf *file, size_t *points)
{
    qprof_cursor cursor = qprof_begin(ql_buf_str(file));
    qprof_row row;
    double last = -1;
    *points = 0;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_counter counter;
        if (row.kind != QL__QPROF_COUNTER) continue;
        qprof_get(&row, &counter);
        if (!ql_str_equal(qprof_string(ql_buf_str(file), counter.name), QL_STR("process.run_delay_ns"))) continue;
        assert_true(counter.value >= last && counter.flags == QL__QPROF_COUNTER_TOTAL);
        last = counter.value;
        (*points)++;
    }
    return last;
}

/* Sleeps until that thread was kept waiting for a processor for a while longer, be it some microseconds. */
static void let_wait(pid_t tid)
{
    for (uint64_t before = waited_ns(tid); waited_ns(tid) == before;) usleep(1000);
}

/* Where the kernel has it: all that the only thread but the control thread waits during the capture, and nothing of what it waited before. */
static void test_prof_capture__waits_for_processors_are_counted(void **state)
{
    (void)state;
    if (access("/proc/thread-self/schedstat", R_OK) != 0) skip();
    let_wait(getpid());
    uint64_t before = waited_ns(getpid());
    ql_prof *prof = begin(QL_PROF_SPANS, 0);
    ql_buf first = QL_BUF_INIT;
    assert_int_equal(ql_prof_snapshot(prof, qprof_keep, &first, NULL), QL_OK); /* the control thread has seen what was waited before */
    ql_buf_dispose(&first);
    uint64_t seen = waited_ns(getpid());
    let_wait(getpid());
    uint64_t least = waited_ns(getpid()) - seen;
    ql_buf file = end(prof);
    uint64_t most = waited_ns(getpid()) - before;
    size_t points;
    double told = run_delay_of(&file, &points);
    assert_true(least > 0 && points > 1);
    assert_true(told >= (double)least && told <= (double)most);
    ql_buf_dispose(&file);
}

static atomic_bool schedstat_refused, sleeper_ends;
static atomic_int sleeper_tid;

static int open_or_refuse(void *user, int dir_fd, const char *path, int flags, mode_t mode)
{
    (void)user;
    if (!atomic_load(&schedstat_refused) || strstr(path, "/schedstat") == NULL) return ql__file_kernel.openat_fn(ql__file_kernel.user, dir_fd, path, flags, mode);
    errno = EMFILE;
    return -1;
}

static void *sleep_on(void *unused)
{
    (void)unused;
    atomic_store(&sleeper_tid, (int)syscall(SYS_gettid));
    while (!atomic_load(&sleeper_ends)) usleep(1000);
    return NULL;
}

/* A thread that was there before the capture and could not be read at first: its base is what it is read as then. */
static void test_prof_capture__what_was_waited_before_never_counts(void **state)
{
    (void)state;
    if (access("/proc/thread-self/schedstat", R_OK) != 0) skip();
    static ql__collector collector;
    ql__file_ops ops = ql__file_kernel;
    ops.openat_fn = open_or_refuse;
    ql__sys sys = *ql__sys_default();
    sys.file = &ops;
    ql_buf file = QL_BUF_INIT;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.write_fn = qprof_keep;
    options.write_user = &file;
    options.limit_bytes = UINT64_C(1) << 26;
    pthread_t sleeper;
    assert_int_equal(pthread_create(&sleeper, NULL, sleep_on, NULL), 0);
    while (atomic_load(&sleeper_tid) == 0) usleep(1000);
    pid_t tid = atomic_load(&sleeper_tid);
    let_wait(tid);
    assert_true(ql__capture_take());
    uint64_t before = waited_ns(tid);
    assert_int_equal(ql__collector_open(&collector, &sys, &options, NULL, QL_PROF_SPANS, NULL), QL_OK);
    ql__collector_begin(&collector);
    atomic_store(&schedstat_refused, true);
    ql__collector_round(&collector);
    atomic_store(&schedstat_refused, false);
    assert_int_equal(ql__collector_end(&collector, NULL), QL_OK);
    uint64_t most = waited_ns(tid) - before;
    ql__collector_dispose(&collector);
    ql__capture_give_back();
    atomic_store(&sleeper_ends, true);
    assert_int_equal(pthread_join(sleeper, NULL), 0);
    size_t points;
    double told = run_delay_of(&file, &points);
    assert_true(points > 0 && told <= (double)most);
    ql_buf_dispose(&file);
}

/* In a capture whose number ends in a byte of 0 a time that is kept where ids are looks like one, once the machine is up for five hours: here it is. */
static void test_prof_capture__a_time_is_never_taken_for_an_id(void **state)
{
    (void)state;
    static ql_site site = QL_SITE_INIT("change", "board");
    atomic_store(&ahead_s, 5 * 3600);
    for (int captures = 0; captures < 256; captures++) {
        ql_prof *prof = begin(QL_PROF_SPANS, 0);
        ql_task task = ql_task_begin(&site, QL_STR("one"), 0);
        bool wanted = task.id >> 56 == 0;
        ql_task_run(&task);
        ql_task_wait(&task, QL_TASK_WAIT_LOCK, "board");
        if (wanted) usleep(5000);
        ql_task_run(&task);
        ql_task_end(&task);
        ql_buf file = end(prof);
        size_t waits = qprof_count(ql_buf_str(&file), QL__QPROF_SAMPLE);
        ql_buf_dispose(&file);
        if (!wanted) continue;
        atomic_store(&ahead_s, 0);
        assert_int_equal(waits, 1);
        return;
    }
    fail_msg("no capture in 256 has such a number");
}

/* Waits of a task: for a lock, too short for one, for something else, and one whose end ql_task_ready() told. */
static void test_prof_capture__a_task_waits_for_a_lock(void **state)
{
    (void)state;
    static ql_site site = QL_SITE_INIT("change", "board");
    static const struct {
        ql_task_wait_kind kind;
        const char *what;
        unsigned us;
        bool ready;
    } turns[] = {{QL_TASK_WAIT_LOCK, "board", 5000, false}, {QL_TASK_WAIT_LOCK, "short", 0, false}, {QL_TASK_WAIT_TIMER, "nap", 3000, false}, {QL_TASK_WAIT_LOCK, "handed on", 3000, true}, {QL_TASK_WAIT_LOCK, NULL, 5000, false}};
    ql_prof *prof = begin(QL_PROF_SPANS, 0);
    ql_task outer = ql_task_begin(&site, QL_STR("outer"), 0), task = ql_task_begin(&site, QL_STR("one"), 0);
    ql_task_run(&outer); /* so that there is one to go back to */
    ql_task_run(&task);
    for (size_t i = 0; i < sizeof turns / sizeof *turns; i++) {
        ql_task_wait(&task, turns[i].kind, turns[i].what);
        if (turns[i].us != 0) usleep(turns[i].us);
        if (turns[i].ready) ql_task_ready(&task);
        run_here(&task);
    }
    ql_task_run(&task); /* nothing was waited for */
    uint64_t id = task.id;
    ql_task_end(&task);
    ql_task_end(&outer);
    ql_buf file = end(prof);
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    const char *const subjects[] = {"board", "a lock"};
    size_t waits = 0;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_sample sample;
        ql__qprof_stack stack;
        ql__qprof_frame frames[QL__QPROF_FRAMES_MAX];
        if (row.kind != QL__QPROF_SAMPLE) continue;
        qprof_get(&row, &sample);
        ql_str subject = qprof_string(ql_buf_str(&file), sample.subject);
        if (ql_str_equal(subject, QL_STR("short"))) continue; /* a busy machine may make it long */
        assert_true(waits < 2);
        assert_int_equal(sample.kind, QL__QPROF_LOCK);
        assert_true(sample.weight_ns >= 5000000);
        assert_int_equal(sample.task, id);
        assert_true(ql_str_equal(subject, ql_str_of(subjects[waits])));
        assert_true(qprof_stack(ql_buf_str(&file), sample.stack, &stack, frames) > 1);
        assert_in_range(frames[0].pc, (uintptr_t)run_here, (uintptr_t)run_here + 256); /* who ran the task, not a function of the library */
        waits++;
    }
    assert_int_equal(waits, 2);
    ql_buf_dispose(&file);
}

/* Rounds follow each other faster while rings are full by then, and slow down when they are not. */
static void test_prof_capture__rounds_keep_up(void **state)
{
    (void)state;
    int pause_ms = QL__COLLECTOR_PERIOD_MS;
    assert_int_equal(ql__collector_pause(pause_ms, 0), QL__COLLECTOR_PERIOD_MS);
    assert_int_equal(ql__collector_pause(pause_ms, 25), QL__COLLECTOR_PERIOD_MS);
    assert_int_equal(ql__collector_pause(pause_ms, 100), QL__COLLECTOR_PERIOD_MS / 4);
    for (int round = 0; round < 5; round++) pause_ms = ql__collector_pause(pause_ms, 100);
    assert_int_equal(pause_ms, 1);
    assert_int_equal(ql__collector_pause(pause_ms, 20), 1);
    for (int round = 0; round < 10; round++) pause_ms = ql__collector_pause(pause_ms, 3);
    assert_int_equal(pause_ms, QL__COLLECTOR_PERIOD_MS);
}

static atomic_int told[5];

static void listen(void *user, const ql_prof_event *event)
{
    (void)user;
    atomic_fetch_add(&told[event->kind], 1);
    if (event->kind == QL_PROF_SPAN_ENDED) assert_true(event->end_ns >= event->begin_ns);
}

static void test_prof_capture__a_listener_is_told(void **state)
{
    (void)state;
    static ql_site site = QL_SITE_INIT("job", "task");
    ql_prof *prof = NULL;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_SPANS;
    options.listener_fn = listen;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    QL_PROF_SPAN(span, "heard", "test");
    ql_task task = ql_task_begin(&site, QL_STR("t"), 0);
    ql_task_run(&task);
    ql_task_end(&task);
    ql_span_end(&span);
    ql_buf file = end(prof);
    assert_int_equal(atomic_load(&told[QL_PROF_SPAN_ENDED]), 1);
    assert_int_equal(atomic_load(&told[QL_PROF_TASK_BEGAN]), 1);
    assert_int_equal(atomic_load(&told[QL_PROF_TASK_CHANGED]), 1);
    assert_int_equal(atomic_load(&told[QL_PROF_TASK_ENDED]), 1);
    ql_buf_dispose(&file);
}

/* --- one at a time, bounded, private ------------------------------------------------------------------------------------------- */

static void test_prof_capture__is_one_at_a_time(void **state)
{
    (void)state;
    ql_prof *first = begin(QL_PROF_CPU, 0), *second = NULL;
    ql_error err = {0};
    assert_int_equal(ql_status_kind(ql_prof_start(NULL, &second, &err)), QL_E_BUSY);
    assert_null(second);
    assert_int_equal(ql_prof_stop(first, NULL), QL_OK);
    second = begin(QL_PROF_CPU, 0);
    ql_prof_free(second);
    ql_prof_free(first);
    ql_prof_free(NULL);
}

static void foreign_handler(int number)
{
    (void)number;
}

static void test_prof_capture__leaves_the_signal_to_who_has_it(void **state)
{
    (void)state;
    ql_prof *prof = NULL;
    struct sigaction mine = {.sa_handler = foreign_handler}, before, after;
    sigaction(SIGPROF, &mine, &before);
    assert_int_equal(ql_status_kind(ql_prof_start(NULL, &prof, NULL)), QL_E_BUSY);
    sigaction(SIGPROF, &before, &after);
    assert_ptr_equal(after.sa_handler, foreign_handler);
    prof = begin(QL_PROF_CPU, 0);
    ql_prof_free(prof);
    sigaction(SIGPROF, NULL, &after);
    assert_ptr_equal(after.sa_handler, before.sa_handler);
}

static void test_prof_capture__refuses_what_it_does_not_know(void **state)
{
    (void)state;
    ql_prof *prof = NULL;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    assert_int_equal(ql_prof_start(NULL, NULL, NULL), QL_E_INVALID);
    options.sources = 1u << 20;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_E_UNSUPPORTED);
    options = (ql_prof_options)QL_PROF_OPTIONS_INIT;
    options.rate_hz = 1000000;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_E_INVALID);
    options = (ql_prof_options)QL_PROF_OPTIONS_INIT;
    options.engine = 77;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_E_UNSUPPORTED);
    options = (ql_prof_options)QL_PROF_OPTIONS_INIT;
    options.reserved[3] = 1;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_E_INVALID);
    options = (ql_prof_options)QL_PROF_OPTIONS_INIT;
    options.folder = "/proc/no/such/folder";
    assert_true(ql_prof_start(&options, &prof, NULL) < 0);
    assert_null(prof);
    assert_int_equal(ql_prof_stop(NULL, NULL), QL_E_INVALID);
    assert_int_equal(ql_prof_snapshot(NULL, qprof_keep, NULL, NULL), QL_E_INVALID);
}

static void test_prof_capture__a_file_is_private_and_readable_meanwhile(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    const char *folder = ql_test_path(dir, "deep/er");
    ql_prof *prof = NULL;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.folder = folder;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    burn(50000000);
    ql_buf meanwhile = QL_BUF_INIT, file = QL_BUF_INIT;
    assert_int_equal(ql_prof_snapshot(prof, qprof_keep, &meanwhile, NULL), QL_OK);
    assert_int_equal(qprof_end(ql_buf_str(&meanwhile)).complete, 0);
    assert_true(qprof_end(ql_buf_str(&meanwhile)).time_ns > 0);
    assert_true(qprof_count(ql_buf_str(&meanwhile), QL__QPROF_HEAP) == 1);
    assert_int_equal(ql_prof_stop(prof, NULL), QL_OK);
    ql_prof_free(prof);
    const char *path = ql_test_path(dir, "deep/er/capture.qprof");
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    assert_int_equal(facts.st_mode & 0777, 0600);
    ql_test_file_read(path, &file);
    assert_int_equal(qprof_end(ql_buf_str(&file)).complete, 1);
    assert_true(qprof_count(ql_buf_str(&file), QL__QPROF_MEMORY) > 0);
    assert_true(qprof_count(ql_buf_str(&file), QL__QPROF_MAPPING) > 2);
    assert_true(qprof_meta(ql_buf_str(&file), "program").len > 0);
    assert_true(ql_str_equal(qprof_meta(ql_buf_str(&file), "engine"), QL_STR("ctimer")));
    ql_buf_dispose(&meanwhile);
    ql_buf_dispose(&file);
    ql_test_dir_remove(dir);
}

/* Of every MEMORY record. */
static size_t heap_sizes(ql_prof *prof, uint64_t *out, size_t capacity)
{
    ql_buf file = QL_BUF_INIT;
    qprof_row row;
    size_t count = 0;
    assert_int_equal(ql_prof_snapshot(prof, qprof_keep, &file, NULL), QL_OK);
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    while (qprof_next(&cursor, &row)) {
        ql__qprof_memory memory;
        if (row.kind != QL__QPROF_MEMORY || count == capacity) continue;
        memcpy(&memory, row.fixed, sizeof memory);
        out[count++] = memory.heap_inuse;
    }
    ql_buf_dispose(&file);
    return count;
}

/* Waits until there are so many MEMORY records; all of them. */
static void wait_for_sizes(ql_prof *prof, size_t wanted, uint64_t *out)
{
    while (heap_sizes(prof, out, wanted) < wanted) usleep(20000);
}

static void test_prof_capture__the_heap_is_measured_as_often_as_the_process(void **state)
{
    (void)state;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    skip(); /* their malloc tells nothing of itself */
#endif
    enum { BYTES = 64 << 20, ROWS = 7 };
    uint64_t sizes[ROWS + 1], last[512];
    ql_prof *prof = NULL;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_MEMORY;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    wait_for_sizes(prof, 2, sizes);
    assert_true(sizes[0] > 0 && sizes[0] < BYTES);
    size_t before = heap_sizes(prof, last, 512);
    char *large = malloc(BYTES); /* and gone before a second is over */
    assert_non_null(large);
    large[0] = 1;
    uint64_t all[512];
    wait_for_sizes(prof, before + 5, all);
    bool seen = false;
    for (size_t i = before; i < before + 5; i++) seen = seen || (all[i] != UINT64_MAX && all[i] >= sizes[0] + BYTES - (1 << 20));
    free(large);
    assert_true(seen);
    assert_int_equal(ql_prof_stop(prof, NULL), QL_OK);
    size_t count = heap_sizes(prof, last, 512);
    assert_true(last[count - 1] < BYTES); /* the last word is of the end */
    ql_prof_free(prof);
}

static void test_prof_capture__a_folder_has_one_writer(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    int ready[2], done[2];
    char byte = 0;
    ql_prof *prof = NULL;
    ql_error err = {0};
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_MEMORY;
    options.folder = dir;
    assert_int_equal(pipe(ready), 0);
    assert_int_equal(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) { /* what the thread sanitizer would not allow of it: it starts a thread */
        if (SIGNALS_LATE) _exit(write(ready[1], "-", 1) == 1 ? 0 : 1);
        bool good = ql_prof_start(&options, &prof, NULL) == QL_OK && write(ready[1], "+", 1) == 1 && read(done[0], &byte, 1) == 1 && ql_prof_stop(prof, NULL) == QL_OK;
        _exit(good ? 0 : 1);
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    if (byte == '+') {
        assert_int_equal(ql_prof_start(&options, &prof, &err), QL_E_BUSY);
        assert_non_null(strstr(err.message, "capture.qprof"));
    }
    assert_int_equal(write(done[1], "x", 1), 1);
    int answer = -1;
    assert_int_equal(waitpid(child, &answer, 0), child);
    assert_int_equal(answer, 0);
    if (byte == '+') { /* nothing of it was touched */
        ql_buf file = QL_BUF_INIT;
        ql_test_file_read(ql_test_path(dir, "capture.qprof"), &file);
        assert_int_equal(qprof_end(ql_buf_str(&file)).complete, 1);
        ql_buf_dispose(&file);
    }
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    assert_int_equal(ql_prof_stop(prof, NULL), QL_OK);
    ql_prof_free(prof);
    for (int i = 0; i < 2; i++) {
        close(ready[i]);
        close(done[i]);
    }
    ql_test_dir_remove(dir);
}

static void test_prof_capture__a_file_that_cannot_be_written_is_named(void **state)
{
    (void)state;
    char *dir = ql_test_dir_new();
    ql_prof *prof = NULL;
    ql_error err = {0};
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_MEMORY;
    options.folder = dir;
    assert_int_equal(mkfifo(ql_test_path(dir, "capture.qprof"), 0600), 0);
    assert_int_equal(ql_status_kind(ql_prof_start(&options, &prof, &err)), QL_E_IO);
    assert_non_null(strstr(err.message, "capture.qprof' is a pipe"));
    assert_int_equal(unlink(ql_test_path(dir, "capture.qprof")), 0);
    struct rlimit before, none;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    none = before;
    none.rlim_cur = 64;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    ql_status status = ql_prof_stop(prof, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(ql_status_kind(status), QL_E_IO);
    assert_non_null(strstr(err.message, "capture.qprof': cannot write"));
    ql_prof_free(prof);
    ql_test_dir_remove(dir);
}

static void test_prof_capture__ends_itself_at_its_limit(void **state)
{
    (void)state;
    ql_prof *prof = NULL;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_SPANS;
    options.limit_bytes = 200000;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 500; i++) {
            QL_PROF_SPAN(span, "many", "test");
            ql_span_end(&span);
        }
        usleep(20000);
    }
    ql_buf file = QL_BUF_INIT;
    assert_int_equal(ql_prof_stop(prof, NULL), QL_OK);
    assert_int_equal(ql_prof_snapshot(prof, qprof_keep, &file, NULL), QL_OK);
    ql_prof_free(prof);
    assert_int_equal(qprof_end(ql_buf_str(&file)).complete, 2);
    assert_true(file.len < 600000);
    ql_buf_dispose(&file);
}

static int refuse(void *user, const void *bytes, size_t size)
{
    (void)bytes;
    (void)size;
    return ++*(int *)user > 2 ? 42 : 0;
}

static void test_prof_capture__a_receiver_may_stop(void **state)
{
    (void)state;
    int calls = 0;
    ql_prof *prof = NULL;
    ql_error err = {0};
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.write_fn = refuse;
    options.write_user = &calls;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    usleep(300000);
    assert_int_equal(ql_status_kind(ql_prof_stop(prof, &err)), QL_E_CALLBACK);
    assert_int_equal(err.callback_value, 42);
    assert_int_equal(calls, 3);
    ql_prof_free(prof);
}

static void test_prof_capture__a_child_has_none(void **state)
{
    (void)state;
    ql_prof *prof = begin(0, 1000);
    burn(20000000);
    pid_t child = fork();
    if (child == 0) {
        QL_PROF_SPAN(span, "child", "test");
        bool off = span.id == 0 && ql_prof_stop(prof, NULL) == QL_E_INVALID;
        free(malloc(100));
        if (SIGNALS_LATE) _exit(off ? 0 : 1); /* the thread sanitizer ends a child that starts threads */
        ql_prof *own = NULL;
        bool again = ql_prof_start(NULL, &own, NULL) == QL_OK;
        while (again && samples_of(own) < 3) burn(20000000);
        ql_buf file = QL_BUF_INIT;
        bool read = again && ql_prof_stop(own, NULL) == QL_OK && ql_prof_snapshot(own, qprof_keep, &file, NULL) == QL_OK && qprof_count(ql_buf_str(&file), QL__QPROF_SAMPLE) > 0;
        _exit(off && read ? 0 : off ? 2 : 1);
    }
    int answer = -1;
    assert_int_equal(waitpid(child, &answer, 0), child);
    assert_int_equal(answer, 0);
    ql_buf file = end(prof);
    ql_buf_dispose(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prof_capture__planted_shares_come_out_by_timers),
        cmocka_unit_test(test_prof_capture__planted_shares_come_out_by_perf),
        cmocka_unit_test(test_prof_capture__finds_threads_that_never_heard_of_it),
        cmocka_unit_test(test_prof_capture__wall_samples_tell_waiting_from_running),
        cmocka_unit_test(test_prof_capture__spans_nest_and_carry_what_is_known),
        cmocka_unit_test(test_prof_capture__stages_of_the_library_are_spans_and_labels),
        cmocka_unit_test(test_prof_capture__tasks_add_up_their_states),
        cmocka_unit_test(test_prof_capture__long_waits_have_a_stack),
        cmocka_unit_test(test_prof_capture__a_task_waits_for_a_lock),
        cmocka_unit_test(test_prof_capture__a_time_is_never_taken_for_an_id),
        cmocka_unit_test(test_prof_capture__a_long_span_keeps_what_is_known),
        cmocka_unit_test(test_prof_capture__waits_for_processors_are_counted),
        cmocka_unit_test(test_prof_capture__what_was_waited_before_never_counts),
        cmocka_unit_test(test_prof_capture__rounds_keep_up),
        cmocka_unit_test(test_prof_capture__a_listener_is_told),
        cmocka_unit_test(test_prof_capture__is_one_at_a_time),
        cmocka_unit_test(test_prof_capture__leaves_the_signal_to_who_has_it),
        cmocka_unit_test(test_prof_capture__refuses_what_it_does_not_know),
        cmocka_unit_test(test_prof_capture__a_file_is_private_and_readable_meanwhile),
        cmocka_unit_test(test_prof_capture__the_heap_is_measured_as_often_as_the_process),
        cmocka_unit_test(test_prof_capture__a_folder_has_one_writer),
        cmocka_unit_test(test_prof_capture__a_file_that_cannot_be_written_is_named),
        cmocka_unit_test(test_prof_capture__ends_itself_at_its_limit),
        cmocka_unit_test(test_prof_capture__a_receiver_may_stop),
        cmocka_unit_test(test_prof_capture__a_child_has_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
