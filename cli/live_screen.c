/* See live_screen.h. */
#include "live_screen.h"

#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l"
#define LEAVE "\033[?25h\033[?1049l"

static struct termios before; /* of the one screen there is */
static volatile sig_atomic_t is_open;

static void put(const char *text)
{
    (void)fputs(text, stdout);
    (void)fflush(stdout);
}

static bool enter(void)
{
    struct termios keys = before;
    keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO); /* ISIG stays: Ctrl-C is a signal */
    keys.c_cc[VMIN] = 1;
    keys.c_cc[VTIME] = 0;
    keys.c_cc[VSUSP] = _POSIX_VDISABLE; /* Ctrl-Z is a key: the terminal is put back before we stop */
    if (tcsetattr(STDIN_FILENO, TCSANOW, &keys) != 0) return false;
    is_open = 1;
    put(ENTER);
    return true;
}

bool screen_open(void)
{
    const char *terminal = getenv("TERM");
    bool able = terminal != NULL && terminal[0] != '\0' && strcmp(terminal, "dumb") != 0 && isatty(STDIN_FILENO) && isatty(STDOUT_FILENO);
    return able && tcgetattr(STDIN_FILENO, &before) == 0 && enter();
}

/* Also from a signal handler: write and tcsetattr are safe there. */
void screen_close(void)
{
    if (!is_open) return;
    is_open = 0;
    (void)!write(STDOUT_FILENO, LEAVE, sizeof LEAVE - 1);
    (void)tcsetattr(STDIN_FILENO, TCSANOW, &before);
}

void screen_suspend(void)
{
    screen_close();
    (void)raise(SIGTSTP); /* returns when the shell brings us to the front again */
    (void)enter();
}

void screen_size(int *rows, int *columns)
{
    struct winsize size;
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row > 2 && size.ws_col > 10;
    *rows = known ? size.ws_row - 1 : 23;
    *columns = known ? size.ws_col - 1 : 79;
}

void screen_show(const ql_buf *text)
{
    (void)fputs("\033[H", stdout);
    for (const char *at = ql_buf_cstr(text); *at != '\0'; at++) {
        if (*at == '\n') (void)fputs("\033[K", stdout);
        (void)fputc(*at, stdout);
    }
    put("\033[J");
}

int screen_key(int timeout_ms)
{
    struct pollfd wait = {STDIN_FILENO, POLLIN, 0};
    char key = 0;
    if (poll(&wait, 1, timeout_ms) <= 0) return 0;
    return read(STDIN_FILENO, &key, 1) == 1 ? key : 'q';
}
