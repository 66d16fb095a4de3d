/* Putting one node into the graph (algorithm 1 of the paper).
 *
 * 1. Descend greedily to the node's level; then on each level collect ef_construct near nodes and
 * choose neighbours by the paper's heuristic (algorithm 4): one that is nearer to a chosen
 * neighbour than to the node adds no direction.
 * 2. Write the node's own rows on all levels. Nobody can see them yet.
 * 3. From level 0 up, give each chosen neighbour a link back. A full row is chosen anew by the same
 * heuristic.
 *
 * Copies of one vector would crowd rows and pools: a walk keeps a few of them (`spread`), a row at
 * most a quarter. A full row of copies takes one more by handing an old one over to the newcomer,
 * so thousands of copies hang together.
 *
 * A node whose neighbours all refused the link back takes one over by force, so every node has a
 * way in. What a later pruning drops is found by hnsw_repair.c.
 *
 * Threads: any number of inserts and searches. One byte lock at a time, plus entry_lock for a node
 * above all levels. Nothing fails: memory was reserved before.
 */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/assert.h"

#include <sched.h>

static void node_lock(struct node *node)
{
    for (uint32_t spins = 0; atomic_exchange_explicit(&node->lock, 1, memory_order_acquire) != 0;
         spins++) {
        if (spins >= 64) {
            sched_yield(); /* its holder may be waiting for this core */
        }
    }
}

static void node_unlock(struct node *node)
{
    atomic_store_explicit(&node->lock, 0, memory_order_release);
}

static bool is_twin(const struct vectors *vectors, const void *a, const void *b)
{
    return memcmp(a, b, vectors->dim * element_size(vectors->element)) == 0;
}

static bool are_twins(const struct hnsw *hnsw, point_offset a, point_offset b)
{
    return is_twin(hnsw->vectors, vectors_at(hnsw->vectors, a), vectors_at(hnsw->vectors, b));
}

/* How many copies of its own vector a row may hold. */
static uint32_t twins_max(uint32_t capacity)
{
    return (capacity + 3) / 4;
}

/* Copies of `from` in its row; *last is one when there are any. */
static uint32_t twins_in_row(const struct hnsw *hnsw, _Atomic uint32_t *row, uint32_t capacity,
                             point_offset from, point_offset *last)
{
    uint32_t twins = 0;
    point_offset id;
    for (uint32_t i = 0; i < capacity && row_get(row, i, &id); i++) {
        if (are_twins(hnsw, from, id)) {
            *last = id;
            twins++;
        }
    }
    return twins;
}

static bool row_has(_Atomic uint32_t *row, uint32_t capacity, point_offset point)
{
    point_offset id;
    for (uint32_t i = 0; i < capacity && row_get(row, i, &id); i++) {
        if (id == point) {
            return true;
        }
    }
    return false;
}

struct choice {
    const void *centre;
    float centre_distance; /* of the centre to itself: what a copy of it has */
    uint32_t limit;
};

/* Is the candidate nearer to one of the chosen than to the centre, or a copy of one? */
static bool is_shadowed(const struct hnsw *hnsw, struct scratch *scratch, uint32_t chosen,
                        struct candidate candidate, const void *row)
{
    enum { STEP = 4 };
    const struct vectors *vectors = hnsw->vectors;
    for (uint32_t at = 0; at < chosen; at += STEP) {
        float distances[STEP];
        uint32_t count = chosen - at < STEP ? chosen - at : STEP;
        vectors->kernel->many(row, scratch->chosen_rows + at, count, vectors->dim, distances);
        for (uint32_t i = 0; i < count; i++) {
            if (distances[i] < candidate.distance ||
                (scratch->chosen[at + i].distance == candidate.distance &&
                 is_twin(vectors, scratch->chosen_rows[at + i], row))) {
                return true;
            }
        }
    }
    return false;
}

/* SELECT-NEIGHBORS-HEURISTIC: from `near`, nearest first, into scratch->chosen; returns how many.
 */
static uint32_t choose(const struct hnsw *hnsw, struct scratch *scratch,
                       const struct choice *choice, const struct candidate *near, uint32_t count)
{
    const struct vectors *vectors = hnsw->vectors;
    uint32_t chosen = 0;
    uint32_t twins = 0;
    for (uint32_t i = 0; i < count && chosen < choice->limit; i++) {
        struct candidate candidate = {.distance = near[i].distance,
                                      .id = near[i].id & ~POOL_EXPANDED};
        const void *row = vectors_at(vectors, candidate.id);
        bool twin =
            candidate.distance == choice->centre_distance && is_twin(vectors, choice->centre, row);
        if (twin ? twins >= twins_max(choice->limit)
                 : is_shadowed(hnsw, scratch, chosen, candidate, row)) {
            continue;
        }
        twins += twin;
        scratch->chosen[chosen] = candidate;
        scratch->chosen_rows[chosen++] = row;
    }
    return chosen;
}

static void row_write(_Atomic uint32_t *row, uint32_t capacity, const struct candidate *ids,
                      uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        row_set(row, i, ids[i].id);
    }
    for (uint32_t i = count; i < capacity; i++) {
        atomic_store_explicit(&row[i], 0, memory_order_release);
    }
}

/* True: appended, or it was there. False: full. */
static bool row_append(_Atomic uint32_t *row, uint32_t capacity, point_offset point)
{
    point_offset id;
    for (uint32_t i = 0; i < capacity; i++) {
        if (!row_get(row, i, &id)) {
            row_set(row, i, point);
            return true;
        }
        if (id == point) {
            return true;
        }
    }
    return false;
}

/* The newcomer has taken the victim's place in a row: let the victim hang from the newcomer. */
static void hand_over(struct hnsw *hnsw, uint32_t level, point_offset newcomer, point_offset victim)
{
    struct node *node = node_at(hnsw, newcomer);
    uint32_t capacity = row_capacity(hnsw, level);
    _Atomic uint32_t *row = row_at(hnsw, newcomer, level);
    node_lock(node);
    if (!row_append(row, capacity, victim)) {
        row_set(row, capacity - 1, victim);
    }
    node_unlock(node);
}

/* Reads a full row of `from` with distances to it, nearest first, into scratch->near. */
static uint32_t read_row(const struct hnsw *hnsw, struct scratch *scratch, point_offset from,
                         uint32_t level, point_offset newcomer)
{
    const struct vectors *vectors = hnsw->vectors;
    _Atomic uint32_t *row = row_at(hnsw, from, level);
    uint32_t capacity = row_capacity(hnsw, level);
    uint32_t count = 0;
    for (; count < capacity && row_get(row, count, &scratch->ids[count]); count++) {
        scratch->rows[count] = vectors_at(vectors, scratch->ids[count]);
    }
    scratch->ids[count] = newcomer;
    scratch->rows[count++] = vectors_at(vectors, newcomer);
    vectors->kernel->many(vectors_at(vectors, from), scratch->rows, count, vectors->dim,
                          scratch->distances);
    for (uint32_t i = 0; i < count; i++) {
        struct candidate item = {.distance = scratch->distances[i], .id = scratch->ids[i]};
        uint32_t at = i;
        for (; at > 0 && scratch->near[at - 1].distance > item.distance; at--) {
            scratch->near[at] = scratch->near[at - 1];
        }
        scratch->near[at] = item;
    }
    return count;
}

static void replace_in_row(_Atomic uint32_t *row, uint32_t capacity, point_offset old,
                           point_offset replacement)
{
    point_offset id;
    for (uint32_t i = 0; i < capacity && row_get(row, i, &id); i++) {
        if (id == old) {
            row_set(row, i, replacement);
            return;
        }
    }
}

static point_offset farthest_neighbour(const struct hnsw *hnsw, struct scratch *scratch,
                                       point_offset from, uint32_t level, point_offset newcomer)
{
    uint32_t count = read_row(hnsw, scratch, from, level, newcomer);
    point_offset last = scratch->near[count - 1].id;
    return last != newcomer ? last : scratch->near[count - 2].id;
}

void link_or_take_over(struct hnsw *hnsw, struct scratch *scratch, uint32_t level,
                       point_offset from, point_offset to)
{
    struct node *node = node_at(hnsw, from);
    uint32_t capacity = row_capacity(hnsw, level);
    _Atomic uint32_t *row = row_at(hnsw, from, level);
    node_lock(node);
    point_offset victim = to;
    uint32_t twins =
        are_twins(hnsw, from, to) ? twins_in_row(hnsw, row, capacity, from, &victim) : 0;
    if (row_has(row, capacity, to) ||
        (twins < twins_max(capacity) && row_append(row, capacity, to))) {
        node_unlock(node);
        return;
    }
    if (twins == 0) {
        victim = farthest_neighbour(hnsw, scratch, from, level, to);
    }
    replace_in_row(row, capacity, victim, to);
    node_unlock(node);
    hand_over(hnsw, level, to, victim);
}

/* One link back, from `from` to the newcomer. Returns whether it was kept. */
static bool link_back(struct hnsw *hnsw, struct scratch *scratch, uint32_t level, point_offset from,
                      point_offset newcomer)
{
    const struct vectors *vectors = hnsw->vectors;
    const void *centre = vectors_at(vectors, from);
    struct node *node = node_at(hnsw, from);
    uint32_t capacity = row_capacity(hnsw, level);
    _Atomic uint32_t *row = row_at(hnsw, from, level);
    node_lock(node);
    point_offset twin;
    bool refused = are_twins(hnsw, from, newcomer) &&
                   twins_in_row(hnsw, row, capacity, from, &twin) >= twins_max(capacity);
    if (refused || row_append(row, capacity, newcomer)) {
        node_unlock(node);
        return !refused;
    }
    uint32_t count = read_row(hnsw, scratch, from, level, newcomer);
    struct choice choice = {
        .centre = centre,
        .centre_distance = vectors->kernel->one(centre, centre, vectors->dim),
        .limit = capacity,
    };
    uint32_t chosen = choose(hnsw, scratch, &choice, scratch->near, count);
    bool kept = false;
    for (uint32_t i = 0; i < chosen; i++) {
        kept = kept || scratch->chosen[i].id == newcomer;
    }
    row_write(row, capacity, scratch->chosen, chosen);
    node_unlock(node);
    return kept;
}

/* Links the newcomer's neighbours on one level back to it. */
static void link_all_back(struct hnsw *hnsw, struct scratch *scratch, uint32_t level,
                          point_offset newcomer)
{
    _Atomic uint32_t *row = row_at(hnsw, newcomer, level);
    uint32_t capacity = row_capacity(hnsw, level);
    uint32_t count = 0;
    /* A copy, for others change the row as soon as the first link stands. */
    while (count < capacity && row_get(row, count, &scratch->own[count])) {
        count++;
    }
    bool kept = false;
    bool twin_kept = false;
    uint32_t twin_at = count; /* the first copy among them */
    for (uint32_t i = 0; i < count; i++) {
        bool linked = link_back(hnsw, scratch, level, scratch->own[i], newcomer);
        bool twin = are_twins(hnsw, scratch->own[i], newcomer);
        twin_at = twin && twin_at == count ? i : twin_at;
        twin_kept = twin_kept || (twin && linked);
        kept = kept || linked;
    }
    if (twin_at < count && !twin_kept) {
        link_or_take_over(hnsw, scratch, level, scratch->own[twin_at], newcomer);
    } else if (!kept && count > 0) {
        link_or_take_over(hnsw, scratch, level, scratch->own[0], newcomer);
    }
}

static void insert_below(struct hnsw *hnsw, struct scratch *scratch, point_offset point,
                         uint64_t entry)
{
    const struct vectors *vectors = hnsw->vectors;
    const void *row = vectors_at(vectors, point);
    uint32_t level = level_of(hnsw, point);
    uint32_t top = (uint32_t)(entry >> 32);
    uint32_t shared = level < top ? level : top;
    struct walk_space space = space_of_rows(hnsw, row);
    struct candidate start = candidate_of(&space, (point_offset)entry);
    start = greedy_descend(hnsw, scratch, &space, start, top, shared);
    struct choice choice = {
        .centre = row,
        .centre_distance = vectors->kernel->one(row, row, vectors->dim),
        .limit = hnsw->m,
    };
    for (uint32_t above = shared + 1; above > 0; above--) {
        struct level_walk walk = {
            .space = &space, .level = above - 1, .ef = hnsw->ef_construct, .spread = true};
        ASSERT(search_level(hnsw, scratch, &walk, start));
        start = scratch->pool.items[0];
        start.id &= ~POOL_EXPANDED;
        uint32_t chosen = choose(hnsw, scratch, &choice, scratch->pool.items, scratch->pool.count);
        row_write(row_at(hnsw, point, above - 1), row_capacity(hnsw, above - 1), scratch->chosen,
                  chosen);
    }
    for (uint32_t at = 0; at <= shared; at++) {
        link_all_back(hnsw, scratch, at, point);
    }
}

void hnsw_insert(struct hnsw *hnsw, struct scratch *scratch, point_offset point)
{
    uint32_t level = level_of(hnsw, point);
    uint64_t entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    bool raises = entry == NO_ENTRY || level > entry >> 32;
    if (raises) {
        pthread_mutex_lock(&hnsw->entry_lock);
        entry = atomic_load_explicit(&hnsw->entry, memory_order_acquire);
    }
    if (entry != NO_ENTRY) {
        insert_below(hnsw, scratch, point, entry);
    }
    atomic_store_explicit(&node_at(hnsw, point)->state, NODE_LINKED, memory_order_release);
    atomic_fetch_add_explicit(&hnsw->in_graph, 1, memory_order_relaxed);
    if (raises) {
        if (entry == NO_ENTRY || level > entry >> 32) {
            atomic_store_explicit(&hnsw->entry, (uint64_t)level << 32 | point,
                                  memory_order_release);
        }
        pthread_mutex_unlock(&hnsw->entry_lock);
    }
}
