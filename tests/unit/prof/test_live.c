/*
 * Goal: a process shows itself to its own user and to nobody else, answers while its threads are stuck, and nothing that a peer sends or a file holds hurts
 * either side. Method: this process and children of it, real sockets and files in a folder of the test.
 */
#include "support/testing.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "prof/live_page.h"
#include "prof/live_tasks.h"
#include "support/qprof_read.h"
#include <qloader/live.h>

static char *dir;
static atomic_bool enough;
static atomic_int cancelled;

static void on_cancel(void *user)
{
    (void)user;
    atomic_fetch_add(&cancelled, 1);
}

static ql_live *show(void)
{
    ql_live *live = NULL;
    ql_error err = {0};
    ql_live_options options = QL_LIVE_OPTIONS_INIT;
    options.folder = dir;
    options.cancel_fn = on_cancel;
    if (ql_live_start(&options, &live, &err) < 0) fail_msg("%s", err.message);
    return live;
}

__attribute__((noinline)) static void live_test_burn(void)
{
    volatile double sum = 0;
    while (!atomic_load_explicit(&enough, memory_order_relaxed))
        for (int i = 1; i < 1000; i++) sum = sum + 1.0 / i;
}

static void *burn_main(void *user)
{
    (void)user;
    live_test_burn();
    return NULL;
}

static void pause_ms(long ms)
{
    const struct timespec wait = {ms / 1000, ms % 1000 * 1000000};
    (void)nanosleep(&wait, NULL);
}

static ql_status ask(const char *request, ql_error *err)
{
    return ql_live_ask(getpid(), dir, ql_str_of(request), NULL, NULL, err);
}

/* Until the page holds a text; the test's time limit ends a wait for ever. */
static void wait_for(const char *text)
{
    for (;;) {
        ql_buf json = QL_BUF_INIT;
        ql_error err = {0};
        if (ql_live_stats_json(getpid(), dir, &json, &err) < 0) fail_msg("%s", err.message);
        bool there = strstr(ql_buf_cstr(&json), text) != NULL;
        ql_buf_dispose(&json);
        if (there) return;
        pause_ms(50);
    }
}

static void test_live__functions_are_named_and_sampling_ends_by_itself(void **state)
{
    (void)state;
    pthread_t thread;
    ql_error err = {0};
    ql_live *live = show();
    wait_for("\"mode\":\"passive\"");
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&thread, NULL, burn_main, NULL), 0);
    assert_int_equal(ask("sample 99 60000", &err), QL_OK);
    wait_for("\"mode\":\"sampling\"");
#if !defined(__SANITIZE_THREAD__) /* it delivers signals late, with the registers of before */
    wait_for("\"live_test_burn\"");
#endif
    assert_int_equal(ask("sample 99 100", &err), QL_OK);
    wait_for("\"mode\":\"passive\"");
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    ql_live_free(live);
    assert_int_equal(ql_test_dir_count(dir), 0);
}

static int keep(void *user, const void *bytes, size_t size)
{
    return ql_buf_append(user, (ql_str){bytes, size}) < 0;
}

static int keep_one(void *user, const void *bytes, size_t size)
{
    (void)ql_buf_append(user, (ql_str){bytes, size});
    return size > 0;
}

static void test_live__a_recording_is_a_capture(void **state)
{
    (void)state;
    pthread_t thread;
    ql_error err = {0};
    ql_buf file = QL_BUF_INIT, cut = QL_BUF_INIT;
    ql_live *live = show();
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&thread, NULL, burn_main, NULL), 0);
    do { /* on a machine that has no time for the thread, again */
        ql_buf_dispose(&file);
        assert_int_equal(ql_live_ask(getpid(), dir, QL_STR("record 200 cpu 300"), keep, &file, &err), QL_OK);
    } while (qprof_count(ql_buf_str(&file), QL__QPROF_SAMPLE) == 0);
    assert_true(qprof_count(ql_buf_str(&file), QL__QPROF_END) > 0);
    assert_int_equal(ql_live_ask(getpid(), dir, QL_STR("record 200 wall 0"), keep_one, &cut, &err), QL_OK); /* the receiver ends it */
    assert_true(cut.len > 0);
    atomic_store(&enough, true);
    pthread_join(thread, NULL);
    ql_buf_dispose(&file);
    ql_buf_dispose(&cut);
    ql_live_free(live);
}

static void test_live__requests_are_checked(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "nothing", "sample", "sample 99", "sample 1001 5", "sample 9 60001", "sample 9 5 5", "sample -1 5", "sample 99999999999999 5", "record 9 heap 5",
                                      "record 0 cpu 5", "record 9 cpu", "cancel now"};
    ql_error err = {0};
    ql_live *live = show(), *second = NULL;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_int_equal(ask(bad[i], &err), QL_E_INVALID);
    atomic_store(&cancelled, 0);
    assert_int_equal(ask("cancel", &err), QL_OK);
    assert_int_equal(atomic_load(&cancelled), 1);
    assert_int_equal(ql_live_start(NULL, &second, &err), QL_E_BUSY);
    ql_prof *own = NULL;
    assert_int_equal(ql_prof_start(NULL, &own, &err), QL_OK);
    assert_int_equal(ask("record 9 cpu 5", &err), QL_E_BUSY);
    assert_int_equal(ask("sample 9 5", &err), QL_E_BUSY);
    wait_for("\"mode\":\"elsewhere\"");
    ql_prof_free(own);
    ql_live_free(live);
    assert_int_equal(ask("cancel", &err), QL_E_NOTFOUND);
}

/* --- tasks ----------------------------------------------------------------------------------------------------------------------- */

static void expect_tasks(bool there, const char *text)
{
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    if (ql_live_tasks_json(getpid(), dir, &json, &err) < 0) fail_msg("%s", err.message);
    if ((strstr(ql_buf_cstr(&json), text) != NULL) != there) fail_msg("%s: %s", text, ql_buf_cstr(&json));
    ql_buf_dispose(&json);
}

static void test_live__tasks_are_listed_without_a_capture(void **state)
{
    (void)state;
    static ql_site site = QL_SITE_INIT("errand", "test");
    char running[64];
    ql_task before = ql_task_begin(&site, QL_STR("before"), 0);
    assert_int_equal(before.id, 0); /* nobody looks */
    ql_live *live = show();
    expect_tasks(true, "{\"tasks\":[]}");
    ql_task task = ql_task_begin(&site, QL_STR("a\x1b\xff\"b"), 0);
    expect_tasks(true, "\"task\":1,\"parent\":null,\"kind\":\"errand\",\"name\":\"a\\u001b\xEF\xBF\xBD\\\"b\",\"state\":\"ready\",\"waits_for\":null,\"thread\":null");
    ql_task child = ql_task_begin(&site, QL_STR("child"), task.id);
    expect_tasks(true, "\"task\":2,\"parent\":1");
    ql_task_run(&task);
    (void)snprintf(running, sizeof running, "\"state\":\"running\",\"waits_for\":null,\"thread\":%ld", (long)getpid());
    expect_tasks(true, running);
    ql_task_wait(&task, QL_TASK_WAIT_QUEUE, "the queue of errands");
    expect_tasks(true, "\"state\":\"waiting\",\"waits_for\":\"the queue of errands\",\"thread\":null");
    ql_task_wait(&task, QL_TASK_WAIT_LOCK, NULL);
    expect_tasks(true, "\"waits_for\":\"a lock\"");
    wait_for("\"tasks\":{\"ready\":1,\"running\":0,\"waiting\":1,\"ended\":0,\"not_kept\":0}");
    ql_error err = {0}; /* one of a capture is the same */
    assert_int_equal(ask("sample 99 60000", &err), QL_OK);
    ql_task sampled = ql_task_begin(&site, QL_STR("sampled"), task.id);
    assert_true(sampled.id != 0);
    expect_tasks(true, "\"task\":3,\"parent\":1");
    ql_task_end(&task);
    ql_task_end(&child);
    ql_task_end(&sampled);
    expect_tasks(true, "{\"tasks\":[]}");
    wait_for("\"tasks\":{\"ready\":0,\"running\":0,\"waiting\":0,\"ended\":3,\"not_kept\":0}");
    uint64_t work = ql__live_work_begin("embed", QL_STR("3 texts"), 1);
    expect_tasks(true, "\"kind\":\"embed\",\"name\":\"3 texts\",\"state\":\"running\"");
    ql__live_work_end(work, 2);
    expect_tasks(true, "{\"tasks\":[]}");
    ql_task kept = ql_task_begin(&site, QL_STR("kept"), 0);
    ql_live_free(live);
    live = show(); /* begins with none, and one of before changes nothing */
    ql_task_run(&kept);
    ql_task_end(&kept);
    expect_tasks(true, "{\"tasks\":[]}");
    ql_live_free(live);
}

static void test_live__ten_thousand_tasks_and_more_than_there_is_room_for(void **state)
{
    (void)state;
    static ql_site site = QL_SITE_INIT("errand", "test");
    enum { MANY = 40000, HALF = 8000 };
    ql_task *tasks = calloc(MANY, sizeof *tasks);
    ql_buf json = QL_BUF_INIT;
    ql_error err = {0};
    size_t seen = 0;
    assert_non_null(tasks);
    ql_live *live = show();
    for (size_t i = 0; i < HALF; i++) tasks[i] = ql_task_begin(&site, QL_STR("one"), 0);
    assert_int_equal(ql_live_tasks_json(getpid(), dir, &json, &err), QL_OK);
    for (const char *at = ql_buf_cstr(&json); (at = strstr(at, "\"task\":")) != NULL; at++) seen++;
    assert_int_equal(seen, HALF);
    for (size_t i = HALF; i < MANY; i++) tasks[i] = ql_task_begin(&site, QL_STR("one"), 0);
    for (size_t i = 0; i < MANY; i++) ql_task_end(&tasks[i]);
    expect_tasks(true, "{\"tasks\":[]}");
    wait_for("\"ready\":0,\"running\":0,\"waiting\":0");
    wait_for("\"not_kept\":2"); /* twenty-three thousand and some: the first digit */
    ql_live_free(live);
    ql_buf_dispose(&json);
    free(tasks);
}

static void *churn_main(void *user)
{
    static ql_site site = QL_SITE_INIT("churn", "test");
    (void)user;
    while (!atomic_load_explicit(&enough, memory_order_relaxed)) {
        ql_task task = ql_task_begin(&site, QL_STR("0123456789012345678901234567890123456789"), 0);
        ql_task_run(&task);
        ql_task_wait(&task, QL_TASK_WAIT_OTHER, "0123456789012345678901234567890123456789");
        ql_task_end(&task);
    }
    return NULL;
}

static void test_live__rows_are_whole_while_they_change(void **state)
{
    (void)state;
    pthread_t threads[3];
    ql_live *live = show();
    atomic_store(&enough, false);
    for (size_t i = 0; i < 3; i++) assert_int_equal(pthread_create(&threads[i], NULL, churn_main, NULL), 0);
    for (int i = 0; i < 100; i++) {
        ql_buf json = QL_BUF_INIT;
        ql_error err = {0};
        if (ql_live_tasks_json(getpid(), dir, &json, &err) < 0) fail_msg("%s", err.message);
        for (const char *at = ql_buf_cstr(&json); (at = strstr(at, "\"name\":")) != NULL; at++)
            assert_int_equal(strncmp(at, "\"name\":\"0123456789012345678901234567890123456789\"", 49), 0);
        for (const char *at = ql_buf_cstr(&json); (at = strstr(at, "\"waits_for\":")) != NULL; at++)
            assert_true(strncmp(at + 12, "null", 4) == 0 || strncmp(at + 12, "\"0123456789012345678901234567890123456789\"", 42) == 0);
        ql_buf_dispose(&json);
    }
    atomic_store(&enough, true);
    for (size_t i = 0; i < 3; i++) pthread_join(threads[i], NULL);
    expect_tasks(true, "{\"tasks\":[]}");
    ql_live_free(live);
}

/* --- hostile peers --------------------------------------------------------------------------------------------------------------- */

static int raw_connect(pid_t pid)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/%ld.sock", dir, (long)pid);
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (connect(fd, (const struct sockaddr *)&address, sizeof address) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static void test_live__hostile_peers_are_refused(void **state)
{
    (void)state;
    static char large[200000];
    char answer[300] = {0};
    int many[64];
    ql_error err = {0};
    ql_live *live = show();
    int fd = raw_connect(getpid());
    assert_true(send(fd, large, 60000, MSG_NOSIGNAL) > 0); /* too long, and zeros */
    assert_true(recv(fd, answer, sizeof answer - 1, 0) > 2);
    assert_int_equal(answer[0], QL__LIVE_FAILED);
    close(fd);
    fd = raw_connect(getpid());
    assert_int_equal(send(fd, "cancel\0x", 8, MSG_NOSIGNAL), 8);
    assert_true(recv(fd, answer, sizeof answer - 1, 0) > 2);
    assert_int_equal(answer[0], QL__LIVE_FAILED);
    close(fd);
    fd = raw_connect(getpid()); /* asks for much, reads nothing, goes away */
    assert_true(send(fd, "record 1000 wall 0", 18, MSG_NOSIGNAL) == 18);
    pause_ms(300);
    close(fd);
    wait_for("\"mode\":\"passive\"");
    srand(7);
    for (int i = 0; i < 200; i++) { /* noise */
        unsigned char noise[128];
        size_t size = 1 + (size_t)rand() % sizeof noise;
        for (size_t k = 0; k < size; k++) noise[k] = (unsigned char)rand();
        fd = raw_connect(getpid());
        if (fd >= 0) (void)!send(fd, noise, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (fd >= 0) close(fd);
    }
    for (size_t i = 0; i < 64; i++) { /* all that may wait do; none says anything */
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        (void)snprintf(address.sun_path, sizeof address.sun_path, "%s/%ld.sock", dir, (long)getpid());
        many[i] = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        (void)!connect(many[i], (const struct sockaddr *)&address, sizeof address);
    }
    for (size_t i = 0; i < 64; i++) close(many[i]);
    while (ask("cancel", &err) == QL_E_BUSY) pause_ms(20); /* what they took is given back */
    assert_int_equal(ask("cancel", &err), QL_OK);
    ql_live_free(live);
}

static void test_live__another_user_is_refused(void **state)
{
    (void)state;
    char answer[300] = {0};
    if (geteuid() != 0) skip(); /* only root can become another */
    ql_live *live = show();
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%ld.sock", dir, (long)getpid());
    pid_t parent = getpid(), child = fork();
    if (child == 0) { /* the folder keeps it out */
        if (setgid(65534) != 0 || setuid(65534) != 0) _exit(9);
        ql_error err = {0};
        ql_buf json = QL_BUF_INIT;
        _exit(ql_live_stats_json(parent, dir, &json, &err) == QL_E_AUTH && raw_connect(parent) < 0 ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(chmod(dir, 0777), 0);
    assert_int_equal(chmod(path, 0777), 0);
    child = fork();
    if (child == 0) { /* and the process itself, were it open */
        if (setgid(65534) != 0 || setuid(65534) != 0) _exit(9);
        int fd = raw_connect(parent);
        if (fd < 0) _exit(2);
        (void)!send(fd, "cancel", 6, MSG_NOSIGNAL);
        ssize_t size = recv(fd, answer, sizeof answer - 1, 0);
        if (size < 0 && errno == ECONNRESET) size = recv(fd, answer, sizeof answer - 1, 0); /* it did not read what was sent */
        _exit(size > 2 && answer[0] == QL__LIVE_FAILED && answer[1] == -QL_E_AUTH ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ql_error err = {0};
    assert_int_equal(ask("cancel", &err), QL_E_AUTH); /* a folder that others may write is not trusted */
    ql_live_free(live);
    assert_int_equal(chmod(dir, 0700), 0);
}

/* --- pages ----------------------------------------------------------------------------------------------------------------------- */

static void change_page(size_t offset, const void *bytes, size_t size)
{
    char path[200];
    (void)snprintf(path, sizeof path, "%s/%ld.stats", dir, (long)getpid());
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(pwrite(fd, bytes, size, (off_t)offset) == (ssize_t)size);
    close(fd);
}

static void test_live__a_page_of_another_version_or_process_or_damaged(void **state)
{
    (void)state;
    static ql__live_page page; /* of a view that has ended, kept */
    char path[200];
    ql_error err = {0};
    ql_buf json = QL_BUF_INIT, file = QL_BUF_INIT;
    (void)snprintf(path, sizeof path, "%s/%ld.stats", dir, (long)getpid());
    ql_live *live = show();
    ql_test_file_read(path, &file);
    ql_live_free(live);
    assert_int_equal(file.len, sizeof page);
    memcpy(&page, file.ptr, sizeof page);
    page.sequence &= ~UINT64_C(1); /* it may have been read in the middle of being written */
    change_page(0, &page, sizeof page);
    assert_int_equal(ql_live_stats_json(getpid(), dir, &json, &err), QL_OK);
    assert_int_equal(ask("cancel", &err), QL_E_NOTFOUND); /* nobody listens */

    uint32_t version = 2, many = 1000000;
    change_page(offsetof(ql__live_page, version), &version, sizeof version);
    assert_int_equal(ql_live_stats_json(getpid(), dir, &json, &err), QL_E_UNSUPPORTED);
    assert_int_equal(ask("cancel", &err), QL_E_UNSUPPORTED);
    change_page(0, &page, sizeof page);
    uint64_t start = page.start_ticks + 1;
    change_page(offsetof(ql__live_page, start_ticks), &start, sizeof start);
    assert_int_equal(ql_live_stats_json(getpid(), dir, &json, &err), QL_E_NOTFOUND);
    change_page(0, &page, sizeof page);
    change_page(offsetof(ql__live_page, function_count), &many, sizeof many);
    assert_int_equal(ql_live_stats_json(getpid(), dir, &json, &err), QL_E_CORRUPT);
    change_page(0, "noise!!!", 8);
    assert_int_equal(ql_live_stats_json(getpid(), dir, &json, &err), QL_E_CORRUPT);
    ql_test_file_write(path, QL_STR("short"));
    assert_int_equal(ql_live_stats_json(getpid(), dir, &json, &err), QL_E_CORRUPT);
    change_page(0, &page, sizeof page);
    uint64_t odd = page.sequence | 1;
    change_page(offsetof(ql__live_page, sequence), &odd, sizeof odd);
    assert_int_equal(ql_live_stats_json(getpid(), dir, &json, &err), QL_E_TIMEOUT);
    unlink(path);
    assert_int_equal(ql_live_stats_json(getpid(), dir, &json, &err), QL_E_NOTFOUND);
    assert_int_equal(ql_live_stats_json(0, dir, &json, &err), QL_E_INVALID);
    assert_int_equal(ql_live_stats_json(INT32_MAX, dir, &json, &err), QL_E_NOTFOUND);
    ql_buf_dispose(&json);
    ql_buf_dispose(&file);
}

/* --- processes ------------------------------------------------------------------------------------------------------------------- */

static int bind_socket(const char *name, char *path, size_t size)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    (void)snprintf(path, size, "%s/%s.sock", dir, name);
    assert_true(strlen(path) < sizeof address.sun_path);
    memcpy(address.sun_path, path, strlen(path));
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

static void test_live__a_killed_process_is_told_and_swept(void **state)
{
    (void)state;
    int ready[2];
    char byte;
    ql_error err = {0};
    ql_buf json = QL_BUF_INIT;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t child = fork();
    if (child == 0) {
        (void)prctl(PR_SET_DUMPABLE, 0);
        (void)show();
        (void)!write(ready[1], "x", 1);
        for (;;) pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(ql_live_ask(child, dir, QL_STR("sample 99 1000"), NULL, NULL, &err), QL_OK); /* though it may not be dumped, nor traced */
    assert_int_equal(ql_live_stats_json(child, dir, &json, &err), QL_OK);
    assert_int_equal(kill(child, SIGSTOP), 0);
    while (strstr(ql_buf_cstr(&json), "\"state\":\"T\"") == NULL) {
        if (ql_live_stats_json(child, dir, &json, &err) != QL_E_TIMEOUT) continue;
        assert_int_equal(kill(child, SIGCONT), 0); /* it was stopped while it wrote */
        pause_ms(20);
        assert_int_equal(kill(child, SIGSTOP), 0);
    }
    assert_int_equal(ql_live_ask(child, dir, QL_STR("cancel"), NULL, NULL, &err), QL_E_TIMEOUT); /* 5 s */
    assert_int_equal(kill(child, SIGKILL), 0);
    siginfo_t told;
    assert_int_equal(waitid(P_PID, (id_t)child, &told, WEXITED | WNOWAIT), 0);
    assert_int_equal(ql_live_stats_json(child, dir, &json, &err), QL_E_NOTFOUND); /* a zombie is none */
    assert_non_null(strstr(err.message, "has ended"));
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(ql_live_stats_json(child, dir, &json, &err), QL_E_NOTFOUND);
    assert_int_equal(ql_test_dir_count(dir), 2);
    char path[200];
    const struct timespec old[2] = {{1000000000, 0}, {1000000000, 0}};
    (void)snprintf(path, sizeof path, "%s/1.new", dir); /* of one that was killed while it made its page */
    ql_test_file_write(path, QL_STR("some of it"));
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    (void)snprintf(path, sizeof path, "%s/%ld.stats", dir, (long)child);
    assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
    static const char *const alone[] = {"1", "2", "3"}; /* sockets: of the one above, without any page, and one on which somebody listens */
    int heard = -1;
    for (size_t i = 0; i < sizeof alone / sizeof *alone; i++) {
        int fd = bind_socket(alone[i], path, sizeof path);
        assert_int_equal(utimensat(AT_FDCWD, path, old, 0), 0);
        if (i == 2) assert_int_equal(listen(heard = fd, 1), 0);
        else close(fd);
    }
    ql_live *live = show();
    assert_int_equal(ql_test_dir_count(dir), 3); /* its own two, and the one that is heard */
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(unlink(path), 0);
    close(heard);
    ql_live_free(live);
    ql_buf_dispose(&json);
    close(ready[0]);
    close(ready[1]);
}

static void test_live__a_child_of_fork_has_none_and_can_have_one(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* it lets no child of a process with threads begin one */
#endif
    ql_live *live = show();
    pid_t child = fork();
    if (child == 0) {
        ql_live_free(live); /* the parent's files stay */
        live = show();
        ql_error err = {0};
        bool good = ask("sample 99 1000", &err) == QL_OK;
        ql_live_free(live);
        _exit(good ? 0 : 1);
    }
    int status = 0;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ql_error err = {0};
    assert_int_equal(ask("cancel", &err), QL_OK);
    ql_live_free(live);
}

/* Forks a process that shows itself again and again in the usual place. It exits with 1 when it cannot. */
static pid_t come_and_go(int times)
{
    pid_t child = fork();
    if (child != 0) return child;
    for (int i = 0; i < times; i++) {
        ql_live *live = NULL;
        ql_error err = {0};
        if (ql_live_start(NULL, &live, &err) < 0) {
            (void)fprintf(stderr, "%s\n", err.message);
            _exit(1);
        }
        ql_live_free(live);
    }
    _exit(0);
}

/* The folder goes with the last of its processes, and one that begins meanwhile makes it again. */
static void test_live__the_usual_folder_goes_with_the_last_process(void **state)
{
    (void)state;
#if defined(__SANITIZE_THREAD__)
    skip(); /* as above */
#endif
    char folder[600];
    assert_int_equal(setenv("XDG_RUNTIME_DIR", dir, 1), 0);
    (void)snprintf(folder, sizeof folder, "%s/qloader", dir);
    pid_t children[4];
    int status[4];
    for (int i = 0; i < 4; i++) children[i] = come_and_go(50);
    for (int i = 0; i < 4; i++) assert_int_equal(waitpid(children[i], &status[i], 0), children[i]);
    for (int i = 0; i < 4; i++) assert_int_equal(status[i], 0);
    assert_int_equal(access(folder, F_OK), -1);
    ql_live *live = NULL;
    ql_error err = {0};
    assert_int_equal(ql_live_start(NULL, &live, &err), QL_OK);
    assert_int_equal(access(folder, F_OK), 0);
    ql_live_free(live);
    assert_int_equal(access(folder, F_OK), -1);
    assert_int_equal(unsetenv("XDG_RUNTIME_DIR"), 0);
}

static int set_up(void **state)
{
    (void)state;
    dir = ql_test_dir_new();
    return chmod(dir, 0700);
}

static int tear_down(void **state)
{
    (void)state;
    ql_test_dir_remove(dir);
    return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(test_live__##name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(functions_are_named_and_sampling_ends_by_itself), TEST(a_recording_is_a_capture), TEST(requests_are_checked), TEST(tasks_are_listed_without_a_capture),
        TEST(ten_thousand_tasks_and_more_than_there_is_room_for), TEST(rows_are_whole_while_they_change), TEST(hostile_peers_are_refused),
        TEST(another_user_is_refused), TEST(a_page_of_another_version_or_process_or_damaged), TEST(a_killed_process_is_told_and_swept), TEST(a_child_of_fork_has_none_and_can_have_one),
        TEST(the_usual_folder_goes_with_the_last_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
