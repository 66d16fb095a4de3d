/* What the files of the graph index share: the graph in memory and how its rows are read and
 * written.
 *
 * Level 0 is one row of m0 = 2m neighbour ids for every offset, in blocks, each row starting a
 * cache line. Levels above hold rows of m ids for the few nodes that reach them. A row is a run of
 * (id + 1), ended by 0 or by its last place, so that fresh zero memory is an empty row. The level
 * of a node follows from the seed and its offset alone.
 *
 * Codes. With quantization a walk compares codes, and the stored rows of the candidates left are
 * compared exactly (index/rescore.h). The first build trains the quantizer, for good; an index that
 * has outgrown the rows it learned from must be built anew to learn again. A row has its code
 * before its node is linked. Measured on real embeddings: scalar codes make searches of equal
 * recall about 1.2 times faster at 100 dimensions, where both walks wait for random accesses
 * anyway, and twice as fast at 768; candidates left out by their error bounds cost no recall, while
 * rescoring only as many as are wanted costs two percent of it.
 *
 * Image. The arrays are saved as they lie in memory and used where they are, see hnsw_image.c; a
 * node that is linked may then only have neighbours that are.
 *
 * Threads. Rows are written under the node's byte lock and read without one: each id is an atomic,
 * stored with release and loaded with acquire, so whoever sees an id sees what was written before
 * it was published (its vector, its own rows). A reader may see half of a rewrite: ids old and new,
 * each valid. `entry` is read the same way. Locks are never nested, but for entry_lock, which comes
 * first.
 */
#pragma once
#include "index/hnsw/scratch.h"
#include "index/vindex.h"

#include <pthread.h>

enum {
    LEVEL_MAX = 15,
    M_MIN = 2,
    M_MAX = 512,
    EF_CONSTRUCT_MIN = 4,
    EF_CONSTRUCT_MAX = 1 << 16,
    EF_DEFAULT = 160,        /* recall@10 above 0.95 on the word vectors of the demo */
    OFFSETS_MAX = INT32_MAX, /* the pool keeps a mark in the top bit of an id */
    HNSW_FORMAT_VERSION = 2,
};
#define NO_ENTRY UINT64_MAX

enum node_state {
    NODE_NEW,
    NODE_PLANNED, /* will enter the graph; its upper rows are allotted */
    NODE_LINKED,
    NODE_LEFT_OUT, /* no vector, or skipped */
};
struct node {
    _Atomic uint32_t upper; /* 1 + its first row in `upper_rows` (level 1); 0: none */
    _Atomic uint8_t state;
    _Atomic uint8_t lock; /* guards the writing of its rows on all levels */
};

struct hnsw {
    struct vindex base;
    const struct vectors *vectors;
    uint32_t m, m0, ef_construct;
    uint64_t seed;
    struct blocks nodes; /* struct node by offset */
    struct blocks rows0; /* level 0 by offset */
    struct blocks upper_rows;
    struct quant_params quant;           /* QUANT_NONE: no codes, ever */
    struct quantizer *_Atomic quantizer; /* NULL until the first build trained it; then for good */
    struct blocks codes;                 /* by offset, once there is a quantizer */
    point_offset coded;                  /* rows below have their codes; the builder's */
    bool cold;                           /* stored rows are likely to be on disk */
    uint32_t upper_count;                /* upper rows allotted; the builder's */
    atomic_uint planned;                 /* offsets below have a node and a row */
    atomic_uint claimed;                 /* offsets from here on are not in the graph */
    atomic_uint linked;                  /* offsets below are done */
    atomic_uint in_graph;                /* nodes linked */
    _Atomic uint64_t entry;              /* level << 32 | offset, or NO_ENTRY */
    pthread_mutex_t entry_lock;          /* held by the insert that sets `entry` */
};

static inline struct node *node_at(const struct hnsw *hnsw, point_offset point)
{
    return blocks_at(&hnsw->nodes, point);
}
static inline enum node_state node_state_of(const struct hnsw *hnsw, point_offset point)
{
    return (enum node_state)atomic_load_explicit(&node_at(hnsw, point)->state,
                                                 memory_order_acquire);
}
static inline uint32_t row_capacity(const struct hnsw *hnsw, uint32_t level)
{
    return level == 0 ? hnsw->m0 : hnsw->m;
}
/* The node reaches `level`. */
static inline _Atomic uint32_t *row_at(const struct hnsw *hnsw, point_offset point, uint32_t level)
{
    if (level == 0) {
        return blocks_at(&hnsw->rows0, point);
    }
    uint32_t first = atomic_load_explicit(&node_at(hnsw, point)->upper, memory_order_relaxed);
    return blocks_at(&hnsw->upper_rows, first - 1 + level - 1);
}
/* The i-th neighbour; false: the row ends before. */
static inline bool row_get(_Atomic uint32_t *row, uint32_t i, point_offset *out)
{
    uint32_t value = atomic_load_explicit(&row[i], memory_order_acquire);
    *out = value - 1;
    return value != 0;
}
static inline void row_set(_Atomic uint32_t *row, uint32_t i, point_offset point)
{
    atomic_store_explicit(&row[i], point + 1, memory_order_release);
}

/* hnsw.c */
uint32_t level_of(const struct hnsw *hnsw, point_offset point);
/* Gives the node its rows above level 0, unless it has them. Builder only. */
enum status upper_rows_allot(struct hnsw *hnsw, point_offset point, struct error *err);
enum status rows_grow(struct hnsw *hnsw, size_t count, struct error *err);

/* What a walk compares with: the stored rows or their codes. */
struct walk_space {
    const struct blocks *rows;   /* stored rows or codes, by offset */
    const struct kernel *kernel; /* for stored rows */
    size_t dim;
    const struct quantizer *quantizer; /* for codes; NULL: stored rows */
    const void *query;                 /* stored form, or the quantizer's state of it */
    size_t ask_bytes;                  /* of a row; asked for as soon as its node is met */
    uint32_t beam;                     /* nodes expanded in one step */
};
enum { ASK_BYTES_MAX = 256, CODES_BEAM = 2 };
static inline size_t ask_bytes(const struct blocks *rows)
{
    return rows->stride < ASK_BYTES_MAX ? rows->stride : ASK_BYTES_MAX;
}
static inline struct walk_space space_of_rows(const struct hnsw *hnsw, const void *query)
{
    const struct vectors *vectors = hnsw->vectors;
    return (struct walk_space){.rows = &vectors->rows,
                               .kernel = vectors->kernel,
                               .dim = vectors->dim,
                               .query = query,
                               .ask_bytes = ask_bytes(&vectors->rows),
                               .beam = 1};
}
/* NULL: there are no codes. Whoever has seen a node sees the quantizer. */
static inline struct quantizer *hnsw_quantizer(const struct hnsw *hnsw)
{
    return atomic_load_explicit(&hnsw->quantizer, memory_order_acquire);
}
static inline struct walk_space space_of_codes(const struct hnsw *hnsw,
                                               const struct quantizer *quantizer, const void *state)
{
    return (struct walk_space){
        .rows = &hnsw->codes,
        .quantizer = quantizer,
        .query = state,
        .ask_bytes = ask_bytes(&hnsw->codes),
        .beam = hnsw->m0 <= ROW_MAX / CODES_BEAM ? CODES_BEAM : 1,
    };
}
static inline const void *space_at(const struct walk_space *space, point_offset point)
{
    return blocks_at(space->rows, point);
}
static inline void space_many(const struct walk_space *space, const void *const *rows, size_t count,
                              float *out)
{
    if (space->quantizer != NULL) {
        quantizer_many(space->quantizer, space->query, rows, count, out);
    } else {
        space->kernel->many(space->query, rows, count, space->dim, out);
    }
}

/* What walks share. */
enum { LINE_BYTES = 64, CANCEL_EVERY = 16 /* steps between looks at the cancel flag */ };
/* Compares the first `fresh` of scratch->ids, into scratch->distances. */
static inline void walk_compare(struct scratch *scratch, const struct walk_space *space,
                                uint32_t fresh)
{
    for (uint32_t i = 0; i < fresh; i++) {
        const char *row = space_at(space, scratch->ids[i]);
        scratch->rows[i] = row;
        for (size_t at = 0; at < space->ask_bytes; at += LINE_BYTES) {
            __builtin_prefetch(row + at);
        }
    }
    space_many(space, scratch->rows, fresh, scratch->distances);
}
static inline void walk_ask_row(const struct hnsw *hnsw, point_offset point)
{
    const char *row = blocks_at(&hnsw->rows0, point);
    __builtin_prefetch(row);
    __builtin_prefetch(row + LINE_BYTES);
}
static inline bool walk_cancelled(const atomic_bool *cancelled, uint32_t step)
{
    return cancelled != NULL && step % CANCEL_EVERY == 0 &&
           atomic_load_explicit(cancelled, memory_order_relaxed);
}
/* Has a walk over level 0 done more than it may? */
static inline bool walk_over_budget(const struct search_args *args, const struct search_trace *work)
{
    return args->work_max > 0 && args->trace != NULL &&
           work->compared + work->hops > args->work_max;
}
static inline void walk_note(const struct search_args *args, const struct search_trace *work)
{
    if (args->trace != NULL) {
        args->trace->checked += work->checked;
        args->trace->compared += work->compared;
        args->trace->hops += work->hops;
        args->trace->gave_up = work->gave_up;
    }
}

/* hnsw_codes.c */
/* Before the first node is linked: trains the quantizer on a sample of the present rows below
 * job->until that are not skipped. Then encodes the present rows from `coded` to job->until, with
 * job->threads. Without quantization nothing is done. Builder only; searches may run. CANCELLED and
 * TOO_LARGE leave what was encoded. */
enum status hnsw_codes_prepare(struct hnsw *hnsw, const struct build_job *job, struct error *err);
/* Takes the quantizer (on STATUS_OK) and makes `codes` ready to grow. */
enum status hnsw_codes_init(struct hnsw *hnsw, struct quantizer *quantizer, struct error *err);

/* hnsw_walk.c */
/* The steps of Malkov & Yashunin's search, also used by inserts. Greedy walk from `at` on level
 * `from` down to above `to`; returns the nearest node found. */
struct candidate greedy_descend(const struct hnsw *hnsw, struct scratch *scratch,
                                const struct walk_space *space, struct candidate at, uint32_t from,
                                uint32_t to);
struct level_walk {
    const struct walk_space *space;
    uint32_t level;
    uint32_t ef;
    bool spread;                  /* for inserts: let only TWINS_IN_POOL copies of one vector in */
    const atomic_bool *cancelled; /* may be NULL */
};
/* SEARCH-LAYER (algorithm 2) from `start`: leaves the ef nearest in scratch->pool, nearest first.
 * False: cancelled. scratch is reserved for ef and all planned nodes. */
bool search_level(const struct hnsw *hnsw, struct scratch *scratch, const struct level_walk *walk,
                  struct candidate start);
struct candidate candidate_of(const struct walk_space *space, point_offset point);
/* The same on level 0 for args->accept. The heaps are empty at first: `all` holds as many of the
 * nearest nodes as a walk without a filter would, `near` as many accepted ones as are enough where
 * they stand as they do elsewhere, `best` as many as are enough otherwise: the answer. CANCELLED,
 * TOO_LARGE. */
struct accepted_walk {
    const struct walk_space *space;
    struct topk all, near, best;
    bool behind; /* accepted points are rare near the query */
    uint64_t accepted;
    struct search_trace work;
};
enum status search_accepted(const struct hnsw *hnsw, struct scratch *scratch,
                            const struct search_args *args, struct accepted_walk *walk,
                            struct candidate start);

/* hnsw_filtered.c. The same over the accepted points alone: leaves the ef nearest in scratch->pool.
 * args->accept has bits. Not OK: as search_accepted. */
enum status search_hops(const struct hnsw *hnsw, struct scratch *scratch,
                        const struct search_args *args, const struct walk_space *space,
                        struct candidate start, uint32_t ef);

/* hnsw_scan.c */
size_t hnsw_code_bytes(const struct vindex *index);
enum status hnsw_scan(const struct vindex *index, const struct search_args *args,
                      const struct point_source *points, struct topk *out, struct error *err);

/* hnsw_cost.c */
/* How far a search walks: accepted or not, how many of the nearest nodes it wants. */
struct walk_extent {
    uint32_t pool;            /* kept by a walk without a filter, or over accepted nodes alone */
    uint32_t all, near, best; /* see struct accepted_walk */
};
struct walk_extent hnsw_extent(const struct hnsw *hnsw, const struct search_args *args);
/* How many candidates are rescored at most when the walk leaves more. */
uint32_t hnsw_candidates(const struct search_args *args, const struct quantizer *quantizer);
double hnsw_cost(const struct vindex *index, const struct search_args *args);

/* hnsw_search.c */
enum status hnsw_search(const struct vindex *index, const struct search_args *args,
                        struct topk *out, struct error *err);

/* hnsw_repair.c. Makes every linked node reachable from the entry on level 0; returns how many were
 * not. Only while no insert runs. */
enum status hnsw_repair(struct hnsw *hnsw, struct scratch *scratch, uint32_t *repaired,
                        struct error *err);

/* hnsw_build.c */
enum status hnsw_build(struct vindex *index, struct build_job *job, struct error *err);

/* hnsw_vacuum.c */
enum status hnsw_vacuum(struct vindex *index, struct build_job *job, struct error *err);

/* hnsw_image.c */
enum status hnsw_save(const struct vindex *index, struct buffer *out, struct error *err);
enum status hnsw_load(struct hnsw *hnsw, struct slice image, struct error *err);
