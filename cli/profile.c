/* See profile.h. The capture begins before the workspace is opened, so that loading the model is in it; its files are replaced when the run is certain. */
#include "profile.h"

#include <stdio.h>
#include <unistd.h>

#include "exit_code.h"
#include "output.h"
#include "prof_set.h"
#include "session.h"

/* What would keep a file from its place is told before anything is done. */
static ql_status begin(cli_profile *self, ql_error *err)
{
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    ql_status status = capture_file_open(&self->file, self->folder, err);
    if (status < 0) return status;
    options.write_fn = capture_file_write;
    options.write_user = &self->file;
    status = prof_check_set(self->folder, self->whole, err);
    if (status >= 0) status = ql_prof_start(&options, &self->capture, err);
    if (status < 0) capture_file_close(&self->file);
    return status;
}

int profile_begin(const cli *self, cli_profile *out)
{
    ql_error err = {0};
    *out = (cli_profile){.folder = "."};
    if (!cli_has(self, OPT_PROFILE)) return -1;
    ql_str folder = cli_str(self, OPT_PROFILE);
    out->whole = folder.len != 0;
    if (out->whole) out->folder = folder.ptr;
    ql_status status = begin(out, &err);
    return status < 0 ? cli_fail(self, status, &err) : -1;
}

void profile_keep(cli_profile *self)
{
    if (self->capture == NULL || atomic_exchange(&self->asked, true)) return;
    self->status = capture_file_keep(&self->file, &self->error);
    if (self->status >= 0) self->status = prof_clear_set(self->folder, self->whole, &self->error); /* whatever ends this run, nothing of an earlier one lies beside it */
}

void profile_keep_unless_refused(cli_profile *self, ql_status status)
{
    switch (ql_status_kind(status)) {
    case QL_E_INVALID:
    case QL_E_CONFIG:
    case QL_E_NOTFOUND:
    case QL_E_BUSY:
    case QL_E_UNSUPPORTED:
    case QL_E_MISMATCH: return;
    default: profile_keep(self);
    }
}

/* profile.out beside the capture; in a folder that was named, everything else too. Pictures whose library is missing are told of, and no failure. */
static ql_status write_formats(const cli_profile *self, ql_error *err)
{
    ql_capture *capture = NULL;
    unsigned count = 0;
    ql_status status = ql_capture_open(ql_buf_cstr(&self->file.path), 0, &capture, err);
    if (status >= 0) status = prof_write_set(capture, self->folder, self->whole, (long)getpid(), &count, err);
    ql_capture_free(capture);
    return status;
}

static void tell(const cli *self, const cli_profile *profile, const ql_prof_info *info, bool stopped)
{
    ql_buf line = QL_BUF_INIT;
    unsigned long long dropped = info->dropped, permille = info->samples != 0 ? 1000 * (info->samples - info->rootless) / info->samples : 0;
    const char *path = ql_buf_cstr(&profile->file.path);
    if (info->samples == 0) (void)ql_buf_printf(&line, "%s: no samples, the run was too short for any; %llu record%s dropped", path, dropped, dropped == 1 ? "" : "s");
    else (void)ql_buf_printf(&line, "%s: %llu sample%s of %u thread%s, %llu.%llu %% with their whole stack, %llu record%s dropped", path,
                             (unsigned long long)info->samples, info->samples == 1 ? "" : "s", info->threads, info->threads == 1 ? "" : "s", permille / 10, permille % 10, dropped, dropped == 1 ? "" : "s");
    if (stopped) (void)ql_buf_append(&line, QL_STR("; of what ran until it was stopped"));
    if (self->json_lines) line_log("info", "profile", ql_buf_str(&line));
    else {
        fprintf(stderr, "profile: ");
        text_put(stderr, ql_buf_str(&line));
        fputc('\n', stderr);
    }
    ql_buf_dispose(&line);
}

/* Ends the capture and writes what is made of it. */
static ql_status finish(cli_profile *self, ql_prof_info *info, bool *known, ql_error *err)
{
    ql_status status = ql_prof_stop(self->capture, err);
    if (capture_file_status(&self->file, err) < 0) status = err->status; /* to the capture its receiver failed */
    *known = ql_prof_info_read(self->capture, info, NULL) >= 0;
    if (status >= 0 && self->status < 0) {
        *err = self->error;
        status = self->status;
    }
    return status >= 0 ? write_formats(self, err) : status;
}

int profile_end(const cli *self, cli_profile *profile, int code)
{
    if (profile->capture == NULL) return code;
    ql_error err = {0};
    ql_prof_info info = {.struct_size = sizeof info};
    bool stopped = stop_asked(), known = false; /* what ran until then is profiled all the same */
    bool ran = atomic_load(&profile->asked);
    stop_forget();
    ql_status status = ran ? finish(profile, &info, &known, &err) : QL_OK;
    ql_prof_free(profile->capture);
    profile->capture = NULL;
    if (status < 0) {
        int failed = cli_fail(self, status, &err);
        code = code == EXIT_OK ? failed : code;
    } else if (known && !cli_has(self, OPT_QUIET)) tell(self, profile, &info, stopped);
    capture_file_close(&profile->file); /* the lock on the folder ends here */
    return code;
}
