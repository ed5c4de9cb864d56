/*
 * qloader - the command line. A thin user of the public headers: tables of commands and options (commands.c), a file a command.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "command.h"
#include "exit_code.h"
#include "heap_watch.h"
#include "output.h"

/*
 * A descriptor 0, 1 or 2 that the caller closed would be given to the next file opened, the index for one, and messages would be written
 * into it. It is taken here by /dev/null opened the wrong way round, so that using it still fails.
 */
static void keep_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* A dump of the memory would hold the tokens of the configuration. Whoever looks for a fault asks for one. */
static void keep_secrets_out_of_dumps(void)
{
    const char *wanted = getenv("QLOADER_CORE_DUMP");
    struct rlimit limit;
    if (wanted != NULL && strcmp(wanted, "1") == 0) return;
    if (getrlimit(RLIMIT_CORE, &limit) == 0) {
        limit.rlim_cur = 0;
        (void)setrlimit(RLIMIT_CORE, &limit);
    }
    /* The limit does not hold where the system pipes dumps to a program (core(5)); that one gets registers and no memory. */
    int fd = open("/proc/self/coredump_filter", O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    if (write(fd, "0", 1) != 1) errno = 0; /* nothing can be done about it */
    close(fd);
}

/* Success with half of the answer lost on a full disk would be a lie to the script that reads it. */
static int flush_answer(const cli *self, int code)
{
    errno = 0;
    bool lost = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (!lost || code != EXIT_OK) return code;
    char message[160];
    snprintf(message, sizeof message, "stdout: %s", errno != 0 ? strerror(errno) : "not everything could be written");
    cli_tell_error(self, ql_status_name(QL_E_IO), message, EXIT_STORAGE);
    return EXIT_STORAGE;
}

int main(int argc, char **argv)
{
    heap_watch_begin();
    keep_standard_descriptors();
    keep_secrets_out_of_dumps();
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(), as a full disk is */
    cli self = {.program = cli_program_name(argv[0])};
    int code = cli_parse(&self, argc, argv);
    code = flush_answer(&self, code >= 0 ? code : self.command->run(&self));
    free(self.given);
    return code;
}
