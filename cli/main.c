/*
 * qloader - the command line. A thin user of the public headers: tables of commands and options (commands.c), a file a command.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "exit_code.h"

/*
 * A descriptor 0, 1 or 2 that the caller closed would be given to the next file opened, the index for one, and messages would be written
 * into it. It is taken here by /dev/null opened the wrong way round, so that using it still fails.
 */
static void keep_standard_descriptors(void)
{
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0) (void)open("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY);
}

/* Success with half of the answer lost on a full disk would be a lie to the script that reads it. */
static int flush_answer(int code)
{
    errno = 0;
    bool lost = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (!lost || code != EXIT_OK) return code;
    fprintf(stderr, "error: stdout: %s\n", errno != 0 ? strerror(errno) : "not everything could be written");
    return EXIT_STORAGE;
}

int main(int argc, char **argv)
{
    keep_standard_descriptors();
    (void)signal(SIGXFSZ, SIG_IGN); /* a file size limit is an error of write(), as a full disk is */
    cli self = {.program = cli_program_name(argv[0])};
    int code = cli_parse(&self, argc, argv);
    return flush_answer(code >= 0 ? code : self.command->run(&self));
}
