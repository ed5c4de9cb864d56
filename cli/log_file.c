/* See log_file.h. A lost line costs nothing but the line: no failure of the log fails the command. */
#include "log_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define LOG_BYTES_MAX (10 << 20)

static int open_private(const char *path)
{
    return open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
}

static void rotate(const char *path)
{
    struct stat info;
    char old[PATH_MAX + 2];
    if (lstat(path, &info) != 0 || !S_ISREG(info.st_mode) || info.st_size <= LOG_BYTES_MAX) return;
    snprintf(old, sizeof old, "%s.1", path);
    (void)rename(path, old);
}

FILE *log_file_open(const char *workspace, const char *command, char *why, size_t size)
{
    char folder[PATH_MAX], path[PATH_MAX];
    if (workspace == NULL) workspace = ".";
    int folder_length = snprintf(folder, sizeof folder, "%s/logs", workspace);
    int length = snprintf(path, sizeof path, "%s/logs/%s.log", workspace, command);
    if (folder_length < 0 || length < 0 || (size_t)length >= sizeof path) {
        snprintf(why, size, "the folder's name is too long");
        return NULL;
    }
    struct stat info;
    int fd = mkdir(folder, 0755) == 0 || errno == EEXIST ? (rotate(path), open_private(path)) : -1;
    bool is_file = fd >= 0 && fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && fchmod(fd, 0600) == 0; /* also one that was there */
    FILE *log = is_file ? fdopen(fd, "a") : NULL;
    if (log != NULL) return log;
    snprintf(why, size, "'%s': %s", path, fd >= 0 && !is_file ? "not a file of ours" : strerror(errno));
    if (fd >= 0) close(fd);
    return NULL;
}

void log_file_write(FILE *log, const char *level, const char *subsystem, const char *message)
{
    char when[32] = "";
    struct tm tm;
    time_t now = time(NULL);
    if (log == NULL) return;
    if (gmtime_r(&now, &tm) != NULL) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    flockfile(log); /* a line is many calls, and comes from any thread */
    fprintf(log, "%s %s %s: ", when, level, subsystem);
    for (const char *at = message; *at != '\0'; at++) {
        unsigned char c = (unsigned char)*at;
        if (c < 0x20 || c == 0x7f) fprintf(log, "\\x%02x", c);
        else fputc(c, log);
    }
    fputc('\n', log);
    fflush(log); /* what was said before a crash is what one looks for */
    funlockfile(log);
}

void log_file_close(FILE *log)
{
    if (log != NULL) fclose(log);
}
