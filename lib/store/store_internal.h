/*
 * Inside lib/store: the parts of a store and how they find each other. docs/internals/store.md describes the files.
 *
 * slot     number of a chunk, 0-based, ascending with time; chunks of a document have neighbouring slots
 * group    64 neighbouring slots: unit of vector checksums
 * page     1024 neighbouring slots: one row of slot_page and of live
 */
#ifndef QL_STORE_PARTS_H
#define QL_STORE_PARTS_H

#include "base/limits.h"
#include "dep/db.h"
#include "store/store.h"
#include "store/store_codes.h"
#include "store/store_postings.h"
#include "store/store_vectors.h"
#include "text/analyze.h"

#define STORE_APPLICATION_ID 0x514c4f44u /* "QLOD" */
#define STORE_VERSION 1                  /* user_version; upgrades are steps from one to the next */
#define STORE_PAGE_BYTES 8192
#define STORE_PAGE_SLOTS 1024u
#define STORE_GROUP_SLOTS 64u
#define STORE_PAGE_GROUPS (STORE_PAGE_SLOTS / STORE_GROUP_SLOTS)
#define STORE_SLOTS_MAX UINT32_MAX
#define STORE_DOCUMENT_CHUNKS_MAX (1u << 24) /* chunk key = document << 24 | index */
#define STORE_CHUNK_SHIFT 24
#define STORE_DIMS_MAX ((uint32_t)QL_LIMIT_DIMS)
#define STORE_SPACE_TEXT 0                /* the only sparse space so far; the column is there for named ones */
#define STORE_LOG_BYTES_MAX ((size_t)1 << 20)  /* small posting segments together before they are merged: a reader holds them in memory */
#define STORE_LOG_ROWS_MAX 64
#define STORE_PENDING_BYTES_MAX ((size_t)32 << 20) /* postings of one transaction in memory before they go to the tables */
#define STORE_CODES_SLOTS_MIN 8192  /* below, reading all vectors takes about a millisecond and codes gain little */
#define BM25_K1 1.2f
#define BM25_B 0.75f

typedef struct ql__store_meta {
    uint64_t store_id;   /* random, tells stores apart */
    uint64_t generation; /* of the last commit */
    uint32_t dims;       /* 0: no index yet */
    uint32_t analyzer;
    uint32_t file;       /* number of the vector file, 0: none */
    uint64_t file_id;    /* repeated in its header */
    uint64_t next_slot;
    uint64_t live_chunks;
    uint64_t live_terms; /* sum of the lengths of live chunks */
    uint64_t documents;
    char collection[256];
    char model[128];
} ql__store_meta;

/* The last, partly filled row of slot_page, kept by the writer. */
typedef struct ql__slot_page {
    uint64_t page;
    uint32_t count;
    bool dirty;
    uint64_t keys[STORE_PAGE_SLOTS];    /* first 8 bytes of the public id, big-endian: ties */
    uint32_t lengths[STORE_PAGE_SLOTS]; /* terms of the chunk */
    uint64_t hashes[STORE_PAGE_GROUPS]; /* chain of XXH3 over the rows of a group */
} ql__slot_page;

#define STORE_STATEMENTS(X) \
    X(META_READ, "SELECT store_id,generation,dims,analyzer,file,file_id,next_slot,live_chunks,live_terms,documents,collection,model FROM meta WHERE one=1") \
    X(META_WRITE, "UPDATE meta SET store_id=?1,generation=?2,dims=?3,analyzer=?4,file=?5,file_id=?6,next_slot=?7,live_chunks=?8,live_terms=?9,documents=?10,collection=?11,model=?12 WHERE one=1") \
    X(DOCUMENT_BY_KEY, "SELECT num,first_slot,chunk_count,id FROM document WHERE project=?1 AND source_type=?2 AND source=?3 AND url=?4") \
    X(DOCUMENT_BY_ID, "SELECT num,first_slot,chunk_count,project,source_type,source,url FROM document WHERE id=?1") \
    X(DOCUMENT_BY_SLOT, "SELECT num,first_slot,chunk_count FROM document WHERE first_slot<=?1 ORDER BY first_slot DESC LIMIT 1") \
    X(DOCUMENT_INSERT, "INSERT INTO document(project,source_type,source,url,id,path,title,content_type,version,content_hash,pipeline,metadata,created_at,updated_at,ingested_at,chunk_count,first_slot) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,?17)") \
    X(DOCUMENT_UPDATE, "UPDATE document SET id=?5,path=?6,title=?7,content_type=?8,version=?9,content_hash=?10,pipeline=?11,metadata=?12,created_at=?13,updated_at=?14,ingested_at=?15,chunk_count=?16,first_slot=?17 WHERE project=?1 AND source_type=?2 AND source=?3 AND url=?4") \
    X(DOCUMENT_TOUCH, "UPDATE document SET version=?2,path=CASE WHEN ?4 IS NULL THEN path ELSE ?3 END,metadata=coalesce(?4,metadata),created_at=?5,updated_at=?6 WHERE id=?1") \
    X(DOCUMENT_DELETE, "DELETE FROM document WHERE num=?1") \
    X(DOCUMENT_READ, "SELECT id,project,source_type,source,url,title,content_type,metadata,chunk_count,created_at,updated_at,ingested_at FROM document WHERE num=?1") \
    X(DOCUMENT_RANGES, "SELECT num,first_slot FROM document WHERE first_slot IS NOT NULL ORDER BY first_slot") \
    X(DOCUMENT_MOVE, "UPDATE document SET first_slot=?2 WHERE num=?1") \
    X(CHUNK_INSERT, "INSERT INTO chunk(key,id,title,body,section_path,metadata,begin_at,end_at,overlap,source_begin,source_end,tokens) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)") \
    X(CHUNK_DELETE, "DELETE FROM chunk WHERE key>=?1 AND key<?2") \
    X(CHUNK_READ, "SELECT id,title,body,section_path,metadata,source_begin,source_end FROM chunk WHERE key=?1") \
    X(CHUNK_ID, "SELECT id FROM chunk WHERE key=?1") \
    X(SLOT_PAGE_READ, "SELECT count,keys,lengths,hashes FROM slot_page WHERE page=?1") \
    X(SLOT_PAGE_WRITE, "INSERT OR REPLACE INTO slot_page(page,count,keys,lengths,hashes) VALUES(?1,?2,?3,?4,?5)") \
    X(SLOT_PAGE_ALL, "SELECT page,count,keys,lengths,hashes FROM slot_page ORDER BY page") \
    X(CODE_READ, "SELECT block FROM code WHERE grp=?1") \
    X(CODE_WRITE, "INSERT OR REPLACE INTO code(grp,block) VALUES(?1,?2)") \
    X(CODE_FROM, "SELECT grp,block FROM code WHERE grp>=?1 ORDER BY grp") \
    X(LIVE_READ, "SELECT bits FROM live WHERE page=?1") \
    X(LIVE_WRITE, "INSERT OR REPLACE INTO live(page,bits) VALUES(?1,?2)") \
    X(LIVE_ALL, "SELECT page,bits FROM live ORDER BY page") \
    X(POSTING_LAST, "SELECT first_slot,last_slot,count,data FROM posting WHERE space=?1 AND term=?2 ORDER BY first_slot DESC LIMIT 1") \
    X(POSTING_INSERT, "INSERT INTO posting(space,term,first_slot,last_slot,count,data) VALUES(?1,?2,?3,?4,?5,?6)") \
    X(POSTING_UPDATE, "UPDATE posting SET last_slot=?4,count=?5,data=?6 WHERE space=?1 AND term=?2 AND first_slot=?3") \
    X(POSTING_READ, "SELECT first_slot,last_slot,count,data FROM posting WHERE space=?1 AND term=?2 ORDER BY first_slot") \
    X(POSTING_ALL, "SELECT term,first_slot,last_slot,count,data FROM posting WHERE space=?1 ORDER BY term,first_slot") \
    X(LOG_INSERT, "INSERT INTO posting_log(space,data) VALUES(?1,?2)") \
    X(LOG_ALL, "SELECT data FROM posting_log WHERE space=?1 ORDER BY seq") \
    X(LOG_SIZE, "SELECT count(*),coalesce(sum(length(data)),0) FROM posting_log WHERE space=?1") \
    X(LOG_CLEAR, "DELETE FROM posting_log WHERE space=?1") \
    X(KNOWN, "SELECT id,url,version,content_hash,pipeline FROM document WHERE project=?1 AND source_type=?2 AND source=?3 ORDER BY url") \
    X(SOURCE_DONE, "INSERT OR REPLACE INTO source(project,source_type,source,last_complete_at,report) VALUES(?1,?2,?3,?4,?5)") \
    X(SOURCE_FORGET, "DELETE FROM source WHERE project=?1 AND source_type=?2 AND source=?3") \
    X(SOURCES, "SELECT project,source_type,source,sum(documents),sum(chunks),max(done),max(report) FROM (" \
               "SELECT project,source_type,source,count(*) AS documents,sum(chunk_count) AS chunks,NULL AS done,NULL AS report FROM document GROUP BY 1,2,3 " \
               "UNION ALL SELECT project,source_type,source,0,0,last_complete_at,report FROM source) GROUP BY 1,2,3 ORDER BY 1,2,3")

typedef enum ql__store_stmt_id {
#define STORE_STATEMENT_ENUM(name, sql) STMT_##name,
    STORE_STATEMENTS(STORE_STATEMENT_ENUM)
#undef STORE_STATEMENT_ENUM
    STMT_COUNT
} ql__store_stmt_id;

/* What searches need of a commit, loaded when a snapshot finds a new generation. */
#define STORE_MASKS_KEPT 8

/* What passes a filter; ql__mask. */
typedef struct ql__kept_mask {
    ql_buf key;     /* the filter as bytes; empty: none */
    uint64_t *bits; /* (slots / 64 + 1) */
    uint64_t count;
} ql__kept_mask;

typedef struct ql__view {
    bool loaded;
    ql__store_meta meta;
    size_t slots;          /* == meta.next_slot */
    size_t capacity;       /* slots the arrays hold, a multiple of STORE_PAGE_SLOTS */
    uint64_t *live;        /* (capacity / 64) */
    uint64_t *keys;        /* (capacity) */
    uint32_t *lengths;     /* (capacity) */
    float *norms;          /* (capacity) k1 * (1 - b + b * length / average) */
    uint64_t *hashes;      /* (capacity / 64) per group */
    uint64_t *verified;    /* (capacity / 4096, rounded up) bit per group: its rows match the hash */
    ql__terms_log *logs;   /* (log_count) */
    size_t log_count, log_capacity;
    ql__vectors vectors;
    uint32_t vectors_file; /* number of the open file, 0: none */
    unsigned char *codes;  /* (code_groups) blocks, loaded by the first search that wants them */
    size_t code_groups, code_capacity;
    uint64_t code_slots;   /* slots the loaded blocks were written for */
    float *uppers;         /* (capacity) scratch of a scan over codes */
    ql__kept_mask masks[STORE_MASKS_KEPT]; /* of the filters used last in this generation: searches tend to repeat theirs */
    size_t mask_next;                      /* which of them goes next */
    float *scores;         /* (capacity) BM25 accumulators of the last query; 0: no term matched */
    uint64_t *dfs;         /* (dfs_capacity) live chunks that hold each term of that query */
    size_t dfs_capacity;
    ql_buf scored;         /* the query the scores belong to; empty: none */
    ql__posting_list list; /* scratch */
} ql__view;

void ql__kept_masks_clear(ql__view *view);

struct ql__store {
    ql__db *db;
    const ql__sys *sys;
    ql__log *log;
    char *dir;
    bool write;
    int lock_fd;
    int ack_fd;
    dev_t device; /* of the database as it was opened */
    ino_t inode;
    ql__stmt *statements[STMT_COUNT];
    ql__analyzer *analyzer;
    ql__store_meta meta;     /* last committed, as this connection knows it */
    /* the writer's transaction */
    bool in_transaction;
    bool changed;
    ql_status broken;        /* a failed step: only a rollback helps */
    bool tail_stale;         /* tail is not that of meta */
    bool fence_needed;       /* see ql__store_fence */
    bool log_found;          /* on opening: an earlier process left its log */
    ql__store_meta work;
    ql__slot_page *tail;
    unsigned char *code_block; /* codes of the last, partly filled group, and room for a rotated vector after it */
    ql__terms pending;
    ql__vectors vectors;     /* open for writing */
    bool vectors_dirty;
    ql_buf scratch;          /* rows on their way to the file */
    /* reading */
    ql__view view;
    size_t snapshots;        /* open snapshots share the read transaction */
};

struct ql__snapshot {
    ql__store *store;
    ql__view *view;
};

struct ql__mask {
    uint64_t *bits;
    size_t slots;
    uint64_t count;
};

/* A prepared statement, made on first use; reset and ready to bind. */
ql_status ql__store_stmt(ql__store *self, ql__store_stmt_id id, ql__stmt **out, ql_error *err);
ql_status ql__store_meta_read(ql__store *self, ql__store_meta *out, ql_error *err);
ql_status ql__store_meta_write(ql__store *self, const ql__store_meta *meta, ql_error *err);
ql_status ql__store_file_path(const ql__store *self, const char *name, ql_buf *out, ql_error *err);
ql_status ql__store_vectors_path(const ql__store *self, uint32_t file, ql_buf *out, ql_error *err);
void ql__store_ack_write(ql__store *self);
/* QL_E_IO: the file behind the database's name is not the one this writer holds open. */
uint64_t ql__store_random(void);
/* Makes vector file `file` for meta->dims and remembers its id in meta. */
ql_status ql__store_vectors_create(ql__store *self, ql__store_meta *meta, ql__vectors *out, ql_error *err);
/*
 * Commits a transaction that only counts up the generation. A commit that failed or was killed may have left whole frames in the
 * log that nobody sees while readers stay connected, but that a later recovery would believe. The fence overwrites them: what was
 * not there for this writer never comes back, and its vectors may be cut off or overwritten.
 */
ql_status ql__store_fence(ql__store *self, ql_error *err);
/* Loads the writer's last slot page as of self->meta. */
ql_status ql__store_tail_load(ql__store *self, ql_error *err);
ql_status ql__store_postings_flush(ql__store *self, ql_error *err); /* log and pending into the posting table */
void ql__view_dispose(ql__view *self);
ql_status ql__view_load(ql__store *self, const ql__store_meta *meta, ql_error *err);
/* Rows [first, first + count) may be read: verifies the groups they are in. */
ql_status ql__view_verify(ql__store *self, size_t first, size_t count, ql_error *err);
/* Codes of all slots into view->codes. */
ql_status ql__view_codes(ql__store *self, ql_error *err);
/* All live postings of a term into view->list. */
ql_status ql__view_postings(ql__store *self, ql_str term, ql_error *err);
ql_status ql__store_chunk_key(ql__store *self, uint64_t slot, int64_t *document, int64_t *key, ql_error *err);
ql_status ql__store_chunk_id(ql__store *self, uint64_t slot, ql_buf *out, ql_error *err);

/* --- the best k, ties by public id */
typedef struct ql__top {
    ql__store *store;
    const uint64_t *keys;
    ql__score *items; /* heap, the worst on top */
    size_t count, limit;
    ql_status status; /* first failed look-up of an id */
    ql_error *err;
} ql__top;

void ql__top_init(ql__top *self, ql__store *store, ql__score *items, size_t limit, ql_error *err);
void ql__top_offer(ql__top *self, uint64_t slot, float score);
ql_status ql__top_finish(ql__top *self, size_t *out_count); /* sorts best first */
static inline float ql__top_floor(const ql__top *self) /* lower scores cannot enter */
{
    return self->count < self->limit ? -__builtin_inff() : self->items[0].score;
}

/* Key of a document's i-th chunk. The number of a forged row may be any: then the key is another's or nobody's, but defined. */
static inline int64_t ql__chunk_key(int64_t document, uint64_t i)
{
    return (int64_t)((uint64_t)document << STORE_CHUNK_SHIFT | i);
}

/* The key behind the last that a document's chunks can have. */
static inline int64_t ql__chunk_key_end(int64_t document)
{
    return (int64_t)(((uint64_t)document + 1) << STORE_CHUNK_SHIFT);
}

static inline bool ql__bit(const uint64_t *bits, size_t at)
{
    return (bits[at / 64] >> (at % 64) & 1) != 0;
}

#endif
