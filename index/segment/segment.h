/* A segment: points, their vectors and the indexes over them. Storage holds the truth (rows by
 * offset, see storage/kv/keys.h); memory holds ids, versions, vectors and graphs.
 *
 * A point that changes its vectors gets a new offset; offsets are never used twice. One writer (the
 * strand that applies the collection's commands), any readers. A write changes memory at once and
 * the batch; the caller commits the batch. Until then a reader may find a point whose payload row
 * is not there yet: see segment_payload. */
#pragma once
#include "index/collection/schema.h"
#include "index/filter/filter.h"
#include "index/segment/segment_plan.h"
#include "index/segment/work_log.h"
#include "index/topk.h"
#include "index/vindex.h"
#include "storage/base/bitmap.h"
#include "storage/kv/kv.h"

struct segment;
struct segment_options {
    struct kv *kv;
    uint32_t collection;
    const char *index_path; /* folder of the graph images */
    const struct schema *schema;
    point_offset next_offset;
    uint64_t applied; /* what storage says of the log, together with next_offset */
    uint32_t build_threads;
};
/* Loads points and vectors from storage and graphs from their images; a missing or damaged image is
 * built anew later. CORRUPT when storage contradicts itself. */
enum status segment_open(const struct segment_options *options, struct segment **out,
                         struct error *err);
void segment_close(struct segment *segment);

/* ---- writing: the apply strand only ---- */
bool segment_locate(struct segment *segment, struct point_id id,
                    point_offset *out); /* readers too */
/* Inserts or replaces. `vectors` has one entry per slot, data NULL: absent. `payload` empty: none.
 */
enum status segment_put(struct segment *segment, struct kv_batch *batch, uint64_t version,
                        struct point_id id, const struct slice *vectors, struct slice payload,
                        struct error *err);
void segment_delete(struct segment *segment, struct kv_batch *batch, point_offset offset);
void segment_set_payload(struct segment *segment, struct kv_batch *batch, uint64_t version,
                         point_offset offset, struct slice payload);
void segment_delete_vectors(struct segment *segment, struct kv_batch *batch, uint64_t version,
                            point_offset offset, const uint32_t *slots, size_t count);
/* Stored bytes of a vector, data NULL: absent. Valid as long as the segment. */
struct slice segment_vector(const struct segment *segment, point_offset offset, uint32_t slot);
/* The payload as this command sees it so far. "{}" when none. */
enum status segment_pending_payload(struct segment *segment, point_offset offset,
                                    struct arena *arena, struct slice *out, struct error *err);
/* Matches and checks as this command sees the points so far. */
enum status segment_matches_pending(struct segment *segment, const struct filter *filter,
                                    struct bitmap *out, struct error *err);
bool segment_check_pending(struct segment *segment, const struct filter *filter,
                           point_offset offset, struct arena *arena);
/* After the batch was committed: searches see the command from now on. */
void segment_committed(struct segment *segment);
/* Around a command, from its first change until it is committed, where segment_move may run: a move
 * is a writer too. */
void segment_begin_write(struct segment *segment);
void segment_end_write(struct segment *segment);
point_offset segment_next_offset(const struct segment *segment);

/* Before the rows of a deleted collection go: readers that still hold it stop waiting for them, and
 * no more points are moved. */
void segment_set_dropped(struct segment *segment);

/* ---- reading ---- */
size_t segment_points_count(struct segment *segment);
struct point_id segment_id(const struct segment *segment, point_offset offset);
uint64_t segment_version(const struct segment *segment, point_offset offset);
/* Is this offset what its id stands for now? */
bool segment_current(struct segment *segment, point_offset offset);
/* "{}" when none. A point that went a moment ago can still be read as it was; NOT_FOUND (err
 * untouched) when it has gone for good. Waits shortly for a
 * commit under way. */
enum status segment_payload(struct segment *segment, point_offset offset, struct arena *arena,
                            struct slice *out, struct error *err);

/* Stored bytes of a vector of a point found a moment ago, be it gone since; data NULL: absent. */
struct slice segment_found_vector(const struct segment *segment, point_offset offset,
                                  uint32_t slot);

struct segment_search {
    uint32_t slot;
    const void *query;
    uint32_t limit, ef;
    bool exact, indexed_only;
    enum codes_use codes;
    double oversampling; /* 0: default */
    const struct filter *filter;
    const atomic_bool *cancelled;
    enum hops_use hops;           /* walks over matches alone */
    double hops_part;             /* HOPS_BELOW; 0: the default */
    struct search_report *report; /* what was done; NULL: nobody wants to know */
};
/* Nearest first, ties by id. Sees every command wholly or not at all: the points as they were after
 * the last command committed before the search began. `items` has room for `limit`. */
enum status segment_search(struct segment *segment, const struct segment_search *search,
                           struct scored *items, size_t *count, struct error *err);
/* Sets the bits of the live points that the filter accepts (NULL: all). */
enum status segment_matches(struct segment *segment, const struct filter *filter,
                            const atomic_bool *cancelled, struct bitmap *out, struct error *err);
enum status segment_count(struct segment *segment, const struct filter *filter,
                          const atomic_bool *cancelled, uint64_t *count, struct error *err);
/* Checks one point. `arena` holds the payload while it is checked. */
bool segment_check(struct segment *segment, const struct filter *filter, point_offset offset,
                   struct arena *arena);
/* The same with the payload at hand. */
bool segment_check_payload(struct segment *segment, const struct filter *filter,
                           point_offset offset, struct slice payload);

/* Points that lie among many dead ones move to new places at the end, so that the memory and the
 * room on disk of whole ranges can be given back. One call moves a bounded number, as one command
 * that changes nothing but places: the caller has begun a write, puts the next offset into the
 * batch, commits it and calls segment_committed. *moved 0: there was nothing to move. */
bool segment_move_due(struct segment *segment); /* the builder's; cheap */
enum status segment_move(struct segment *segment, struct kv_batch *batch, size_t *moved,
                         struct error *err);
/* Removes what is left in storage of points that went before the call before this one. */
enum status segment_purge(struct segment *segment, struct error *err);

/* ---- background work: one builder thread at a time ---- */
/* Is there anything to build or to save? Cheap. */
bool segment_build_due(struct segment *segment);
/* Builds what is due, swaps finished graphs in, saves images. */
enum status segment_build(struct segment *segment, const atomic_bool *cancelled, struct error *err);
enum status segment_save_images(struct segment *segment, struct error *err);
/* Brings the files of vectors to disk and notes how far they go, so that the next start maps them
 * instead of loading; a few small rows are not worth it. At the end, beside nothing else. */
enum status segment_seal(struct segment *segment, struct error *err);
/* Writes ids, versions and places of all points to one file, which a start reads instead of
 * storage's rows when storage is exactly there. At the end, beside nothing else; few points are not
 * worth it. */
enum status segment_save_points(struct segment *segment, uint64_t applied, struct error *err);
/* The same for the payload indexes. */
enum status segment_save_fields(struct segment *segment, uint64_t applied, struct error *err);
/* A bounded piece of work on the files of vectors, to be called again and again: seals what has
 * grown; after a start looks at what was sealed, and restores from storage what is damaged. *more:
 * there is more to do at once. */
enum status segment_maintain(struct segment *segment, bool *more, struct error *err);
/* The last pieces of work that ended, newest first; returns how many. */
size_t segment_finished_work(struct segment *segment, struct finished_work *out, size_t max);
/* A new schema with the same slots. */
void segment_set_schema(struct segment *segment, struct schema *schema);

/* Points that have a value in the payload index of that spec; 0: there is none. */
uint64_t segment_field_points(struct segment *segment, const struct field_spec *spec);

/* Bytes of all payload indexes; looks at every distinct value. */
uint64_t segment_fields_memory(struct segment *segment);

struct segment_stats {
    uint64_t points, vectors, indexed_vectors, vector_bytes, index_bytes;
    bool building;          /* work is under way or due */
    bool optimizing;        /* it may be begun */
    const char *build_name; /* NULL: no work is under way */
    uint64_t build_done, build_total;
};
void segment_stats(struct segment *segment, struct segment_stats *out);
