/*
 * The guarantees of a chunker, checked from the outside. Knows nothing of how chunks were made. Threads: no state. Cost: linear; measures every
 * chunk once.
 */
#include "chunk/chunk.h"

#include "base/limits.h"
#include "base/status.h"
#include "text/utf8.h"

/* The text holds one grapheme cluster only. */
static bool is_one_grapheme(ql_str text)
{
    return ql__grapheme_next(text, 0) == text.len;
}

/* Looked at from `base`, where the chunk before begins: the way back from `at` may be as long as the text (flags in a row). */
static bool is_boundary(ql_str text, uint64_t base, uint64_t at)
{
    if (at < base) base = 0;
    return base + ql__grapheme_floor((ql_str){text.ptr + base, text.len - (size_t)base}, (size_t)(at - base)) == at;
}

static ql_status check_chunk(const ql_canonical *canonical, const ql_chunk_options *options, const ql_measure *measure, const ql_chunk *chunk, uint64_t before,
                             uint64_t covered, size_t index, ql_error *err)
{
    const char *what = NULL;
    if (chunk->index != index) what = "index is not its position";
    else if (chunk->end <= chunk->begin || chunk->end > canonical->text.len) what = "range is empty or outside the text";
    else if (chunk->text.ptr != canonical->text.ptr + chunk->begin || chunk->text.len != chunk->end - chunk->begin) what = "text is not its range";
    else if (chunk->begin + chunk->overlap_bytes != covered) what = "does not go on where the chunk before ended";
    else if (chunk->end <= covered) what = "holds nothing new";
    else if (!is_boundary(canonical->text, before, chunk->begin)) what = "begins inside a grapheme";
    else if (!is_boundary(canonical->text, before, chunk->end)) what = "ends inside a grapheme";
    if (what) return ql__fail(err, QL_E_INVALID, "chunk %zu [%llu, %llu): %s", index, (unsigned long long)chunk->begin, (unsigned long long)chunk->end, what);
    size_t units = measure->units_fn(measure->user, chunk->text, NULL, 0);
    if (units != chunk->tokens) return ql__fail(err, QL_E_INVALID, "chunk %zu: %zu units, said to be %u", index, units, (unsigned)chunk->tokens);
    if (units > options->size_max && !is_one_grapheme(chunk->text)) return ql__fail(err, QL_E_INVALID, "chunk %zu: %zu units, limit %u", index, units, (unsigned)options->size_max);
    if (chunk->overlap_bytes == 0) return QL_OK;
    units = measure->units_fn(measure->user, (ql_str){chunk->text.ptr, (size_t)chunk->overlap_bytes}, NULL, 0);
    if (units > options->overlap) return ql__fail(err, QL_E_INVALID, "chunk %zu: overlap of %zu units, limit %u", index, units, (unsigned)options->overlap);
    return QL_OK;
}

ql_status ql__chunks_verify(const ql_canonical *canonical, const ql_chunk_options *options, const ql_chunk *chunks, size_t count, bool capped, ql_error *err)
{
    const ql_measure *measure = options->measure ? options->measure : ql__measure_characters();
    uint64_t covered = 0;
    for (size_t i = 0; i < count; i++) {
        QL_TRY(check_chunk(canonical, options, measure, &chunks[i], i > 0 ? chunks[i - 1].begin : 0, covered, i, err));
        covered = chunks[i].end;
    }
    if (covered != canonical->text.len && !capped) {
        return ql__fail(err, QL_E_INVALID, "chunks end at byte %llu of %zu", (unsigned long long)covered, canonical->text.len);
    }
    return QL_OK;
}
