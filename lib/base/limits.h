/* Every cap of the library in one place, each with its reason. */
#ifndef QL_LIMITS_H
#define QL_LIMITS_H

#define QL_LIMIT_BUF_BYTES ((size_t)1 << 30)           /* a buffer nobody gave a cap: larger means a bug or an attack */
#define QL_LIMIT_DOCUMENT_BYTES ((size_t)256 << 20)    /* one document in memory: the 100 MB JSON file and room to spare */
#define QL_LIMIT_CONFIG_BYTES ((size_t)16 << 20)       /* config.yaml: real ones are a few kB; bounds alias expansion */
#define QL_LIMIT_CONFIG_DEPTH 64                        /* nesting of YAML: the schema needs 8 */
#define QL_LIMIT_CONFIG_NODES 1000000                   /* values of a configuration with its aliases written out: "billion laughs" ends here */
#define QL_LIMIT_ENV_BYTES (128 << 10)                   /* one environment variable, what Linux allows */
#define QL_LIMIT_JSON_DEPTH 512                         /* nesting of foreign JSON, bounds every recursive walk */
#define QL_LIMIT_CODE_BYTES ((size_t)4 << 20)          /* a larger source file is cut by lines: it is data or generated, and its syntax tree takes up to twenty times that */
#define QL_LIMIT_CODE_PARSE_BYTES ((size_t)32 << 20)   /* memory of a parse, for files of any size (a parser, its tables), and for each byte of the text: */
#define QL_LIMIT_CODE_PARSE_FACTOR 128                  /* sound files take up to 92 (minified JavaScript); 90 kB of "%w(%w(" as C took 12 GB */
#define QL_LIMIT_HTML_DEPTH 512                         /* open elements; deeper ones are read as if they were siblings */
#define QL_LIMIT_TREE_DEPTH 512                         /* depth of a structure tree */
#define QL_LIMIT_URL_BYTES ((size_t)64 << 10)          /* identity of a document; PATH_MAX is 4 kB */
#define QL_LIMIT_GRAPHEME_BYTES 256                     /* a longer grapheme cluster may be cut at a code point */
#define QL_LIMIT_NAME_BYTES 256                        /* project and name of a source of an application: every document has them */
#define QL_LIMIT_TITLE_BYTES 4096                       /* title of a document of an application: every chunk has it */
#define QL_LIMIT_FOREIGN_LABEL_BYTES 4096               /* label of a block of an application's converter */
#define QL_LIMIT_LABEL_BYTES 256                       /* label of a block, as headings and element names appear in paths */
#define QL_LIMIT_SECTION_PATH_BYTES 2048                /* section path of a chunk; outer labels go first */
#define QL_LIMIT_QUERY_BYTES ((size_t)64 << 10)        /* text of a search */
#define QL_LIMIT_QUERY_MEANING_BYTES ((size_t)8 << 10) /* of it, what the model reads: some eight windows, half a second of two cores */
#define QL_LIMIT_QUERY_TERMS 1024                       /* distinct words of a search: a pasted page; each costs a read of its postings */
#define QL_LIMIT_SEARCH_RESULTS 1000                    /* hits of one search */
#define QL_LIMIT_GLOB_TOKENS 1024                       /* length of one path pattern; sets of states live on the stack */
#define QL_LIMIT_FOLDER_DEPTH 256                       /* folders inside folders: one open descriptor each while walking */
#define QL_LIMIT_GIT_ENTRIES 10000000                   /* entries of one commit's tree: a few kB of trees that share subtrees can unfold to any number */
#define QL_LIMIT_GIT_CHANGES 2000000                    /* files and folders that one commit changes: the same trick in an older commit */
#define QL_LIMIT_GIT_COMPARED UINT64_C(50000000000) /* entries compared over a history: git and U-Boot take 2000 a commit, Linux maybe 10^10; hours */
#define QL_LIMIT_GIT_READ_BYTES ((size_t)513 << 20)     /* one piece of libgit2's memory while it reads: an object is taken room for before it is looked at, and a few bytes can claim any size. git keeps no differences of files above 512 MiB */
#define QL_LIMIT_GIT_FETCH_BYTES ((size_t)1 << 30)      /* the same while fetching: tables of 60 million objects; Linux has 12 */
#define QL_LIMIT_TENSOR_HEADER_BYTES ((size_t)64 << 20) /* header of a safetensors file: real ones are 10 kB to a few MB */
#define QL_LIMIT_MODEL_JSON_BYTES ((size_t)4 << 20)     /* one JSON file of a model's folder: a few kB */
#define QL_LIMIT_PROMPT_BYTES ((size_t)4 << 10)         /* what a model puts before a query or passage: a sentence */
#define QL_LIMIT_MODEL_FILE_BYTES ((uint64_t)16 << 30)  /* one file of a model that is not pinned: the largest encoders are a few GB */
#define QL_LIMIT_VOCAB_BYTES ((size_t)64 << 20)         /* vocab.txt: 230 kB to a few MB */
#define QL_LIMIT_EXTENSIONS 64                          /* converters and so on that an application adds, of a kind: each is asked for every document */
#define QL_LIMIT_FOREIGN_CHUNKS 1000000                 /* chunks that an application's chunker cuts of one document: 256 MB in pieces of 256 bytes */
#define QL_LIMIT_FOREIGN_METADATA_BYTES ((size_t)1 << 20) /* what an application says of one chunk */
#define QL_LIMIT_DIMS 65536                             /* width of a vector: the widest models have some thousands */
#define QL_LIMIT_PROFILE_FILE_BYTES ((uint64_t)8 << 30) /* a capture file: an hour of a busy server is some 500 MB */
#define QL_LIMIT_PROFILE_ARENA_BYTES ((size_t)1 << 30)  /* texts and stacks of one: real ones take a few MB */
#define QL_LIMIT_PROFILE_ROWS ((size_t)4 << 20)         /* functions, stacks and so on of one: a large program has 100,000 functions */
#define QL_LIMIT_PROFILE_SAMPLES ((size_t)32 << 20)     /* samples, spans and so on of one: 1000 a second for nine hours */
#define QL_LIMIT_PROFILE_MODULES 4096                   /* files it has mapped */
#define QL_LIMIT_PROFILE_NOTES 256                      /* facts and notes for people */
#define QL_LIMIT_PROFILE_DEPTH 512                      /* frames of a stack; the collector keeps 128 */
#define QL_LIMIT_PROFILE_INLINED 64                     /* functions inlined into each other at one address; deeper ones are left out */
#define QL_LIMIT_PROFILE_FRAMES ((size_t)1024)          /* of a stack with what is inlined; the root's side is cut in the tree of calls */
#define QL_LIMIT_PROFILE_TREE ((size_t)16 << 20)        /* nodes of a tree of calls */
#define QL_LIMIT_PROFILE_LABELS 64                      /* labels of a sample */
#define QL_LIMIT_ELF_BYTES ((uint64_t)4 << 30)          /* a file whose symbols are read: programs with debug information reach 2 GB */
#define QL_LIMIT_THREADS 256                            /* threads of one pool */

#endif
