/* See live_sweep.h. A live process holds a lock on its page; the kernel gives it up with the process, whatever ended that. */
#include "prof/live_sweep.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ENTRIES_MAX 10000
#define YOUNG_S 10 /* between making a page and locking it lies a moment */

/* Of the open file, not of the process: whoever opens and closes the page elsewhere does not give it up. */
bool ql__live_lock(int fd)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    return fcntl(fd, F_OFD_SETLK, &whole) == 0;
}

static void sweep_one(const ql__sys *sys, const char *folder, const char *name)
{
    char path[512];
    struct stat facts;
    int fd;
    int length = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (length < 0 || (size_t)length >= sizeof path || ql__file_open(sys, path, O_RDWR | O_NOFOLLOW | O_NONBLOCK, 0, &fd, NULL) < 0) return;
    bool old = fstat(fd, &facts) == 0 && S_ISREG(facts.st_mode) && facts.st_mtime + YOUNG_S < time(NULL);
    if (old && ql__live_lock(fd)) {
        (void)unlink(path);
        if (path[length - 1] == 's') memcpy(path + length - 5, "sock", 5); /* instead of "stats" */
        (void)unlink(path);
    }
    ql__file_close(sys, fd);
}

void ql__live_sweep(const ql__sys *sys, const char *folder)
{
    DIR *list = opendir(folder);
    const struct dirent *entry;
    if (list == NULL) return;
    for (int i = 0; i < ENTRIES_MAX && (entry = readdir(list)) != NULL; i++) {
        size_t digits = strspn(entry->d_name, "0123456789");
        const char *kind = entry->d_name + digits;
        if (digits > 0 && (strcmp(kind, ".stats") == 0 || strcmp(kind, ".new") == 0)) sweep_one(sys, folder, entry->d_name);
    }
    (void)closedir(list);
}
