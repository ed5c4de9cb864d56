/* make_capture FILE TARGET [SCALE] | make_capture FILE --stacks COUNT: the captures of qprof_build_sample and qprof_build_stacks, for tests of whole programs. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/qprof_build.h"

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    qprof_build build;
    if (strcmp(argv[2], "--stacks") != 0) qprof_build_sample(&build, argv[2], argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
    else qprof_build_stacks(&build, argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 1000);
    ql_str bytes = qprof_build_finish(&build);
    FILE *file = fopen(argv[1], "wb");
    bool good = file != NULL && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len;
    if (file != NULL) good = fclose(file) == 0 && good;
    qprof_build_dispose(&build);
    return good ? 0 : 1;
}
