/*
 * A web server on the loopback for tests: GET of files below a folder, one connection at a time. Paths that say something else:
 * status/N answers N, loop/x redirects to itself, away/x redirects to a file: address. Sets no_proxy so that nothing leaves the machine.
 */
#ifndef QL_TEST_FILE_SERVER_H
#define QL_TEST_FILE_SERVER_H

#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "support/testing.h"

typedef struct file_server {
    int fd;
    uint16_t port;
    const char *dir;
    pthread_t thread;
    int cut_after; /* bytes of a body, then the connection ends; 0: all */
} file_server;

static inline void file_server_answer(const file_server *self, int fd)
{
    char request[2048] = {0}, path[1024] = {0}, full[2048] = {0};
    ssize_t got = read(fd, request, sizeof request - 1);
    if (got <= 0 || sscanf(request, "GET /%1000s", path) != 1) return;
    snprintf(full, sizeof full, "%s/%s", self->dir, path);
    FILE *file = fopen(full, "rb");
    if (strncmp(path, "status/", 7) == 0) {
        dprintf(fd, "HTTP/1.1 %d Said\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody", atoi(path + 7));
    } else if (strncmp(path, "halfsaid/", 9) == 0) { /* an error whose page is cut off */
        dprintf(fd, "HTTP/1.1 %d Said\r\nContent-Length: 1000\r\nConnection: close\r\n\r\nbody", atoi(path + 9));
    } else if (strncmp(path, "endless/", 8) == 0) { /* an error whose page never ends */
        dprintf(fd, "HTTP/1.1 %d Said\r\nConnection: close\r\n\r\n", atoi(path + 8));
        while (send(fd, full, sizeof full, MSG_NOSIGNAL) > 0) {}
    } else if (strncmp(path, "silent/", 7) == 0) {
        while (read(fd, request, sizeof request) > 0) {} /* until the client has had enough */
    } else if (strncmp(path, "later/", 6) == 0) {
        dprintf(fd, "HTTP/1.1 429 Busy\r\nRetry-After: %d\r\nContent-Length: 4\r\nConnection: close\r\n\r\nbody", atoi(path + 6));
    } else if (strncmp(path, "loop/", 5) == 0) {
        dprintf(fd, "HTTP/1.1 302 Found\r\nLocation: /loop/again\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else if (strncmp(path, "away/", 5) == 0) {
        dprintf(fd, "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    } else if (!file) {
        dprintf(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngone");
    } else {
        char *body = calloc(1, 1 << 20);
        size_t size = fread(body, 1, 1 << 20, file), sent = self->cut_after && (size_t)self->cut_after < size ? (size_t)self->cut_after : size;
        dprintf(fd, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n", size);
        assert_int_equal(write(fd, body, sent), (ssize_t)sent);
        free(body);
    }
    if (file) fclose(file);
}

static inline void *file_server_run(void *user)
{
    file_server *self = user;
    for (;;) {
        int fd = accept(self->fd, NULL, NULL);
        if (fd < 0) return NULL;
        file_server_answer(self, fd);
        close(fd);
    }
}

static inline void file_server_start(file_server *self, const char *dir, int cut_after)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    setenv("no_proxy", "127.0.0.1", 1);
    *self = (file_server){.dir = dir, .cut_after = cut_after, .fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    assert_int_equal(bind(self->fd, (struct sockaddr *)&address, sizeof address), 0);
    assert_int_equal(listen(self->fd, 8), 0);
    assert_int_equal(getsockname(self->fd, (struct sockaddr *)&address, &len), 0);
    self->port = ntohs(address.sin_port);
    assert_int_equal(pthread_create(&self->thread, NULL, file_server_run, self), 0);
}

static inline void file_server_stop(file_server *self)
{
    shutdown(self->fd, SHUT_RDWR);
    pthread_join(self->thread, NULL);
    close(self->fd);
}

#endif
