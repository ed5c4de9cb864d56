/* See live_sweep.h. A live process holds a lock on its page; the kernel gives it up with the process, whatever ended that. */
#include "prof/live_sweep.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES_MAX 10000
#define PATH_BYTES 512
#define YOUNG_S 10 /* between making a page and locking it lies a moment */

/* Of the open file, not of the process: whoever opens and closes the page elsewhere does not give it up. */
bool ql__live_lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

bool ql__live_held(const ql__sys *sys, const char *path)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd;
    if (ql__file_open(sys, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK, 0, &fd, NULL) < 0) return false;
    bool held = fcntl(fd, F_OFD_GETLK, &whole) != 0 || whole.l_type != F_UNLCK; /* where it cannot be told, it is */
    ql__file_close(sys, fd);
    return held;
}

static bool is_old(const struct stat *facts)
{
    return facts->st_mtime + YOUNG_S < time(NULL);
}

/* "FOLDER/NUMBER.kind"; false: too long. */
static bool name_file(char path[PATH_BYTES], const char *folder, size_t digits, const char *name, const char *kind)
{
    int length = snprintf(path, PATH_BYTES, "%s/%.*s%s", folder, (int)digits, name, kind);
    return length > 0 && length < PATH_BYTES;
}

static void sweep_page(const ql__sys *sys, const char *folder, size_t digits, const char *name)
{
    char path[PATH_BYTES], socket_path[PATH_BYTES];
    struct stat facts;
    int fd;
    if (!name_file(path, folder, digits, name, name + digits) || !name_file(socket_path, folder, digits, name, ".sock")) return;
    if (ql__file_open(sys, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0, &fd, NULL) < 0) return;
    if (fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && is_old(&facts) && ql__live_lock(fd)) {
        (void)unlink(path);
        (void)unlink(socket_path);
    }
    ql__file_close(sys, fd);
}

static bool is_heard(const char *path)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = strlen(path) < sizeof address.sun_path ? socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0) : -1;
    if (fd < 0) return true;
    memcpy(address.sun_path, path, strlen(path));
    bool heard = connect(fd, (const struct sockaddr *)&address, sizeof address) == 0 || errno != ECONNREFUSED;
    (void)close(fd);
    return heard;
}

/* One without a page has nothing that could be locked: whether anybody listens is asked. */
static void sweep_socket(const char *folder, size_t digits, const char *name)
{
    char path[PATH_BYTES], page[PATH_BYTES];
    struct stat facts;
    if (!name_file(path, folder, digits, name, ".sock") || lstat(path, &facts) != 0 || !S_ISSOCK(facts.st_mode) || !is_old(&facts)) return;
    static const char *const pages[] = {".stats", ".new"};
    for (size_t i = 0; i < sizeof pages / sizeof *pages; i++)
        if (!name_file(page, folder, digits, name, pages[i]) || access(page, F_OK) == 0) return;
    if (!is_heard(path)) (void)unlink(path);
}

void ql__live_sweep(const ql__sys *sys, const char *folder)
{
    DIR *list = opendir(folder);
    const struct dirent *entry;
    if (list == NULL) return;
    for (int i = 0; i < ENTRIES_MAX && (entry = readdir(list)) != NULL; i++) {
        size_t digits = strspn(entry->d_name, "0123456789");
        const char *kind = entry->d_name + digits;
        if (digits == 0) continue;
        if (strcmp(kind, ".stats") == 0 || strcmp(kind, ".new") == 0) sweep_page(sys, folder, digits, entry->d_name);
        else if (strcmp(kind, ".sock") == 0) sweep_socket(folder, digits, entry->d_name);
    }
    (void)closedir(list);
}
