/*
 * See bench_process.h. The child is looked at between its end and its being reaped: then /proc still has what it read and wrote.
 *
 * The kernel counts what the parent had in memory at the moment of exec as the child's peak, so no program is seen to take less than this
 * one does; callers say how much that is.
 */
#include "bench_process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "session.h"

#define OUTPUT_BYTES_MAX (64 << 20)

extern char **environ;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static ql_status fail_os(ql_error *err, int os_code, const char *what, const char *name)
{
    *err = (ql_error){.status = os_code == ENOENT ? QL_E_NOTFOUND : os_code == ENOMEM ? QL_E_NOMEM : QL_E_IO, .os_code = os_code};
    snprintf(err->message, sizeof err->message, "%s '%.200s': %s", what, name, strerror(os_code));
    return err->status;
}

/* A file without a name. */
static int scratch_file(void)
{
    const char *folder = getenv("TMPDIR");
    char path[4096];
    snprintf(path, sizeof path, "%s/qloader-bench-XXXXXX", folder != NULL && folder[0] != '\0' ? folder : "/tmp");
    int fd = mkostemp(path, O_CLOEXEC);
    if (fd >= 0) (void)unlink(path);
    return fd;
}

static void read_io(pid_t pid, process_run *out)
{
    char path[64], line[128];
    unsigned long long value = 0;
    int found = 0;
    snprintf(path, sizeof path, "/proc/%ld/io", (long)pid);
    FILE *file = fopen(path, "re");
    if (file == NULL) return; /* not on every kernel, nor for every program */
    while (fgets(line, sizeof line, file) != NULL) {
        char *colon = strchr(line, ':');
        if (colon == NULL) continue;
        *colon = '\0';
        value = strtoull(colon + 1, NULL, 10);
        uint64_t *place = strcmp(line, "rchar") == 0 ? &out->read_bytes : strcmp(line, "wchar") == 0 ? &out->written_bytes : strcmp(line, "read_bytes") == 0 ? &out->disk_read_bytes
                          : strcmp(line, "write_bytes") == 0 ? &out->disk_written_bytes : NULL;
        if (place != NULL) *place = value, found++;
    }
    fclose(file);
    out->has_io = found == 4;
}

static ql_status start(char *const argv[], int out_fd, int err_fd, pid_t *pid, ql_error *err)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, usual;
    sigemptyset(&none);
    sigemptyset(&usual);
    sigaddset(&usual, SIGPIPE); /* what is ignored here would be there */
    if (posix_spawn_file_actions_init(&actions) != 0) return fail_os(err, ENOMEM, "cannot start", argv[0]);
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return fail_os(err, ENOMEM, "cannot start", argv[0]);
    }
    int code = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (code == 0) code = out_fd >= 0 ? posix_spawn_file_actions_adddup2(&actions, out_fd, STDOUT_FILENO) : posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0);
    if (code == 0) code = posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
    if (code == 0) code = posix_spawnattr_setsigmask(&attributes, &none);
    if (code == 0) code = posix_spawnattr_setsigdefault(&attributes, &usual);
    if (code == 0) code = posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (code == 0) code = posix_spawnp(pid, argv[0], &actions, &attributes, argv, environ);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return code == 0 ? QL_OK : fail_os(err, code, "cannot start", argv[0]);
}

/* Until it has ended; it stays to be reaped. A signal that comes at the wrong moment is seen a tenth of a second later. */
static void wait_for_end(pid_t pid)
{
    siginfo_t info;
    bool told = false;
    int fd = pidfd_open(pid, 0);
    while (fd >= 0) {
        struct pollfd ended = {.fd = fd, .events = POLLIN};
        if (poll(&ended, 1, 100) > 0) break;
        if (stop_asked() && !told) told = kill(pid, SIGTERM) == 0;
    }
    if (fd >= 0) close(fd);
    while (waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT) != 0 && errno == EINTR) { /* a kernel without such descriptors waits here */
    }
}

static void read_last_words(int fd, char out[400])
{
    off_t end = lseek(fd, 0, SEEK_END), begin = end > 399 ? end - 399 : 0;
    ssize_t got = end > 0 ? pread(fd, out, 399, begin) : 0;
    out[got > 0 ? got : 0] = '\0';
    for (char *at = out; *at != '\0'; at++)
        if (*at == '\n' || *at == '\r') *at = ' ';
}

static json_t *read_json(int fd)
{
    if (lseek(fd, 0, SEEK_END) > OUTPUT_BYTES_MAX || lseek(fd, 0, SEEK_SET) != 0) return NULL;
    return json_loadfd(fd, 0, NULL);
}

static ql_status measure(char *const argv[], int out_fd, int err_fd, process_run *out, ql_error *err)
{
    pid_t pid = -1;
    double begin_s = now_s();
    ql_status status = start(argv, out_fd, err_fd, &pid, err);
    if (status < 0) return status;
    wait_for_end(pid);
    out->wall_s = now_s() - begin_s;
    read_io(pid, out);
    while (wait4(pid, &out->wait_status, 0, &out->usage) < 0 && errno == EINTR) {
    }
    read_last_words(err_fd, out->last_words);
    if (out_fd >= 0) out->output = read_json(out_fd);
    if (!stop_asked()) return QL_OK;
    *err = (ql_error){.status = QL_E_CANCELLED};
    snprintf(err->message, sizeof err->message, "stopped");
    return QL_E_CANCELLED;
}

ql_status process_measure(char *const argv[], bool keep_json, process_run *out, ql_error *err)
{
    *out = (process_run){0};
    int err_fd = scratch_file(), out_fd = keep_json && err_fd >= 0 ? scratch_file() : -1;
    ql_status status = err_fd < 0 || (keep_json && out_fd < 0) ? fail_os(err, errno, "cannot make a file in", "TMPDIR") : measure(argv, out_fd, err_fd, out, err);
    if (out_fd >= 0) close(out_fd);
    if (err_fd >= 0) close(err_fd);
    return status;
}
