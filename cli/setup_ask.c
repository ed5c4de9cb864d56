/* See setup_ask.h. */
#include "setup_ask.h"

#include <ctype.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "output.h"

#define ANSWER_BYTES_MAX 8192

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};
#define SIGNALS (sizeof signals / sizeof *signals)

bool ask_possible(void)
{
    return isatty(STDIN_FILENO) && isatty(STDERR_FILENO);
}

static void on_break(int number)
{
    static const char text[] = "\nbroken off; nothing was written\n";
    if (write(STDERR_FILENO, text, sizeof text - 1) < 0) _exit(128 + number);
    _exit(128 + number);
}

void ask_begin(void)
{
    struct sigaction action = {.sa_handler = on_break}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++)
        if (sigaction(signals[i], NULL, &before) == 0 && before.sa_handler != SIG_IGN) sigaction(signals[i], &action, NULL);
}

static void fill_set(sigset_t *set)
{
    sigemptyset(set);
    for (size_t i = 0; i < SIGNALS; i++) sigaddset(set, signals[i]);
}

void ask_hold(void)
{
    sigset_t set;
    fill_set(&set);
    sigprocmask(SIG_BLOCK, &set, NULL);
}

bool ask_was_broken_off(void)
{
    sigset_t pending;
    if (sigpending(&pending) != 0) return false;
    for (size_t i = 0; i < SIGNALS; i++)
        if (sigismember(&pending, signals[i]) == 1) return true;
    return false;
}

void ask_release(bool done)
{
    sigset_t set;
    fill_set(&set);
    for (size_t i = 0; done && i < SIGNALS; i++) (void)signal(signals[i], SIG_IGN);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
}

/* One line; what stays of one that is too long is not taken for the next answer: the input counts as ended. */
static bool read_line(ql_buf *out)
{
    ql_buf_clear(out);
    for (int c; out->len < ANSWER_BYTES_MAX;) {
        c = getchar();
        if (c == '\n') return out->status >= 0;
        if (c == EOF) return false;
        ql_buf_append_char(out, (char)c);
    }
    return false;
}

static ql_str trim(ql_str text)
{
    while (text.len > 0 && isspace((unsigned char)text.ptr[0])) text.ptr++, text.len--;
    while (text.len > 0 && isspace((unsigned char)text.ptr[text.len - 1])) text.len--;
    return text;
}

bool ask_text(const char *question, const char *shown, const char *fallback, ql_buf *out)
{
    ql_buf line = QL_BUF_INIT;
    fprintf(stderr, "%s", question);
    if (shown[0] != '\0') {
        fprintf(stderr, " [");
        text_put(stderr, ql_str_of(shown));
        fprintf(stderr, "]");
    }
    fprintf(stderr, ": ");
    fflush(stderr);
    bool answered = read_line(&line);
    ql_str answer = trim(ql_buf_str(&line));
    ql_buf_clear(out);
    if (answered) ql_buf_append(out, answer.len > 0 ? answer : ql_str_of(fallback));
    else fprintf(stderr, "\n");
    ql_buf_dispose(&line);
    return answered && out->status >= 0;
}

bool ask_yes(const char *question, bool fallback, bool *out)
{
    static const char *const yes[] = {"y", "yes"}, *const no[] = {"n", "no"};
    ql_buf answer = QL_BUF_INIT;
    bool known = false, answered = true;
    while (!known && (answered = ask_text(question, fallback ? "Y/n" : "y/N", fallback ? "y" : "n", &answer))) {
        for (size_t i = 0; i < sizeof yes / sizeof *yes; i++)
            if (strcasecmp(ql_buf_cstr(&answer), yes[i]) == 0) known = *out = true;
        for (size_t i = 0; !known && i < sizeof no / sizeof *no; i++)
            if (strcasecmp(ql_buf_cstr(&answer), no[i]) == 0) known = true, *out = false;
        if (!known) ask_complain("please answer yes or no");
    }
    ql_buf_dispose(&answer);
    return answered;
}

void ask_complain(const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "  ");
    text_put(stderr, ql_str_of(text));
    fprintf(stderr, "\n");
}
