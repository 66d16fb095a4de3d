/* The vectors of one name: rows, and one presence byte for each.
 *
 * Threads: one writer, any readers. The writer stores the row's bytes and its presence, then
 * publishes them by the release store of `count`; a reader that saw the count (acquire) sees the
 * row. Presence may be taken away later. Rows are given back by one more thread, which touches only
 * rows that are not present any more.
 *
 * Failures: no memory or a full table give TOO_LARGE, a full disk NO_SPACE, and change nothing
 * visible.
 */
#include "index/vectors.h"

#include "index/vectors_int.h"
#include "storage/base/assert.h"

#include <assert.h>
#include <string.h>

size_t vectors_stride(size_t dim, enum element element)
{
    size_t bytes = row_bytes(element, dim);
    /* Padding would undo what the smallest elements are for. */
    size_t align = element == ELEMENT_TURBO4 ? 8 : bytes >= 512 ? 64 : 32;
    return (bytes + align - 1) / align * align;
}

enum status vectors_prepare(struct vectors *vectors, enum distance distance, enum element element,
                            size_t dim, struct error *err)
{
    ASSERT(dim > 0 && dim <= 65536);
    *vectors = (struct vectors){.distance = distance,
                                .element = element,
                                .dim = dim,
                                .kernel = kernel_get(distance, element)};
    return blocks_init(&vectors->present, 1, err);
}

enum status vectors_init(struct vectors *vectors, enum distance distance, enum element element,
                         size_t dim, struct error *err)
{
    enum status status = vectors_prepare(vectors, distance, element, dim, err);
    if (status == STATUS_OK) {
        status = blocks_init(&vectors->rows, vectors_stride(dim, element), err);
    }
    if (status != STATUS_OK) {
        vectors_deinit(vectors);
    }
    return status;
}

void vectors_deinit(struct vectors *vectors)
{
    blocks_deinit(&vectors->rows);
    blocks_deinit(&vectors->present);
    if (vectors->seal != NULL) {
        seal_destroy(vectors->seal);
        vectors->seal = NULL;
    }
}

enum status vectors_reserve(struct vectors *vectors, point_offset offset, struct error *err)
{
    ASSERT(offset >= atomic_load_explicit(&vectors->count, memory_order_relaxed));
    ASSERT(offset < UINT32_MAX);
    size_t count = (size_t)offset + 1;
    enum status status = blocks_grow_from(&vectors->rows, offset, count, err);
    return status == STATUS_OK ? blocks_grow(&vectors->present, count, err) : status;
}

enum status vectors_put(struct vectors *vectors, point_offset offset, const void *stored,
                        struct error *err)
{
    enum status status = vectors_reserve(vectors, offset, err);
    if (status != STATUS_OK) {
        return status;
    }
    if (stored != NULL) {
        memcpy(blocks_at(&vectors->rows, offset), stored,
               row_bytes(vectors->element, vectors->dim));
        atomic_store_explicit(presence_at(vectors, offset), PRESENT, memory_order_relaxed);
    }
    atomic_store_explicit(&vectors->count, offset + 1, memory_order_release);
    return STATUS_OK;
}

static void set_presence(struct vectors *vectors, point_offset offset, enum presence presence)
{
    ASSERT(offset < atomic_load_explicit(&vectors->count, memory_order_relaxed));
    atomic_store_explicit(presence_at(vectors, offset), (uint8_t)presence, memory_order_release);
}

static enum presence get_presence(const struct vectors *vectors, point_offset offset)
{
    return offset < vectors_count(vectors) ? presence_state(vectors, offset) : ABSENT;
}

void vectors_remove(struct vectors *vectors, point_offset offset)
{
    set_presence(vectors, offset, DEAD);
}

void vectors_retire(struct vectors *vectors, point_offset offset)
{
    set_presence(vectors, offset, RETIRED);
}

bool vectors_has(const struct vectors *vectors, point_offset offset)
{
    return get_presence(vectors, offset) == PRESENT;
}

bool vectors_had(const struct vectors *vectors, point_offset offset)
{
    enum presence presence = get_presence(vectors, offset);
    return presence == PRESENT || presence == RETIRED;
}

size_t vectors_count(const struct vectors *vectors)
{
    return atomic_load_explicit(&vectors->count, memory_order_acquire);
}

void vectors_bury(struct vectors *vectors, point_offset offset)
{
    static_assert((RETIRED | 1) == DEAD, "a retired row dies by one bit");
    if (get_presence(vectors, offset) == RETIRED) {
        atomic_fetch_or_explicit(presence_at(vectors, offset), 1, memory_order_release);
    }
}

void vectors_unrefer(struct vectors *vectors, point_offset offset)
{
    enum presence presence = get_presence(vectors, offset);
    ASSERT(presence != PRESENT);
    if (presence == RETIRED || presence == DEAD) {
        atomic_fetch_or_explicit(presence_at(vectors, offset), UNREFERRED, memory_order_relaxed);
    }
}

static bool is_gone(enum presence state)
{
    return state == ABSENT || state == FREED;
}

/* Gives back pages among the rows that are gone, run by run, where something is new. */
static enum status release_runs(struct vectors *vectors, size_t *released, struct error *err)
{
    size_t count = vectors_count(vectors);
    enum status status = STATUS_OK;
    for (size_t begin = 0; begin < count && status == STATUS_OK;) {
        size_t end = begin;
        size_t freed = 0;
        for (; end < count; end++) {
            enum presence state = presence_state(vectors, (point_offset)end);
            if (!is_gone(state)) {
                break;
            }
            freed += state == FREED;
        }
        /* The last page may be shared with rows to come: what ends at `count` waits, but for its
         * last row. */
        size_t last = end == count && end > begin ? end - 1 : end;
        if (freed > 0 && last > begin) {
            status = blocks_release(&vectors->rows, begin, last - begin, err);
            for (size_t i = begin; i < last && status == STATUS_OK; i++) {
                set_presence(vectors, (point_offset)i, ABSENT);
            }
            *released += status == STATUS_OK ? freed : 0;
        }
        begin = end + 1;
    }
    return status;
}

enum status vectors_release(struct vectors *vectors, size_t *released, struct error *err)
{
    size_t count = vectors_count(vectors);
    size_t freed = 0;
    *released = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t byte =
            atomic_load_explicit(presence_at(vectors, (point_offset)i), memory_order_relaxed);
        if (byte == (DEAD | UNREFERRED)) {
            set_presence(vectors, (point_offset)i, FREED);
            freed++;
        }
        freed += byte == FREED;
    }
    if (freed == 0) {
        return STATUS_OK;
    }
    enum status status = vectors->seal != NULL ? seal_without_freed(vectors, err) : STATUS_OK;
    return status == STATUS_OK ? release_runs(vectors, released, err) : status;
}

struct vectors_usage vectors_usage(const struct vectors *vectors)
{
    size_t count = vectors_count(vectors);
    size_t rows = blocks_memory(&vectors->rows, count);
    struct vectors_usage usage = {.anonymous = blocks_memory(&vectors->present, count)};
    *(vectors->seal != NULL ? &usage.mapped : &usage.anonymous) += rows;
    return usage;
}

size_t vectors_memory(const struct vectors *vectors)
{
    struct vectors_usage usage = vectors_usage(vectors);
    return usage.anonymous + usage.mapped;
}
