/*
 * A loop that answers requests, each of which asks a directory for a name over a socket; the directory takes its time.
 * Planted: the loop waits for the answer inside the request's task. Usage: answer_desk FOLDER
 */
#include "planted.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { REQUESTS = 15, ANSWER_MS = 160 };

/* The other side: answers each byte with one, late. */
static void *directory(void *user)
{
    int fd = *(int *)user;
    char byte;
    while (read(fd, &byte, 1) == 1) {
        struct timespec rest = {0, ANSWER_MS * 1000000L};
        while (nanosleep(&rest, &rest) != 0 && errno == EINTR) {
        }
        if (write(fd, &byte, 1) != 1) break;
    }
    return NULL;
}

static int ask_directory(int fd, char question)
{
    char answer = 0;
    if (write(fd, &question, 1) != 1) return -1;
    if (read(fd, &answer, 1) != 1) return -1; /* planted */
    return answer;
}

static int answer_request(int fd, int number)
{
    static ql_site site = QL_SITE_INIT("request", "task");
    char name[32];
    snprintf(name, sizeof name, "request %d", number);
    ql_task task = ql_task_begin(&site, ql_str_of(name), 0);
    ql_task_run(&task);
    int answer = ask_directory(fd, (char)('a' + number));
    ql_task_end(&task);
    return answer;
}

static ql_status serve(const char *folder, void *user, ql_error *err)
{
    const int *fds = user;
    (void)folder, (void)err;
    for (int i = 0; i < REQUESTS; i++)
        if (answer_request(fds[0], i) != 'a' + i) return QL_E_NET;
    return QL_OK;
}

int main(int argc, char **argv)
{
    int fds[2];
    pthread_t thread;
    if (argc < 2 || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0 || pthread_create(&thread, NULL, directory, &fds[1]) != 0) return 1;
    int code = planted_run(argv[1], QL_PROF_CPU | QL_PROF_WALL | QL_PROF_SPANS, serve, fds);
    shutdown(fds[0], SHUT_RDWR);
    pthread_join(thread, NULL);
    close(fds[0]);
    close(fds[1]);
    return code;
}
