/* Where the tests find the real model: $QLOADER_MODEL_DIR, else what pkgconfig/deps/fetch unpacked. */
#ifndef QL_TEST_MODEL_DIR_H
#define QL_TEST_MODEL_DIR_H

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* Fails the program when the model is not there: a test that silently checks nothing is worse than none. */
static inline const char *model_dir(void)
{
    static char path[4096];
    const char *dir = getenv("QLOADER_MODEL_DIR");
    if (!dir || !*dir) dir = getenv("QLOADER_TEST_MODEL_DIR");
    snprintf(path, sizeof path, "%s/model.safetensors", dir ? dir : "");
    if (!dir || access(path, R_OK) != 0) {
        fprintf(stderr, "the model is not at '%s': run pkgconfig/deps/fetch, or set QLOADER_MODEL_DIR\n", dir ? dir : "");
        exit(1);
    }
    return dir;
}

#endif
