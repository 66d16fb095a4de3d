/* Walking over the accepted points alone, after ACORN-1 (Patel et al., arXiv 2403.04871) and NaviX
 * (arXiv 2506.23397).
 *
 * The pool holds accepted points only, so distances are computed to these only. A node whose
 * accepted neighbours are few is given those that lie behind its refused ones: row after row of
 * them is read until it has as many as it should. Each refused node is passed once in a walk, so
 * that near the query, where the walk ends, every node costs one row and every accepted one a
 * distance. How far this goes is decided node by node: where most neighbours are accepted none is
 * passed, where hardly any is all are.
 *
 * The walk begins at the node that the levels above lead to, be it accepted or not, and at some
 * accepted points drawn at random, which help where the former stands among refused ones. It finds
 * the nearest only where accepted points stand around the query as they do elsewhere. If hardly any
 * do, or if the accepted points that it can reach run out, it gives up and says so.
 *
 * Threads: no locks; see hnsw_int.h. Failures: CANCELLED.
 */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/assert.h"
#include "storage/base/random.h"

enum {
    SEEDS = 8,         /* accepted points drawn at random */
    DRAWS_A_SEED = 64, /* words of the bits looked at for one */
    PASS_AHEAD = 6,    /* rows of refused nodes asked for before they are read */
    LOOK_MIN = 128,    /* neighbours of the start that tell whether it is among refused points */
};
static const double OPPOSED = 0.5; /* of the usual part accepted: less is hardly any */
static const double MEANT = 0.9;   /* a walk that ran out at this part of all has found all */

struct hops {
    const struct hnsw *hnsw;
    struct scratch *scratch;
    const struct search_args *args;
    const struct walk_space *space;
    point_offset end; /* no bits at or beyond */
    uint32_t wanted;  /* accepted neighbours that a node should have */
    uint32_t fresh;   /* accepted ones found for the next comparison, in scratch->ids */
    struct search_trace work;
};

static inline bool has_bit(const struct hops *h, point_offset point)
{
    const uint64_t *bits = h->args->accept->bits;
    return point < h->end && (bits[point / 64] >> (point % 64) & 1) != 0;
}

static inline bool passes_test(const struct hops *h, point_offset point)
{
    const struct accept *accept = h->args->accept;
    return accept->test == NULL || accept->test(accept->ctx, point);
}

static inline bool is_visited(const struct visited *visited, point_offset point)
{
    return point >= visited->bits || (visited->words[point / 64] >> (point % 64) & 1) != 0;
}

/* Takes the accepted neighbours of a node that the walk has not seen, and lists in `refused` (NULL:
 * none wanted) those that it may pass. Returns how many are accepted, seen or not. */
static inline uint32_t look_at(struct hops *h, point_offset point, point_offset *refused,
                               uint32_t *refused_count)
{
    struct scratch *scratch = h->scratch;
    _Atomic uint32_t *row = row_at(h->hnsw, point, 0);
    uint32_t capacity = h->hnsw->m0;
    uint32_t accepted = 0;
    point_offset id;
    uint32_t i = 0;
    for (; i < capacity && row_get(row, i, &id); i++) {
        bool seen = is_visited(&scratch->visited, id);
        if (has_bit(h, id) && (seen || passes_test(h, id))) {
            accepted++;
            scratch->ids[h->fresh] = id;
            h->fresh += !seen;
            if (!seen) {
                visited_test_and_set(&scratch->visited, id);
            }
        } else if (refused != NULL && !seen) {
            refused[(*refused_count)++] = id;
        }
    }
    h->work.checked += i;
    h->work.hops++;
    return accepted;
}

/* Reads the rows of refused nodes until the node has `wanted` accepted neighbours; returns how many
 * it has. */
static uint32_t pass(struct hops *h, const point_offset *refused, uint32_t count, uint32_t accepted,
                     uint32_t wanted)
{
    struct scratch *scratch = h->scratch;
    uint32_t room = h->hnsw->m0;
    for (uint32_t i = 0; i < count && i < PASS_AHEAD; i++) {
        walk_ask_row(h->hnsw, refused[i]);
    }
    for (uint32_t i = 0; i < count && accepted < wanted && h->fresh + room <= ROW_MAX; i++) {
        if (i + PASS_AHEAD < count) {
            walk_ask_row(h->hnsw, refused[i + PASS_AHEAD]);
        }
        if (!visited_test_and_set(&scratch->visited, refused[i])) {
            accepted += look_at(h, refused[i], NULL, NULL);
        }
    }
    return accepted;
}

static void expand(struct hops *h, point_offset point)
{
    uint32_t count = 0;
    point_offset *refused = h->scratch->own;
    uint32_t accepted = look_at(h, point, refused, &count);
    if (accepted < h->wanted / 2) {
        (void)pass(h, refused, count, accepted, h->wanted);
    }
}

/* Compares what was found and puts it into the pool. */
static void take_found(struct hops *h)
{
    struct scratch *scratch = h->scratch;
    struct pool *pool = &scratch->pool;
    walk_compare(scratch, h->space, h->fresh);
    h->work.compared += h->fresh;
    for (uint32_t i = 0; i < h->fresh; i++) {
        struct candidate found = {.distance = scratch->distances[i], .id = scratch->ids[i]};
        if (found.distance < pool_bound(pool)) {
            walk_ask_row(h->hnsw, found.id);
            pool_insert_at(pool, pool_place(pool, found.distance), found);
        }
    }
    h->fresh = 0;
}

/* Looks around the start, as far as two steps. False: hardly any point there is accepted. */
static bool begin_at(struct hops *h, struct candidate start)
{
    uint32_t count = 0;
    point_offset *refused = h->scratch->own;
    visited_test_and_set(&h->scratch->visited, start.id);
    if (has_bit(h, start.id) && passes_test(h, start.id)) {
        pool_insert_at(&h->scratch->pool, 0, start);
    }
    uint32_t accepted = look_at(h, start.id, refused, &count);
    accepted = pass(h, refused, count, accepted, UINT32_MAX);
    double usual = h->args->accept->selectivity * (double)h->work.checked;
    take_found(h);
    return h->work.checked < LOOK_MIN || (double)accepted >= OPPOSED * usual;
}

/* The first accepted point in the graph at or after a random place, near it. */
static bool draw(const struct hops *h, struct random *random, point_offset *out)
{
    const struct accept *accept = h->args->accept;
    size_t words = ((size_t)h->end + 63) / 64;
    size_t at = random_below(random, words);
    uint64_t word = accept->bits[at] & (UINT64_MAX << random_below(random, 64));
    for (int i = 0; i < DRAWS_A_SEED; i++) {
        for (; word != 0; word &= word - 1) {
            point_offset point = (point_offset)(at * 64 + (size_t)__builtin_ctzll(word));
            if (point < h->end && !is_visited(&h->scratch->visited, point) &&
                passes_test(h, point) && node_state_of(h->hnsw, point) == NODE_LINKED) {
                *out = point;
                return true;
            }
        }
        at = at + 1 < words ? at + 1 : 0;
        word = accept->bits[at];
    }
    return false;
}

static void add_seeds(struct hops *h)
{
    struct random random;
    random_init(&random, h->hnsw->seed + h->end);
    for (int i = 0; i < SEEDS && h->end > 0; i++) {
        point_offset point;
        if (draw(h, &random, &point)) {
            visited_test_and_set(&h->scratch->visited, point);
            h->scratch->ids[h->fresh++] = point;
        }
    }
    take_found(h);
}

/* False: cancelled. */
static bool walk(struct hops *h)
{
    struct pool *pool = &h->scratch->pool;
    struct candidate at;
    for (uint32_t step = 0; pool_next(pool, &at); step++) {
        if (walk_cancelled(h->args->cancelled, step)) {
            return false;
        }
        if (walk_over_budget(h->args, &h->work)) {
            h->work.gave_up = GAVE_UP_BUDGET;
            return true;
        }
        expand(h, at.id);
        for (uint32_t also = 1;
             also < h->space->beam && h->fresh + h->hnsw->m0 <= ROW_MAX && pool_next(pool, &at);
             also++) {
            expand(h, at.id);
        }
        take_found(h);
    }
    return true;
}

enum status search_hops(const struct hnsw *hnsw, struct scratch *scratch,
                        const struct search_args *args, const struct walk_space *space,
                        struct candidate start, uint32_t ef)
{
    const struct accept *accept = args->accept;
    ASSERT(accept->bits != NULL);
    point_offset planned = atomic_load_explicit(&hnsw->planned, memory_order_acquire);
    point_offset end = args->count < planned ? args->count : planned;
    end = accept->bits_count < end ? (point_offset)accept->bits_count : end;
    struct hops h = {.hnsw = hnsw,
                     .scratch = scratch,
                     .args = args,
                     .space = space,
                     .end = end,
                     .wanted = hnsw->m0};
    pool_reset(&scratch->pool, ef);
    visited_clear(&scratch->visited);
    bool done = true;
    if (begin_at(&h, start)) {
        add_seeds(&h);
        done = walk(&h);
        if (done && h.work.gave_up == GAVE_UP_NOT && scratch->pool.count < ef &&
            scratch->pool.count < MEANT * accept->selectivity * args->count) {
            h.work.gave_up = GAVE_UP_ISLAND;
        }
    } else {
        h.work.gave_up = GAVE_UP_OPPOSED;
    }
    walk_note(args, &h.work);
    return done ? STATUS_OK : STATUS_CANCELLED;
}
