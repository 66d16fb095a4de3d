/* Copies of one vector in a bulk build: found by a hash table of the rows' bytes, kept out of the
 * search for neighbours (all candidates of a crowd would be the crowd itself), and hung behind the
 * first of them.
 *
 * The copies of an original are numbered; number k hangs from number (k - 1) / 2, so a crowd is a
 * binary tree and nothing is far from its root. The other half of a copy's row leads out: to
 * neighbours of the original, and to those of a node some steps away, another one for each copy, so
 * that a walk that fills up with a crowd finds more ways out of it the more of the crowd it saw.
 *
 * Threads: hashing takes the job's; the rest is the caller's. Failures: TOO_LARGE without memory.
 */
#include "index/hnsw/hnsw_copies.h"

#include "index/cluster/cluster.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { HASHES_A_PIECE = 4096, NONE = 0 };

struct hashing {
    const struct copies_search *search;
    uint64_t *hashes;
};

static void hash_piece(void *ctx, size_t piece)
{
    const struct hashing *hashing = ctx;
    const struct copies_search *search = hashing->search;
    const struct vectors *vectors = search->hnsw->vectors;
    size_t bytes = row_bytes(vectors->element, vectors->dim);
    size_t end = (piece + 1) * HASHES_A_PIECE;
    end = end < search->count ? end : search->count;
    for (size_t i = piece * HASHES_A_PIECE; i < end; i++) {
        const uint8_t *row = vectors_at(vectors, search->points[i]);
        hashing->hashes[i] = checksum64(slice_of(row, bytes));
    }
}

/* The place in `table` of the first point with the same bytes, or of an empty place. */
static size_t table_place(const struct hashing *hashing, const uint32_t *table, size_t mask,
                          size_t i)
{
    const struct copies_search *search = hashing->search;
    size_t at = hashing->hashes[i] & mask;
    while (table[at] != NONE) {
        size_t other = table[at] - 1;
        if (hashing->hashes[other] == hashing->hashes[i] &&
            are_twins(search->hnsw, search->points[other], search->points[i])) {
            break;
        }
        at = (at + 1) & mask;
    }
    return at;
}

static int compare_copies(const void *a, const void *b)
{
    const struct copy *x = a;
    const struct copy *y = b;
    if (x->original != y->original) {
        return x->original < y->original ? -1 : 1;
    }
    return x->point < y->point ? -1 : x->point > y->point;
}

/* False: no memory. */
static bool sort_out(const struct hashing *hashing, uint32_t *table, size_t mask,
                     struct copies *out)
{
    const point_offset *points = hashing->search->points;
    size_t room = 0;
    for (size_t i = 0; i < hashing->search->count; i++) {
        size_t at = table_place(hashing, table, mask, i);
        if (table[at] == NONE) {
            table[at] = (uint32_t)i + 1;
            out->distinct[out->distinct_count++] = points[i];
            continue;
        }
        if (points[i] < hashing->search->from) {
            continue;
        }
        if (out->count == room) {
            room = room == 0 ? 256 : 2 * room;
            struct copy *grown = mem_try_realloc(out->items, room * sizeof *grown);
            if (grown == NULL) {
                return false;
            }
            out->items = grown;
        }
        out->items[out->count++] =
            (struct copy){.point = points[i], .original = points[table[at] - 1]};
    }
    if (out->count > 0) {
        qsort(out->items, out->count, sizeof *out->items, compare_copies);
    }
    for (size_t i = 0; i < out->count; i++) {
        bool first = i == 0 || out->items[i].original != out->items[i - 1].original;
        out->items[i].rank = first ? 1 : out->items[i - 1].rank + 1;
    }
    return true;
}

enum status copies_find(const struct copies_search *search, struct copies *out, struct error *err)
{
    struct hashing hashing = {.search = search};
    struct copies found = {0};
    size_t count = search->count;
    size_t places = 2;
    while (places < 2 * count) {
        places *= 2;
    }
    uint32_t *table = mem_try_alloc(places * sizeof *table);
    hashing.hashes = mem_try_alloc(count * sizeof *hashing.hashes + 1);
    found.distinct = mem_try_alloc(count * sizeof *found.distinct + 1);
    bool fits = table != NULL && hashing.hashes != NULL && found.distinct != NULL;
    if (fits) {
        memset(table, 0, places * sizeof *table);
        size_t pieces = (count + HASHES_A_PIECE - 1) / HASHES_A_PIECE;
        (void)parallel_for(search->threads, pieces, NULL, hash_piece, &hashing);
        fits = sort_out(&hashing, table, places - 1, &found);
    }
    mem_free(hashing.hashes);
    mem_free(table);
    if (!fits) {
        copies_deinit(&found);
        return error_set(err, STATUS_TOO_LARGE, "no memory to compare %zu points", count);
    }
    *out = found;
    return STATUS_OK;
}

void copies_deinit(struct copies *copies)
{
    mem_free(copies->items);
    mem_free(copies->distinct);
}

/* A row being put together, without repeats. */
struct new_row {
    struct candidate items[ROW_MAX];
    uint32_t count;
};

static void add(struct new_row *row, point_offset self, point_offset id)
{
    if (id == self) {
        return;
    }
    for (uint32_t i = 0; i < row->count; i++) {
        if (row->items[i].id == id) {
            return;
        }
    }
    row->items[row->count++].id = id;
}

/* Adds neighbours of `of` that are no copies of it, until the row has `limit`. */
static void add_neighbours(const struct hnsw *hnsw, struct new_row *row, point_offset self,
                           point_offset of, uint32_t level, uint32_t limit)
{
    point_offset id;
    _Atomic uint32_t *from = row_at(hnsw, of, level);
    uint32_t capacity = row_capacity(hnsw, level);
    for (uint32_t i = 0; i < capacity && row->count < limit && row_get(from, i, &id); i++) {
        if (!are_twins(hnsw, self, id)) {
            add(row, self, id);
        }
    }
}

/* A node some steps from the original, in a direction of the copy's own. */
static point_offset outpost(const struct hnsw *hnsw, const struct copy *copy, uint32_t level)
{
    enum { STEPS = 3 };
    point_offset at = copy->original;
    uint32_t way = copy->rank;
    for (uint32_t step = 0; step < STEPS; step++) {
        point_offset row[ROW_MAX];
        uint32_t count = row_read(row_at(hnsw, at, level), row_capacity(hnsw, level), row);
        if (count == 0) {
            break;
        }
        at = row[way % count];
        way /= count;
    }
    return at;
}

/* items[0] is the first of a crowd of `size` copies. */
static void link_copy(struct hnsw *hnsw, const struct copy *items, size_t size, size_t i,
                      uint32_t level)
{
    const struct copy *copy = &items[i];
    uint32_t capacity = row_capacity(hnsw, level);
    struct new_row *row = mem_alloc(sizeof *row);
    row->count = 0;
    uint32_t parent = (copy->rank - 1) / 2;
    add(row, copy->point, level > 0 || parent == 0 ? copy->original : items[parent - 1].point);
    for (size_t child = 2 * (size_t)copy->rank + 1;
         level == 0 && child <= 2 * (size_t)copy->rank + 2 && child <= size &&
         row->count < capacity;
         child++) {
        add(row, copy->point, items[child - 1].point);
    }
    uint32_t half = row->count + (capacity - row->count) / 4;
    add_neighbours(hnsw, row, copy->point, copy->original, level, half);
    add_neighbours(hnsw, row, copy->point, outpost(hnsw, copy, level), level, capacity - 1);
    add_neighbours(hnsw, row, copy->point, copy->original, level, capacity);
    row_write(row_at(hnsw, copy->point, level), capacity, row->items, row->count);
    mem_free(row);
}

void copies_link(struct hnsw *hnsw, const struct copies *copies, uint32_t level)
{
    struct scratch *scratch = scratch_of_thread();
    for (size_t begin = 0, end; begin < copies->count; begin = end) {
        const struct copy *items = copies->items + begin;
        end = begin + 1;
        while (end < copies->count && copies->items[end].original == items->original) {
            end++;
        }
        for (size_t i = 0; i < end - begin; i++) {
            link_copy(hnsw, items, end - begin, i, level);
        }
        for (size_t i = 0; level == 0 && i < end - begin && i < 2; i++) {
            link_or_take_over(hnsw, scratch, level, items->original, items[i].point);
        }
    }
}
