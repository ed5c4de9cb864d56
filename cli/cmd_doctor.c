/*
 * qloader doctor: looks at everything a workspace needs and says of each thing that is wrong why it matters and what mends it. Facts come
 * from the library's reports; only what the kernel tells of folders, disks and the clock is asked here.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "doctor_report.h"
#include "exit_code.h"
#include "output.h"
#include "session.h"

#define MIB ((uint64_t)1 << 20)
#define INGEST_MEMORY (300 * MIB)  /* what an ingest with the default model takes, in round figures */
#define DISK_LOW ((uint64_t)1024 * MIB)
#define DISK_EMPTY (16 * MIB)      /* a commit needs some */
#define CLOCK_EARLIEST 1735689600  /* 2025-01-01: older than any release of this program */
#define CLOCK_AHEAD_MAX 86400
#define PROBLEMS_MAX 50
#define MODULES_FIX "install the modules that belong to this version (lib/qloader beside the library), or name their folder in QLOADER_MODULE_DIR"

typedef struct doctor {
    cli *cli;
    doctor_report report;
    ql_runtime *runtime;
    ql_workspace *workspace;   /* NULL: it does not open */
    json_t *machine;           /* ql_runtime_describe_json */
    json_t *projects;          /* ql_workspace_projects_json; NULL: they cannot be told */
    bool git_needed;           /* a git source is configured */
    uint64_t index_bytes;
    ql_buf data_dir, log_dir;  /* log_dir empty: a configuration outside a workspace has none */
} doctor;

/* --- small things -------------------------------------------------------------------------------------------------------------- */

static const char *text_at(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text != NULL ? text : "";
}

static uint64_t number_at(const json_t *object, const char *key)
{
    return (uint64_t)json_integer_value(json_object_get(object, key));
}

static bool true_at(const json_t *object, const char *key)
{
    return json_is_true(json_object_get(object, key));
}

static json_t *parse(const ql_buf *text)
{
    return json_loads(ql_buf_cstr(text), 0, NULL);
}

/* "qloader ingest" with the workspace this run was given, ready for a shell. Out is emptied first. */
static const char *command(const doctor *self, const char *words, ql_buf *out)
{
    static const struct { cli_option_id id; const char *name; } places[] = {{OPT_WORKSPACE, "--workspace"}, {OPT_CONFIG, "--config"}, {OPT_ENV, "--env"}};
    size_t taken = strcmp(words, "setup") == 0 ? 1 : sizeof places / sizeof *places;
    ql_buf_clear(out);
    ql_buf_printf(out, "%s %s", self->cli->program, words);
    for (size_t i = 0; i < taken; i++) {
        if (!cli_has(self->cli, places[i].id)) continue;
        ql_buf_printf(out, " %s ", places[i].name);
        text_shell_quote(out, cli_str(self->cli, places[i].id));
    }
    return ql_buf_cstr(out);
}

#define ADD(area, check, found, why, fix, ...) report_add(&self->report, (area), (check), (found), (remedy){(why), (fix)}, __VA_ARGS__)

/* --- machine, libraries, modules ------------------------------------------------------------------------------------------------- */

static void check_machine(doctor *self)
{
    const json_t *machine = json_object_get(self->machine, "machine"), *arithmetic = json_object_get(self->machine, "arithmetic");
    const char *kernels = text_at(arithmetic, "kernels"), *precision = text_at(arithmetic, "precision"), *cpu = text_at(machine, "cpu");
    bool slow = strcmp(kernels, "generic") == 0;
    ADD("machine", "cpu", slow ? VERDICT_WARNING : VERDICT_OK, "without AVX2 or AVX-512 embedding is many times slower; results are the same",
        "ingest on a machine with a newer CPU, and copy the workspace's data folder here", "%s (%s), %s instructions, %s arithmetic", cpu[0] != '\0' ? cpu : "CPU",
        text_at(machine, "architecture"), kernels, precision);
    ADD("machine", "cores", VERDICT_OK, NULL, NULL, "%llu of %llu core%s usable", (unsigned long long)number_at(machine, "cores_usable"),
        (unsigned long long)number_at(machine, "cores"), number_at(machine, "cores") == 1 ? "" : "s");
    uint64_t available = number_at(machine, "memory_available_bytes"), total = number_at(machine, "memory_bytes");
    ADD("machine", "memory", total != 0 && available < INGEST_MEMORY ? VERDICT_WARNING : VERDICT_OK, "an ingest takes some 300 MiB; with less it may be ended by the system",
        "end other programs, or give the machine or its container more memory", "%llu of %llu MiB available", (unsigned long long)(available / MIB),
        (unsigned long long)(total / MIB));
}

static void check_libraries(doctor *self)
{
    size_t i = 0;
    json_t *library = NULL;
    json_array_foreach(json_object_get(self->machine, "libraries"), i, library)
    {
        char why[256];
        const char *version = text_at(library, "version");
        snprintf(why, sizeof why, "it is needed for: %s", text_at(library, "use"));
        if (true_at(library, "found")) ADD("libraries", text_at(library, "name"), VERDICT_OK, NULL, NULL, "%s%s%s found", text_at(library, "name"), version[0] != '\0' ? " " : "", version);
        else if (true_at(library, "needed")) ADD("libraries", text_at(library, "name"), VERDICT_WARNING, why, "install the package that the message names", "%s: %s", text_at(library, "name"), text_at(library, "reason"));
    }
}

static void check_git_module(doctor *self, const json_t *module)
{
    bool found = true_at(module, "found");
    ADD("libraries", "git", found ? VERDICT_OK : self->git_needed ? VERDICT_FAIL : VERDICT_WARNING, "sources of type git cannot be read without it", MODULES_FIX, "git module: %s%s",
        found ? "libgit2 " : "", text_at(module, found ? "version" : "reason"));
}

static void check_modules(doctor *self)
{
    ql_buf missing = QL_BUF_INIT;
    size_t i = 0, found = 0, count = 0, lost = 0;
    json_t *module = NULL;
    const char *reason = "";
    json_array_foreach(json_object_get(self->machine, "modules"), i, module)
    {
        if (strcmp(text_at(module, "use"), "grammar") != 0) {
            check_git_module(self, module);
            continue;
        }
        count++;
        if (true_at(module, "found")) {
            found++;
            continue;
        }
        ql_buf_printf(&missing, "%s%s", lost++ > 0 ? ", " : "", text_at(module, "name"));
        reason = text_at(module, "reason");
    }
    if (found == count) ADD("libraries", "grammars", VERDICT_OK, NULL, NULL, "grammars of %zu programming languages found", count);
    else ADD("libraries", "grammars", VERDICT_WARNING, "code in these languages is cut like plain text: passages may begin in the middle of a function", MODULES_FIX,
             "no grammar for %s: %s", ql_buf_cstr(&missing), reason);
    ql_buf_dispose(&missing);
}

/* --- configuration --------------------------------------------------------------------------------------------------------------- */

static void add_problems(doctor *self, const char *problems, const char *message, const char *fix)
{
    static const char why[] = "nothing works until the configuration is right";
    size_t count = 0;
    for (size_t len = 0; *problems != '\0' && count < PROBLEMS_MAX; problems += len + (problems[len] == '\n')) {
        len = strcspn(problems, "\n");
        if (len == 0) continue;
        ADD("configuration", "valid", VERDICT_FAIL, why, fix, "%.*s", (int)len, problems);
        count++;
    }
    if (count == 0) ADD("configuration", "valid", VERDICT_FAIL, why, fix, "%s", message);
}

static void open_workspace(doctor *self)
{
    ql_workspace_options options;
    ql_buf problems = QL_BUF_INIT, fix = QL_BUF_INIT;
    ql_error err = {0};
    session_place(self->cli, &options);
    ql_status status = ql_workspace_open(self->runtime, &options, &self->workspace, &problems, &err);
    if (ql_status_kind(status) == QL_E_NOTFOUND)
        ADD("configuration", "valid", VERDICT_FAIL, "a workspace is a folder with a config.yaml", command(self, "setup", &fix), "%s", err.message);
    else if (status < 0) add_problems(self, ql_buf_cstr(&problems), err.message, "correct that line; configuration.md among the documents tells what each key takes");
    ql_buf_dispose(&fix);
    ql_buf_dispose(&problems);
}

static void ask_projects(doctor *self)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    size_t i = 0, s = 0;
    json_t *project = NULL, *source = NULL;
    uint32_t parts = QL_PROJECTS_CHECK | (cli_has(self->cli, OPT_NETWORK) ? (uint32_t)QL_PROJECTS_REACH : 0u);
    ql_status status = ql_workspace_projects_json(self->workspace, (ql_str){0}, parts, &text, &err);
    if (ql_status_kind(status) == QL_E_UNSUPPORTED) /* of the store or the embedder, which check_parts tells */
        status = ql_workspace_projects_json(self->workspace, (ql_str){0}, parts & ~(uint32_t)QL_PROJECTS_CHECK, &text, &err);
    if (status >= 0) self->projects = parse(&text);
    json_array_foreach(self->projects, i, project)
        json_array_foreach(json_object_get(project, "sources"), s, source) self->git_needed |= strcmp(text_at(source, "source_type"), "git") == 0;
    if (self->projects == NULL) ADD("configuration", "valid", VERDICT_FAIL, "what is to be read cannot be told", "free some memory, and try again", "%s", err.message);
    ql_buf_dispose(&text);
}

static void check_warnings(doctor *self)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    size_t i = 0;
    json_t *config = ql_workspace_config(self->workspace, "json", &text, &err) >= 0 ? parse(&text) : NULL, *warning = NULL;
    json_array_foreach(json_object_get(config, "warnings"), i, warning)
        ADD("configuration", "warning", VERDICT_WARNING, "this line does not do what one might think", "change or remove that line", "%s", json_string_value(warning));
    json_decref(config);
    ql_buf_dispose(&text);
}

typedef struct source_counts {
    size_t sources, local, elsewhere, reachable;
} source_counts;

static void check_source(doctor *self, const json_t *source, source_counts *counts)
{
    const char *type = text_at(source, "source_type"), *name = text_at(source, "source"), *url = text_at(source, "base_url");
    bool local = strncmp(url, "file://", 7) == 0, asked = json_object_get(source, "reachable") != NULL, looked = json_object_get(source, "ready") != NULL;
    if (local) counts->local++;
    else counts->elsewhere++;
    if (!true_at(source, "supported"))
        ADD("configuration", "sources", VERDICT_FAIL, "this source fails in every ingest", "remove it from config.yaml", "%s/%s: %s", type, name, text_at(source, "reason"));
    else if (looked && !true_at(source, "ready"))
        ADD("configuration", "sources", VERDICT_FAIL, "nothing of this source can be read", local ? "make that place available, or correct base_url in config.yaml" : MODULES_FIX,
            "%s/%s: %s", type, name, text_at(source, "reason"));
    if (asked && true_at(source, "reachable")) counts->reachable++;
    else if (asked)
        ADD("network", "reach", VERDICT_FAIL, "the next ingest cannot bring this source up to date; what is indexed stays",
            "check address, network, proxy (https_proxy) and token (.env) of this source", "%s/%s at %s: %s", type, name, url, text_at(source, "reach_reason"));
}

static void check_sources(doctor *self)
{
    json_t *project = NULL, *source = NULL;
    size_t i = 0, s = 0;
    source_counts counts = {0};
    json_array_foreach(self->projects, i, project) counts.sources += json_array_size(json_object_get(project, "sources"));
    ADD("configuration", "valid", VERDICT_OK, NULL, NULL, "valid: %zu project%s, %zu source%s", json_array_size(self->projects), json_array_size(self->projects) == 1 ? "" : "s",
        counts.sources, counts.sources == 1 ? "" : "s");
    json_array_foreach(self->projects, i, project)
        json_array_foreach(json_object_get(project, "sources"), s, source) check_source(self, source, &counts);
    if (counts.elsewhere == 0) ADD("network", "reach", VERDICT_SKIPPED, NULL, NULL, "every source is on this machine");
    else if (!cli_has(self->cli, OPT_NETWORK))
        ADD("network", "reach", VERDICT_SKIPPED, NULL, NULL, "%zu source%s elsewhere not asked; --network asks", counts.elsewhere, counts.elsewhere == 1 ? "" : "s");
    else if (counts.reachable > 0) ADD("network", "reach", VERDICT_OK, NULL, NULL, "%zu of %zu sources elsewhere answer", counts.reachable, counts.elsewhere);
}

/* --- model and index ------------------------------------------------------------------------------------------------------------- */

static const char *workspace_dir(const doctor *self)
{
    return cli_has(self->cli, OPT_WORKSPACE) ? self->cli->values[OPT_WORKSPACE] : ".";
}

/* The default model as `qloader model list` shows it. */
static json_t *find_model(const doctor *self)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    size_t i = 0;
    json_t *models = ql_model_list_json(workspace_dir(self), &text, &err) >= 0 ? parse(&text) : NULL, *model = NULL, *found = NULL;
    json_array_foreach(models, i, model)
        if (strcmp(text_at(model, "name"), ql_model_default()) == 0) found = json_incref(model);
    json_decref(models);
    ql_buf_dispose(&text);
    return found;
}

static void verify_model(doctor *self)
{
    ql_error err = {0};
    ql_status status = ql_model_verify(workspace_dir(self), ql_str_of(ql_model_default()), &err);
    if (status >= 0) ADD("model", "verified", VERDICT_OK, NULL, NULL, "every file matches its pinned SHA-256");
    else ADD("model", "verified", ql_status_kind(status) == QL_E_UNSUPPORTED ? VERDICT_WARNING : VERDICT_FAIL, "vectors of a changed model do not fit those in the index",
             "qloader model pull", "%s", err.message);
}

/* verdict: "model" of ql_workspace_check_json, NULL when there is no workspace. */
static void check_model(doctor *self, const json_t *opened)
{
    json_t *model = find_model(self);
    const char *path = text_at(model, "path");
    if (path[0] == '\0')
        ADD("model", "found", VERDICT_FAIL, "without a model nothing can be ingested or asked", "qloader model pull", "%s is not on this machine", ql_model_default());
    else if (!true_at(model, "usable"))
        ADD("model", "found", VERDICT_FAIL, "without a whole model nothing can be ingested or asked", "qloader model pull", "%s in %s is damaged", ql_model_default(), path);
    else if (opened != NULL && !true_at(opened, "ready"))
        ADD("model", "found", VERDICT_FAIL, "without a model nothing can be ingested or asked", "qloader model pull", "%s", text_at(opened, "reason"));
    else ADD("model", "found", VERDICT_OK, NULL, NULL, "%s in %s", ql_model_default(), path);
    if (path[0] == '\0' || !cli_has(self->cli, OPT_VERIFY)) ADD("model", "verified", VERDICT_SKIPPED, NULL, NULL, "hashes not compared%s", path[0] == '\0' ? "" : "; --verify does");
    else verify_model(self);
    json_decref(model);
}

static void check_index_facts(doctor *self, const json_t *index, ql_buf *fix)
{
    if (number_at(index, "documents") == 0)
        ADD("index", "there", VERDICT_WARNING, "a search finds nothing", command(self, "ingest", fix), "the index is empty");
    else ADD("index", "there", VERDICT_OK, NULL, NULL, "documents: %llu, chunks: %llu, collection: %s, model: %s", (unsigned long long)number_at(index, "documents"),
             (unsigned long long)number_at(index, "chunks"), text_at(index, "collection"), text_at(index, "model"));
    if (true_at(index, "whole")) ADD("index", "whole", VERDICT_OK, NULL, NULL, "every page, vector and posting matches its checksum");
    else ADD("index", "whole", VERDICT_SKIPPED, NULL, NULL, "not read as a whole; --verify does");
}

/* --verify reads also what no search or ingest looks at any more, such as vectors of deleted documents. */
static const char *harm_of_damage(const doctor *self)
{
    return cli_has(self->cli, OPT_VERIFY) ? "searches and ingests that read it fail; none does where nothing uses it any more" : "searches and ingests of this workspace fail";
}

static void check_index(doctor *self, const json_t *index)
{
    ql_buf fix = QL_BUF_INIT;
    const char *kind = text_at(index, "kind"), *reason = text_at(index, "reason");
    bool remake = strcmp(kind, ql_status_name(QL_E_CORRUPT)) == 0 || strcmp(kind, ql_status_name(QL_E_MISMATCH)) == 0;
    if (!true_at(index, "there")) ADD("index", "there", VERDICT_WARNING, "there is nothing to search in yet", command(self, "ingest", &fix), "%s", reason);
    else if (true_at(index, "ready")) check_index_facts(self, index, &fix);
    else if (remake)
        ADD("index", "there", VERDICT_FAIL, harm_of_damage(self), command(self, "init --force", &fix), "%s", reason);
    else {
        ql_buf_printf(&fix, "look at the disk and at the rights on its files: ls -la ");
        text_shell_quote(&fix, ql_buf_str(&self->data_dir));
        ADD("index", "there", VERDICT_FAIL, "searches and ingests of this workspace fail", ql_buf_cstr(&fix), "%s", reason);
    }
    ql_buf_dispose(&fix);
}

static void check_parts(doctor *self)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    uint32_t parts = QL_CHECK_MODEL | QL_CHECK_INDEX | (cli_has(self->cli, OPT_VERIFY) ? (uint32_t)QL_CHECK_INDEX_WHOLE : 0u);
    json_t *verdicts = ql_workspace_check_json(self->workspace, parts, &text, &err) >= 0 ? parse(&text) : NULL;
    const json_t *supported = json_object_get(verdicts, "supported");
    if (verdicts == NULL) ADD("index", "there", VERDICT_FAIL, "it cannot be told whether this workspace works", "free some memory, and try again", "%s", err.message);
    else if (!true_at(supported, "ready"))
        ADD("configuration", "supported", VERDICT_FAIL, "neither search nor ingest works with this build", "take it out of config.yaml, .env and the environment", "%s", text_at(supported, "reason"));
    else {
        check_model(self, json_object_get(verdicts, "model"));
        check_index(self, json_object_get(verdicts, "index"));
    }
    json_decref(verdicts);
    ql_buf_dispose(&text);
    if (ql_workspace_info_json(self->workspace, &text, &err) < 0) return;
    json_t *info = parse(&text);
    self->index_bytes = number_at(info, "vector_bytes") + number_at(info, "database_bytes");
    json_decref(info);
    ql_buf_dispose(&text);
}

/* --- folders, disk, clock ---------------------------------------------------------------------------------------------------------- */

static void find_folders(doctor *self)
{
    const char *config = self->cli->values[OPT_CONFIG], *slash = config != NULL ? strrchr(config, '/') : NULL;
    if (config == NULL) {
        ql_buf_printf(&self->data_dir, "%s/data", workspace_dir(self));
        ql_buf_printf(&self->log_dir, "%s/logs", workspace_dir(self));
    } else if (slash == NULL) {
        ql_buf_printf(&self->data_dir, "data");
    } else {
        ql_buf_printf(&self->data_dir, "%.*s/data", (int)(slash - config), config);
    }
}

/* The folder itself, or the one it would be made in. */
static const char *existing(const char *path, char out[PATH_MAX])
{
    snprintf(out, PATH_MAX, "%s", path);
    while (access(out, F_OK) != 0 && errno == ENOENT) {
        char *slash = strrchr(out, '/');
        if (slash == NULL || slash == out) return slash == NULL ? "." : "/";
        *slash = '\0';
    }
    return out;
}

static void check_folder(doctor *self, const char *check, const char *path, const char *what, const char *why)
{
    char room[PATH_MAX];
    const char *place = existing(path, room);
    ql_buf fix = QL_BUF_INIT;
    struct stat info;
    bool folder = stat(place, &info) == 0 && S_ISDIR(info.st_mode);
    bool writable = folder && access(place, W_OK | X_OK) == 0;
    int reason = folder ? errno : ENOTDIR;
    ql_buf_printf(&fix, "%s", reason == EROFS ? "mount the file system for writing" : "chmod u+rwx ");
    if (reason != EROFS) text_shell_quote(&fix, ql_str_of(place));
    if (reason != EROFS) ql_buf_printf(&fix, " as its owner, or run as that user");
    if (writable) ADD("permissions", check, VERDICT_OK, NULL, NULL, "%s can be written: %s", what, path);
    else ADD("permissions", check, VERDICT_WARNING, why, ql_buf_cstr(&fix), "%s cannot be written: %s: %s", what, place, strerror(reason));
    ql_buf_dispose(&fix);
}

static void check_env_file(doctor *self)
{
    ql_buf path = QL_BUF_INIT, fix = QL_BUF_INIT;
    struct stat info;
    if (cli_has(self->cli, OPT_ENV)) ql_buf_append(&path, cli_str(self->cli, OPT_ENV));
    else ql_buf_printf(&path, "%s/.env", workspace_dir(self));
    if (stat(ql_buf_cstr(&path), &info) == 0) {
        bool open = (info.st_mode & (S_IRWXG | S_IRWXO)) != 0;
        ql_buf_printf(&fix, "chmod 600 ");
        text_shell_quote(&fix, ql_buf_str(&path));
        ADD("permissions", "env", open ? VERDICT_WARNING : VERDICT_OK, "it holds tokens and passwords, which other users of this machine can read", ql_buf_cstr(&fix), "%s has mode %04o",
            ql_buf_cstr(&path), (unsigned)(info.st_mode & 07777));
    }
    ql_buf_dispose(&path);
    ql_buf_dispose(&fix);
}

static void check_disk(doctor *self)
{
    static const char why[] = "an ingest needs room for what is new, and a compaction for a second copy of the index; a full disk stops it, what is stored stays";
    char room[PATH_MAX];
    const char *place = existing(ql_buf_cstr(&self->data_dir), room);
    struct statvfs system;
    if (statvfs(place, &system) != 0) {
        ADD("disk", "space", VERDICT_WARNING, "it is not known whether an ingest has room", "df -h", "%s: %s", place, strerror(errno));
        return;
    }
    uint64_t free_bytes = (uint64_t)system.f_bavail * system.f_frsize, wanted = 2 * self->index_bytes > DISK_LOW ? 2 * self->index_bytes : DISK_LOW;
    bool no_files = system.f_files > 0 && system.f_favail < 64;
    verdict found = free_bytes < DISK_EMPTY || no_files ? VERDICT_FAIL : free_bytes < wanted ? VERDICT_WARNING : VERDICT_OK;
    if ((system.f_flag & ST_RDONLY) != 0) found = VERDICT_OK; /* nothing will be written there */
    ADD("disk", "space", found, why, "free some space on that disk", "%llu MiB%s free for %s", (unsigned long long)(free_bytes / MIB), no_files ? ", but no room for new files," : "",
        ql_buf_cstr(&self->data_dir));
}

/* "2026-01-31T12:00:00.000+00:00"; -1 when it is none. */
static time_t parse_time(const char *text)
{
    struct tm when = {0};
    return strptime(text, "%Y-%m-%dT%H:%M:%S", &when) != NULL ? timegm(&when) : (time_t)-1;
}

static time_t latest_ingestion(doctor *self)
{
    ql_buf text = QL_BUF_INIT;
    ql_error err = {0};
    size_t i = 0;
    time_t latest = -1;
    json_t *projects = NULL, *project = NULL;
    if (self->workspace != NULL && ql_workspace_projects_json(self->workspace, (ql_str){0}, QL_PROJECTS_STATUS, &text, &err) >= 0) projects = parse(&text);
    json_array_foreach(projects, i, project)
    {
        time_t when = parse_time(text_at(project, "latest_ingestion"));
        if (when > latest) latest = when;
    }
    json_decref(projects);
    ql_buf_dispose(&text);
    return latest;
}

static void check_clock(doctor *self)
{
    static const char why[] = "certificates seem invalid, changed files may look unchanged, and --since gives wrong answers", fix[] = "set the clock: timedatectl set-ntp true";
    time_t now = time(NULL), latest = latest_ingestion(self);
    struct tm tm;
    char text[40] = "?";
    if (gmtime_r(&now, &tm) != NULL) strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &tm);
    if (now < CLOCK_EARLIEST) ADD("clock", "time", VERDICT_FAIL, why, fix, "the clock says %s, which is before this program was made", text);
    else if (latest > now + CLOCK_AHEAD_MAX) ADD("clock", "time", VERDICT_WARNING, why, fix, "the clock says %s, but the last ingest was later: it is wrong now, or was then", text);
    else ADD("clock", "time", VERDICT_OK, NULL, NULL, "%s", text);
}

/* --- all of it --------------------------------------------------------------------------------------------------------------------- */

static void check_workspace(doctor *self)
{
    find_folders(self);
    if (self->workspace != NULL) {
        if (self->projects != NULL) check_sources(self);
        check_warnings(self);
        check_parts(self);
    } else {
        check_model(self, NULL);
        ADD("index", "there", VERDICT_SKIPPED, NULL, NULL, "not looked at: the configuration comes first");
        ADD("network", "reach", VERDICT_SKIPPED, NULL, NULL, "not asked: the configuration comes first");
    }
    check_folder(self, "data", ql_buf_cstr(&self->data_dir), "data folder", "searches work, ingests do not");
    if (self->log_dir.len > 0) check_folder(self, "logs", ql_buf_cstr(&self->log_dir), "log folder", "no log is kept of what is done; everything else works");
    check_env_file(self);
    check_disk(self);
    check_clock(self);
}

static int examine(doctor *self)
{
    ql_error err = {0};
    ql_buf text = QL_BUF_INIT;
    ql_runtime_options options = QL_RUNTIME_OPTIONS_INIT;
    options.threads = 1;
    ql_status status = ql_runtime_new(&options, &self->runtime, &err);
    if (status >= 0) status = ql_runtime_describe_json(self->runtime, &text, &err);
    if (status >= 0) self->machine = parse(&text);
    ql_buf_dispose(&text);
    if (status < 0) return cli_fail(self->cli, status, &err);
    check_machine(self);
    check_libraries(self);
    open_workspace(self);
    if (self->workspace != NULL) ask_projects(self);
    check_modules(self);
    check_workspace(self);
    return report_print(&self->report, self->cli);
}

int cmd_doctor(cli *program)
{
    doctor self = {.cli = program, .data_dir = QL_BUF_INIT, .log_dir = QL_BUF_INIT};
    report_init(&self.report);
    int code = examine(&self);
    report_dispose(&self.report);
    json_decref(self.machine);
    json_decref(self.projects);
    ql_workspace_free(self.workspace);
    ql_runtime_free(self.runtime);
    ql_buf_dispose(&self.data_dir);
    ql_buf_dispose(&self.log_dir);
    return code;
}
