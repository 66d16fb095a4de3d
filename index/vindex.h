/* What a vector index is. One const table per kind, each in its folder; kinds.def lists them. An
 * index knows offsets and vectors: no ids, payload, JSON or storage. */
#pragma once
#include "index/quant/quantizer.h"
#include "index/topk.h"
#include "index/vectors.h"
#include "storage/base/buffer.h"
#include "storage/base/reader.h"
#include "storage/base/status.h"

#include <stdatomic.h>

struct accept { /* may this point be returned? Thread-safe. */
    bool (*test)(const void *ctx, point_offset point); /* NULL: the bits alone decide */
    const void *ctx;
    double selectivity; /* estimated part of points accepted, 0..1 */
    /* A bit a point: without it a point is never accepted, nor is one at or beyond bits_count.
     * NULL: not known; the test alone decides. */
    const uint64_t *bits;
    size_t bits_count;
};
static inline bool accept_bit(const struct accept *accept, point_offset point)
{
    return point < accept->bits_count && (accept->bits[point / 64] >> (point % 64) & 1) != 0;
}
static inline bool accept_point(const struct accept *accept, point_offset point)
{
    return (accept->bits == NULL || accept_bit(accept, point)) &&
           (accept->test == NULL || accept->test(accept->ctx, point));
}
/* How a graph meets `accept`. */
enum filter_walk {
    FILTER_POSTCHECK, /* walks as without it, over refused points too */
    FILTER_HOPS,      /* walks over accepted points, past refused ones; needs accept->bits */
};
/* Why a search ended before it had found what it was asked for. */
enum gave_up {
    GAVE_UP_NOT,
    GAVE_UP_BUDGET,  /* it took more work than args->work_max */
    GAVE_UP_OPPOSED, /* hardly any point near the query is accepted, though elsewhere many are */
    GAVE_UP_ISLAND,  /* the accepted points that it could reach were fewer than it wanted */
};
struct search_trace {  /* what a search did; added to what is there */
    uint64_t checked;  /* points asked about */
    uint64_t compared; /* distances, to rows or to codes */
    uint64_t rescored; /* rows compared after their codes */
    uint64_t hops;     /* nodes expanded, or lists looked through */
    enum gave_up gave_up;
};
struct search_args {
    const void *query; /* see vector_prepare_query; a stored vector does too */
    uint32_t limit;
    uint32_t effort; /* ef for hnsw; 0: the kind's default */
    const struct accept
        *accept; /* NULL: all present points. The caller's accept covers deleted points. */
    const atomic_bool *cancelled; /* NULL: never; looked at every few hundred distances */
    point_offset count;           /* only points below this */
    enum codes_use {
        CODES_RESCORED, /* look at codes, answer with exact distances of the stored rows */
        CODES_ONLY,     /* answer with the distances estimated from codes */
        CODES_IGNORED,  /* look at stored rows only, as far as the kind can */
    } codes;
    double oversampling; /* candidates to rescore for each result wanted; 0: the kind's default */
    enum filter_walk walk;
    /* A search that takes more distances and rows of neighbours than this gives up: it answers with
     * what it has. 0: never. Only with `trace`, which says so. */
    uint64_t work_max;
    struct search_trace *trace; /* NULL: nobody wants to know */
    /* Farther points are not wanted: as many as `limit` are known that are as near. NULL: none. For
     * `scan`. */
    const float *bound;
};
/* Points in ascending order, each once. */
struct point_source {
    size_t (*next)(void *ctx, point_offset *out, size_t room); /* how many; 0: no more */
    void *ctx;
};
struct build_job {
    uint32_t threads;
    const atomic_bool *cancelled;
    /* May the point be left out for good (deleted)? NULL: no. */
    bool (*skip)(const void *ctx, point_offset point);
    const void *ctx;
    point_offset until;    /* link all points below this */
    atomic_uint *progress; /* points linked so far, for display; may be NULL */
};
struct vindex_params { /* what any kind may need; each takes its own */
    uint32_t m, ef_construct;
    uint64_t seed;
    struct quant_params quant; /* codes that searches walk over; QUANT_NONE: the stored rows */
    bool cold;                 /* stored rows are likely to be on disk: touch few, ask early */
    const char *folder;        /* cold: where an index may keep files without names, so that its
                                * memory can be written back; NULL: nowhere. Outlives the index. */
};
struct vindex {
    const struct vindex_kind *kind;
};
struct vindex_kind {
    const char *name;
    uint32_t format_version;
    /* Makes an empty index over `vectors` (borrowed for life), or, with an image, one as saved:
     * CORRUPT when the image is damaged, of another version or of other parameters; the caller then
     * builds anew. The image is a private writable mapping, page aligned, that outlives the index:
     * it may be used in place. */
    enum status (*open)(const struct vectors *vectors, const struct vindex_params *params,
                        struct slice image, struct vindex **out, struct error *err);
    /* Links the present, not skipped points from vindex `linked` up to job->until, beside searches;
     * one build at a time. CANCELLED leaves a valid, shorter index. */
    enum status (*build)(struct vindex *index, struct build_job *job, struct error *err);
    /* Takes the points that job->skip tells (deleted ones) out of the index in place, beside
     * searches, so that recall and speed do not suffer from them; not beside build. Afterwards
     * their stored rows are not needed any more. NULL: the index must be built anew instead. */
    enum status (*vacuum)(struct vindex *index, struct build_job *job, struct error *err);
    /* Points below this are found by search; those above must be scanned by the caller. */
    point_offset (*linked)(const struct vindex *index);
    /* Pushes the nearest accepted points into `out` (limit >= args->limit). Thread-safe against
     * build. */
    enum status (*search)(const struct vindex *index, const struct search_args *args,
                          struct topk *out, struct error *err);
    /* Bytes of a point's code that `scan` reads; 0: there are no codes. */
    size_t (*code_bytes)(const struct vindex *index);
    /* Pushes the nearest of these points, all below `linked`, into `out`: estimates all by their
     * codes, then compares the rows of those that may be the nearest. accept, effort and walk mean
     * nothing here. The source is not read beyond args->count. NULL, as is code_bytes: the kind
     * finds no code by its point. */
    enum status (*scan)(const struct vindex *index, const struct search_args *args,
                        const struct point_source *points, struct topk *out, struct error *err);
    /* Expected number of distances computed. */
    double (*cost)(const struct vindex *index, const struct search_args *args);
    /* The image of the index at a moment; may run beside searches but not beside build. */
    enum status (*save)(const struct vindex *index, struct buffer *out, struct error *err);
    size_t (*memory)(const struct vindex *index);
    void (*close)(struct vindex *index);
};
#define X(kind) extern const struct vindex_kind vindex_##kind;
#include "index/kinds.def"
#undef X
/* NULL: unknown. */
const struct vindex_kind *vindex_kind_find(const char *name);
/* By the place in kinds.def, from 0: what files keep, so the order there stays. NULL: past the
 * last. */
const struct vindex_kind *vindex_kind_at(size_t place);
