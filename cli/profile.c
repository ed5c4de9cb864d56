/* See profile.h. The capture begins before the workspace is opened, so that loading the model is in it. */
#include "profile.h"

#include <stdio.h>
#include <unistd.h>

#include "exit_code.h"
#include "output.h"
#include "prof_set.h"
#include "session.h"

#define CAPTURE_FILE "capture.qprof"

int profile_begin(const cli *self, cli_profile *out)
{
    ql_error err = {0};
    *out = (cli_profile){.folder = "."};
    if (!cli_has(self, OPT_PROFILE)) return -1;
    ql_str folder = cli_str(self, OPT_PROFILE);
    out->whole = folder.len != 0;
    if (out->whole) out->folder = folder.ptr;
    ql_prof_options options = QL_PROF_OPTIONS_INIT;
    options.folder = out->folder;
    ql_status status = ql_prof_start(&options, &out->capture, &err);
    if (status >= 0) status = prof_clear_set(out->folder, out->whole, &err); /* whatever ends this run, nothing of an earlier one lies beside it */
    if (status >= 0) return -1;
    ql_prof_free(out->capture);
    out->capture = NULL;
    return cli_fail(self, status, &err);
}

/* profile.out beside the capture; in a folder that was named, everything else too. Pictures whose library is missing are told of, and no failure. */
static ql_status write_formats(const cli_profile *self, ql_error *err)
{
    ql_buf path = QL_BUF_INIT;
    ql_capture *capture = NULL;
    unsigned count = 0;
    ql_status status = ql_buf_printf(&path, "%s/" CAPTURE_FILE, self->folder);
    if (status >= 0) status = ql_capture_open(ql_buf_cstr(&path), 0, &capture, err);
    if (status >= 0) status = prof_write_set(capture, self->folder, self->whole, (long)getpid(), &count, err);
    ql_capture_free(capture);
    ql_buf_dispose(&path);
    return status;
}

static void tell(const cli *self, const cli_profile *profile, const ql_prof_info *info, bool stopped)
{
    ql_buf line = QL_BUF_INIT;
    unsigned long long dropped = info->dropped, permille = info->samples != 0 ? 1000 * (info->samples - info->rootless) / info->samples : 0;
    if (info->samples == 0) (void)ql_buf_printf(&line, "%s/" CAPTURE_FILE ": no samples, the run was too short for any; %llu records dropped", profile->folder, dropped);
    else (void)ql_buf_printf(&line, "%s/" CAPTURE_FILE ": %llu samples of %u threads, %llu.%llu %% with their whole stack, %llu records dropped", profile->folder,
                             (unsigned long long)info->samples, info->threads, permille / 10, permille % 10, dropped);
    if (stopped) (void)ql_buf_append(&line, QL_STR("; of what ran until it was stopped"));
    if (self->json_lines) line_log("info", "profile", ql_buf_str(&line));
    else {
        fprintf(stderr, "profile: ");
        text_put(stderr, ql_buf_str(&line));
        fputc('\n', stderr);
    }
    ql_buf_dispose(&line);
}

int profile_end(const cli *self, cli_profile *profile, int code)
{
    if (profile->capture == NULL) return code;
    ql_error err = {0};
    ql_prof_info info = {.struct_size = sizeof info};
    bool stopped = stop_asked(); /* what ran until then is profiled all the same */
    stop_forget();
    ql_status status = ql_prof_stop(profile->capture, &err);
    bool known = ql_prof_info_read(profile->capture, &info, NULL) >= 0;
    if (status >= 0) status = write_formats(profile, &err);
    ql_prof_free(profile->capture); /* the lock on the folder ends here */
    profile->capture = NULL;
    if (status < 0) {
        int failed = cli_fail(self, status, &err);
        return code == EXIT_OK ? failed : code;
    }
    if (known && !cli_has(self, OPT_QUIET)) tell(self, profile, &info, stopped);
    return code;
}
