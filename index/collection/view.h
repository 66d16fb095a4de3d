/* Reading a collection. A view pins the collection and its schema for the life of an arena; points
 * come and go beneath it: each call sees a point wholly before or wholly after any write.
 * Thread-safe. */
#pragma once
#include "index/collection/schema.h"
#include "index/filter/filter.h"
#include "index/point_id.h"
#include "index/segment/segment_plan.h"
#include "index/segment/work_log.h"
#include "index/vectors.h"
#include "storage/base/arena.h"
#include "storage/base/status.h"

#include <stdatomic.h>

struct collection;
struct view {
    struct collection *collection;
    const struct schema *schema;
    uint32_t number;  /* of the collection, for commands */
    const char *name; /* its real name */
};
struct found { /* a point as it was when found */
    struct point_id id;
    uint64_t version; /* log index of its last change */
    float score;      /* API score; 0 where there is none */
    point_offset offset;
    bool has_value;           /* of the key that points are ordered by */
    struct json_number value; /* NUMBER_SIGNED or NUMBER_REAL; of a point in time: microseconds */
};
bool view_locate(const struct view *view, struct point_id id, struct found *out);
/* Payload text of the point ("{}" when none), in the arena. NOT_FOUND (err untouched) when the
 * point is gone. */
enum status view_payload(const struct view *view, const struct found *point, struct arena *arena,
                         struct slice *out, struct error *err);
/* The same for many; a point that is gone gets data NULL. */
enum status view_payloads(const struct view *view, const struct found *points, size_t count,
                          struct arena *arena, struct slice *out, struct error *err);
/* Restored float32 (`dim` of the slot's spec). False: the point has no such vector, or is gone. */
bool view_vector(const struct view *view, const struct found *point, uint32_t slot, float *out);

struct view_search {
    uint32_t slot;
    const void *query;            /* vector_prepare_query with the spec's distance and element */
    uint32_t limit;               /* offset + limit of the request */
    uint32_t ef;                  /* 0: default */
    bool exact;                   /* scan, do not use the graph */
    bool indexed_only;            /* skip points that are not in the index yet */
    enum codes_use codes;         /* of an index that walks over codes */
    double oversampling;          /* candidates rescored for each result; 0: default */
    enum hops_use hops;           /* walks over the filter's matches alone */
    double hops_part;             /* HOPS_BELOW: at most this part of the points; 0: default */
    struct search_report *report; /* what was done; NULL: nobody wants to know */
    bool has_threshold;
    float threshold; /* API score; a point exactly at it is left out */
    const struct filter *filter;
    const atomic_bool *cancelled;
};
/* Best first, equal scores by id; at most `limit`, in the arena. CANCELLED. */
enum status view_search(const struct view *view, const struct view_search *search,
                        struct arena *arena, struct found **out, size_t *count, struct error *err);
/* Points in the order of their ids, from `start` (included; NULL: the first). `next` is the id that
 * the following page starts from, when *has_next. */
struct view_scroll {
    const struct point_id *start;
    uint32_t limit;
    const struct filter *filter;
    const atomic_bool *cancelled;
};
enum status view_scroll(const struct view *view, const struct view_scroll *scroll,
                        struct arena *arena, struct found **out, size_t *count, bool *has_next,
                        struct point_id *next, struct error *err);
enum status view_count(const struct view *view, const struct filter *filter,
                       const atomic_bool *cancelled, uint64_t *count, struct error *err);

/* Points that have a value under the key of the index (of the view's schema). */
uint64_t view_field_points(const struct view *view, const struct field_spec *field);

struct view_stats {
    uint64_t points;
    uint64_t vectors;         /* present, over all names */
    uint64_t indexed_vectors; /* of those, in a graph */
    uint64_t segments;
    uint64_t vector_bytes, index_bytes;
    bool building;                    /* background work is going on or due: status yellow */
    bool pending;                     /* it is due but switched off: status grey */
    const char *build_name;           /* of the work going on; NULL: none */
    uint64_t build_done, build_total; /* vectors, while building */
    bool failed;                      /* status red: `failure` says why */
    char failure[256];
};
void view_stats(const struct view *view, struct view_stats *out);
/* Pieces of background work that ended, newest first; returns how many. */
size_t view_finished_work(const struct view *view, struct finished_work *out, size_t max);
