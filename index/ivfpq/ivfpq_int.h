/* What the files of the partition index share: the index in memory.
 *
 * The points are partitioned by the centroids of a k-means; each partition's points stand in a
 * list. A search compares the query with the centroids, looks through the lists of the nearest ones
 * and gets distances in three stages, each for fewer points:
 *   0. codes: 4 bits for some dimensions (see pq.h) of the point's difference to its centroid, in
 *      blocks of 32 for the fast scan (index/kernel/fastscan.h). The query's tables do not depend
 *      on the list: with x about c + r, x.q is about c.q + r.q, so a list adds one number, and for
 *      Euclid each point adds one, 2 c.r + |r|^2, stored as a byte beside the codes. Whatever is
 *      not below the running bound is never touched.
 *   1. rests: 4 bits a dimension of what the codes leave of the point; read for the points that
 *      the codes keep, a row each.
 *   2. the stored rows of those that the rests keep: exact distances.
 * Cosine is Euclid among rows of length 1: what the codes miss of x, e, then errs by (q - x).e and
 * not by q.e, which is less for near points (words: a tenth fewer microseconds at equal recall).
 * Manhattan distances are sums over dimensions too, but not over c and r, so there the codes are of
 * the point itself.
 *
 * Coordinates. A row is a float copy; for Euclid and Manhattan the mean of all is taken off
 * (distances do not change), byte rows of cosine are normalised.
 *
 * Memory. Everything a search reads is immutable and hangs from one struct table, which readers
 * hold by a reference count: model (codebooks, calibration), coarse (centroids and their codes),
 * lists. A change makes a new table that shares what stays. Lists are laid out one after another in
 * a region (or in the image, in place); a list that has changed since has memory of its own. When
 * such lists take half as much as the region, all move to a new region.
 *
 * Points come in by copying the lists they go to; a list that has grown too long is split by
 * 2-means. With four times the points that the model was trained with everything is trained
 * anew.
 *
 * Which lists. A wide list may hold a point far nearer than its centroid, so lists are probed in
 * the order of distance - reach x spread, the reach found by calibration: on the word vectors of
 * the demo a third fewer points are scanned for the same recall. Stopping early by the query (when
 * the next centroid is far beyond the nearest results) was tried too: it scanned two to four times
 * as many points for the same recall, so the number of lists is the same for all queries. A filter
 * makes it larger: by the part that it is said to accept, then by the part that it did accept.
 *
 * Measured on one thread of a Zen 3 (AVX2) beside faiss-cpu 1.15 IVF,PQ4-fast-scan,refine, both in
 * memory: word vectors (340,479 x 100) 16,500 searches a second at recall@10 0.90, 10,500 at 0.95,
 * 4,400 at 0.99: 2.4 to 2.7 times as many; 100,000 x 768 of a mixture 3 to 4 times as many. Built
 * in 2.2 and 15 s by two threads. 89 and 703 bytes a vector beside the rows. Parts of four
 * dimensions instead of two are slower at every recall; rests cost little and spare most of the
 * rows' reads, so they are kept at every dimension.
 *
 * How far to look is calibrated on points of the index: probes_default is the number of lists that
 * hold the wanted part of the true neighbours, keep_default how many candidates of the codes hold
 * it (calibrate.c). An effort of EFFORT_DEFAULT means these; others scale both.
 *
 * Threads. One builder makes tables; `current` is swapped under `lock`, which readers hold only to
 * take a reference.
 */
#pragma once
#include "index/cluster/cluster.h"
#include "index/ivfpq/pq.h"
#include "index/ivfpq/scratch.h"
#include "index/vindex.h"

#include <pthread.h>

enum {
    IVFPQ_FORMAT_VERSION = 1,
    EFFORT_DEFAULT = 160,
    RETRAIN_GROWTH = 4,
    REST_WORDS = 16,
};

/* A block of memory that several tables share. */
struct memory {
    atomic_uint refs;
    bool mapped;
    size_t size;
    uint8_t *bytes; /* aligned to 64 */
};
/* Zeroed; NULL: there is none. Unless `folder` is NULL, large blocks are a file without a name
 * there, which the system writes back when memory is short. */
struct memory *memory_create(const char *folder, size_t size);
struct memory *memory_ref(struct memory *memory); /* NULL stays NULL */
void memory_unref(struct memory *memory);

enum space { SPACE_INNER, SPACE_SQUARE, SPACE_ABSOLUTE };

/* Addends as bytes: code = (value - low) / step. */
struct addends {
    float low, step;
};

/* The numbers of a model; the arrays that belong to it follow in the same memory. */
struct model_head {
    uint32_t trained_count; /* points at training */
    uint32_t probes_default, keep_default;
    float rest_error; /* mean square of a dimension that codes and rests leave */
    /* A list may hold a point nearer than its centroid is: the wider it is, the nearer. Lists are
     * probed in the order of distance - reach x spread (see probe.c). */
    float reach;
    float usual_distance; /* of a point to its centroid */
    struct addends addends, coarse_addends;
};
struct model {
    struct model_head head;
    enum space space;
    size_t dim;
    struct pq fine, coarse;
    const float *mean;      /* dim */
    const float *rest_step; /* dim */
    struct memory *memory;  /* NULL: in the image */
};

/* Centroids: float rows, and their codes for the fast scan. */
struct coarse {
    const float *centroids; /* count x dim, in the model's coordinates */
    const float *spreads;   /* root of the mean square distance of the list's points to it */
    const uint8_t *blocks;
    size_t count;
    struct memory *memory; /* NULL: in the image */
};

struct list {
    const uint8_t *blocks;
    const uint8_t *rests; /* count rows; FASTSCAN_REST_STEP bytes more can be read */
    const point_offset *points;
    const float *addends; /* SPACE_SQUARE: exact; else NULL */
    uint32_t count;
    struct memory *memory; /* NULL: in the region */
};

struct table {
    atomic_uint refs;
    struct model model; /* when lists_count > 0 */
    struct coarse coarse;
    const char *folder;    /* for memory; NULL: none */
    struct memory *region; /* NULL: in the image */
    size_t region_bytes, own_bytes;
    point_offset linked;
    uint32_t entries;  /* points in all lists */
    uint32_t list_max; /* points in the longest */
    size_t lists_count;
    struct list lists[];
};

struct ivfpq {
    struct vindex base;
    const struct vectors *vectors;
    uint64_t seed;
    bool cold;
    const char *folder;   /* for memory; NULL: none */
    pthread_mutex_t lock; /* guards `current` */
    struct table *current;
};

/* table.c */
/* One reference; NULL: no memory. */
struct table *table_create(const char *folder, size_t lists_count);
struct table *table_copy(const struct table *table, size_t lists_count); /* shares everything */
void table_unref(struct table *table);
struct table *table_pin(const struct ivfpq *ivfpq);
void table_publish(struct ivfpq *ivfpq, struct table *table); /* takes the reference */
enum space space_of(enum distance distance);
/* Bytes of the parts of a list of `count` points. */
struct list_layout {
    size_t blocks, rests, points, addends, total;
};
struct list_layout list_layout(const struct model *model, size_t count);
/* A list's place in memory laid out so. */
struct list list_at(const struct model *model, uint8_t *bytes, size_t count);
size_t model_bytes(enum space space, size_t dim);
/* Points the arrays of a model into memory of model_bytes. */
void model_place(struct model *model, enum space space, size_t dim, uint8_t *bytes);
size_t coarse_bytes(const struct model *model, size_t count);
void coarse_place(struct coarse *coarse, const struct model *model, uint8_t *bytes, size_t count);
/* The codes of the centroids of `coarse`, whose memory is writable and whose blocks are zero. */
void coarse_encode(const struct coarse *coarse, const struct model *model);
static inline bool coarse_has_addends(const struct model *model)
{
    return model->space != SPACE_ABSOLUTE;
}
/* The addend of a centroid's sum: |c|^2 and what the list's spread changes in the order, as far as
 * that does not depend on the query (Euclid); how much narrower the list is than the widest (dot).
 */
float coarse_addend(const struct model *model, const float *centroid, float spread);
/* A stored row, or a query in stored form, in the model's coordinates. */
void ivfpq_row(const struct ivfpq *ivfpq, const struct model *model, const void *stored,
               float *out);
/* All lists into one new region. False: no memory; the table is as before. */
bool table_compact(struct table *table);

/* encode.c. The codes of the points at places `from`.. of a list in writable, zeroed memory. */
void list_encode(const struct ivfpq *ivfpq, const struct table *table, size_t number,
                 struct list *list, uint32_t from);
/* The spread of a list around a centroid, from the stored rows. */
float list_spread(const struct ivfpq *ivfpq, const struct model *model, const struct list *list,
                  const float *centroid);

/* train.c: a table of all the points given. */
enum status ivfpq_train(const struct ivfpq *ivfpq, const struct build_job *job,
                        const point_offset *points, size_t count, struct table **out,
                        struct error *err);
/* calibrate.c */
enum status ivfpq_calibrate(const struct ivfpq *ivfpq, const struct build_job *job,
                            struct table *table, struct error *err);
/* build.c */
enum status ivfpq_build(struct vindex *index, struct build_job *job, struct error *err);
enum status ivfpq_vacuum(struct vindex *index, struct build_job *job, struct error *err);
/* append.c: a table with these points in their lists too. */
enum status ivfpq_append(const struct ivfpq *ivfpq, const struct build_job *job,
                         const struct table *table, const point_offset *points, size_t count,
                         struct table **out, struct error *err);

/* search.c */
double ivfpq_cost(const struct vindex *index, const struct search_args *args);
enum status ivfpq_search(const struct vindex *index, const struct search_args *args,
                         struct topk *out, struct error *err);

/* image.c */
enum status ivfpq_save(const struct vindex *index, struct buffer *out, struct error *err);
enum status ivfpq_load(struct ivfpq *ivfpq, struct slice image, struct error *err);
