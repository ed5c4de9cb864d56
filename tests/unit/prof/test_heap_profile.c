/*
 * Goal: planted allocations come out by their stacks: sampled within 10 %, exact to the byte; in use, peak, temporaries and leaks are told apart.
 * Method: known numbers of known sizes through the library's table, the capture read back.
 */
#include "support/qprof_read.h"

#include <math.h>
#include <pthread.h>
#include <unistd.h>

#include "base/alloc.h"

typedef struct site_sum {
    ql__qprof_alloc sum;
    size_t rows;
} site_sum;

/* Rows of the last snapshot whose stack has a frame in a function that is aligned to 256 bytes, and shorter. */
static site_sum rows_of(ql_str file, uintptr_t function)
{
    site_sum out = {0};
    qprof_cursor cursor = qprof_begin(file);
    qprof_row row;
    while (qprof_next(&cursor, &row)) {
        ql__qprof_alloc alloc = {0};
        ql__qprof_stack stack;
        ql__qprof_frame frames[QL__QPROF_FRAMES_MAX];
        if (row.kind == QL__QPROF_HEAP) out = (site_sum){0};
        if (row.kind != QL__QPROF_ALLOC) continue;
        qprof_get(&row, &alloc);
        uint32_t count = qprof_stack(file, alloc.stack, &stack, frames);
        bool found = false;
        for (uint32_t i = 0; i < count; i++) found = found || (frames[i].pc > function && frames[i].pc < function + 256);
        if (!found) continue;
        assert_true(stack.flags & QL__QPROF_STACK_CALL);
        assert_true(stack.flags & QL__QPROF_STACK_ROOT);
        out.rows++;
        out.sum.alloc_count += alloc.alloc_count, out.sum.alloc_bytes += alloc.alloc_bytes;
        out.sum.inuse_count += alloc.inuse_count, out.sum.inuse_bytes += alloc.inuse_bytes;
        out.sum.peak_count += alloc.peak_count, out.sum.peak_bytes += alloc.peak_bytes;
        out.sum.temporary_count += alloc.temporary_count, out.sum.freed_count += alloc.freed_count, out.sum.lifetime_ns += alloc.lifetime_ns;
        out.sum.old_count += alloc.old_count, out.sum.old_bytes += alloc.old_bytes;
    }
    return out;
}

static ql_prof *begin(uint64_t interval)
{
    ql_prof *prof = NULL;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.sources = QL_PROF_HEAP;
    options.heap_interval_bytes = interval;
    assert_int_equal(ql_prof_start(&options, &prof, NULL), QL_OK);
    return prof;
}

static ql_buf end(ql_prof *prof)
{
    ql_buf file = QL_BUF_INIT;
    assert_int_equal(ql_prof_stop(prof, NULL), QL_OK);
    assert_int_equal(ql_prof_snapshot(prof, qprof_keep, &file, NULL), QL_OK);
    ql_prof_free(prof);
    return file;
}

__attribute__((noinline, aligned(256))) static void *large_site(size_t size)
{
    void *at = ql__alloc(size);
    __asm__ volatile("");
    return at;
}

__attribute__((noinline, aligned(256))) static void *small_site(size_t size)
{
    void *at = ql__alloc(size);
    __asm__ volatile("");
    return at;
}

/* One for which the exact mode's other sites lie behind. */
__attribute__((noinline, aligned(256))) static void other_site(void)
{
    ql__free(ql__alloc(1));
    __asm__ volatile("");
}

static bool near(uint64_t seen, double planted)
{
    return fabs((double)seen - planted) <= planted * 0.1;
}

static void test_heap_profile__sampled_sites_are_within_a_tenth(void **state)
{
    (void)state;
    ql_prof *prof = begin(16384);
    static void *kept[20000];
    for (size_t i = 0; i < 4000; i++) ql__free(large_site(30000)); /* 120 MB, some 3,300 samples */
    for (size_t i = 0; i < 20000; i++) kept[i] = small_site(2000);  /* 40 MB, some 2,300 samples */
    ql_buf file = end(prof);
    site_sum large = rows_of(ql_buf_str(&file), (uintptr_t)large_site), small = rows_of(ql_buf_str(&file), (uintptr_t)small_site);
    ql__qprof_heap heap = {0};
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    while (qprof_next(&cursor, &row))
        if (row.kind == QL__QPROF_HEAP) qprof_get(&row, &heap);
    for (size_t i = 0; i < 20000; i++) ql__free(kept[i]);
    assert_true(near(large.sum.alloc_bytes, 120e6));
    assert_true(near(large.sum.alloc_count, 4000));
    assert_int_equal(large.sum.inuse_bytes, 0);
    assert_true(near(large.sum.freed_count, 4000));
    assert_true(near(large.sum.temporary_count, 4000));
    assert_true(near(small.sum.alloc_bytes, 40e6));
    assert_true(near(small.sum.inuse_bytes, 40e6));
    assert_true(near(small.sum.inuse_count, 20000));
    assert_true(near(small.sum.peak_bytes, 40e6));
    assert_true(heap.flags & QL__QPROF_HEAP_LIBRARY_ONLY);
    assert_false(heap.flags & QL__QPROF_HEAP_EXACT);
    assert_true(near(heap.inuse_bytes, 40e6));
    ql_buf_dispose(&file);
}

static void test_heap_profile__exact_mode_counts_every_call(void **state)
{
    (void)state;
    ql_prof *prof = begin(1);
    static void *kept[100];
    for (size_t i = 0; i < 100; i++) kept[i] = small_site(i + 1);
    void *peak = large_site(1000000);
    other_site();
    ql__free(peak);
    for (size_t i = 0; i < 50; i++) ql__free(kept[i]);
    usleep(200000);
    void *young = large_site(64); /* in the last tenth? no: the run goes on */
    ql_buf file = end(prof);
    site_sum small = rows_of(ql_buf_str(&file), (uintptr_t)small_site), large = rows_of(ql_buf_str(&file), (uintptr_t)large_site);
    for (size_t i = 50; i < 100; i++) ql__free(kept[i]);
    ql__free(young);
    assert_int_equal(small.sum.alloc_count, 100);
    assert_int_equal(small.sum.alloc_bytes, 5050);
    assert_int_equal(small.sum.inuse_count, 50);
    assert_int_equal(small.sum.inuse_bytes, 5050 - 1275);
    assert_int_equal(small.sum.peak_bytes, 5050);
    assert_int_equal(small.sum.old_bytes, 5050 - 1275);
    assert_int_equal(large.sum.alloc_bytes, 1000064);
    assert_int_equal(large.sum.peak_bytes, 1000000);
    assert_int_equal(large.sum.inuse_bytes, 64);
    assert_int_equal(large.sum.old_bytes, 0); /* the last tenth is set aside */
    ql_buf_dispose(&file);
}

static void test_heap_profile__growth_moves_with_its_pointer(void **state)
{
    (void)state;
    ql_prof *prof = begin(1);
    char *text = NULL;
    for (size_t size = 16; size <= 65536; size *= 2) text = ql__realloc(text, size);
    ql_buf file = end(prof);
    ql__qprof_heap heap = {0};
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    while (qprof_next(&cursor, &row))
        if (row.kind == QL__QPROF_HEAP) qprof_get(&row, &heap);
    ql__free(text);
    assert_true(heap.inuse_bytes >= 65536 && heap.inuse_bytes < 65536 + 4096);
    ql_buf_dispose(&file);
}

static void *churn(void *user)
{
    (void)user;
    for (size_t i = 0; i < 20000; i++) ql__free(small_site(i % 300 + 1));
    return NULL;
}

static void test_heap_profile__threads_do_not_disturb_each_other(void **state)
{
    (void)state;
    pthread_t threads[4];
    ql_prof *prof = begin(1);
    for (int i = 0; i < 4; i++) pthread_create(&threads[i], NULL, churn, NULL);
    for (int i = 0; i < 4; i++) pthread_join(threads[i], NULL);
    ql_buf file = end(prof);
    site_sum small = rows_of(ql_buf_str(&file), (uintptr_t)small_site);
    assert_int_equal(small.sum.alloc_count, 80000);
    assert_int_equal(small.sum.freed_count, 80000);
    assert_int_equal(small.sum.inuse_bytes, 0);
    ql_buf_dispose(&file);
}

static void test_heap_profile__too_many_samples_double_the_interval(void **state)
{
    (void)state;
    ql_prof *prof = begin(64);
    for (size_t i = 0; i < 60000; i++) ql__free(small_site(64));
    ql_buf file = end(prof);
    ql__qprof_heap heap = {0};
    qprof_cursor cursor = qprof_begin(ql_buf_str(&file));
    qprof_row row;
    while (qprof_next(&cursor, &row))
        if (row.kind == QL__QPROF_HEAP) qprof_get(&row, &heap);
    assert_int_equal(heap.interval_first, 64);
    assert_true(heap.interval > 64);
    assert_true(qprof_count(ql_buf_str(&file), QL__QPROF_NOTE) > 0);
    site_sum small = rows_of(ql_buf_str(&file), (uintptr_t)small_site);
    assert_true(near(small.sum.alloc_bytes, 60000.0 * 64)); /* each sample weighs by the interval it was taken with */
    ql_buf_dispose(&file);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap_profile__sampled_sites_are_within_a_tenth),
        cmocka_unit_test(test_heap_profile__exact_mode_counts_every_call),
        cmocka_unit_test(test_heap_profile__growth_moves_with_its_pointer),
        cmocka_unit_test(test_heap_profile__threads_do_not_disturb_each_other),
        cmocka_unit_test(test_heap_profile__too_many_samples_double_the_interval),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
