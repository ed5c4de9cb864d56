/* See live_place.h. */
#include "prof/live_place.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/status.h"
#include "prof/proc_text.h"

static bool is_folder(const char *path, uid_t owner)
{
    struct stat facts;
    return stat(path, &facts) == 0 && S_ISDIR(facts.st_mode) && facts.st_uid == owner;
}

static bool print_folder(const char *folder, uid_t owner, char *out, size_t size)
{
    const char *runtime = getenv("XDG_RUNTIME_DIR");
    char user[48];
    int length;
    (void)snprintf(user, sizeof user, "/run/user/%lu", (unsigned long)owner);
    if (folder != NULL) length = snprintf(out, size, "%s", folder);
    else if (owner == geteuid() && runtime != NULL && runtime[0] == '/' && is_folder(runtime, owner)) length = snprintf(out, size, "%s/qloader", runtime);
    else if (is_folder(user, owner)) length = snprintf(out, size, "%s/qloader", user);
    else length = snprintf(out, size, "/tmp/qloader-%lu", (unsigned long)owner);
    return length > 0 && (size_t)length < size;
}

ql_status ql__live_place_of(const char *folder, pid_t pid, uid_t owner, ql__live_place *out, ql_error *err)
{
    bool fits = print_folder(folder, owner, out->folder, sizeof out->folder);
    int stats = fits ? snprintf(out->stats, sizeof out->stats, "%.80s/%ld.stats", out->folder, (long)pid) : -1;
    int named = fits ? snprintf(out->socket, sizeof out->socket, "%.80s/%ld.sock", out->folder, (long)pid) : -1;
    if (fits) (void)snprintf(out->fresh, sizeof out->fresh, "%.80s/%ld.new", out->folder, (long)pid);
    if (stats < 0 || named < 0 || strlen(out->folder) > 80) return ql__fail(err, QL_E_LIMIT, "the folder of the live view is longer than 80 bytes: a socket's address has no room for more");
    return QL_OK;
}

ql_status ql__live_folder_check(const char *folder, uid_t owner, ql_error *err)
{
    struct stat facts;
    if (lstat(folder, &facts) != 0) return ql__fail_errno(err, errno, "'%s'", folder);
    if (!S_ISDIR(facts.st_mode) || facts.st_uid != owner || (facts.st_mode & 077) != 0)
        return ql__fail(err, QL_E_AUTH, "'%s' is not a folder of user %lu alone (mode 0700)", folder, (unsigned long)owner);
    return QL_OK;
}

ql_status ql__live_process_read(const ql__sys *sys, pid_t pid, ql__live_process *out, ql_error *err)
{
    char path[48], text[4096];
    (void)snprintf(path, sizeof path, "/proc/%ld/status", (long)pid);
    if (pid <= 0 || ql__proc_read(sys, path, text, sizeof text) == 0) return ql__fail(err, QL_E_NOTFOUND, "there is no process %ld", (long)pid);
    const char *uid = strstr(text, "\nUid:");
    unsigned long real = 0, effective = 0;
    char *end = NULL;
    if (uid != NULL) real = strtoul(uid + 5, &end, 10);
    if (end != NULL) effective = strtoul(end, NULL, 10);
    (void)real;
    (void)snprintf(path, sizeof path, "/proc/%ld/stat", (long)pid);
    if (uid == NULL || ql__proc_read(sys, path, text, sizeof text) == 0) return ql__fail(err, QL_E_NOTFOUND, "there is no process %ld", (long)pid);
    const char *at = strrchr(text, ')'); /* the name before it may hold anything */
    if (at == NULL || at[1] != ' ') return ql__fail(err, QL_E_NOTFOUND, "process %ld cannot be told", (long)pid);
    *out = (ql__live_process){.owner = (uid_t)effective, .state = at[2]};
    for (int field = 2; field < 22 && at != NULL; field++) at = strchr(at + 1, ' ');
    if (at == NULL) return ql__fail(err, QL_E_NOTFOUND, "process %ld cannot be told", (long)pid);
    out->start_ticks = strtoull(at + 1, NULL, 10);
    return QL_OK;
}
