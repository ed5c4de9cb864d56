/* make_capture FILE TARGET [SCALE]: the capture of qprof_build_sample, for tests of whole programs. */
#include <stdio.h>
#include <stdlib.h>

#include "support/qprof_build.h"

int main(int argc, char **argv)
{
    if (argc < 3) return 2;
    qprof_build build;
    qprof_build_sample(&build, argv[2], argc > 3 ? strtoull(argv[3], NULL, 10) : 1);
    ql_str bytes = qprof_build_finish(&build);
    FILE *file = fopen(argv[1], "wb");
    bool good = file != NULL && fwrite(bytes.ptr, 1, bytes.len, file) == bytes.len;
    if (file != NULL) good = fclose(file) == 0 && good;
    qprof_build_dispose(&build);
    return good ? 0 : 1;
}
