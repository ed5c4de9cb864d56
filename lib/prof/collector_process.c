/* What the process and the machine are, how much memory and input/output they use. Numbers of /proc are read without allocating. */
#include "prof/collector.h"

#include <malloc.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "prof/counter_table.h"
#include "prof/proc_text.h"

#define SMAPS_NS UINT64_C(5000000000) /* walks the page tables: some ms where much is mapped */
#define MALLOC_NS UINT64_C(1000000000) /* at the least so often, whatever it costs */
#define MALLOC_SHARE 100               /* it locks malloc's arenas one after the other and walks what is free in them: at most a hundredth of the time goes there */

/* --- description --------------------------------------------------------------------------------------------------------------- */

static void meta(ql__collector *self, const char *key, ql_str value)
{
    const ql__qprof_meta record = {ql__collector_string(self, ql_str_of(key)), ql__collector_string(self, value)};
    QL__QPROF_PUT(&self->writer, QL__QPROF_META, &record);
}

void ql__collector_meta_number(ql__collector *self, const char *key, uint64_t value)
{
    char text[24];
    size_t at = sizeof text;
    do text[--at] = (char)('0' + value % 10);
    while ((value /= 10) != 0);
    meta(self, key, (ql_str){text + at, sizeof text - at});
}

static void put_piece(char *out, size_t *used, size_t room, ql_str piece)
{
    size_t size = piece.len < room - *used ? piece.len : room - *used;
    memcpy(out + *used, piece.ptr, size);
    *used += size;
}

static bool is_word(ql_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!((text.ptr[i] >= 'a' && text.ptr[i] <= 'z') || text.ptr[i] == '-')) return false;
    return text.len != 0;
}

/* Where the capture itself lies: who reads it knows already. */
static bool is_place(ql_str argument)
{
    const ql_str name = QL_STR("--profile=");
    return argument.len > name.len && memcmp(argument.ptr, name.ptr, name.len) == 0;
}

/*
 * The program, the command if its first argument is a word, and the names of options. Values and further words are left out: among them
 * are tokens, addresses with passwords and what somebody searched for, and nothing tells them apart.
 */
static void command_line(ql__collector *self)
{
    char text[4096], out[4096];
    ssize_t size = (ssize_t)ql__proc_read(self->sys, "/proc/self/cmdline", text, sizeof text);
    size_t used = 0, number = 0;
    for (ssize_t at = 0; at < size; number++) {
        size_t length = strnlen(text + at, (size_t)(size - at));
        ql_str argument = {text + at, length};
        const char *equals = memchr(text + at, '=', length);
        bool option = length > 1 && text[at] == '-', whole = number == 0 || (number == 1 && is_word(argument)) || is_place(argument);
        size_t name = option && equals != NULL ? (size_t)(equals - argument.ptr) + 1 : length;
        if (number != 0) put_piece(out, &used, sizeof out, QL_STR(" "));
        put_piece(out, &used, sizeof out, whole ? argument : option && text[at + 1] == '-' ? (ql_str){argument.ptr, name} : option ? (ql_str){argument.ptr, 2} : QL_STR("***"));
        if (option && !whole && (name < length || (text[at + 1] != '-' && length > 2))) put_piece(out, &used, sizeof out, QL_STR("***"));
        at += (ssize_t)length + 1;
    }
    meta(self, "command_line", (ql_str){out, used});
}

static const char *take_number(const char *at, uint64_t *out)
{
    while (*at == ' ' || *at == '\t') at++;
    for (*out = 0; *at >= '0' && *at <= '9'; at++) *out = *out * 10 + (uint64_t)(*at - '0');
    return at;
}

/* RFC 4022, tcpActiveOpens. */
uint64_t ql__collector_machine_opens(const ql__collector *self)
{
    static const char head[] = "\nTcp: RtoAlgorithm RtoMin RtoMax MaxConn ActiveOpens ";
    char text[4096];
    uint64_t opens;
    if (ql__proc_read(self->sys, "/proc/thread-self/net/snmp", text, sizeof text) == 0) return UINT64_MAX;
    const char *at = strstr(text, head);
    if (at == NULL || (at = strstr(at + sizeof head - 1, "\nTcp:")) == NULL) return UINT64_MAX;
    for (int i = 0; i < 5 && at != NULL; i++) at = strchr(at + 1, ' ');
    return at != NULL && take_number(at, &opens) != at + 1 ? opens : UINT64_MAX;
}

void ql__collector_connections(ql__collector *self)
{
    const ql__connection_count *count = &self->connections;
    if (count->looks == 0) return;
    uint64_t opens = ql__collector_machine_opens(self);
    ql__collector_meta_number(self, "connection_looks", count->looks);
    ql__collector_meta_number(self, "connection_looks_new", count->new_looks);
    ql__collector_meta_number(self, "connections_seen", count->seen);
    ql__collector_meta_number(self, "connections_seen_new", count->seen_new);
    if (opens != UINT64_MAX && opens >= self->opens_before) ql__collector_meta_number(self, "machine_connections", opens - self->opens_before);
}

/* The kernel's mark of the most that was resident, over the life of the process; 0: not known. */
static uint64_t peak_resident(const ql__collector *self)
{
    char text[4096];
    return ql__proc_read(self->sys, "/proc/self/status", text, sizeof text) > 0 ? ql__proc_after(text, "\nVmHWM:", 0) * 1024 : 0;
}

void ql__collector_peak(ql__collector *self)
{
    uint64_t peak = peak_resident(self);
    if (peak > self->peak_before && self->peak_before != 0) ql__collector_meta_number(self, "peak_resident_bytes", peak);
}

void ql__collector_meta(ql__collector *self)
{
    static const char *const engines[] = {"none", "ctimer", "perf", "wall"};
    char path[4096];
    ssize_t size = readlink("/proc/self/exe", path, sizeof path);
    const ql_prof_options *options = &self->options;
    bool cpu = self->sources & QL_PROF_CPU, wall = self->sources & QL_PROF_WALL, heap = self->sources & QL_PROF_HEAP;
    self->peak_before = self->sources & QL_PROF_MEMORY ? peak_resident(self) : 0;
    meta(self, "program", (ql_str){path, size > 0 ? (size_t)size : 0});
    command_line(self);
    meta(self, "version", ql_str_of(ql_version()));
    ql__collector_meta_number(self, "pid", (uint64_t)self->pid);
    ql__collector_meta_number(self, "start_unix_ms", (uint64_t)ql__wall_ms(self->sys) - (ql__monotonic_ns(self->sys) - self->begin_ns) / 1000000);
    ql__collector_meta_number(self, "start_monotonic_ns", self->begin_ns);
    meta(self, "engine", ql_str_of(engines[cpu ? self->sampler.engine : wall ? QL_PROF_WALLCLOCK : 0]));
    ql__collector_meta_number(self, "cpu_hz", cpu ? options->rate_hz : 0);
    ql__collector_meta_number(self, "wall_hz", wall ? options->rate_hz : 0);
    ql__collector_meta_number(self, "heap_interval", heap ? options->heap_interval_bytes : 0);
    ql__collector_meta_number(self, "cores", self->machine.cores);
    ql__collector_meta_number(self, "cores_usable", self->machine.cores_usable);
    ql__collector_meta_number(self, "tick_hz", ql__sampler_tick_hz());
    meta(self, "cpu", ql_str_of(self->machine.cpu));
    ql__collector_meta_number(self, "memory_bytes", self->machine.memory_bytes);
    if (self->sampling && self->sampler.fell_back) ql__collector_note(self, "the kernel refuses perf events: CPU samples by timers, no finer than its tick");
}

/* --- memory -------------------------------------------------------------------------------------------------------------------- */

static void read_pss(ql__collector *self)
{
    char text[2048];
    if (ql__proc_read(self->sys, "/proc/self/smaps_rollup", text, sizeof text) == 0) return;
    const char *line = strstr(text, "\nPss:");
    if (line == NULL) return;
    (void)take_number(line + 5, &self->memory.pss);
    self->memory.pss *= 1024;
}

static void read_malloc(ql__collector *self)
{
#if defined(__GLIBC__) && (__GLIBC__ > 2 || __GLIBC_MINOR__ >= 33)
    struct mallinfo2 info = mallinfo2();
    self->memory.heap_inuse = info.uordblks + info.hblkhd;
    self->memory.heap_slack = info.fordblks;
#else
    self->memory.heap_inuse = self->memory.heap_slack = UINT64_MAX;
#endif
}

static uint64_t used_ns(void)
{
    struct timespec used = {0, 0};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
    return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Every time if it is cheap, which it is but for heaps in very many pieces; between two readings the heap is not known. */
static void read_heap(ql__collector *self, uint64_t now)
{
    self->memory.heap_inuse = self->memory.heap_slack = UINT64_MAX;
    if (now < self->memory.malloc_due_ns) return;
    uint64_t begin_ns = used_ns();
    read_malloc(self);
    uint64_t pause_ns = (used_ns() - begin_ns) * MALLOC_SHARE;
    self->memory.malloc_due_ns = now + (pause_ns < MALLOC_NS ? pause_ns : MALLOC_NS);
}

void ql__collector_memory(ql__collector *self, uint64_t now)
{
    char text[128];
    uint64_t pages_all, pages, shared;
    if (ql__proc_read(self->sys, "/proc/self/statm", text, sizeof text) == 0) return;
    (void)take_number(take_number(take_number(text, &pages_all), &pages), &shared);
    read_heap(self, now);
    bool pss = now >= self->memory.smaps_due_ns;
    if (pss) {
        read_pss(self);
        self->memory.smaps_due_ns = now + SMAPS_NS;
    }
    uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
    const ql__qprof_memory record = {.time_ns = now, .rss = pages * page, .pss = pss && self->memory.pss != 0 ? self->memory.pss : UINT64_MAX,
                                     .anon = (pages - shared) * page, .file = shared * page, .heap_inuse = self->memory.heap_inuse,
                                     .heap_slack = self->memory.heap_slack, .mapped = self->mappings.data_bytes};
    QL__QPROF_PUT(&self->writer, QL__QPROF_MEMORY, &record);
}

/* --- counters ------------------------------------------------------------------------------------------------------------------ */

/* Written when it changed; the last value of each is kept by its name's id. */
static void counter(ql__collector *self, uint64_t now, ql_str name, uint64_t value, uint32_t flags)
{
    uint32_t id = ql__collector_string(self, name);
    size_t need = ((size_t)id + 1) * sizeof value;
    if (id == 0) return;
    if (self->counters.used < need && ql__vm_append(&self->counters, need - self->counters.used) == NULL) return;
    uint64_t *last = (uint64_t *)(void *)self->counters.bytes + id;
    if (*last == value + 1) return; /* + 1: 0 is never written */
    *last = value + 1;
    const ql__qprof_counter record = {now, (double)value, id, flags};
    QL__QPROF_PUT(&self->writer, QL__QPROF_COUNTER, &record);
}

static uint64_t of_timeval(struct timeval time)
{
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_usec * 1000u;
}

void ql__collector_counters(ql__collector *self, uint64_t now)
{
    char text[512];
    struct rusage usage;
    if (getrusage(RUSAGE_SELF, &usage) == 0) {
        counter(self, now, QL_STR("process.cpu_ns"), of_timeval(usage.ru_utime) + of_timeval(usage.ru_stime), QL__QPROF_COUNTER_TOTAL);
        counter(self, now, QL_STR("process.faults_major"), (uint64_t)usage.ru_majflt, QL__QPROF_COUNTER_TOTAL);
        counter(self, now, QL_STR("process.faults_minor"), (uint64_t)usage.ru_minflt, QL__QPROF_COUNTER_TOTAL);
        counter(self, now, QL_STR("process.switches_voluntary"), (uint64_t)usage.ru_nvcsw, QL__QPROF_COUNTER_TOTAL);
        counter(self, now, QL_STR("process.switches_involuntary"), (uint64_t)usage.ru_nivcsw, QL__QPROF_COUNTER_TOTAL);
    }
    if (self->delays_known) counter(self, now, QL_STR("process.run_delay_ns"), ql__collector_run_delay(self), QL__QPROF_COUNTER_TOTAL);
    if (ql__proc_read(self->sys, "/proc/self/io", text, sizeof text) > 0) {
        counter(self, now, QL_STR("process.read_bytes"), ql__proc_after(text, "\nread_bytes:", 0), QL__QPROF_COUNTER_TOTAL);
        counter(self, now, QL_STR("process.write_bytes"), ql__proc_after(text, "\nwrite_bytes:", 0), QL__QPROF_COUNTER_TOTAL);
    }
    for (size_t i = 0; i < ql__tally_count(); i++) counter(self, now, ql_str_of(ql__tally_name(i)), ql__tally_value(i), ql__tally_is_total(i) ? QL__QPROF_COUNTER_TOTAL : 0);
}
