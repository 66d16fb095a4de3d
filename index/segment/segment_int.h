/* Shared inside the segment's files only. */
#pragma once
#include "index/field/field_set.h"
#include "index/segment/id_map.h"
#include "index/segment/match_cache.h"
#include "index/segment/match_set.h"
#include "index/segment/segment.h"
#include "index/segment/work_log.h"
#include "index/vectors_file.h"
#include "storage/base/bitmap.h"
#include "storage/base/hashmap.h"

enum { SEGMENT_INDEX_SEED = 42 }; /* an index does not vary between runs */

/* How a slot's vectors are indexed. A slot whose spec asks for another gets its index built anew.
 */
struct index_spec {
    const struct vindex_kind *kind;
    struct vindex_params params;
};
/* An index in use: readers hold a reference, so a rebuilt one can be swapped in at any time. */
struct index_ref {
    atomic_uint refs;
    struct vindex *index;
    struct index_spec spec; /* what it was built with */
    void *mapping;          /* the image it was opened from, used in place; NULL: none */
    size_t mapping_size;
    atomic_bool unmappable; /* its image could not be opened in its place */
    atomic_uint saved;      /* points linked when its image was saved */
};

/* What a reader sees: the batches up to `version` (see batch_number), whose points lie below
 * `count`.
 */
struct snapshot {
    uint64_t version;
    point_offset count;
};

/* Places of points that have gone. Their rows stay in storage for a while, so that what a reader
 * found can be read: those in `fresh` until the purge after the next. */
struct graveyard {
    pthread_mutex_t lock; /* guards all */
    point_offset *fresh, *old;
    size_t fresh_count, old_count, fresh_capacity;
    uint64_t old_begun; /* `old` holds places that batches up to this one left */
};

struct slot {
    struct vectors vectors;
    atomic_uint present;  /* points that have this vector */
    atomic_uint dead;     /* rows whose point has gone or changed */
    pthread_mutex_t lock; /* guards index and spec */
    struct index_ref *index;
    struct vector_spec spec;
    atomic_uint built;       /* progress of the build under way */
    atomic_uint build_total; /* 0: none under way */
    const char *_Atomic build_name;
    atomic_uint worn_purges; /* purges since too many rows are dead: what went is buried by then */
    const struct vindex_kind *_Atomic chosen; /* by the last race of kinds; NULL: none was run */
    atomic_uint raced_at;                     /* points there were when it was run */
    atomic_uint stalled_at; /* points there were when the index wanted more of them to begin */
    atomic_uint
        dead_at_build; /* rows that were dead when the graph was begun: they are not in it */
};

/* A payload that the command being made has written, until it is committed. */
struct pending {
    point_offset offset;
    size_t size;
    uint8_t payload[];
};

struct segment {
    struct kv *kv;
    uint32_t collection;
    char *index_path;
    uint32_t build_threads;
    struct blocks points; /* struct point_row */
    struct blocks live;   /* one atomic byte a point */
    struct id_map ids;
    atomic_uint count; /* next offset */
    struct slot *slots;
    uint32_t slots_count;
    pthread_mutex_t schema_lock; /* guards schema */
    struct schema *schema;
    pthread_mutex_t snapshot_lock; /* guards snapshot */
    struct snapshot snapshot;      /* the newest; moves when a command is committed */
    pthread_mutex_t write_lock;    /* held by a writer for a whole batch; guards batch_number */
    uint64_t batch_number;         /* of the batch being made: every command, every move */
    _Atomic uint64_t begun;        /* the newest batch that changed something here */
    struct work_log work;
    struct graveyard graves;
    struct match_cache matches;
    struct field_set *fields; /* payload indexes; see segment_fields.c */
    point_offset moved_below; /* no range below is worth moving from; the builder's */
    unsigned moves_seen;      /* `gone` when the ranges were looked through; the builder's */
    atomic_uint gone;         /* places that points have left */
    struct bitmap given_back; /* ranges whose point rows were given back; the builder's */
    point_offset seal_tried;  /* rows there were when sealing was tried last; the builder's */
    atomic_bool dropped;      /* the collection is gone: its rows are being removed */
    bool edited;              /* this command changed something in place; the writer's */
    struct hashmap
        *pending; /* offset -> struct pending, payloads not committed yet; the writer's */
};

static inline atomic_uchar *live_at(const struct segment *segment, point_offset offset)
{
    return (atomic_uchar *)blocks_at(&segment->live, offset);
}
static inline bool is_live(const struct segment *segment, point_offset offset)
{
    return atomic_load_explicit(live_at(segment, offset), memory_order_acquire) != 0;
}
static inline struct point_row *row_at(const struct segment *segment, point_offset offset)
{
    return blocks_at(&segment->points, offset);
}
/* Does the snapshot hold the point at this place (below snapshot->count)? */
static inline bool is_visible(const struct segment *segment, point_offset offset,
                              const struct snapshot *snapshot)
{
    return is_live(segment, offset) ||
           atomic_load_explicit(&row_at(segment, offset)->retired, memory_order_acquire) >
               snapshot->version;
}
static inline size_t vector_bytes(const struct slot *slot)
{
    return row_bytes(slot->vectors.element, slot->vectors.dim);
}

/* segment_load.c */
enum status segment_load(struct segment *segment, uint64_t applied, struct error *err);
/* segment_points_image.c */
/* Fills points, ids and, for each slot, the set of places that have a vector, from the file. Not
 * *loaded: the file is missing, of another state, or damaged (which is logged). */
void segment_points_load(struct segment *segment, uint64_t applied, struct bitmap *has,
                         bool *loaded);
/* segment_write.c */
enum status segment_grow(struct segment *segment, point_offset count, struct error *err);
/* Was the filter seen before? Notes that it was. */
bool segment_knows_filter(struct segment *segment, const struct filter *filter);
/* Matches remembered of all offsets below `count`, some of which may have died since; + reference,
 * or NULL. */
struct match_entry *segment_remembered(struct segment *segment, const struct filter *filter,
                                       point_offset count);
bool segment_is_pending(struct segment *segment, point_offset offset);
struct snapshot segment_snapshot(struct segment *segment);
/* Has this batch, that `begun` told, been committed, with all before it? What is gone in memory
 * because of it may go from storage only then: after a crash it is applied again, to what it found
 * before. */
bool segment_is_committed(struct segment *segment, uint64_t begun);
/* segment_match.c */
enum status segment_matches_at(struct segment *segment, const struct filter *filter,
                               const struct snapshot *snapshot, const atomic_bool *cancelled,
                               struct bitmap *out, struct error *err);
/* The same without the payload indexes, which do not help. */
enum status segment_matches_by_pass(struct segment *segment, const struct filter *filter,
                                    const struct snapshot *snapshot, const atomic_bool *cancelled,
                                    struct bitmap *out, struct error *err);
/* segment_lookup.c */
/* Sets the bits of the points, all below `bits`. */
void segment_set_bits(const roaring_bitmap_t *points, struct bitmap *bits);
/* Exactly the points that the filter accepts and the snapshot shows, by the payload indexes; NULL:
 * they do not help, or the matches are remembered. The caller's to free. */
enum status segment_lookup(struct segment *segment, const struct filter *filter,
                           const struct snapshot *snapshot, const atomic_bool *cancelled,
                           roaring_bitmap_t **out, struct error *err);
/* With the lock of the indexes held for reading: what they tell of the filter, hidden points
 * included. False: nothing. */
struct candidates;
bool segment_candidates(struct segment *segment, const struct filter *filter,
                        const struct snapshot *snapshot, struct candidates *out);
/* Takes out of the set what the indexes know and the snapshot does not show. */
void segment_drop_hidden(struct segment *segment, const struct snapshot *snapshot,
                         roaring_bitmap_t *set);
/* What the command being made would see; sets bits of `out`. False: indexes do not help. */
bool segment_lookup_pending(struct segment *segment, const struct filter *filter,
                            struct bitmap *out);
/* segment_purge.c */
void graveyard_init(struct graveyard *graves);
void graveyard_deinit(struct graveyard *graves);
void graveyard_add(struct graveyard *graves, point_offset offset);
/* Where the point is in the snapshot: a place that it has left since, if it was moved, replaced or
 * deleted a moment ago. */
bool segment_locate_at(struct segment *segment, struct point_id id, const struct snapshot *snapshot,
                       point_offset *out);
enum status segment_remove_rows(struct segment *segment, const point_offset *offsets, size_t count,
                                struct error *err);
/* segment_reclaim.c */
/* No index of the slot refers to these places any more, nor will, as far as they hold no vector
 * (NULL: to any such place). What no reader needs either is given back, now or with a later purge.
 * Builder only. */
enum status segment_reclaim(struct segment *segment, uint32_t slot, const struct bitmap *unreferred,
                            struct error *err);
/* Gives back what nobody needs, in all slots. */
enum status segment_release(struct segment *segment, struct error *err);
/* segment_build.c */
/* After each purge. An index is vacuumed some purges after it became due, so that it gets rid of
 * all that went at once: what readers may still want, it must keep. */
void segment_note_purge(struct segment *segment);
struct index_ref *slot_pin(struct slot *slot); /* NULL: no graph */
void slot_unpin(struct index_ref *ref);
void slot_set_index(struct slot *slot, struct index_ref *ref); /* NULL: none; drops the old one */
/* Takes the index, and the mapping it uses, if any. */
struct index_ref *index_ref_create(struct vindex *index, const struct index_spec *spec,
                                   void *mapping, size_t mapping_size);
/* segment_choice.c */
/* What the slot's vectors should be indexed with, `now` being what they are indexed with (NULL:
 * nothing). */
struct index_spec slot_wanted_index(struct slot *slot, const struct index_ref *now);
/* Should the kinds race against each other (again)? Only where the choice is the server's. */
bool slot_race_due(struct slot *slot);
enum status slot_race(struct segment *segment, struct slot *slot, const atomic_bool *cancelled,
                      struct error *err);
/* The kind of an index at hand was chosen before. */
void slot_note_choice(struct slot *slot, const struct vindex_kind *kind);
/* Would an index of spec `a` answer as one of spec `b`? */
bool index_spec_equal(const struct index_spec *a, const struct index_spec *b);
struct vector_spec slot_spec(struct slot *slot);
/* segment_image.c */
enum status segment_image_load(struct segment *segment, uint32_t slot, struct error *err);
enum status segment_image_save(struct segment *segment, uint32_t slot, struct error *err);
void segment_image_remove(struct segment *segment, uint32_t slot);
