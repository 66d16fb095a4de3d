/* What one thread needs while it walks a graph: visited set, candidate pool, heaps, and room for a
 * batch of neighbours. Kept by the thread between searches and freed when the thread ends. */
#pragma once
#include "index/hnsw/pool.h"
#include "index/topk.h"
#include "storage/base/status.h"

#include <stddef.h>

enum { ROW_MAX = 1024 /* longest row of neighbours */ };

/* Which nodes a walk has seen. A bit set, emptied by the list of what was set, or whole when the
 * list is long. */
struct visited {
    uint64_t *words;
    size_t bits;
    point_offset *seen;
    size_t seen_count, seen_room;
};

/* Nearest-first heap of candidates for filtered searches; grows with the walk. */
struct frontier {
    struct candidate *items;
    size_t count, room;
};

struct scratch {
    struct visited visited;
    struct pool pool;
    size_t pool_room;
    struct frontier frontier;
    struct scored *accepted; /* the filtered search's results; candidates for rescoring */
    float *errors;           /* of their estimates */
    size_t accepted_room;
    void *state; /* a query's, for a quantizer; aligned to a cache line */
    void *state_memory;
    size_t state_bytes;
    /* One row of neighbours, and one more. */
    point_offset ids[ROW_MAX + 1];
    const void *rows[ROW_MAX + 1];
    float distances[ROW_MAX + 1];
    /* The neighbours an insert chooses. */
    struct candidate near[ROW_MAX + 1];
    struct candidate chosen[ROW_MAX + 1];
    const void *chosen_rows[ROW_MAX + 1];
    point_offset own[ROW_MAX + 1];
};

/* This thread's. Never NULL. */
struct scratch *scratch_of_thread(void);
/* Room for ef candidates over `nodes` nodes. TOO_LARGE: no memory. */
enum status scratch_reserve(struct scratch *scratch, size_t ef, size_t nodes, struct error *err);
/* The same for `accepted` and `errors`. */
enum status scratch_reserve_accepted(struct scratch *scratch, size_t ef, struct error *err);
/* The same for a query's state. */
enum status scratch_reserve_state(struct scratch *scratch, size_t bytes, struct error *err);

void visited_clear(struct visited *visited);

/* True: seen before, or beyond the nodes that the walk knows. */
static inline bool visited_test_and_set(struct visited *visited, point_offset point)
{
    if (point >= visited->bits) {
        return true;
    }
    uint64_t *word = &visited->words[point >> 6];
    uint64_t before = *word;
    uint64_t after = before | (uint64_t)1 << (point & 63);
    *word = after;
    /* Whether a node was seen cannot be foretold, so there is no branch. */
    size_t at = visited->seen_count < visited->seen_room ? visited->seen_count : visited->seen_room;
    visited->seen[at] = point;
    visited->seen_count += before != after;
    return before == after;
}

bool frontier_push(struct frontier *frontier, struct candidate candidate); /* false: no memory */
bool frontier_pop(struct frontier *frontier, struct candidate *out);       /* false: empty */
