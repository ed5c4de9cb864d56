/*
 * qloader/document.h - what flows through the library: documents, canonical text with structure, chunks.
 *
 * A source yields items (what is there) and documents (its bytes). A converter turns a document's bytes into
 * canonical text, always valid UTF-8, with a tree of blocks over it and a map back to the original bytes.
 * A chunker sees only canonical text and blocks and yields ranges of it. Metadata travels as JSON objects in text
 * form, so that C, Python and the store read the same thing.
 *
 *     #include <qloader/document.h>
 *     #include <stdio.h>
 *     int main(void) {
 *         printf("%s\n", ql_block_kind_name(QL_BLOCK_HEADING));
 *         return 0;
 *     }
 */
#ifndef QLOADER_DOCUMENT_H
#define QLOADER_DOCUMENT_H

#include <qloader/base.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A time that is not known. Times are milliseconds since 1970-01-01 UTC. */
#define QL_TIME_UNKNOWN INT64_MIN

/** One entry of a source's listing. */
typedef struct ql_item {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str url;         /**< identity within the source: exact bytes, not empty */
    ql_str version;     /**< opaque; while it is unchanged the document is not fetched again. Empty: always fetch */
    ql_str key;         /**< what the source needs to fetch it, opaque */
    uint64_t size_bytes; /**< 0 when not known */
    uint64_t spare[2];  /**< zero; the size is frozen */
} ql_item;

/** One document as its source gives it. Views are borrowed from the source until the document is released. */
typedef struct ql_document {
    uint32_t struct_size;
    uint32_t reserved;
    ql_str url;
    ql_str title;
    ql_str content_type;   /**< lower-case file extension without dot ("md", "html", "py"), may be empty */
    ql_str content;        /**< raw bytes in whatever encoding */
    ql_str metadata_json;  /**< a JSON object, keys of the source (see docs), or empty */
    int64_t created_at_ms; /**< or QL_TIME_UNKNOWN */
    int64_t updated_at_ms; /**< or QL_TIME_UNKNOWN */
    uint64_t spare[4];     /**< zero; the size is frozen */
} ql_document;

/* kind, number, name */
#define QL_BLOCK_KINDS(X) \
    X(DOCUMENT, 0, "document") \
    X(SECTION, 1, "section") \
    X(HEADING, 2, "heading") \
    X(PARAGRAPH, 3, "paragraph") \
    X(LIST, 4, "list") \
    X(ITEM, 5, "item") \
    X(TABLE, 6, "table") \
    X(ROW, 7, "row") \
    X(CODE, 8, "code") \
    X(QUOTE, 9, "quote") \
    X(MARKUP, 10, "markup") \
    X(FRONT_MATTER, 11, "front_matter") \
    X(ELEMENT, 12, "element") \
    X(VALUE, 13, "value") \
    X(PAGE, 14, "page") \
    X(OTHER, 15, "other")

typedef enum ql_block_kind {
#define QL_BLOCK_ENUM(name, number, text) QL_BLOCK_##name = (number),
    QL_BLOCK_KINDS(QL_BLOCK_ENUM)
#undef QL_BLOCK_ENUM
} ql_block_kind;

/** Name of a kind; static, "other" for an unknown one. */
QL_API const char *ql_block_kind_name(int kind);

/** No such block. */
#define QL_BLOCK_NONE UINT32_MAX

/**
 * A node of the structure tree over canonical text. Blocks are stored in pre-order: a parent precedes its children,
 * siblings are ordered, their ranges do not overlap and lie inside the parent's. Block 0 is the whole document.
 * Text between children belongs to the parent. A SECTION begins with its HEADING and holds all that is under it,
 * deeper sections included. An ELEMENT is a named piece of code (comments and decorators before it included).
 */
typedef struct ql_block {
    uint64_t begin, end;   /**< byte range of the canonical text */
    uint32_t parent;       /**< index, QL_BLOCK_NONE for block 0 */
    uint32_t next;         /**< index of the first block after this subtree, i.e. next sibling or beyond; == block_count at the end */
    uint16_t kind;         /**< ql_block_kind */
    uint16_t level;        /**< heading level 1..6 of SECTION and HEADING, nesting elsewhere */
    uint32_t reserved;
    ql_str label;          /**< SECTION: heading text; ELEMENT: name; CODE: language; VALUE: JSON path; else empty */
    ql_str detail;         /**< ELEMENT: type ("class", "function"); VALUE: JSON type; else empty */
} ql_block;

/** canonical [begin, begin + len) came from original [source_begin, source_end). Sorted, not overlapping; gaps came from nowhere (inserted). */
typedef struct ql_range_map {
    uint64_t begin, len;
    uint64_t source_begin, source_end;
} ql_range_map;

/** Part of the original that was left out on purpose (boilerplate), with the reason. */
typedef struct ql_removed {
    uint64_t source_begin, source_end;
    const char *reason; /**< static text */
} ql_removed;

/** What a converter yields. Everything in it lives as long as the conversion's arena. */
typedef struct ql_canonical {
    uint32_t struct_size;
    uint32_t block_count;
    ql_str text;               /**< valid UTF-8 */
    const ql_block *blocks;    /**< (block_count), at least 1 */
    const ql_range_map *map;   /**< (map_count) or NULL: identity, canonical bytes are the original's */
    size_t map_count;
    const ql_removed *removed; /**< (removed_count) */
    size_t removed_count;
    ql_str title;              /**< found in the document (HTML <title>, first heading), or empty */
    ql_str encoding;           /**< of the original: "utf-8", "utf-16le", "windows-1252", ... */
    ql_str metadata_json;      /**< document-level keys found while converting, a JSON object, or empty */
    ql_str strategy;           /**< name of the matching chunking_strategy: "markdown", "html_modular", "code_modular", "json", "default_modular" */
    uint64_t spare[4];         /**< zero; the size is frozen */
} ql_canonical;

/** One chunk. text == canonical.text[begin, end); chunk i+1 begins at or before the end of chunk i. */
typedef struct ql_chunk {
    uint32_t struct_size;
    uint32_t index;                 /**< 0-based over the document */
    ql_str text;
    uint64_t begin, end;            /**< canonical bytes */
    uint64_t overlap_bytes;         /**< leading bytes repeated from the chunk before */
    uint64_t source_begin, source_end; /**< bytes of the original */
    uint32_t tokens;                /**< in the unit of the chunker's measure */
    uint32_t reserved;
    ql_str section_path;            /**< headings or element names from the outside in, joined with " > "; may be empty */
    ql_str metadata_json;           /**< keys of the chunk, a JSON object */
    uint64_t spare[4];              /**< zero; the size is frozen */
} ql_chunk;

#ifdef __cplusplus
}
#endif

#endif
