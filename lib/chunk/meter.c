/*
 * The meter, and the measure in code points. Invariants: starts[] ascends and lies inside the window; windows only move
 * forward and overlap by at most `reach`, so all text is measured about 4/3 times. Threads: one meter, one thread. Cost: a look-up is
 * a binary search; memory is one window's offsets, whatever the size of the text.
 */
#include "chunk/meter.h"

#include <assert.h>
#include <string.h>

#include "base/alloc.h"
#include "base/status.h"
#include "chunk/chunk.h"
#include "text/utf8.h"

#define WINDOW_BYTES_MIN ((size_t)256 << 10)

static size_t units_of_characters(void *user, ql_str text, uint32_t *starts, size_t capacity)
{
    (void)user;
    size_t count = 0;
    for (size_t at = 0; at < text.len; at++) {
        if (((unsigned char)text.ptr[at] & 0xc0) == 0x80) continue;
        if (count < capacity) starts[count] = (uint32_t)at;
        count++;
    }
    return count;
}

const ql_measure *ql__measure_characters(void)
{
    static const ql_measure measure = {.struct_size = sizeof measure, .unit = "characters", .units_fn = units_of_characters};
    return &measure;
}

ql_status ql__meter_init(ql__meter *self, const ql_measure *measure, ql_str text, size_t reach_bytes, ql_error *err)
{
    memset(self, 0, sizeof *self);
    self->measure = measure;
    self->text = text;
    self->window_bytes = reach_bytes * 4 > WINDOW_BYTES_MIN ? reach_bytes * 4 : WINDOW_BYTES_MIN;
    self->starts_capacity = self->window_bytes < text.len ? self->window_bytes : text.len;
    self->starts = ql__realloc_array(NULL, self->starts_capacity, sizeof *self->starts);
    return self->starts ? QL_OK : ql__fail_nomem(err);
}

void ql__meter_dispose(ql__meter *self)
{
    ql__free(self->starts);
    memset(self, 0, sizeof *self);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* End of the window that begins at `begin`: behind white space if there is some in its second half, so that counts stay additive. */
static uint64_t window_end(const ql__meter *self, uint64_t begin)
{
    if (self->text.len - begin <= self->window_bytes) return self->text.len;
    uint64_t end = begin + self->window_bytes, lowest = end - self->window_bytes / 2;
    for (uint64_t p = end; p > lowest; p--) {
        if (is_blank(self->text.ptr[p - 1])) return p;
    }
    return ql__utf8_floor(self->text, end);
}

void ql__meter_move(ql__meter *self, uint64_t begin, uint64_t reach)
{
    assert(begin >= self->window_begin);
    if (self->window_end > self->window_begin) {
        if (self->window_end == self->text.len || (begin <= self->window_end && self->window_end - begin >= reach)) return;
    }
    self->window_begin = begin;
    self->window_end = window_end(self, begin);
    ql_str window = {self->text.ptr + begin, (size_t)(self->window_end - begin)};
    size_t count = self->measure->units_fn(self->measure->user, window, self->starts, self->starts_capacity);
    self->starts_count = count < self->starts_capacity ? count : self->starts_capacity;
    self->measured_bytes += window.len;
}

/* Index of the first unit that starts at or after `at`. */
static size_t lower_bound(const ql__meter *self, uint64_t at)
{
    size_t low = 0, high = self->starts_count;
    if (at <= self->window_begin) return 0;
    uint64_t key = at - self->window_begin;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->starts[middle] < key) low = middle + 1;
        else high = middle;
    }
    return low;
}

size_t ql__meter_count(const ql__meter *self, uint64_t begin, uint64_t end)
{
    return lower_bound(self, end) - lower_bound(self, begin);
}

uint64_t ql__meter_forward(const ql__meter *self, uint64_t begin, size_t units)
{
    size_t index = lower_bound(self, begin);
    if (units >= self->starts_count - index) return self->window_end;
    return self->window_begin + self->starts[index + units];
}

uint64_t ql__meter_backward(const ql__meter *self, uint64_t end, size_t units)
{
    size_t index = lower_bound(self, end);
    if (index == 0) return end;
    return self->window_begin + self->starts[units < index ? index - units : 0];
}

size_t ql__meter_exact(ql__meter *self, uint64_t begin, uint64_t end)
{
    ql_str piece = {self->text.ptr + begin, (size_t)(end - begin)};
    self->measured_bytes += piece.len;
    return self->measure->units_fn(self->measure->user, piece, NULL, 0);
}
