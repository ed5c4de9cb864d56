/* gen_docs FOLDER: writes every file made from the tables into the folder, see gen_docs.h. */
#include "gen_docs.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

/* --- questions to the tables --------------------------------------------------------------------------------------------------- */

bool gen_fact_matters(const gen_fact *fact, const cli_command *command)
{
    return command == &cli_program || cli_takes(command, fact->with[0]) || cli_takes(command, fact->with[1]) || cli_takes(command, fact->with[2]);
}

bool gen_group_of(const cli_command *command, ql_str *group)
{
    size_t len = strcspn(command->name, " ");
    *group = (ql_str){command->name, len};
    return command->name[len] == ' ';
}

const char *gen_word_of(const cli_command *command, ql_str group)
{
    ql_str other;
    return gen_group_of(command, &other) && ql_str_equal(group, other) ? command->name + group.len + 1 : NULL;
}

void gen_list_words(ql_str group, ql_buf *out)
{
    for (const cli_command *command = cli_commands; command->name != NULL; command++)
        if (gen_word_of(command, group) != NULL) ql_buf_printf(out, "%s%s", out->len > 0 ? ", " : "", gen_word_of(command, group));
}

bool gen_first_of_group(const cli_command *command)
{
    ql_str group, other;
    (void)gen_group_of(command, &group);
    for (const cli_command *before = cli_commands; before != command; before++) {
        (void)gen_group_of(before, &other);
        if (ql_str_equal(group, other)) return false;
    }
    return true;
}

bool gen_name_is_shared(const cli_option *option)
{
    for (const cli_option *other = cli_options; other->name != NULL; other++) {
        bool same = strcmp(other->name, option->name) == 0 || (option->letter != 0 && other->letter == option->letter);
        if (other != option && same) return true;
    }
    return false;
}

void gen_each_option(const cli_command *command, void (*fn)(FILE *out, const cli_command *command, const cli_option *option), FILE *out)
{
    for (const cli_option_id *id = command->options; *id != OPT_COUNT; id++) fn(out, command, cli_option_of(*id));
    for (const cli_option_id *id = command->common; *id != OPT_COUNT; id++) fn(out, command, cli_option_of(*id));
}

void gen_put_escaped(FILE *out, const char *text, const char *special, const char *escape)
{
    for (; *text != '\0'; text++) {
        if (strchr(special, *text) != NULL) fputs(escape, out);
        fputc(*text, out);
    }
}

/* --- files --------------------------------------------------------------------------------------------------------------------- */

static int fail(const char *what)
{
    fprintf(stderr, "gen_docs: %s: %s\n", what, strerror(errno));
    return -1;
}

static int open_file(const char *folder, const char *below, const char *name, char path[1024], FILE **out)
{
    int length = snprintf(path, 1024, "%s/%s", folder, below);
    if (length < 0 || length >= 1024) {
        errno = ENAMETOOLONG;
        return fail(folder);
    }
    if (mkdir(path, 0755) != 0 && errno != EEXIST) return fail(path);
    length = snprintf(path, 1024, "%s/%s%s%s", folder, below, below[0] != '\0' ? "/" : "", name);
    if (length < 0 || length >= 1024) {
        errno = ENAMETOOLONG;
        return fail(folder);
    }
    *out = fopen(path, "w");
    return *out != NULL ? 0 : fail(path);
}

static int close_file(FILE *file, const char *path)
{
    bool written = fflush(file) == 0 && !ferror(file);
    return fclose(file) == 0 && written ? 0 : fail(path);
}

static int write_file(const char *folder, const char *below, const char *name, void (*write_fn)(FILE *out))
{
    FILE *file = NULL;
    char path[1024];
    if (open_file(folder, below, name, path, &file) != 0) return -1;
    write_fn(file);
    return close_file(file, path);
}

static int write_page(const char *folder, const cli_command *command, const char *date)
{
    FILE *file = NULL;
    char path[1024], name[128];
    snprintf(name, sizeof name, "qloader%s%s.1", command->name[0] != '\0' ? "-" : "", command->name);
    for (char *at = name; *at != '\0'; at++)
        if (*at == ' ') *at = '-';
    if (open_file(folder, "man1", name, path, &file) != 0) return -1;
    gen_man(file, command, date);
    return close_file(file, path);
}

/* The same input gives the same pages: a date only where the build names one. */
static int read_date(char out[16])
{
    const char *epoch = getenv("SOURCE_DATE_EPOCH");
    char *end = NULL;
    struct tm tm;
    out[0] = '\0';
    if (epoch == NULL || epoch[0] == '\0') return 0;
    errno = 0;
    time_t seconds = (time_t)strtoll(epoch, &end, 10);
    if (errno == 0 && isdigit((unsigned char)epoch[0]) && *end == '\0' && gmtime_r(&seconds, &tm) != NULL && strftime(out, 16, "%Y-%m-%d", &tm) > 0) return 0;
    fprintf(stderr, "gen_docs: SOURCE_DATE_EPOCH '%s' is no number of seconds\n", epoch);
    return -1;
}

int main(int argc, char **argv)
{
    char date[16];
    if (argc != 2) {
        fprintf(stderr, "usage: gen_docs FOLDER\n");
        return 2;
    }
    const char *folder = argv[1];
    int failed = read_date(date);
    if (failed == 0) failed = write_file(folder, "", "cli.md", gen_markdown);
    if (failed == 0) failed = write_file(folder, "", "metrics.md", gen_metrics);
    if (failed == 0) failed = write_file(folder, "bash", "qloader", gen_bash);
    if (failed == 0) failed = write_file(folder, "zsh", "_qloader", gen_zsh);
    if (failed == 0) failed = write_file(folder, "fish", "qloader.fish", gen_fish);
    if (failed == 0) failed = write_page(folder, &cli_program, date);
    for (const cli_command *command = cli_commands; command->name != NULL && failed == 0; command++) failed = write_page(folder, command, date);
    if (failed == 0) failed = write_file(folder, "", "table.json", gen_table); /* last: the build looks at its time */
    return failed == 0 ? 0 : 1;
}
