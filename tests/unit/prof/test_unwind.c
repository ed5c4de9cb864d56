/*
 * Goal: walks reach the first function of a thread from our code, from inside libc and from handlers, on the first thread and on others; a damaged stack
 * ends a walk and nothing else. Method: the walk is held against the calls that are known to be there; a timer interrupts real work at random places.
 */
#include "support/testing.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>
#include <sys/time.h>

#include "prof/unwind.h"
#include "prof/unwind_table.h"

typedef struct seen {
    ql__unwind_result result;
    uintptr_t frames[QL__UNWIND_FRAMES_MAX];
} seen;

static ql__unwind_thread this_thread(void)
{
    return (ql__unwind_thread){.stack_end = ql__unwind_stack_end()};
}

__attribute__((noinline)) static void look(seen *out)
{
    ql__unwind_thread thread = this_thread();
    out->result = ql__unwind_here(&thread, 0, out->frames, QL__UNWIND_FRAMES_MAX);
}

__attribute__((noinline)) static void deep(seen *out, int depth)
{
    if (depth > 0) deep(out, depth - 1);
    else look(out);
    __asm__ volatile(""); /* no tail call */
}

static bool lies_in(uintptr_t pc, uintptr_t function)
{
    return pc > function && pc < function + 4096;
}

static void test_unwind__first_thread_reaches_its_root(void **state)
{
    (void)state;
    seen at;
    deep(&at, 20);
    assert_true(at.result.root);
    assert_false(at.result.truncated);
    assert_true(at.result.count > 22);
    assert_true(lies_in(at.frames[0], (uintptr_t)look));
    for (size_t i = 1; i <= 21; i++) assert_true(lies_in(at.frames[i], (uintptr_t)deep));
}

static void *look_in_thread(void *user)
{
    deep(user, 3);
    return NULL;
}

static void test_unwind__another_thread_reaches_its_root(void **state)
{
    (void)state;
    seen at;
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, look_in_thread, &at), 0);
    pthread_join(thread, NULL);
    assert_true(at.result.root);
    assert_true(at.result.count >= 6);
}

static seen *look_target;

static int look_and_compare(const void *a, const void *b)
{
    if (look_target) look(look_target);
    look_target = NULL;
    return *(const int *)a - *(const int *)b;
}

static void test_unwind__goes_through_a_library_without_frame_pointers(void **state)
{
    (void)state;
    seen at;
    int numbers[] = {3, 1, 2};
    look_target = &at;
    qsort(numbers, 3, sizeof *numbers, look_and_compare);
    assert_true(at.result.root);
}

static void test_unwind__a_deep_stack_is_cut_and_told(void **state)
{
    (void)state;
    seen at;
    deep(&at, 500);
    assert_true(at.result.truncated);
    assert_false(at.result.root);
    assert_int_equal(at.result.count, QL__UNWIND_FRAMES_MAX);
}

static void test_unwind__a_stack_that_ends_early_ends_the_walk(void **state)
{
    (void)state;
    seen at;
    for (uintptr_t size = 0; size < 2048; size += 8) {
        ql__unwind_thread thread = {.stack_end = (uintptr_t)__builtin_frame_address(0) + size};
        at.result = ql__unwind_here(&thread, 0, at.frames, QL__UNWIND_FRAMES_MAX);
        assert_true(at.result.count >= 1);
    }
    ql__unwind_thread nothing = {.stack_end = 8};
    at.result = ql__unwind_here(&nothing, 0, at.frames, QL__UNWIND_FRAMES_MAX);
    assert_int_equal(at.result.count, 0);
}

/* Interrupts at random places, on the thread that works. */
static volatile sig_atomic_t total, rooted;
static char first_lost[256];

static atomic_bool enough;
static _Atomic uintptr_t place; /* in an object that comes and goes */

static void *ask_main(void *user)
{
    (void)user;
    while (!atomic_load(&enough)) (void)ql__unwind_function_begin(atomic_load(&place));
    return NULL;
}

/* An object is unloaded while its table is read: an answer or none, and nothing worse. */
static void test_unwind__where_functions_begin_also_of_what_is_unloaded(void **state)
{
    (void)state;
    uintptr_t here = (uintptr_t)test_unwind__where_functions_begin_also_of_what_is_unloaded;
    assert_true(ql__unwind_function_begin(here + 9) == here);
    assert_true(ql__unwind_function_begin((uintptr_t)&here) == 0);
    void *object = dlopen("libthread_db.so.1", RTLD_LAZY);
    if (object == NULL) fail_msg("%s", dlerror());
    atomic_store(&place, (uintptr_t)dlsym(object, "td_init") + 1);
    assert_true(ql__unwind_function_begin(atomic_load(&place)) == atomic_load(&place) - 1);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, ask_main, NULL), 0);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(dlclose(object), 0);
        object = dlopen("libthread_db.so.1", RTLD_LAZY);
        assert_non_null(object);
        atomic_store(&place, (uintptr_t)dlsym(object, "td_init") + 1);
    }
    atomic_store(&enough, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(dlclose(object), 0);
    assert_true(ql__unwind_function_begin(atomic_load(&place)) == 0);
}

static void on_timer(int number, siginfo_t *info, void *context)
{
    static uintptr_t frames[QL__UNWIND_FRAMES_MAX];
    (void)number;
    (void)info;
    ql__unwind_thread thread = this_thread();
    ql__unwind_result result = ql__unwind_signal(context, &thread, frames, QL__UNWIND_FRAMES_MAX);
    total++;
    if (result.root) rooted++;
    else if (first_lost[0] == '\0') {
        Dl_info where = {0}; /* for the message of a failure: not safe here, but the test is lost already */
        dladdr((void *)frames[result.count - 1], &where);
        snprintf(first_lost, sizeof first_lost, "%u frames, the last one %s %s+%#zx", result.count, where.dli_fname ? where.dli_fname : "?",
                 where.dli_sname ? where.dli_sname : "?", (size_t)(frames[result.count - 1] - (uintptr_t)where.dli_fbase));
    }
}

static int by_value(const void *a, const void *b)
{
    return *(const int *)a < *(const int *)b ? -1 : 1;
}

static void libc_work(void)
{
    static int numbers[20000];
    static char text[4096], copy[4096];
    for (size_t i = 0; i < 20000; i++) numbers[i] = (int)(i * 2654435761u >> 3);
    qsort(numbers, 20000, sizeof *numbers, by_value);
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "%d %s %.17g", i, "some text", 1.0 / (i + 1));
        memset(copy, 'x', sizeof copy);
        memcpy(copy, text, sizeof copy);
        copy[4095] = '\0';
        struct timespec now;
        for (int j = 0; j < 20; j++) clock_gettime(CLOCK_MONOTONIC, &now);
        if (strlen(copy) > 5000 || strstr(copy, "not there")) abort();
        free(malloc((size_t)i * 100 + 1));
    }
}

static void test_unwind__random_places_of_libc_reach_the_root(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* it delivers signals later, with the registers of before */
#endif
    struct sigaction action = {.sa_sigaction = on_timer, .sa_flags = SA_SIGINFO | SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    sigaction(SIGPROF, &action, &before);
    struct itimerval every = {{0, 1000}, {0, 1000}}, never = {{0, 0}, {0, 0}};
    setitimer(ITIMER_PROF, &every, NULL);
    while (total < 300) libc_work();
    setitimer(ITIMER_PROF, &never, NULL);
    sigaction(SIGPROF, &before, NULL);
    if (rooted * 100 < total * 99) print_error("%d of %d reach the root; %s\n", (int)rooted, (int)total, first_lost);
    assert_true(rooted * 100 >= total * 99);
}

static bool in_call(const unsigned char *pc)
{
    ucontext_t context;
    memset(&context, 0, sizeof context);
#if defined(__x86_64__)
    context.uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)pc;
#else
    context.uc_mcontext.pc = (uintptr_t)pc;
#endif
    return ql__unwind_in_system_call(&context);
}

static void test_unwind__tells_a_system_call_from_code(void **state)
{
    (void)state;
    static const _Alignas(4096) unsigned char page[4096] = {
#if defined(__x86_64__)
        [96] = 0x0f, 0x05, 0x90
#else
        [96] = 0x01, 0x00, 0x00, 0xd4
#endif
    };
#if defined(__x86_64__)
    const size_t call = 2;
#else
    const size_t call = 4;
#endif
    assert_true(in_call(page + 96));         /* to be made again */
    assert_true(in_call(page + 96 + call));  /* came back from it */
    assert_false(in_call(page + 96 + 2 * call));
    assert_false(in_call(page));             /* nothing before it is read */
    assert_false(in_call(page + sizeof page - 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unwind__first_thread_reaches_its_root),
        cmocka_unit_test(test_unwind__tells_a_system_call_from_code),
        cmocka_unit_test(test_unwind__another_thread_reaches_its_root),
        cmocka_unit_test(test_unwind__goes_through_a_library_without_frame_pointers),
        cmocka_unit_test(test_unwind__a_deep_stack_is_cut_and_told),
        cmocka_unit_test(test_unwind__a_stack_that_ends_early_ends_the_walk),
        cmocka_unit_test(test_unwind__where_functions_begin_also_of_what_is_unloaded),
        cmocka_unit_test(test_unwind__random_places_of_libc_reach_the_root),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
