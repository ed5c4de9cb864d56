/*
 * Memory over time as a picture: resident size, of it file pages, and the heap; the peaks of both, the heap's from its profile, since it may lie between two
 * measurements; below it a row a stage, dark where one of its spans runs. Drawn
 * with cairo (LGPL-2.1 or MPL-1.1, opened on first use), once for both kinds of file. Threads: any. Cost: O(measurements + spans); some 3 MB for the PNG.
 */
#include <cairo-svg.h>
#include <cairo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/limits.h"
#include "base/status.h"
#include "capture/lanes.h"
#include "capture/write.h"
#include "dep/dynlib.h"

#define CAIRO_SONAME "libcairo.so.2"
#define CAIRO_FUNCTIONS(X) \
    X(cairo_image_surface_create) X(cairo_svg_surface_create_for_stream) X(cairo_surface_write_to_png_stream) X(cairo_surface_destroy) X(cairo_surface_finish) \
    X(cairo_surface_status) X(cairo_create) X(cairo_destroy) X(cairo_status) X(cairo_status_to_string) X(cairo_set_source_rgb) X(cairo_set_source_rgba) \
    X(cairo_paint) X(cairo_move_to) X(cairo_line_to) X(cairo_close_path) X(cairo_stroke) X(cairo_fill) X(cairo_rectangle) X(cairo_arc) X(cairo_set_line_width) \
    X(cairo_set_dash) X(cairo_select_font_face) X(cairo_set_font_size) X(cairo_show_text) X(cairo_text_extents)

typedef struct cairo_functions {
#define CAIRO_MEMBER(name) __typeof__(&name) name;
    CAIRO_FUNCTIONS(CAIRO_MEMBER)
#undef CAIRO_MEMBER
} cairo_functions;

#define WIDTH 1000
#define LEFT 82.0
#define RIGHT 968.0
#define TOP 56.0
#define PLOT_HEIGHT 340.0
#define ROW_HEIGHT 20.0
#define STAGES_MAX 16

typedef struct color {
    double red, green, blue;
} color;
static const color ink = {0.13, 0.14, 0.16}, faint = {0.86, 0.87, 0.89}, rss_color = {0.16, 0.42, 0.78}, heap_color = {0.88, 0.45, 0.10}, file_color = {0.35, 0.62, 0.38}, peak_color = {0.78, 0.12, 0.16};

typedef struct memory_plot {
    const ql__profile *profile;
    cairo_functions fn;
    cairo_t *cairo;
    uint64_t end_ns, top_bytes;
    const ql__profile_memory *peak;
    ql__profile_memory heap_peak; /* only .at_ns and .heap; .heap QL__MEMORY_UNKNOWN: there is none */
    uint32_t stages[STAGES_MAX]; /* names of sites, strings */
    size_t stage_count;
} memory_plot;

static ql_status load_functions(cairo_functions *out, ql_error *err)
{
#define CAIRO_NAME(name) #name,
    static const char *const names[] = {CAIRO_FUNCTIONS(CAIRO_NAME)};
#undef CAIRO_NAME
    void *found[sizeof names / sizeof *names];
    _Static_assert(sizeof *out == sizeof found, "one pointer per name");
    QL_TRY(ql__dynlib_load(CAIRO_SONAME, names, sizeof names / sizeof *names, found, err));
    memcpy(out, found, sizeof found);
    return QL_OK;
}

/* --- what is shown --------------------------------------------------------------------------------------------------------------------- */

static uint64_t known(uint64_t bytes)
{
    return bytes != QL__MEMORY_UNKNOWN ? bytes : 0;
}

/* The heap's profile knows what was allocated since the capture began: what was there before is the first measurement. */
static void find_heap_peak(memory_plot *self)
{
    const ql__profile_heap *heap = &self->profile->heap;
    self->heap_peak = (ql__profile_memory){.at_ns = heap->peak_ns, .heap = QL__MEMORY_UNKNOWN};
    if (!heap->known || heap->library_only || heap->peak_bytes == 0) return;
    for (size_t i = 0; i < self->profile->memory_count; i++) {
        uint64_t before = self->profile->memory[i].heap;
        if (before == QL__MEMORY_UNKNOWN) continue;
        if (!__builtin_add_overflow(before, heap->peak_bytes, &self->heap_peak.heap)) return;
        break;
    }
    self->heap_peak.heap = QL__MEMORY_UNKNOWN;
}

static void find_bounds(memory_plot *self)
{
    uint64_t top = 1;
    find_heap_peak(self);
    self->end_ns = self->profile->numbers.duration_ns;
    for (size_t i = 0; i < self->profile->memory_count; i++) {
        const ql__profile_memory *row = &self->profile->memory[i];
        if (row->at_ns > self->end_ns) self->end_ns = row->at_ns;
        if (row->rss != QL__MEMORY_UNKNOWN && (self->peak == NULL || row->rss > self->peak->rss)) self->peak = row;
        if (known(row->rss) > top) top = row->rss;
        if (known(row->heap) > top) top = row->heap;
    }
    if (self->heap_peak.heap != QL__MEMORY_UNKNOWN && self->heap_peak.heap > top) top = self->heap_peak.heap;
    if (self->end_ns == 0) self->end_ns = 1;
    self->top_bytes = top < UINT64_MAX / 16 ? top + top / 10 : top;
}

/* Names of the sites of category "stage", in the order in which their first spans began. */
static void find_stages(memory_plot *self)
{
    for (size_t i = 0; i < self->profile->spans_count && self->stage_count < STAGES_MAX; i++) {
        uint32_t site = self->profile->spans[i].site;
        if (site == 0 || !ql_str_equal(ql__profile_text(self->profile, self->profile->sites[site - 1].category), QL_STR("stage"))) continue;
        uint32_t name = self->profile->sites[site - 1].name;
        size_t at = 0;
        while (at < self->stage_count && self->stages[at] != name) at++;
        if (at == self->stage_count) self->stages[self->stage_count++] = name;
    }
}

static double x_of(const memory_plot *self, uint64_t at_ns)
{
    return LEFT + (RIGHT - LEFT) * (double)at_ns / (double)self->end_ns;
}

static double y_of(const memory_plot *self, uint64_t bytes)
{
    return TOP + PLOT_HEIGHT * (1 - (double)bytes / (double)self->top_bytes);
}

static double height_of(const memory_plot *self)
{
    return TOP + PLOT_HEIGHT + 44 + ROW_HEIGHT * (double)self->stage_count + 12;
}

/* --- strokes ------------------------------------------------------------------------------------------------------------------------------ */

static void set_color(const memory_plot *self, color c, double opacity)
{
    self->fn.cairo_set_source_rgba(self->cairo, c.red, c.green, c.blue, opacity);
}

/* anchor: 0 left of x, 0.5 centred, 1 right. */
static void put_text(const memory_plot *self, double x, double y, double anchor, const char *text)
{
    cairo_text_extents_t extents = {0};
    self->fn.cairo_text_extents(self->cairo, text, &extents);
    self->fn.cairo_move_to(self->cairo, x - extents.x_advance * anchor, y);
    self->fn.cairo_show_text(self->cairo, text);
}

static void put_line(const memory_plot *self, double x1, double y1, double x2, double y2)
{
    self->fn.cairo_move_to(self->cairo, x1, y1);
    self->fn.cairo_line_to(self->cairo, x2, y2);
    self->fn.cairo_stroke(self->cairo);
}

/* The largest of 1, 2, 5 times a power of ten that gives at least four steps. */
static uint64_t step_of(uint64_t whole)
{
    uint64_t step = 1;
    static const unsigned factors[] = {2, 5, 10};
    for (uint64_t power = 1; power <= whole / 4; power *= 10) {
        step = power;
        for (size_t i = 0; i < 3; i++)
            if (power * factors[i] <= whole / 4) step = power * factors[i];
        if (power > UINT64_MAX / 100) break;
    }
    return step;
}

static void put_bytes_axis(const memory_plot *self)
{
    bool small = self->top_bytes < 4 << 20;
    uint64_t unit = small ? 1024 : 1 << 20, step = step_of(self->top_bytes / unit);
    for (uint64_t at = 0; at <= self->top_bytes / unit; at += step) {
        char label[48];
        (void)snprintf(label, sizeof label, "%llu %s", (unsigned long long)at, small ? "KiB" : "MiB");
        double y = y_of(self, at * unit);
        set_color(self, faint, 1);
        put_line(self, LEFT, y, RIGHT, y);
        set_color(self, ink, 1);
        put_text(self, LEFT - 8, y + 4, 1, label);
    }
}

static void put_time_axis(const memory_plot *self)
{
    bool small = self->end_ns < UINT64_C(4000000000);
    uint64_t unit = small ? 1000000 : 1000000000, step = step_of(self->end_ns / unit);
    for (uint64_t at = 0; at <= self->end_ns / unit; at += step) {
        char label[48];
        (void)snprintf(label, sizeof label, "%llu %s", (unsigned long long)at, small ? "ms" : "s");
        double x = x_of(self, at * unit);
        set_color(self, faint, 1);
        put_line(self, x, TOP, x, TOP + PLOT_HEIGHT + ROW_HEIGHT * (double)self->stage_count + 8);
        set_color(self, ink, 1);
        put_text(self, x, height_of(self) - 16, 0.5, label);
    }
}

/* One vertex of a curve; what is not known is none. */
static bool put_vertex(const memory_plot *self, const ql__profile_memory *row, size_t offset, bool begun)
{
    uint64_t bytes;
    memcpy(&bytes, (const char *)row + offset, sizeof bytes);
    if (bytes == QL__MEMORY_UNKNOWN) return begun;
    if (begun) self->fn.cairo_line_to(self->cairo, x_of(self, row->at_ns), y_of(self, bytes));
    else self->fn.cairo_move_to(self->cairo, x_of(self, row->at_ns), y_of(self, bytes));
    return true;
}

/* offset: of the value in a measurement. between: one more, which has its place by its time; NULL: none. */
static bool put_path(const memory_plot *self, size_t offset, const ql__profile_memory *between)
{
    bool begun = false;
    for (size_t i = 0; i < self->profile->memory_count; i++) {
        const ql__profile_memory *row = &self->profile->memory[i];
        if (between != NULL && between->at_ns <= row->at_ns) {
            begun = put_vertex(self, between, offset, begun);
            between = NULL;
        }
        begun = put_vertex(self, row, offset, begun);
    }
    return between != NULL ? put_vertex(self, between, offset, begun) : begun;
}

static void put_curve(const memory_plot *self, size_t offset, const ql__profile_memory *between, color c)
{
    if (!put_path(self, offset, between)) return;
    set_color(self, c, 1);
    self->fn.cairo_stroke(self->cairo);
}

static void put_area(const memory_plot *self, size_t offset, color c)
{
    const ql__profile_memory *rows = self->profile->memory;
    if (!put_path(self, offset, NULL)) return;
    self->fn.cairo_line_to(self->cairo, x_of(self, rows[self->profile->memory_count - 1].at_ns), TOP + PLOT_HEIGHT);
    self->fn.cairo_line_to(self->cairo, x_of(self, rows[0].at_ns), TOP + PLOT_HEIGHT);
    self->fn.cairo_close_path(self->cairo);
    set_color(self, c, 0.16);
    self->fn.cairo_fill(self->cairo);
}

static void put_peak(const memory_plot *self, const char *name, uint64_t at_ns, uint64_t bytes, color c)
{
    char label[96];
    uint64_t tenths = bytes / 1024 * 10 / 1024;
    (void)snprintf(label, sizeof label, "%s %llu.%llu MiB at %llu.%02llu s", name, (unsigned long long)(tenths / 10), (unsigned long long)(tenths % 10),
                        (unsigned long long)(at_ns / 1000000000), (unsigned long long)(at_ns / 10000000 % 100));
    double x = x_of(self, at_ns), y = y_of(self, bytes);
    set_color(self, c, 1);
    self->fn.cairo_arc(self->cairo, x, y, 4, 0, 6.283185307179586);
    self->fn.cairo_fill(self->cairo);
    put_text(self, x, y - 9, x < LEFT + 100 ? 0 : x > RIGHT - 100 ? 1 : 0.5, label);
}

static void put_peaks(const memory_plot *self)
{
    if (self->peak != NULL) put_peak(self, "peak", self->peak->at_ns, self->peak->rss, peak_color);
    if (self->heap_peak.heap != QL__MEMORY_UNKNOWN) put_peak(self, "heap peak", self->heap_peak.at_ns, self->heap_peak.heap, heap_color);
}

static void put_stages(const memory_plot *self)
{
    static const color colors[] = {{0.30, 0.47, 0.66}, {0.95, 0.56, 0.17}, {0.88, 0.34, 0.35}, {0.46, 0.72, 0.70}, {0.35, 0.63, 0.31}, {0.93, 0.79, 0.28}, {0.69, 0.48, 0.63}, {0.61, 0.46, 0.37}};
    for (size_t s = 0; s < self->stage_count; s++) {
        double y = TOP + PLOT_HEIGHT + 10 + ROW_HEIGHT * (double)s, drawn = -1;
        set_color(self, colors[s % (sizeof colors / sizeof *colors)], 1);
        for (size_t i = 0; i < self->profile->spans_count; i++) {
            const ql__profile_span *span = &self->profile->spans[i];
            if (span->site == 0 || self->profile->sites[span->site - 1].name != self->stages[s]) continue;
            double x = x_of(self, span->begin_ns), end = x_of(self, span->end_ns < self->end_ns ? span->end_ns : self->end_ns);
            if (end < x + 0.5) end = x + 0.5;
            if (end <= drawn) continue; /* spans are in order of their begin: thousands below one pixel are one stroke */
            self->fn.cairo_rectangle(self->cairo, x > drawn ? x : drawn, y, end - (x > drawn ? x : drawn), ROW_HEIGHT - 5);
            self->fn.cairo_fill(self->cairo);
            drawn = end;
        }
        set_color(self, ink, 1);
        put_text(self, LEFT - 8, y + 12, 1, ql__profile_text(self->profile, self->stages[s]).ptr);
    }
}

static void put_legend(const memory_plot *self)
{
    static const struct {
        const char *name;
        const color *color;
    } rows[] = {{"resident", &rss_color}, {"of files", &file_color}, {"heap", &heap_color}};
    double x = RIGHT - 230;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++, x += 82) {
        set_color(self, *rows[i].color, 1);
        put_line(self, x, 30, x + 18, 30);
        set_color(self, ink, 1);
        put_text(self, x + 23, 34, 0, rows[i].name);
    }
}

static void draw(const memory_plot *self)
{
    ql_str command = ql__profile_meta(self->profile, "command_line");
    const char *title = command.len > 0 ? command.ptr : "qloader";
    char cut[88] = "";
    if (command.len > 80) {
        size_t end = 77;
        while (end > 0 && ((unsigned char)command.ptr[end] & 0xc0) == 0x80) end--;
        memcpy(cut, command.ptr, end);
        memcpy(cut + end, "...", 4);
        title = cut;
    }
    self->fn.cairo_set_source_rgb(self->cairo, 1, 1, 1);
    self->fn.cairo_paint(self->cairo);
    self->fn.cairo_select_font_face(self->cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL, CAIRO_FONT_WEIGHT_NORMAL);
    self->fn.cairo_set_font_size(self->cairo, 15);
    set_color(self, ink, 1);
    put_text(self, LEFT, 28, 0, title);
    self->fn.cairo_set_font_size(self->cairo, 12);
    self->fn.cairo_set_line_width(self->cairo, 1);
    put_time_axis(self);
    put_bytes_axis(self);
    put_stages(self);
    self->fn.cairo_set_line_width(self->cairo, 1.6);
    put_area(self, offsetof(ql__profile_memory, rss), rss_color);
    put_curve(self, offsetof(ql__profile_memory, rss), NULL, rss_color);
    put_curve(self, offsetof(ql__profile_memory, file), NULL, file_color);
    put_curve(self, offsetof(ql__profile_memory, heap), &self->heap_peak, heap_color);
    put_legend(self);
    put_peaks(self);
}

/* --- files -------------------------------------------------------------------------------------------------------------------------------- */

static cairo_status_t take(void *closure, const unsigned char *data, unsigned length)
{
    ql__sink *sink = closure;
    ql__sink_put(sink, (ql_str){(const char *)data, length});
    return ql__sink_failed(sink) ? CAIRO_STATUS_WRITE_ERROR : CAIRO_STATUS_SUCCESS;
}

static ql_status fail_cairo(const memory_plot *self, cairo_status_t code, ql_error *err)
{
    if (code == CAIRO_STATUS_NO_MEMORY) return ql__fail_nomem(err);
    return ql__fail(err, QL_E_INTERNAL, "cairo cannot draw: %s", self->fn.cairo_status_to_string(code));
}

static ql_status draw_on(memory_plot *self, cairo_surface_t *surface, bool png, ql__sink *sink, ql_error *err)
{
    self->cairo = self->fn.cairo_create(surface);
    draw(self);
    cairo_status_t code = self->fn.cairo_status(self->cairo);
    self->fn.cairo_destroy(self->cairo);
    if (code == CAIRO_STATUS_SUCCESS && png) code = self->fn.cairo_surface_write_to_png_stream(surface, take, sink);
    self->fn.cairo_surface_finish(surface);
    if (code == CAIRO_STATUS_SUCCESS) code = self->fn.cairo_surface_status(surface);
    self->fn.cairo_surface_destroy(surface);
    return code == CAIRO_STATUS_SUCCESS || ql__sink_failed(sink) ? QL_OK : fail_cairo(self, code, err);
}

static ql_status write_plot(const ql__profile *profile, bool png, ql__sink *sink, ql_error *err)
{
    memory_plot self = {.profile = profile};
    find_bounds(&self);
    find_stages(&self);
    if (self.peak == NULL) return ql__fail(err, QL_E_NOTFOUND, "the capture has no measurements of memory");
    QL_TRY(load_functions(&self.fn, err));
    cairo_surface_t *surface = png ? self.fn.cairo_image_surface_create(CAIRO_FORMAT_RGB24, WIDTH, (int)height_of(&self))
                                   : self.fn.cairo_svg_surface_create_for_stream(take, sink, WIDTH, height_of(&self));
    return draw_on(&self, surface, png, sink, err);
}

ql_status ql__write_memory_png(const ql__profile *profile, ql__sink *sink, ql_error *err)
{
    return write_plot(profile, true, sink, err);
}

ql_status ql__write_memory_svg(const ql__profile *profile, ql__sink *sink, ql_error *err)
{
    return write_plot(profile, false, sink, err);
}
