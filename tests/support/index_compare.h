/* Two dumps of an index (ql__store_dump with vectors, a line each): equal means equal lines, but for the versions of files and the last digits of vectors. */
#ifndef QL_TEST_INDEX_COMPARE_H
#define QL_TEST_INDEX_COMPARE_H

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include <qloader/base.h>

#define INDEX_COSINE_MIN (1 - 1e-6)

static inline size_t index_value_of(ql_str line, const char *key, const char **out)
{
    const char *at = memmem(line.ptr, line.len, key, strlen(key));
    if (!at) return 0;
    *out = at + strlen(key);
    const char *end = memchr(*out, '"', (size_t)(line.ptr + line.len - *out));
    return end ? (size_t)(end - *out) : 0;
}

/* A file's version holds times of its own; the rest of a line has to agree, but for the last digits of a vector. */
static inline bool index_same_but(ql_str a, ql_str b, const char *key)
{
    const char *x = NULL, *y = NULL;
    size_t n = index_value_of(a, key, &x), m = index_value_of(b, key, &y);
    if (!n || !m) return n == m && ql_str_equal(a, b);
    size_t before = (size_t)(x - a.ptr), after = (size_t)(a.ptr + a.len - x) - n;
    return before == (size_t)(y - b.ptr) && after == (size_t)(b.ptr + b.len - y) - m && memcmp(a.ptr, b.ptr, before) == 0 && memcmp(x + n, y + m, after) == 0;
}

static inline double index_cosine(ql_str a, ql_str b)
{
    const char *x = NULL, *y = NULL;
    size_t n = index_value_of(a, "\"fp32\":\"", &x), m = index_value_of(b, "\"fp32\":\"", &y);
    double dot = 0, aa = 0, bb = 0;
    if (n == 0 && m == 0) return 1;
    if (n != m) return 0;
    for (size_t at = 0; at + 8 <= n; at += 8) {
        float values[2];
        for (int i = 0; i < 2; i++) {
            unsigned char bytes[4];
            for (int j = 0; j < 4; j++) {
                char pair[3] = {(i ? y : x)[at + (size_t)j * 2], (i ? y : x)[at + (size_t)j * 2 + 1], 0};
                bytes[j] = (unsigned char)strtoul(pair, NULL, 16);
            }
            memcpy(&values[i], bytes, 4);
        }
        dot += (double)values[0] * (double)values[1];
        aa += (double)values[0] * (double)values[0];
        bb += (double)values[1] * (double)values[1];
    }
    return dot / sqrt(aa * bb);
}

static inline ql_str index_next_line(const char **at)
{
    const char *end = strchr(*at, '\n');
    ql_str line = {*at, end ? (size_t)(end - *at) : strlen(*at)};
    *at += line.len + (end != NULL);
    return line;
}

/* The lowest cosine of two vectors of the same chunk; difference is set to the first line of b that differs otherwise. */
static inline double index_compare(const char *a, const char *b, ql_str *difference)
{
    double lowest = 1;
    while (*a || *b) {
        ql_str x = index_next_line(&a), y = index_next_line(&b);
        bool vectors = memmem(x.ptr, x.len, "\"fp32\":\"", 8) != NULL;
        if (!index_same_but(x, y, vectors ? "\"fp32\":\"" : "\"version\":\"")) {
            *difference = y.len ? y : QL_STR("the end");
            return lowest;
        }
        double now = index_cosine(x, y);
        if (now < lowest) lowest = now;
    }
    return lowest;
}

#endif
