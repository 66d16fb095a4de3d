/* Rows of neighbours as the builder reads and writes them.
 *
 * Threads: one builder thread a row; searches read beside it. Nothing fails.
 */
#include "index/hnsw/hnsw_link.h"

uint32_t row_read(_Atomic uint32_t *row, uint32_t capacity, point_offset *out)
{
    uint32_t count = 0;
    while (count < capacity && row_get(row, count, &out[count])) {
        count++;
    }
    return count;
}

bool row_has(_Atomic uint32_t *row, uint32_t capacity, point_offset point)
{
    point_offset id;
    for (uint32_t i = 0; i < capacity && row_get(row, i, &id); i++) {
        if (id == point) {
            return true;
        }
    }
    return false;
}

void row_write(_Atomic uint32_t *row, uint32_t capacity, const struct candidate *ids,
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
                                       point_offset from, uint32_t level)
{
    uint32_t capacity = row_capacity(hnsw, level);
    uint32_t count = row_read(row_at(hnsw, from, level), capacity, scratch->ids);
    for (uint32_t i = 0; i < count; i++) {
        scratch->near[i].id = scratch->ids[i];
    }
    distances_to(hnsw, scratch, vectors_at(hnsw->vectors, from), scratch->near, count);
    candidates_sort(scratch->near, count);
    return scratch->near[count - 1].id;
}

void link_or_take_over(struct hnsw *hnsw, struct scratch *scratch, uint32_t level,
                       point_offset from, point_offset to)
{
    uint32_t capacity = row_capacity(hnsw, level);
    _Atomic uint32_t *row = row_at(hnsw, from, level);
    point_offset victim = to;
    uint32_t twins =
        are_twins(hnsw, from, to) ? twins_in_row(hnsw, row, capacity, from, &victim) : 0;
    if (row_has(row, capacity, to) ||
        (twins < twins_max(capacity) && row_append(row, capacity, to))) {
        return;
    }
    if (twins == 0) {
        victim = farthest_neighbour(hnsw, scratch, from, level);
    }
    replace_in_row(row, capacity, victim, to);
    /* Let the victim hang from the newcomer. */
    row = row_at(hnsw, to, level);
    if (!row_append(row, capacity, victim)) {
        row_set(row, capacity - 1, victim);
    }
}
