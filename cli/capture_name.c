/* See capture_name.h. */
#include "capture_name.h"

#include <string.h>

#include "command.h"
#include "output.h"

static const struct {
    const char *end;
    int32_t format;
} names[] = {
    {".qprof", CAPTURE_AS_IT_IS},
    {".svg", QL_CAPTURE_FLAME_SVG},
    {".pb.gz", QL_CAPTURE_PPROF},
    {".speedscope.json", QL_CAPTURE_SPEEDSCOPE}, /* the longer end before the shorter */
    {"trace.json", QL_CAPTURE_TRACE},
    {".json", QL_CAPTURE_JSON},
    {".collapsed", QL_CAPTURE_COLLAPSED},
    {".html", QL_CAPTURE_HTML},
    {".out", QL_CAPTURE_PSTATS},
    {".dat", QL_CAPTURE_MPROF},
};

int32_t capture_format_of(const char *path)
{
    size_t length = strlen(path);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        size_t tail = strlen(names[i].end);
        if (length >= tail && strcmp(path + length - tail, names[i].end) == 0) return names[i].format;
    }
    return CAPTURE_UNKNOWN;
}

int capture_name_refuse(const cli *self, const char *path, bool itself, const char *hint)
{
    char known[200] = "";
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (names[i].format == CAPTURE_AS_IT_IS && !itself) continue;
        size_t used = strlen(known);
        (void)snprintf(known + used, sizeof known - used, "%s%s", used == 0 ? "" : ", ", names[i].end);
    }
    return cli_usage_error(self, "--output '%.200s': what is written follows from the end of the name, known are %s%s", path, known, hint);
}
