/*
 * Speedscope's file format (its schema is published with it): frames once, then profiles. Events of an evented profile must nest: a span that outlives the
 * one it began in is shown to end with it. Threads: any. Cost: an index of the samples; the output streams.
 */
#include <string.h>

#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/lanes.h"
#include "capture/write.h"

typedef struct speedscope_writer {
    const ql__profile *profile;
    const ql__profile_view *view;
    ql__grouping groups;
    ql__json_writer json;
    ql__sink *sink;
    uint32_t *path;       /* (QL_LIMIT_PROFILE_FRAMES) */
    uint64_t *ends;       /* of the spans that are open, and their frames */
    uint32_t *open;
    size_t open_count, ends_capacity, open_capacity;
} speedscope_writer;

/* --- frames: functions, then sites of spans ------------------------------------------------------------------------------------------- */

static void put_frame(speedscope_writer *self, ql_str name, ql_str file, uint32_t line)
{
    ql__json_object(&self->json);
    ql__json_member(&self->json, "name", name);
    if (file.len > 0) ql__json_member(&self->json, "file", file);
    if (line > 0) {
        ql__json_key(&self->json, "line");
        ql__json_uint(&self->json, line);
    }
    ql__json_object_end(&self->json);
    ql__sink_flow(self->sink);
}

static void put_frames(speedscope_writer *self)
{
    const ql__profile *profile = self->profile;
    ql__json_key(&self->json, "shared");
    ql__json_object(&self->json);
    ql__json_key(&self->json, "frames");
    ql__json_array(&self->json);
    for (size_t i = 0; i < self->groups.count; i++) {
        const ql__profile_function *function = &profile->functions[self->groups.keys[i].function];
        put_frame(self, ql__grouping_name(profile, &self->groups, i), ql__profile_text(profile, function->file), function->start_line);
    }
    for (size_t i = 0; i < profile->sites_count; i++) {
        const ql__profile_site *site = &profile->sites[i];
        put_frame(self, ql__profile_text(profile, site->name), ql__profile_text(profile, site->file), site->line);
    }
    put_frame(self, QL_STR("[unknown]"), QL_STR(""), 0);
    ql__json_array_end(&self->json);
    ql__json_object_end(&self->json);
}

static uint32_t frame_of_span(const speedscope_writer *self, const ql__profile_span *span)
{
    return (uint32_t)(self->groups.count + (span->site != 0 ? span->site - 1 : self->profile->sites_count));
}

/* --- sampled ----------------------------------------------------------------------------------------------------------------------- */

static void put_head(speedscope_writer *self, const char *type, size_t lane, const char *suffix, const char *unit, uint64_t end)
{
    ql_buf name;
    ql_buf_init(&name, QL_LIMIT_BUF_BYTES);
    ql__lane_name(self->profile, lane, &name);
    if (suffix != NULL) (void)ql_buf_printf(&name, ", %s", suffix);
    if (name.status < 0) {
        ql_error err = {0};
        ql_status status = ql__fail_status(&err, name.status);
        ql__sink_fail(self->sink, status, &err);
    }
    ql__json_object(&self->json);
    ql__json_member(&self->json, "type", ql_str_of(type));
    ql__json_member(&self->json, "name", ql_buf_str(&name));
    ql__json_member(&self->json, "unit", ql_str_of(unit));
    ql__json_key(&self->json, "startValue");
    ql__json_uint(&self->json, 0);
    ql__json_key(&self->json, "endValue");
    ql__json_uint(&self->json, end);
    ql_buf_dispose(&name);
}

static bool is_shown(const speedscope_writer *self, uint32_t sample, int64_t *weight)
{
    *weight = ql__sample_value(self->profile, self->view->kind, sample, self->view->value);
    return *weight > 0 && ql__view_has(self->profile, self->view, &self->profile->sets[self->view->kind].samples[sample]);
}

static void put_stack(speedscope_writer *self, uint32_t stack)
{
    ql__frame_iter frames = ql__frames_of(self->profile, stack);
    uint32_t line;
    size_t depth = 0;
    while (depth < QL_LIMIT_PROFILE_FRAMES && ql__frame_next(&frames, &line)) self->path[depth++] = self->groups.of_line[line];
    ql__json_array(&self->json);
    if (depth == 0) ql__json_uint(&self->json, self->groups.count + self->profile->sites_count);
    while (depth-- > 0) ql__json_uint(&self->json, self->path[depth]);
    ql__json_array_end(&self->json);
    ql__sink_flow(self->sink);
}

static void put_sampled(speedscope_writer *self, const ql__lanes *lanes, size_t lane)
{
    const ql__profile_set *set = &self->profile->sets[self->view->kind];
    uint64_t end = 0;
    int64_t weight;
    for (size_t i = lanes->first[lane]; i < lanes->first[lane + 1]; i++)
        if (is_shown(self, lanes->order[i], &weight)) end += (uint64_t)weight;
    if (end == 0) return;
    put_head(self, "sampled", lane, NULL, ql__sample_value_type(self->view->kind, self->view->value)->unit, end);
    ql__json_key(&self->json, "samples");
    ql__json_array(&self->json);
    for (size_t i = lanes->first[lane]; i < lanes->first[lane + 1]; i++)
        if (is_shown(self, lanes->order[i], &weight)) put_stack(self, set->samples[lanes->order[i]].stack);
    ql__json_array_end(&self->json);
    ql__json_key(&self->json, "weights");
    ql__json_array(&self->json);
    for (size_t i = lanes->first[lane]; i < lanes->first[lane + 1]; i++) {
        if (is_shown(self, lanes->order[i], &weight)) ql__json_int(&self->json, weight);
        ql__sink_flow(self->sink);
    }
    ql__json_array_end(&self->json);
    ql__json_object_end(&self->json);
}

/* --- evented ----------------------------------------------------------------------------------------------------------------------- */

static void put_event(speedscope_writer *self, const char *type, uint32_t frame, uint64_t at)
{
    ql__json_object(&self->json);
    ql__json_member(&self->json, "type", ql_str_of(type));
    ql__json_key(&self->json, "frame");
    ql__json_uint(&self->json, frame);
    ql__json_key(&self->json, "at");
    ql__json_uint(&self->json, at);
    ql__json_object_end(&self->json);
    ql__sink_flow(self->sink);
}

/* Closes the spans that end at or before `at`, the inner ones first. */
static void close_until(speedscope_writer *self, uint64_t at)
{
    while (self->open_count > 0 && self->ends[self->open_count - 1] <= at) {
        self->open_count--;
        put_event(self, "C", self->open[self->open_count], self->ends[self->open_count]);
    }
}

static ql_status put_spans(speedscope_writer *self, const ql__lanes *lanes, size_t lane, ql_error *err)
{
    for (size_t i = lanes->first[lane]; i < lanes->first[lane + 1]; i++) {
        const ql__profile_span *span = &self->profile->spans[lanes->order[i]];
        uint64_t end = span->end_ns;
        close_until(self, span->begin_ns);
        if (self->open_count > 0 && self->ends[self->open_count - 1] < end) end = self->ends[self->open_count - 1];
        if (!ql__array_reserve(&self->ends, &self->ends_capacity, self->open_count + 1, sizeof *self->ends) ||
            !ql__array_reserve(&self->open, &self->open_capacity, self->open_count + 1, sizeof *self->open))
            return ql__fail_nomem(err);
        self->ends[self->open_count] = end;
        self->open[self->open_count++] = frame_of_span(self, span);
        put_event(self, "O", frame_of_span(self, span), span->begin_ns);
    }
    close_until(self, UINT64_MAX);
    return QL_OK;
}

static ql_status put_evented(speedscope_writer *self, const ql__lanes *lanes, size_t lane, ql_error *err)
{
    uint64_t end = 0;
    for (size_t i = lanes->first[lane]; i < lanes->first[lane + 1]; i++)
        if (self->profile->spans[lanes->order[i]].end_ns > end) end = self->profile->spans[lanes->order[i]].end_ns;
    put_head(self, "evented", lane, "spans", "nanoseconds", end);
    ql__json_key(&self->json, "events");
    ql__json_array(&self->json);
    QL_TRY(put_spans(self, lanes, lane, err));
    ql__json_array_end(&self->json);
    ql__json_object_end(&self->json);
    return QL_OK;
}

/* --- all ---------------------------------------------------------------------------------------------------------------------------- */

static ql_status put_profiles(speedscope_writer *self, ql_error *err)
{
    ql__lanes samples = {0}, spans = {0};
    QL_TRY(ql__lanes_of_samples(self->profile, self->view->kind, &samples, err));
    ql_status status = ql__lanes_of_spans(self->profile, &spans, err);
    ql__json_key(&self->json, "profiles");
    ql__json_array(&self->json);
    for (size_t l = 0; status >= 0 && l < samples.count; l++) put_sampled(self, &samples, l);
    for (size_t l = 0; status >= 0 && l < spans.count; l++)
        if (spans.first[l + 1] > spans.first[l]) status = put_evented(self, &spans, l, err);
    ql__json_array_end(&self->json);
    ql__lanes_free(&samples);
    ql__lanes_free(&spans);
    return status;
}

ql_status ql__write_speedscope(const ql__profile *profile, const ql__profile_view *view, ql__sink *sink, ql_error *err)
{
    QL_TRY(ql__expect_samples(profile, view->kind, err));
    speedscope_writer self = {.profile = profile, .view = view, .sink = sink, .path = ql__alloc_zero(QL_LIMIT_PROFILE_FRAMES, sizeof *self.path)};
    ql_status status = self.path != NULL ? ql__grouping_new(profile, QL__GROUP_FUNCTION, &self.groups, err) : ql__fail_nomem(err);
    if (status >= 0) {
        ql__json_begin(&self.json, &sink->pending);
        ql__json_object(&self.json);
        ql__json_member(&self.json, "$schema", QL_STR("https://www.speedscope.app/file-format-schema.json"));
        ql__json_member(&self.json, "exporter", QL_STR("qloader " QLOADER_VERSION));
        ql_str program = ql__path_base(ql__profile_meta(profile, "program"));
        if (program.len > 0) ql__json_member(&self.json, "name", program);
        put_frames(&self);
        status = put_profiles(&self, err);
        ql__json_object_end(&self.json);
    }
    ql__grouping_free(&self.groups);
    ql__free(self.path);
    ql__free(self.ends);
    ql__free(self.open);
    return status;
}
