/*
 * The parts of an ELF file (System V ABI, chapters "Object Files" and "Note Section") that names need. The file is mapped
 * read-only with the size that fstat told; programs and libraries are replaced by renaming, not by writing into them.
 * Invariants: every header, section and name is inside the file. Threads: any once open. Cost: a sort of the symbols.
 */
#include "capture/elf_image.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/array.h"
#include "base/limits.h"
#include "base/status.h"

#define BUILD_ID_BYTES_MAX 64
#define SYMBOLS_MAX ((size_t)16 << 20)
#define SIZELESS_BYTES 4096 /* a function whose size nobody wrote down (assembly) has at most these, or what there is to the next */

/* `size` bytes at `offset`, or NULL when they are not in the file. */
static const unsigned char *piece(const ql__elf_image *self, uint64_t offset, uint64_t size)
{
    return offset <= self->size && size <= self->size - offset ? self->bytes + offset : NULL;
}

static bool section_at(const ql__elf_image *self, const Elf64_Ehdr *header, size_t index, Elf64_Shdr *out)
{
    uint64_t offset;
    if (index >= header->e_shnum || header->e_shentsize < sizeof *out || __builtin_add_overflow(header->e_shoff, (uint64_t)index * header->e_shentsize, &offset)) return false;
    const unsigned char *at = piece(self, offset, sizeof *out);
    if (at != NULL) memcpy(out, at, sizeof *out);
    return at != NULL;
}

/* --- build id ---------------------------------------------------------------------------------------------------------------------- */

static ql_str build_id_in(const unsigned char *notes, size_t size)
{
    for (size_t at = 0; size - at >= sizeof(Elf64_Nhdr);) {
        Elf64_Nhdr note;
        memcpy(&note, notes + at, sizeof note);
        at += sizeof note;
        size_t name = ((size_t)note.n_namesz + 3) & ~(size_t)3, content = ((size_t)note.n_descsz + 3) & ~(size_t)3;
        if (name > size - at || note.n_descsz > size - at - name) break;
        if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == 4 && memcmp(notes + at, "GNU", 4) == 0 && note.n_descsz <= BUILD_ID_BYTES_MAX)
            return (ql_str){(const char *)notes + at + name, note.n_descsz};
        if (content > size - at - name) break;
        at += name + content;
    }
    return (ql_str){0};
}

static void find_build_id(ql__elf_image *self, const Elf64_Ehdr *header)
{
    for (size_t i = 0; i < header->e_phnum && self->build_id.len == 0; i++) {
        Elf64_Phdr program;
        uint64_t offset;
        if (__builtin_add_overflow(header->e_phoff, (uint64_t)i * header->e_phentsize, &offset)) return;
        const unsigned char *at = header->e_phentsize >= sizeof program ? piece(self, offset, sizeof program) : NULL;
        if (at == NULL) return;
        memcpy(&program, at, sizeof program);
        const unsigned char *notes = program.p_type == PT_NOTE ? piece(self, program.p_offset, program.p_filesz) : NULL;
        if (notes != NULL) self->build_id = build_id_in(notes, (size_t)program.p_filesz);
    }
}

/* --- functions --------------------------------------------------------------------------------------------------------------------- */

/* Names that people wrote go before those of the linker; global before local ones. */
static uint32_t rank_of(const ql__elf_image *self, const Elf64_Sym *symbol)
{
    const char *name = self->names.ptr + symbol->st_name;
    uint32_t rank = ELF64_ST_BIND(symbol->st_info) == STB_LOCAL ? 2 : ELF64_ST_BIND(symbol->st_info) == STB_WEAK ? 1 : 0;
    while (*name == '_' && rank < 100) {
        rank += 4;
        name++;
    }
    return rank;
}

static ql_status take_symbols(ql__elf_image *self, const Elf64_Ehdr *header, const Elf64_Shdr *table, ql_error *err)
{
    Elf64_Shdr names;
    const unsigned char *at = piece(self, table->sh_offset, table->sh_size), *text;
    if (at == NULL || !section_at(self, header, table->sh_link, &names) || (text = piece(self, names.sh_offset, names.sh_size)) == NULL || names.sh_size == 0 ||
        text[names.sh_size - 1] != '\0')
        return QL_OK; /* damaged: as if it had none */
    self->names = (ql_str){(const char *)text, (size_t)names.sh_size};
    size_t count = (size_t)(table->sh_size / sizeof(Elf64_Sym));
    for (size_t i = 0; i < count && i < SYMBOLS_MAX; i++) {
        Elf64_Sym symbol;
        memcpy(&symbol, at + i * sizeof symbol, sizeof symbol);
        unsigned type = ELF64_ST_TYPE(symbol.st_info);
        if ((type != STT_FUNC && type != STT_GNU_IFUNC) || symbol.st_shndx == SHN_UNDEF || symbol.st_name == 0 || symbol.st_name >= names.sh_size) continue;
        const ql__elf_function function = {symbol.st_value, symbol.st_size, symbol.st_name, rank_of(self, &symbol)};
        if (!ql__array_push(self->functions, self->function_count, self->function_capacity, function)) return ql__fail_nomem(err);
    }
    return QL_OK;
}

static int compare_functions(const void *left, const void *right)
{
    const ql__elf_function *a = left, *b = right;
    if (a->start != b->start) return a->start < b->start ? -1 : 1;
    if (a->rank != b->rank) return a->rank < b->rank ? -1 : 1;
    return a->name < b->name ? -1 : a->name > b->name;
}

/* The full table where there is one, else that of the dynamic linker. */
static ql_status find_functions(ql__elf_image *self, const Elf64_Ehdr *header, ql_error *err)
{
    static const uint32_t kinds[] = {SHT_SYMTAB, SHT_DYNSYM};
    for (size_t k = 0; k < 2 && self->function_count == 0; k++) {
        for (size_t i = 0; i < header->e_shnum && self->function_count == 0; i++) {
            Elf64_Shdr table;
            if (!section_at(self, header, i, &table)) break;
            if (table.sh_type == kinds[k]) QL_TRY(take_symbols(self, header, &table, err));
        }
    }
    if (self->function_count > 0) qsort(self->functions, self->function_count, sizeof *self->functions, compare_functions);
    size_t kept = 0;
    for (size_t i = 0; i < self->function_count; i++)
        if (kept == 0 || self->functions[kept - 1].start != self->functions[i].start) self->functions[kept++] = self->functions[i];
    self->function_count = kept;
    return QL_OK;
}

const ql__elf_function *ql__elf_find(const ql__elf_image *self, uint64_t address)
{
    size_t low = 0, high = self->function_count; /* the last one that starts at or before address is low - 1 */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (self->functions[middle].start <= address) low = middle + 1;
        else high = middle;
    }
    if (low == 0) return NULL;
    const ql__elf_function *found = &self->functions[low - 1];
    uint64_t size = found->size != 0 ? found->size : SIZELESS_BYTES;
    return address - found->start < size ? found : NULL;
}

ql_str ql__elf_name(const ql__elf_image *self, const ql__elf_function *function)
{
    return ql_str_of(self->names.ptr + function->name);
}

/* --- opening ----------------------------------------------------------------------------------------------------------------------- */

static ql_status map_file(ql__elf_image *self, const char *path, ql_error *err)
{
    uint64_t size = 0;
    QL_TRY(ql__file_expect_regular(self->sys, path, err));
    QL_TRY(ql__file_open(self->sys, path, O_RDONLY | O_NOCTTY | O_NONBLOCK, 0, &self->fd, err));
    QL_TRY(ql__file_size(self->sys, self->fd, &size, err));
    if (size > QL_LIMIT_ELF_BYTES) return ql__fail(err, QL_E_LIMIT, "'%s' is larger than %llu bytes", path, (unsigned long long)QL_LIMIT_ELF_BYTES);
    if (size < sizeof(Elf64_Ehdr)) return ql__fail(err, QL_E_FORMAT, "'%s' is no ELF file", path);
    const ql__file_ops *file = self->sys->file;
    void *bytes = file->mmap_fn(file->user, (size_t)size, PROT_READ, MAP_PRIVATE, self->fd, 0);
    if (bytes == MAP_FAILED) return ql__fail_errno(err, errno, "cannot map '%s'", path);
    self->bytes = bytes;
    self->size = (size_t)size;
    return QL_OK;
}

static ql_status read_image(ql__elf_image *self, const char *path, ql_error *err)
{
    Elf64_Ehdr header;
    QL_TRY(map_file(self, path, err));
    memcpy(&header, self->bytes, sizeof header);
    if (memcmp(header.e_ident, ELFMAG, SELFMAG) != 0 || header.e_ident[EI_CLASS] != ELFCLASS64 || header.e_ident[EI_DATA] != ELFDATA2LSB)
        return ql__fail(err, QL_E_FORMAT, "'%s' is no ELF file of 64 bits", path);
    find_build_id(self, &header);
    return find_functions(self, &header, err);
}

ql_status ql__elf_open(const ql__sys *sys, const char *path, ql__elf_image *out, ql_error *err)
{
    ql__elf_image self = {.sys = sys, .fd = -1};
    ql_status status = read_image(&self, path, err);
    if (status < 0) ql__elf_close(&self);
    else *out = self;
    return status;
}

void ql__elf_close(ql__elf_image *self)
{
    const ql__file_ops *file = self->sys != NULL ? self->sys->file : NULL;
    if (self->bytes != NULL) {
        void *bytes;
        memcpy(&bytes, &self->bytes, sizeof bytes); /* munmap's parameter is not const */
        (void)file->munmap_fn(file->user, bytes, self->size);
    }
    if (self->sys != NULL && self->fd >= 0) ql__file_close(self->sys, self->fd);
    ql__free(self->functions);
    *self = (ql__elf_image){.fd = -1};
}
