/* Any bytes as a capture: read or refused; what is read has sound indexes and can be written in every format. No symbols: no other file is opened. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "capture/read.h"
#include "capture/report.h"
#include "capture/write_table.h"
#include "prof/qprof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void expect(bool holds)
{
    if (!holds) abort();
}

static ql_status read_memory(void *user, uint64_t offset, void *buf, size_t size, ql_error *err)
{
    (void)err;
    const ql_str *bytes = user;
    expect(offset <= bytes->len && size <= bytes->len - offset);
    memcpy(buf, bytes->ptr + offset, size);
    return QL_OK;
}

static int drop(void *user, const void *data, size_t size)
{
    (void)user;
    (void)data;
    (void)size;
    return 0;
}

/* Checksums are put right, so that what is behind them is reached. */
static void mend(uint8_t *bytes, size_t size)
{
    ql__qprof_file head;
    if (size < sizeof head) return;
    memcpy(&head, bytes, sizeof head);
    memcpy(head.magic, QL__QPROF_MAGIC, sizeof head.magic);
    head.version = QL__QPROF_VERSION;
    head.header_bytes = sizeof head;
    memcpy(bytes, &head, sizeof head);
    for (size_t at = sizeof head; size - at >= sizeof(ql__qprof_chunk);) {
        ql__qprof_chunk chunk;
        memcpy(&chunk, bytes + at, sizeof chunk);
        if (chunk.size > size - at - sizeof chunk) chunk.size = (uint32_t)(size - at - sizeof chunk);
        chunk.crc = ql__qprof_crc32(0, bytes + at + sizeof chunk, chunk.size);
        memcpy(bytes + at, &chunk, sizeof chunk);
        at += sizeof chunk + chunk.size;
    }
}

static void check_indexes(const ql__profile *p)
{
    for (size_t i = 0; i < p->lines_count; i++) expect(p->lines[i].function < p->functions_count);
    for (size_t i = 0; i < p->stack_locations_count; i++) expect(p->stack_locations[i] < p->locations_count);
    for (size_t i = 0; i < p->label_pairs_count; i++) expect(p->label_pairs[i].key < p->strings_count && p->label_pairs[i].value < p->strings_count);
    for (int k = 0; k < QL__SAMPLE_KIND_COUNT; k++)
        for (size_t i = 0; i < p->sets[k].count; i++) {
            const ql__profile_sample *sample = &p->sets[k].samples[i];
            expect(sample->stack < p->stacks_count && sample->labels < p->labels_count && sample->thread <= p->threads_count);
        }
    for (size_t i = 0; i < p->spans_count; i++) expect(p->spans[i].site <= p->sites_count && p->spans[i].thread <= p->threads_count && p->spans[i].end_ns >= p->spans[i].begin_ns);
}

static void write_all(const ql__profile *p)
{
    for (int k = 0; k < QL__SAMPLE_KIND_COUNT; k++) {
        const ql__table_options options = {.view = {.kind = (ql__sample_kind)k, .value = QL__VALUE_NS}, .limit = 50};
        for (int output = 0; output < 11; output++) {
            ql__sink sink;
            ql_status status = QL_OK;
            ql__sink_init(&sink, drop, NULL);
            switch (output) {
            case 0: status = ql__write_speedscope(p, &options.view, &sink, NULL); break;
            case 1: status = ql__write_collapsed(p, &options.view, &sink, NULL); break;
            case 2: status = ql__write_flame_diff(p, p, &options.view, &sink, NULL); break;
            case 3: status = ql__write_top_json(p, &options, &sink, NULL); break;
            case 4: status = ql__write_pstats(p, &options.view, &sink, NULL); break;
            case 5: status = ql__write_pprof(p, options.view.kind, &sink, NULL); break;
            case 6: status = k == 0 ? ql__write_trace(p, &sink, NULL) : QL_OK; break;
            case 7: status = k == 0 ? ql__write_json(p, &sink, NULL) : QL_OK; break;
            case 10: status = k == 0 ? ql__write_html(p, p, &sink, NULL) : QL_OK; break;
            case 8: status = k == 0 ? ql__write_mprof(p, &sink, NULL) : ql__write_heap_json(p, &options, &sink, NULL); break;
            default: status = k == 0 ? ql__write_report_md(p, &sink, NULL) : k == 1 ? ql__write_report_json(p, &sink, NULL) : QL_OK; break;
            }
            ql_status end = ql__sink_finish(&sink, NULL);
            expect(status < 0 || end >= 0);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ql__read_options options = {.symbols = false};
    ql__profile *profile = NULL;
    uint8_t *bytes = malloc(size + 1);
    if (bytes == NULL) return 0;
    if (size > 0) memcpy(bytes, data, size);
    if (size > 0 && (data[size - 1] & 1) != 0) mend(bytes, size);
    ql_str text = {(const char *)bytes, size};
    if (ql__capture_read_from(ql__sys_default(), read_memory, &text, size, &options, &profile, NULL) >= 0) {
        check_indexes(profile);
        write_all(profile);
        ql__profile_free(profile);
    }
    free(bytes);
    return 0;
}
