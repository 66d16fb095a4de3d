/* Linking: what insertion, bulk building, vacuum and repair share.
 *
 * Only the builder writes rows, and never two of its threads the same row at once: a pass first
 * finds what it wants while the rows it reads stand still, then each row is written by the one
 * piece of work it belongs to. So rows need no locks, and the graph does not depend on the number
 * of threads. */
#pragma once
#include "index/hnsw/hnsw_int.h"

/* hnsw_choose.c */
struct choice {
    const void *centre;
    float centre_distance; /* of the centre to itself: what a copy of it has */
    uint32_t limit;
};
struct choice choice_around(const struct hnsw *hnsw, const void *centre, uint32_t limit);
/* SELECT-NEIGHBORS-HEURISTIC (algorithm 4): from `near`, nearest first, into scratch->chosen;
 * returns how many. A candidate that is nearer to a chosen one than to the centre adds no
 * direction; copies of the centre take at most twins_max(limit) places. */
uint32_t hnsw_choose(const struct hnsw *hnsw, struct scratch *scratch, const struct choice *choice,
                     const struct candidate *near, uint32_t count);
/* The same, but the first `kept` of `near` are chosen without a question. */
uint32_t hnsw_choose_more(const struct hnsw *hnsw, struct scratch *scratch,
                          const struct choice *choice, const struct candidate *near, uint32_t kept,
                          uint32_t count);
/* Fills in the distances of `near` to the centre. */
void distances_to(const struct hnsw *hnsw, struct scratch *scratch, const void *centre,
                  struct candidate *near, uint32_t count);
/* By distance, then id. */
void candidates_sort(struct candidate *near, uint32_t count);
/* Moves the `keep` first of them to the front, in no order. */
void candidates_select(struct candidate *near, uint32_t count, uint32_t keep);
bool are_twins(const struct hnsw *hnsw, point_offset a, point_offset b); /* the same bytes */
/* How many copies of its own vector a row may hold. */
uint32_t twins_max(uint32_t capacity);

/* hnsw_rows.c */
uint32_t row_read(_Atomic uint32_t *row, uint32_t capacity, point_offset *out); /* how many */
bool row_has(_Atomic uint32_t *row, uint32_t capacity, point_offset point);
void row_write(_Atomic uint32_t *row, uint32_t capacity, const struct candidate *ids,
               uint32_t count);
/* `from` gets a link to `to`; if its row is full, in place of its farthest neighbour, which `to`
 * then links to, so that nothing reachable before is lost. Copies take the place of a copy. */
void link_or_take_over(struct hnsw *hnsw, struct scratch *scratch, uint32_t level,
                       point_offset from, point_offset to);

/* hnsw_backlinks.c. The rows of `points` on `level` are written; every neighbour in them gets a
 * link back, or is chosen for anew when its row is full. */
struct backlinks {
    struct hnsw *hnsw;
    const point_offset *points; /* ascending */
    size_t count;
    uint32_t level;
    uint32_t threads;
};
enum status hnsw_link_back(const struct backlinks *links, struct error *err);
/* Those of the points that none of their own neighbours links back to, or that are copies without a
 * link from a copy, take one over by force. */
enum status hnsw_force_ways_in(const struct backlinks *links, struct error *err);

/* hnsw_insert.c. Links planned nodes, given in ascending order, each by a search in the graph as it
 * was before, and by a look at the others. At most BATCH_MAX at once. One alone may be in the graph
 * already: its rows are written anew. CANCELLED: nothing is linked. */
enum { BATCH_MAX = 256 };
enum status hnsw_insert(struct hnsw *hnsw, const point_offset *points, size_t count,
                        const struct build_job *job, struct error *err);
/* The nodes have their rows and links: they are in the graph, and one may be the entry. */
void hnsw_enter(struct hnsw *hnsw, const point_offset *points, size_t count);

/* hnsw_bulk.c. Links planned nodes, given in ascending order, all at once: see there. CANCELLED:
 * none is linked. */
enum status hnsw_bulk(struct hnsw *hnsw, const point_offset *points, size_t count,
                      const struct build_job *job, struct error *err);
