/*
 * See mapping_table.h. The list is /proc/self/maps, which takes no lock of the dynamic linker; build ids are read from the files. Where a library was
 * unloaded and another loaded at its addresses between two readings, their samples of that time get the later one's names.
 */
#include "prof/mapping_table.h"

#include <elf.h>
#include <fcntl.h>
#include <string.h>

#define LINE_BYTES 4352
#define NOTE_BYTES 1024

bool ql__mapping_open(ql__mapping_table *self, const ql__sys *sys)
{
    *self = (ql__mapping_table){.sys = sys};
    ql__vm_init(&self->memory, sys);
    ql__vm_init(&self->text, sys);
    if (!ql__vm_reserve(&self->memory, 2 * QL__MAPPINGS_MAX * sizeof(ql__mapping)) || !ql__vm_reserve(&self->text, LINE_BYTES)) {
        ql__mapping_close(self);
        return false;
    }
    self->now = (ql__mapping *)(void *)self->memory.bytes;
    self->next = self->now + QL__MAPPINGS_MAX;
    return true;
}

void ql__mapping_close(ql__mapping_table *self)
{
    ql__vm_dispose(&self->memory);
    ql__vm_dispose(&self->text);
}

const ql__mapping *ql__mapping_find(const ql__mapping_table *self, uint64_t pc)
{
    size_t low = 0, high = self->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->now[middle].end <= pc) low = middle + 1;
        else high = middle;
    }
    return low < self->count && self->now[low].start <= pc ? &self->now[low] : NULL;
}

uint32_t ql__mapping_at(const ql__mapping_table *self, uint64_t pc)
{
    const ql__mapping *mapping = ql__mapping_find(self, pc);
    return mapping != NULL ? mapping->id : 0;
}

/* --- what an ELF file says of itself ------------------------------------------------------------------------------------------- */

typedef struct elf_facts {
    uint64_t load_bias;
    unsigned char build_id[64];
    size_t build_id_size;
} elf_facts;

typedef struct elf_source {
    const ql__sys *sys;
    int fd;               /* -1: memory */
    const unsigned char *memory;
    uint64_t memory_size;
} elf_source;

static bool elf_read(const elf_source *source, void *to, size_t size, uint64_t offset)
{
    if (source->fd >= 0) return ql__file_read_at(source->sys, source->fd, to, size, offset, NULL) >= 0;
    if (offset > source->memory_size || size > source->memory_size - offset) return false;
    memcpy(to, source->memory + offset, size);
    return true;
}

static void find_build_id(const elf_source *source, const Elf64_Phdr *note, elf_facts *out)
{
    unsigned char bytes[NOTE_BYTES];
    size_t size = note->p_filesz < sizeof bytes ? (size_t)note->p_filesz : sizeof bytes;
    if (!elf_read(source, bytes, size, note->p_offset)) return;
    for (size_t at = 0; size - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr head;
        memcpy(&head, bytes + at, sizeof head);
        size_t name = at + sizeof head, text = name + (((size_t)head.n_namesz + 3) & ~(size_t)3), next = text + (((size_t)head.n_descsz + 3) & ~(size_t)3);
        if (head.n_namesz > NOTE_BYTES || head.n_descsz > NOTE_BYTES || next > size) return;
        if (head.n_type == NT_GNU_BUILD_ID && head.n_namesz == 4 && memcmp(bytes + name, "GNU", 4) == 0 && head.n_descsz <= sizeof out->build_id) {
            memcpy(out->build_id, bytes + text, head.n_descsz);
            out->build_id_size = head.n_descsz;
            return;
        }
        at = next;
    }
}

static void read_elf(const elf_source *source, const ql__mapping *mapping, elf_facts *out)
{
    Elf64_Ehdr head;
    if (!elf_read(source, &head, sizeof head, 0) || memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64) return;
    for (size_t i = 0; i < head.e_phnum && i < 64; i++) {
        Elf64_Phdr part;
        if (!elf_read(source, &part, sizeof part, head.e_phoff + i * sizeof part)) return;
        if (part.p_type == PT_NOTE && out->build_id_size == 0) find_build_id(source, &part, out);
        /* Mappings are rounded to pages, so the segment may begin a little later than the mapping. */
        bool holds = part.p_type == PT_LOAD && (part.p_offset & ~UINT64_C(4095)) <= mapping->file_offset && mapping->file_offset < part.p_offset + part.p_filesz;
        if (holds && (part.p_flags & PF_X)) out->load_bias = mapping->start - (part.p_vaddr - part.p_offset + mapping->file_offset);
    }
}

static void describe(const ql__mapping_table *self, const ql__mapping *mapping, const char *path, bool vdso, elf_facts *out)
{
    memset(out, 0, sizeof *out);
    elf_source source = {.sys = self->sys, .fd = -1};
    if (vdso) {
        source.memory = (const unsigned char *)(uintptr_t)mapping->start;
        source.memory_size = mapping->end - mapping->start;
    } else if (path[0] != '/' || ql__file_open(self->sys, path, O_RDONLY | O_NONBLOCK, 0, &source.fd, NULL) < 0) {
        return;
    }
    read_elf(&source, mapping, out);
    ql__file_close(self->sys, source.fd);
}

static void write_mapping(const ql__mapping_table *self, ql__qprof_writer *writer, ql__mapping *mapping, const char *path)
{
    elf_facts facts;
    bool vdso = strcmp(path, "[vdso]") == 0;
    describe(self, mapping, path, vdso, &facts);
    mapping->load_bias = facts.load_bias;
    mapping->build_id_size = facts.build_id_size < sizeof mapping->build_id ? (uint32_t)facts.build_id_size : (uint32_t)sizeof mapping->build_id;
    memcpy(mapping->build_id, facts.build_id, mapping->build_id_size);
    const ql__qprof_mapping record = {.start = mapping->start, .end = mapping->end, .file_offset = mapping->file_offset, .load_bias = facts.load_bias,
                                      .noted_ns = ql__monotonic_ns(self->sys), .id = mapping->id, .path = mapping->path,
                                      .flags = QL__QPROF_MAPPING_EXECUTABLE | (vdso ? QL__QPROF_MAPPING_VDSO : 0u)};
    if (facts.build_id_size != 0) ql__qprof_put(writer, QL__QPROF_MAPPING, &record, sizeof record, facts.build_id, 1, facts.build_id_size);
    else QL__QPROF_PUT(writer, QL__QPROF_MAPPING, &record);
}

/* --- the kernel's list --------------------------------------------------------------------------------------------------------- */

static const char *take_hex(const char *at, uint64_t *out)
{
    *out = 0;
    for (;; at++) {
        int digit = *at >= '0' && *at <= '9' ? *at - '0' : *at >= 'a' && *at <= 'f' ? *at - 'a' + 10 : -1;
        if (digit < 0) return at;
        *out = *out << 4 | (uint64_t)digit;
    }
}

/* "start-end perms offset device inode   path"; false: of no file. */
static bool parse_line(const char *line, ql__mapping *out, bool *executable, const char **path)
{
    const char *at = take_hex(line, &out->start);
    if (*at != '-') return false;
    at = take_hex(at + 1, &out->end);
    if (strlen(at) < 6) return false;
    *executable = at[3] == 'x';
    at = take_hex(at + 6, &out->file_offset);
    while (*at == ' ') at++;
    while (*at != ' ' && *at != '\0') at++; /* device */
    while (*at == ' ') at++;
    out->inode = 0;
    for (; *at >= '0' && *at <= '9'; at++) out->inode = out->inode * 10 + (uint64_t)(*at - '0');
    while (*at == ' ') at++;
    *path = at;
    return at[0] == '/' || strcmp(at, "[vdso]") == 0;
}

static const ql__mapping *known(const ql__mapping_table *self, const ql__mapping *wanted)
{
    for (uint32_t i = 0; i < self->count; i++) {
        const ql__mapping *it = &self->now[i];
        if (it->start == wanted->start && it->end == wanted->end && it->file_offset == wanted->file_offset && it->inode == wanted->inode && it->path == wanted->path) return it;
    }
    return NULL;
}

typedef struct reading {
    ql__mapping_table *table;
    ql__qprof_writer *writer;
    ql__mapping_string_fn string_fn;
    void *user;
    /* Neighbouring mappings of one file: an object's data is none of ours. */
    uint64_t file_inode, file_bytes, data_bytes;
    bool file_has_code;
} reading;

static void count_data(reading *self, const ql__mapping *mapping, bool executable)
{
    if (mapping->inode != self->file_inode) {
        if (!self->file_has_code) self->data_bytes += self->file_bytes;
        self->file_inode = mapping->inode;
        self->file_bytes = 0;
        self->file_has_code = false;
    }
    self->file_bytes += mapping->inode != 0 ? mapping->end - mapping->start : 0;
    self->file_has_code = self->file_has_code || executable;
}

static void take_line(reading *self, const char *line)
{
    ql__mapping_table *table = self->table;
    ql__mapping mapping = {0};
    const char *path;
    bool executable;
    if (!parse_line(line, &mapping, &executable, &path)) return;
    count_data(self, &mapping, executable);
    if (!executable) return;
    if (table->next_count == QL__MAPPINGS_MAX) {
        table->lost++;
        return;
    }
    mapping.path = self->string_fn(self->user, ql_str_of(path));
    const ql__mapping *before = known(table, &mapping);
    if (before != NULL) mapping = *before;
    else {
        mapping.id = ++table->ids;
        write_mapping(table, self->writer, &mapping, path);
    }
    table->next[table->next_count++] = mapping;
}

/* Lines of a file that has no size and may give few bytes at a time. */
static void read_lines(reading *self, int fd)
{
    char *text = (char *)self->table->text.bytes;
    const ql__file_ops *file = self->table->sys->file;
    size_t used = 0;
    off_t offset = 0;
    for (;;) {
        ssize_t got = file->pread_fn(file->user, fd, text + used, LINE_BYTES - 1 - used, offset);
        if (got <= 0) return;
        offset += got;
        used += (size_t)got;
        text[used] = '\0';
        char *line = text, *end;
        for (; (end = memchr(line, '\n', used - (size_t)(line - text))) != NULL; line = end + 1) {
            *end = '\0';
            take_line(self, line);
        }
        used -= (size_t)(line - text);
        memmove(text, line, used);
        if (used == LINE_BYTES - 1) used = 0; /* no path is as long */
    }
}

void ql__mapping_refresh(ql__mapping_table *self, ql__qprof_writer *writer, ql__mapping_string_fn string_fn, void *user)
{
    reading all = {.table = self, .writer = writer, .string_fn = string_fn, .user = user};
    int fd;
    if (ql__file_open(self->sys, "/proc/self/maps", O_RDONLY, 0, &fd, NULL) < 0) return; /* what was read last holds */
    self->next_count = 0;
    read_lines(&all, fd);
    ql__file_close(self->sys, fd);
    count_data(&all, &(ql__mapping){0}, false);
    self->data_bytes = all.data_bytes;
    ql__mapping *before = self->now;
    self->now = self->next;
    self->next = before;
    self->count = self->next_count;
}
