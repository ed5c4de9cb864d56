/*
 * Purpose: facts of the machine from the kernel's text files. What cannot be read is left empty: a report is no reason to fail.
 * Threads: any; no state. Cost: a few small files.
 */
#include "sys/machine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "sys/pool.h"

#define TEXT_BYTES_MAX ((size_t)1 << 20)

#if defined(__x86_64__)
#define ARCHITECTURE "x86_64"
#elif defined(__aarch64__)
#define ARCHITECTURE "aarch64"
#else
#define ARCHITECTURE "other"
#endif

/* The value behind the first line that begins with key; empty: none. Borrowed from text. */
static ql_str value_of(ql_str text, const char *key)
{
    size_t key_len = strlen(key);
    for (size_t at = 0; at < text.len;) {
        const char *line = text.ptr + at, *end = memchr(line, '\n', text.len - at);
        size_t len = end != NULL ? (size_t)(end - line) : text.len - at;
        if (len > key_len && memcmp(line, key, key_len) == 0) {
            size_t begin = key_len + strspn(line + key_len, " \t:");
            return begin < len ? (ql_str){line + begin, len - begin} : (ql_str){line, 0};
        }
        at += len + 1;
    }
    return (ql_str){NULL, 0};
}

static bool read_text(const ql__sys *sys, const char *path, ql_buf *out)
{
    ql_buf_init(out, TEXT_BYTES_MAX);
    return ql__file_read_all(sys, path, out, NULL) == QL_OK;
}

static uint64_t number_in(const ql__sys *sys, const char *path)
{
    ql_buf text;
    uint64_t value = 0;
    if (read_text(sys, path, &text) && text.ptr[0] >= '0' && text.ptr[0] <= '9') value = strtoull(ql_buf_cstr(&text), NULL, 10); /* "max": no limit */
    ql_buf_dispose(&text);
    return value;
}

/* "MemTotal:  4038264 kB" */
static uint64_t memory_line(ql_str text, const char *key)
{
    ql_str value = value_of(text, key);
    return value.len > 0 ? strtoull(value.ptr, NULL, 10) * 1024 : 0; /* the text is NUL-terminated */
}

static void read_memory(const ql__sys *sys, ql__machine *out)
{
    ql_buf text;
    if (read_text(sys, "/proc/meminfo", &text)) {
        out->memory_bytes = memory_line(ql_buf_str(&text), "MemTotal:");
        out->memory_available_bytes = memory_line(ql_buf_str(&text), "MemAvailable:");
    }
    ql_buf_dispose(&text);
    uint64_t limit = number_in(sys, "/sys/fs/cgroup/memory.max"), used = number_in(sys, "/sys/fs/cgroup/memory.current");
    if (limit == 0 || (out->memory_bytes != 0 && limit >= out->memory_bytes)) return;
    out->memory_bytes = limit;
    uint64_t left = limit > used ? limit - used : 0;
    if (left < out->memory_available_bytes || out->memory_available_bytes == 0) out->memory_available_bytes = left;
}

static void read_cpu(const ql__sys *sys, ql__machine *out)
{
    ql_buf text;
    if (read_text(sys, "/proc/cpuinfo", &text)) {
        ql_str name = value_of(ql_buf_str(&text), "model name");
        snprintf(out->cpu, sizeof out->cpu, "%.*s", (int)(name.len < sizeof out->cpu ? name.len : sizeof out->cpu - 1), name.len > 0 ? name.ptr : "");
    }
    ql_buf_dispose(&text);
    long online = sysconf(_SC_NPROCESSORS_ONLN);
    out->cores = online > 0 ? (uint32_t)online : 1;
    out->cores_usable = (uint32_t)ql__core_count();
}

void ql__machine_read(const ql__sys *sys, ql__machine *out)
{
    *out = (ql__machine){.architecture = ARCHITECTURE};
    read_cpu(sys, out);
    read_memory(sys, out);
}

#if defined(__x86_64__)
#define FEATURE(index_, builtin, name) \
    case index_: *has = __builtin_cpu_supports(builtin) != 0; return name;
#endif

const char *ql__machine_feature(size_t index, bool *has)
{
    *has = false;
#if defined(__x86_64__)
    switch (index) { /* __builtin_cpu_supports takes literals only */
    FEATURE(0, "avx2", "avx2")
    FEATURE(1, "fma", "fma")
    FEATURE(2, "avx512f", "avx512f")
    FEATURE(3, "avx512bw", "avx512bw")
    FEATURE(4, "avx512dq", "avx512dq")
    FEATURE(5, "avx512vl", "avx512vl")
    FEATURE(6, "avx512bf16", "avx512_bf16")
    default: break;
    }
#else
    (void)index;
#endif
    return NULL;
}
