/*
 * Python's marshal format (version 2: no references, so that every Python reads it), as cProfile's dump_stats writes it:
 * {(file, line, name): (primitive calls, calls, self seconds, cumulative seconds, {caller: the same four})}.
 * A sampler sees no calls: both counts are samples. Threads: any. Cost: edges of the call graph in memory.
 */
#include <string.h>

#include "base/status.h"
#include "capture/write.h"

/* Type codes of Python/marshal.c. */
enum { MARSHAL_DICT = '{', MARSHAL_DICT_END = '0', MARSHAL_TUPLE = '(', MARSHAL_INT = 'i', MARSHAL_LONG = 'l', MARSHAL_FLOAT = 'g', MARSHAL_TEXT = 'u' };

static void put_u32(ql__sink *sink, uint32_t value)
{
    char bytes[4] = {(char)value, (char)(value >> 8), (char)(value >> 16), (char)(value >> 24)};
    ql__sink_put(sink, (ql_str){bytes, sizeof bytes});
}

static void put_type(ql__sink *sink, char type)
{
    ql__sink_put(sink, (ql_str){&type, 1});
}

static void put_tuple(ql__sink *sink, uint32_t count)
{
    put_type(sink, MARSHAL_TUPLE);
    put_u32(sink, count);
}

static void put_text(ql__sink *sink, ql_str text)
{
    put_type(sink, MARSHAL_TEXT);
    put_u32(sink, (uint32_t)text.len);
    ql__sink_put(sink, text);
}

/* A whole number of any size: up to 31 bits as such, larger ones in digits of 15 bits. */
static void put_whole(ql__sink *sink, uint64_t value)
{
    if (value <= INT32_MAX) {
        put_type(sink, MARSHAL_INT);
        put_u32(sink, (uint32_t)value);
        return;
    }
    char digits[10];
    uint32_t count = 0;
    for (; value > 0; value >>= 15, count++) {
        digits[2 * count] = (char)(value & 0xff);
        digits[2 * count + 1] = (char)(value >> 8 & 0x7f);
    }
    put_type(sink, MARSHAL_LONG);
    put_u32(sink, count);
    ql__sink_put(sink, (ql_str){digits, 2 * (size_t)count});
}

static void put_seconds(ql__sink *sink, int64_t ns)
{
    double seconds = (double)ns / 1e9;
    char bytes[8];
    memcpy(bytes, &seconds, sizeof bytes); /* IEEE 754, little endian as this machine */
    put_type(sink, MARSHAL_FLOAT);
    ql__sink_put(sink, (ql_str){bytes, sizeof bytes});
}

/* pstats shows "~" and line 0 for what has no file. */
static void put_function(const ql__profile *profile, const ql__grouping *groups, uint32_t group, ql__sink *sink)
{
    const ql__profile_function *function = &profile->functions[groups->keys[group].function];
    ql_str file = ql__profile_text(profile, function->file != 0 ? function->file : function->module);
    put_tuple(sink, 3);
    put_text(sink, file.len > 0 ? file : QL_STR("~"));
    put_whole(sink, function->start_line);
    put_text(sink, ql__grouping_name(profile, groups, group));
}

static void put_numbers(ql__sink *sink, uint32_t count, uint64_t samples, int64_t self, int64_t cumulative)
{
    put_tuple(sink, count);
    put_whole(sink, samples);
    put_whole(sink, samples);
    put_seconds(sink, self);
    put_seconds(sink, cumulative);
}

static void put_functions(const ql__profile *profile, const ql__grouping *groups, const ql__totals *totals, const ql__edges *edges, ql__sink *sink)
{
    size_t edge = 0;
    put_type(sink, MARSHAL_DICT);
    for (uint32_t i = 0; i < groups->count && !ql__sink_failed(sink); i++) {
        const ql__total *total = &totals->items[i];
        if (total->samples == 0) continue;
        put_function(profile, groups, i, sink);
        put_numbers(sink, 5, total->samples, total->self, total->cumulative);
        put_type(sink, MARSHAL_DICT);
        while (edge < edges->count && edges->items[edge].callee < i) edge++;
        for (; edge < edges->count && edges->items[edge].callee == i; edge++) {
            const ql__edge *from = &edges->items[edge];
            put_function(profile, groups, from->caller, sink);
            put_numbers(sink, 4, from->samples, from->self, from->cumulative);
        }
        put_type(sink, MARSHAL_DICT_END);
    }
    put_type(sink, MARSHAL_DICT_END);
}

ql_status ql__write_pstats(const ql__profile *profile, const ql__profile_view *view, ql__sink *sink, ql_error *err)
{
    QL_TRY(ql__expect_samples(profile, view->kind, err));
    if (view->kind == QL__SAMPLE_HEAP) return ql__fail(err, QL_E_INVALID, "profile.out holds times: memory of the heap does not go into it");
    ql__grouping groups = {0};
    ql__stack_sums sums = {0};
    ql__totals totals = {0};
    ql__edges edges = {0};
    ql_status status = ql__grouping_new(profile, QL__GROUP_FUNCTION, &groups, err);
    if (status >= 0) status = ql__stack_sums_of(profile, view, &sums, err);
    if (status >= 0) status = ql__totals_of(profile, &sums, &groups, &totals, err);
    if (status >= 0) status = ql__edges_of(profile, &sums, &groups, &edges, err);
    if (status >= 0) put_functions(profile, &groups, &totals, &edges, sink);
    ql__edges_free(&edges);
    ql__totals_free(&totals);
    ql__stack_sums_free(&sums);
    ql__grouping_free(&groups);
    return status;
}
