/* Choosing neighbours: the heuristic of Malkov & Yashunin's algorithm 4, and what is special about
 * copies of one vector.
 *
 * Copies would crowd rows and pools, so a row holds at most a quarter of them; they hang together
 * in chains. Any thread; nothing fails.
 */
#include "index/hnsw/hnsw_link.h"

#include <stdlib.h>
#include <string.h>

static bool is_twin(const struct vectors *vectors, const void *a, const void *b)
{
    return memcmp(a, b, row_bytes(vectors->element, vectors->dim)) == 0;
}

bool are_twins(const struct hnsw *hnsw, point_offset a, point_offset b)
{
    return is_twin(hnsw->vectors, vectors_at(hnsw->vectors, a), vectors_at(hnsw->vectors, b));
}

uint32_t twins_max(uint32_t capacity)
{
    return (capacity + 3) / 4;
}

struct choice choice_around(const struct hnsw *hnsw, const void *centre, uint32_t limit)
{
    const struct vectors *vectors = hnsw->vectors;
    return (struct choice){.centre = centre,
                           .centre_distance = vectors->kernel->one(centre, centre, vectors->dim),
                           .limit = limit};
}

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

uint32_t hnsw_choose_more(const struct hnsw *hnsw, struct scratch *scratch,
                          const struct choice *choice, const struct candidate *near, uint32_t kept,
                          uint32_t count)
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
        if (i >= kept && (twin ? twins >= twins_max(choice->limit)
                               : is_shadowed(hnsw, scratch, chosen, candidate, row))) {
            continue;
        }
        twins += twin;
        scratch->chosen[chosen] = candidate;
        scratch->chosen_rows[chosen++] = row;
    }
    return chosen;
}

uint32_t hnsw_choose(const struct hnsw *hnsw, struct scratch *scratch, const struct choice *choice,
                     const struct candidate *near, uint32_t count)
{
    return hnsw_choose_more(hnsw, scratch, choice, near, 0, count);
}

void distances_to(const struct hnsw *hnsw, struct scratch *scratch, const void *centre,
                  struct candidate *near, uint32_t count)
{
    const struct vectors *vectors = hnsw->vectors;
    for (uint32_t from = 0; from < count; from += ROW_MAX) {
        uint32_t width = count - from < ROW_MAX ? count - from : ROW_MAX;
        for (uint32_t i = 0; i < width; i++) {
            scratch->rows[i] = vectors_at(vectors, near[from + i].id);
        }
        vectors->kernel->many(centre, scratch->rows, width, vectors->dim, scratch->distances);
        for (uint32_t i = 0; i < width; i++) {
            near[from + i].distance = scratch->distances[i];
        }
    }
}

static bool is_before(struct candidate a, struct candidate b)
{
    return a.distance < b.distance || (a.distance == b.distance && a.id < b.id);
}

static int compare(const void *a, const void *b)
{
    const struct candidate *x = a;
    const struct candidate *y = b;
    return is_before(*x, *y) ? -1 : is_before(*y, *x) ? 1 : 0;
}

void candidates_sort(struct candidate *near, uint32_t count)
{
    enum { SHORT = 80 };
    if (count > SHORT) {
        qsort(near, count, sizeof *near, compare);
        return;
    }
    for (uint32_t i = 1; i < count; i++) {
        struct candidate item = near[i];
        uint32_t at = i;
        for (; at > 0 && is_before(item, near[at - 1]); at--) {
            near[at] = near[at - 1];
        }
        near[at] = item;
    }
}

static void swap(struct candidate *a, struct candidate *b)
{
    struct candidate held = *a;
    *a = *b;
    *b = held;
}

/* Hoare's selection. */
void candidates_select(struct candidate *items, uint32_t count, uint32_t keep)
{
    uint32_t low = 0;
    uint32_t high = count > 0 ? count - 1 : 0;
    while (low < high) {
        struct candidate pivot = items[low + (high - low) / 2];
        uint32_t i = low;
        uint32_t j = high;
        for (;;) {
            while (is_before(items[i], pivot)) {
                i++;
            }
            while (is_before(pivot, items[j])) {
                j--;
            }
            if (i >= j) {
                break;
            }
            swap(&items[i++], &items[j--]);
        }
        /* low..j are not behind the pivot, j+1..high not before it. */
        if (keep == j + 1) {
            return;
        }
        if (keep <= j) {
            high = j;
        } else {
            low = j + 1;
        }
    }
}
