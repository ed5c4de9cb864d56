#include "prof_set.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "prof_output.h"

static const struct {
    const char *name; /* NULL: of mprof, which has the process in it */
    int32_t format, kind;
} outputs[] = {
    {"profile.out", QL_CAPTURE_PSTATS, QL_CAPTURE_AUTO}, /* the first: the one that is written alone */
    {"cpu.pb.gz", QL_CAPTURE_PPROF, QL_CAPTURE_CPU},
    {"wall.pb.gz", QL_CAPTURE_PPROF, QL_CAPTURE_WALL},
    {"contention.pb.gz", QL_CAPTURE_PPROF, QL_CAPTURE_CONTENTION},
    {"heap.pb.gz", QL_CAPTURE_PPROF, QL_CAPTURE_HEAP},
    {"cpu.speedscope.json", QL_CAPTURE_SPEEDSCOPE, QL_CAPTURE_CPU},
    {"wall.speedscope.json", QL_CAPTURE_SPEEDSCOPE, QL_CAPTURE_WALL},
    {"cpu.collapsed", QL_CAPTURE_COLLAPSED, QL_CAPTURE_CPU},
    {"flame.svg", QL_CAPTURE_FLAME_SVG, QL_CAPTURE_AUTO},
    {"trace.json", QL_CAPTURE_TRACE, QL_CAPTURE_AUTO},
    {NULL, QL_CAPTURE_MPROF, QL_CAPTURE_AUTO},
    {"memory.png", QL_CAPTURE_MEMORY_PNG, QL_CAPTURE_AUTO},
    {"memory.svg", QL_CAPTURE_MEMORY_SVG, QL_CAPTURE_AUTO},
    {"profile.html", QL_CAPTURE_HTML, QL_CAPTURE_AUTO},
    {"report.md", QL_CAPTURE_REPORT_MD, QL_CAPTURE_AUTO},
    {"report.json", QL_CAPTURE_REPORT_JSON, QL_CAPTURE_AUTO},
};

typedef struct set_job {
    const ql_capture *capture;
    int32_t format;
    ql_capture_view view;
} set_job;

static ql_status write_job(void *user, ql_capture_write_fn write_fn, void *target, ql_error *err)
{
    const set_job *job = user;
    return ql_capture_write(job->capture, job->format, &job->view, write_fn, target, err);
}

static ql_status name_file(ql_buf *path, const char *folder, size_t output, long pid)
{
    ql_buf_clear(path);
    if (outputs[output].name != NULL) return ql_buf_printf(path, "%s/%s", folder, outputs[output].name);
    return pid != 0 ? ql_buf_printf(path, "%s/mprofile_%ld.dat", folder, pid) : ql_buf_printf(path, "%s/mprofile_capture.dat", folder);
}

static ql_status remove_file(const char *path, ql_error *err)
{
    if (unlink(path) == 0 || errno == ENOENT) return QL_OK;
    err->os_code = errno;
    (void)snprintf(err->message, sizeof err->message, "cannot remove '%s', which an earlier profile left: %s", path, strerror(errno));
    return err->status = QL_E_IO;
}

ql_status prof_check_set(const char *folder, bool whole, ql_error *err)
{
    ql_buf path = QL_BUF_INIT;
    ql_status status = QL_OK;
    struct stat facts;
    for (size_t i = 0; i < (whole ? sizeof outputs / sizeof *outputs : 1) && status >= 0; i++) {
        if (outputs[i].name == NULL) continue;
        status = name_file(&path, folder, i, 0);
        if (status < 0 || stat(ql_buf_cstr(&path), &facts) != 0 || !S_ISDIR(facts.st_mode)) continue;
        (void)snprintf(err->message, sizeof err->message, "'%.300s' is a folder, a file is wanted there: move it away", ql_buf_cstr(&path));
        status = err->status = QL_E_IO;
    }
    ql_buf_dispose(&path);
    return status;
}

/* mprofile_<process>.dat or mprofile_capture.dat. mprof's own files have a time of 14 digits there: those are somebody's. */
static bool is_mprof_file(const char *name)
{
    static const char begin[] = "mprofile_", end[] = ".dat";
    size_t length = strlen(name), number = strspn(name + (length < sizeof begin ? length : sizeof begin - 1), "0123456789");
    if (strcmp(name, "mprofile_capture.dat") == 0) return true;
    return strncmp(name, begin, sizeof begin - 1) == 0 && number > 0 && number <= 10 && strcmp(name + sizeof begin - 1 + number, end) == 0;
}

static ql_status clear_mprof(const char *folder, ql_buf *path, ql_error *err)
{
    ql_status status = QL_OK;
    DIR *dir = opendir(folder);
    if (dir == NULL) {
        err->os_code = errno;
        (void)snprintf(err->message, sizeof err->message, "cannot list '%s': %s", folder, strerror(errno));
        return err->status = QL_E_IO;
    }
    for (const struct dirent *entry = readdir(dir); entry != NULL && status >= 0; entry = readdir(dir)) {
        if (!is_mprof_file(entry->d_name)) continue;
        ql_buf_clear(path);
        status = ql_buf_printf(path, "%s/%s", folder, entry->d_name);
        if (status >= 0) status = remove_file(ql_buf_cstr(path), err);
    }
    (void)closedir(dir);
    return status;
}

ql_status prof_clear_set(const char *folder, bool whole, ql_error *err)
{
    ql_buf path = QL_BUF_INIT;
    ql_status status = QL_OK;
    for (size_t i = 0; i < (whole ? sizeof outputs / sizeof *outputs : 1) && status >= 0; i++) {
        if (outputs[i].name == NULL) continue;
        status = name_file(&path, folder, i, 0);
        if (status >= 0) status = remove_file(ql_buf_cstr(&path), err);
    }
    if (status >= 0 && whole) status = clear_mprof(folder, &path, err);
    ql_buf_dispose(&path);
    return status;
}

ql_status prof_write_set(const ql_capture *capture, const char *folder, bool whole, long pid, unsigned *count, ql_error *err)
{
    ql_buf path = QL_BUF_INIT;
    ql_status status = QL_OK, missing = QL_OK;
    *count = 0;
    for (size_t i = 0; i < (whole ? sizeof outputs / sizeof *outputs : 1) && status >= 0; i++) {
        ql_error detail = {0};
        unsigned long long bytes = 0;
        set_job job = {capture, outputs[i].format, QL_CAPTURE_VIEW_INIT};
        job.view.kind = outputs[i].kind;
        status = name_file(&path, folder, i, pid);
        if (status >= 0) status = prof_write_path(ql_buf_cstr(&path), write_job, &job, &bytes, &detail);
        if (status >= 0) ++*count;
        else if (ql_status_kind(status) == QL_E_NOTFOUND || (outputs[i].format == QL_CAPTURE_PSTATS && ql_status_kind(status) == QL_E_INVALID)) status = remove_file(ql_buf_cstr(&path), err); /* a capture of memory alone */
        else {
            *err = detail;
            if (ql_status_kind(status) == QL_E_UNSUPPORTED) missing = status, status = QL_OK;
        }
    }
    ql_buf_dispose(&path);
    return status < 0 ? status : missing;
}

ql_status prof_set_open(const char *path, uint32_t flags, ql_capture **out, ql_error *err)
{
    struct stat facts;
    bool there = stat(path, &facts) == 0;
    if (there && !S_ISDIR(facts.st_mode) && !S_ISREG(facts.st_mode)) {
        const char *kind = S_ISFIFO(facts.st_mode) ? "a pipe" : S_ISSOCK(facts.st_mode) ? "a socket" : "a device";
        (void)snprintf(err->message, sizeof err->message, "'%.300s' is %s, where the file of a capture is wanted", path, kind);
        return err->status = QL_E_IO;
    }
    if (!there || !S_ISDIR(facts.st_mode)) return ql_capture_open(path, flags, out, err);
    ql_buf inner = QL_BUF_INIT;
    ql_buf_printf(&inner, "%s/capture.qprof", path);
    ql_status status = ql_capture_open(ql_buf_cstr(&inner), flags, out, err);
    ql_buf_dispose(&inner);
    return status;
}
