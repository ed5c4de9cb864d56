/* Where a process puts its page and socket, and where others look for them; and which process a number means. Nothing here allocates. */
#ifndef QL_LIVE_PLACE_H
#define QL_LIVE_PLACE_H

#include <sys/un.h>

#include "sys/file.h"

typedef struct ql__live_place {
    char folder[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char stats[sizeof(((struct sockaddr_un *)0)->sun_path)], socket[sizeof(((struct sockaddr_un *)0)->sun_path)];
    char fresh[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* the page while it is made */
} ql__live_place;

/*
 * folder NULL: $XDG_RUNTIME_DIR/qloader where the caller is `owner` and it is set, else /run/user/<owner>/qloader where /run/user/<owner> is, else
 * /tmp/qloader-<owner>. QL_E_LIMIT: longer than the address of a socket.
 */
ql_status ql__live_place_of(const char *folder, pid_t pid, uid_t owner, ql__live_place *out, ql_error *err);
/* A folder that is owner's alone: no link, no rights for others. QL_E_AUTH; QL_E_NOTFOUND. */
ql_status ql__live_folder_check(const char *folder, uid_t owner, ql_error *err);
/* start_ticks, state and owner (effective, by status; the owner of /proc/PID is root where a process may not be dumped). QL_E_NOTFOUND: no such process. */
typedef struct ql__live_process {
    uint64_t start_ticks;
    uid_t owner;
    char state;
} ql__live_process;
ql_status ql__live_process_read(const ql__sys *sys, pid_t pid, ql__live_process *out, ql_error *err);

#endif
