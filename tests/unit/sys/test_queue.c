/* Goal: first in, first out, bounded in bytes, nothing lost or doubled between threads, and an end that everyone sees. */
#include "support/testing.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

#include "base/alloc.h"
#include "sys/queue.h"

static void *item_of(uintptr_t number)
{
    return (void *)number;
}

static void test_queue__keeps_the_order(void **state)
{
    (void)state;
    ql__queue *queue = NULL;
    void *item;
    assert_int_equal(ql__queue_new(1000000, &queue, NULL), QL_OK);
    uintptr_t pushed = 0, popped = 0;
    for (int round = 0; round < 500; round++) { /* wraps around and grows */
        for (int i = 0; i < 3; i++) assert_true(ql__queue_push(queue, item_of(++pushed), 2));
        assert_true(ql__queue_pop(queue, &item));
        assert_int_equal((uintptr_t)item, ++popped);
        assert_int_equal(ql__queue_bytes(queue), (pushed - popped) * 2);
    }
    while (popped < pushed) {
        assert_true(ql__queue_pop(queue, &item));
        assert_int_equal((uintptr_t)item, ++popped);
    }
    assert_int_equal(ql__queue_bytes(queue), 0);
    ql__queue_free(queue);
}

static void test_queue__takes_one_item_however_large(void **state)
{
    (void)state;
    ql__queue *queue = NULL;
    void *item;
    assert_int_equal(ql__queue_new(10, &queue, NULL), QL_OK);
    assert_true(ql__queue_push(queue, item_of(1), 1000));
    assert_true(ql__queue_pop(queue, &item));
    assert_true(ql__queue_push(queue, item_of(2), 9));
    assert_true(ql__queue_push(queue, item_of(3), 1000)); /* it held less than the limit */
    ql__queue_close(queue);
    assert_true(ql__queue_pop(queue, &item) && ql__queue_pop(queue, &item));
    ql__queue_free(queue);
}

static void test_queue__close_drains_and_refuses(void **state)
{
    (void)state;
    ql__queue *queue = NULL;
    void *item = NULL;
    bool timed_out = true;
    assert_int_equal(ql__queue_new(10, &queue, NULL), QL_OK);
    ql__queue_push(queue, item_of(1), 1);
    ql__queue_close(queue);
    assert_false(ql__queue_push(queue, item_of(2), 1));
    assert_true(ql__queue_pop(queue, &item));
    assert_int_equal((uintptr_t)item, 1);
    assert_false(ql__queue_pop(queue, &item));
    assert_false(ql__queue_pop_until(queue, &item, 1000000, &timed_out));
    assert_false(timed_out);
    ql__queue_free(queue);
    ql__queue_free(NULL);
}

static void test_queue__pop_until_gives_up(void **state)
{
    (void)state;
    ql__queue *queue = NULL;
    void *item = NULL;
    bool timed_out = false;
    assert_int_equal(ql__queue_new(10, &queue, NULL), QL_OK);
    assert_false(ql__queue_pop_until(queue, &item, 0, &timed_out));
    assert_true(timed_out);
    assert_false(ql__queue_pop_until(queue, &item, 5, &timed_out));
    assert_true(timed_out);
    ql__queue_push(queue, item_of(1), 1);
    assert_true(ql__queue_pop_until(queue, &item, UINT64_MAX, &timed_out));
    assert_false(timed_out);
    ql__queue_free(queue);
}

/* ---- threads ---- */

#define PRODUCERS 3
#define CONSUMERS 3
#define ITEMS 4000

typedef struct traffic {
    ql__queue *queue;
    atomic_uint seen[PRODUCERS * ITEMS + 1];
    atomic_size_t bytes_max;
    atomic_int next_producer;
} traffic;

static void *produce(void *user)
{
    traffic *t = user;
    uintptr_t base = (uintptr_t)atomic_fetch_add(&t->next_producer, 1) * ITEMS;
    for (uintptr_t i = 1; i <= ITEMS; i++) {
        assert_true(ql__queue_push(t->queue, item_of(base + i), 10));
        size_t bytes = ql__queue_bytes(t->queue);
        size_t max = atomic_load(&t->bytes_max);
        while (bytes > max && !atomic_compare_exchange_weak(&t->bytes_max, &max, bytes)) {
        }
    }
    return NULL;
}

static void *consume(void *user)
{
    traffic *t = user;
    void *item;
    while (ql__queue_pop(t->queue, &item)) atomic_fetch_add(&t->seen[(uintptr_t)item], 1);
    return NULL;
}

static void test_queue__loses_and_doubles_nothing_between_threads(void **state)
{
    (void)state;
    static traffic t;
    pthread_t producers[PRODUCERS], consumers[CONSUMERS];
    assert_int_equal(ql__queue_new(100, &t.queue, NULL), QL_OK);
    for (int i = 0; i < CONSUMERS; i++) assert_int_equal(pthread_create(&consumers[i], NULL, consume, &t), 0);
    for (int i = 0; i < PRODUCERS; i++) assert_int_equal(pthread_create(&producers[i], NULL, produce, &t), 0);
    for (int i = 0; i < PRODUCERS; i++) pthread_join(producers[i], NULL);
    ql__queue_close(t.queue);
    for (int i = 0; i < CONSUMERS; i++) pthread_join(consumers[i], NULL);
    for (size_t i = 1; i <= PRODUCERS * ITEMS; i++) assert_int_equal(atomic_load(&t.seen[i]), 1);
    assert_true(atomic_load(&t.bytes_max) <= 100);
    ql__queue_free(t.queue);
}

typedef struct blocked_push {
    ql__queue *queue;
    atomic_bool began;
    bool pushed;
} blocked_push;

static void *push_blocked(void *user)
{
    blocked_push *b = user;
    atomic_store(&b->began, true);
    b->pushed = ql__queue_push(b->queue, item_of(2), 1);
    return NULL;
}

static void test_queue__close_wakes_a_blocked_push(void **state)
{
    (void)state;
    blocked_push b = {0};
    pthread_t thread;
    void *item;
    assert_int_equal(ql__queue_new(1, &b.queue, NULL), QL_OK);
    assert_true(ql__queue_push(b.queue, item_of(1), 1));
    assert_int_equal(pthread_create(&thread, NULL, push_blocked, &b), 0);
    while (!atomic_load(&b.began)) sched_yield();
    ql__queue_close(b.queue);
    pthread_join(thread, NULL);
    assert_false(b.pushed);
    assert_true(ql__queue_pop(b.queue, &item));
    assert_false(ql__queue_pop(b.queue, &item));
    ql__queue_free(b.queue);
}

/* ---- memory ---- */

static void *push_many(void *user)
{
    for (uintptr_t i = 1; i <= 500; i++) assert_true(ql__queue_push(user, item_of(i), 1));
    ql__queue_close(user);
    return NULL;
}

static void test_queue__waits_when_it_cannot_grow(void **state)
{
    (void)state;
    ql__queue *queue = NULL;
    pthread_t thread;
    void *item;
    assert_int_equal(ql__queue_new(1000000, &queue, NULL), QL_OK);
    ql_test_fault_from(QL_FAULT_ALLOC, 0);
    assert_int_equal(pthread_create(&thread, NULL, push_many, queue), 0);
    for (uintptr_t i = 1; i <= 500; i++) {
        assert_true(ql__queue_pop(queue, &item));
        assert_int_equal((uintptr_t)item, i);
    }
    assert_false(ql__queue_pop(queue, &item));
    pthread_join(thread, NULL);
    ql_test_fault_clear();
    ql__queue_free(queue);
}

static ql_status make_queue(void *user, ql_error *err)
{
    (void)user;
    ql__queue *queue = NULL;
    ql_status status = ql__queue_new(10, &queue, err);
    ql__queue_free(queue);
    return status;
}

static void test_queue__new_survives_running_out_of_memory(void **state)
{
    (void)state;
    ql_test_fault_loop(QL_FAULT_ALLOC, make_queue, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_queue__keeps_the_order),
        cmocka_unit_test(test_queue__takes_one_item_however_large),
        cmocka_unit_test(test_queue__close_drains_and_refuses),
        cmocka_unit_test(test_queue__pop_until_gives_up),
        cmocka_unit_test(test_queue__loses_and_doubles_nothing_between_threads),
        cmocka_unit_test(test_queue__close_wakes_a_blocked_push),
        cmocka_unit_test(test_queue__waits_when_it_cannot_grow),
        cmocka_unit_test(test_queue__new_survives_running_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
