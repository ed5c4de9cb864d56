/*
 * The plain formats: collapsed stacks and the lines of mprof. Threads: any. Cost: the sums by stack in memory.
 */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/write.h"

ql_status ql__expect_samples(const ql__profile *profile, ql__sample_kind kind, ql_error *err)
{
    static const char *const ways[QL__SAMPLE_KIND_COUNT] = {
        [QL__SAMPLE_CPU] = "a run that takes less than some 20 ms has none, and one with QL_PROF_CPU off",
        [QL__SAMPLE_WALL] = "'record --wall' takes them, as QL_PROF_WALL of ql_prof_start() does",
        [QL__SAMPLE_LOCK] = "nobody waited for more than 1 ms",
        [QL__SAMPLE_HEAP] = "--profile of ingest and search takes them, as QL_PROF_HEAP of ql_prof_start() does"};
    char there[64] = "";
    if (profile->sets[kind].count > 0) return QL_OK;
    for (int k = 0; k < QL__SAMPLE_KIND_COUNT; k++) {
        size_t used = strlen(there);
        if (profile->sets[k].count > 0) (void)snprintf(there + used, sizeof there - used, "%s%s", used > 0 ? ", " : "", ql__sample_kind_name((ql__sample_kind)k));
    }
    return ql__fail(err, QL_E_NOTFOUND, "the capture has no samples of %s (%s); it has: %s", ql__sample_kind_help(kind), ways[kind], there[0] != '\0' ? there : "none at all");
}

/* ';' ends a frame and a blank the stack; a line break ends everything. */
static void put_frame(ql__sink *sink, ql_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char byte = (unsigned char)name.ptr[i];
        ql__sink_put(sink, byte == ';' ? QL_STR(":") : byte < 0x20 || byte == 0x7f ? QL_STR("?") : (ql_str){name.ptr + i, 1});
    }
}

static void put_stack(const ql__profile *profile, uint32_t stack, const ql__grouping *groups, const ql__stack_sum *sum, uint32_t *path, ql__sink *sink)
{
    ql__frame_iter frames = ql__frames_of(profile, stack);
    uint32_t line;
    size_t depth = 0;
    while (depth < QL_LIMIT_PROFILE_FRAMES && ql__frame_next(&frames, &line)) path[depth++] = groups->of_line[line];
    if (depth == 0) put_frame(sink, QL_STR("[unknown]"));
    for (size_t i = depth; i-- > 0;) {
        put_frame(sink, ql__grouping_name(profile, groups, path[i]));
        if (i > 0) ql__sink_put(sink, QL_STR(";"));
    }
    ql__sink_printf(sink, " %lld\n", (long long)sum->value);
}

ql_status ql__write_collapsed(const ql__profile *profile, const ql__profile_view *view, ql__sink *sink, ql_error *err)
{
    QL_TRY(ql__expect_samples(profile, view->kind, err));
    ql__grouping groups = {0};
    ql__stack_sums sums = {0};
    uint32_t *path = ql__alloc_zero(QL_LIMIT_PROFILE_FRAMES, sizeof *path);
    ql_status status = path != NULL ? ql__grouping_new(profile, QL__GROUP_FUNCTION, &groups, err) : ql__fail_nomem(err);
    if (status >= 0) status = ql__stack_sums_of(profile, view, &sums, err);
    for (size_t i = 0; status >= 0 && i < profile->stacks_count && !ql__sink_failed(sink); i++)
        if (sums.items[i].samples > 0) put_stack(profile, (uint32_t)i, &groups, &sums.items[i], path, sink);
    ql__stack_sums_free(&sums);
    ql__grouping_free(&groups);
    ql__free(path);
    return status;
}

/* A command line is one line for mprof. */
static void put_line(ql__sink *sink, ql_str text)
{
    for (size_t i = 0; i < text.len; i++) ql__sink_put(sink, (unsigned char)text.ptr[i] < 0x20 ? QL_STR(" ") : (ql_str){text.ptr + i, 1});
    ql__sink_put(sink, QL_STR("\n"));
}

ql_status ql__write_mprof(const ql__profile *profile, ql__sink *sink, ql_error *err)
{
    ql_str command = ql__profile_meta(profile, "command_line");
    size_t lines = 0;
    ql__sink_put(sink, QL_STR("CMDLINE "));
    put_line(sink, command.len > 0 ? command : QL_STR("qloader"));
    for (size_t i = 0; i < profile->memory_count; i++) {
        const ql__profile_memory *memory = &profile->memory[i];
        if (memory->rss == QL__MEMORY_UNKNOWN) continue;
        int64_t ten_thousandths = (int64_t)(memory->rss / 1048576 * 10000 + memory->rss % 1048576 * 10000 / 1048576);
        ql__sink_put(sink, QL_STR("MEM "));
        ql__sink_fixed(sink, ten_thousandths, 4); /* as mprof writes it: MiB */
        ql__sink_put(sink, QL_STR(" "));
        ql__sink_fixed(sink, profile->numbers.started_unix_ms * 10 + (int64_t)(memory->at_ns / 100000), 4);
        ql__sink_put(sink, QL_STR("\n"));
        lines++;
    }
    return lines > 0 ? QL_OK : ql__fail(err, QL_E_NOTFOUND, "the capture has no measurements of memory");
}
