/* The vectors of one name in one segment: fixed-size rows in blocks whose addresses never change,
 * so searches read while the one writer appends. Row i belongs to offset i. An offset without a
 * vector has `present` false. */
#pragma once
#include "index/kernel/kernel.h"
#include "storage/base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t point_offset; /* position inside one segment; never leaves index/ */

enum { BLOCKS_MAX = 1 << 16 };

enum placement {                   /* where the bytes should be, as clients ask for it (`memory`) */
                 PLACEMENT_CACHED, /* mapped; the system keeps in memory what is used */
                 PLACEMENT_COLD,   /* mapped, not kept */
                 PLACEMENT_PINNED, /* in memory from the start */
};

/* Rows of equal size in blocks of 2^shift rows. One writer, any readers. */
struct blocks {
    size_t stride;
    uint32_t shift;
    uint8_t *_Atomic *block; /* BLOCKS_MAX pointers, mapped lazily */
    uint32_t blocks_count;   /* writer's */
    uint32_t adopted;        /* the first so many are somebody else's memory */
    int flags;
};
/* A block is at most about 64 MiB of lazily backed memory; later blocks ask for huge pages. */
enum status blocks_init(struct blocks *blocks, size_t stride, struct error *err);
void blocks_deinit(struct blocks *blocks);
/* Makes rows 0..count-1 addressable; new rows are zero. */
enum status blocks_grow(struct blocks *blocks, size_t count, struct error *err);
/* For empty blocks: the first `rows` rows are those at `base`, a writable mapping that outlives the
 * blocks. Whole blocks are used in place when base is aligned to a page; the rest is copied. */
enum status blocks_adopt(struct blocks *blocks, uint8_t *base, size_t rows, struct error *err);
size_t blocks_memory(const struct blocks *blocks,
                     size_t rows_used); /* bytes really touched, about */
static inline void *blocks_at(const struct blocks *blocks, size_t row)
{
    uint8_t *base =
        atomic_load_explicit(&blocks->block[row >> blocks->shift], memory_order_relaxed);
    return base + (row & (((size_t)1 << blocks->shift) - 1)) * blocks->stride;
}

struct vectors {
    enum distance distance;
    enum element element;
    size_t dim;
    const struct kernel *kernel;
    struct blocks rows;    /* stride: dim x element, padded to 32 bytes (64 from 512 up) */
    struct blocks present; /* one atomic byte a row */
    atomic_uint count;     /* rows addressable and published: offsets 0..count-1 */
};
enum status vectors_init(struct vectors *vectors, enum distance distance, enum element element,
                         size_t dim, struct error *err);
void vectors_deinit(struct vectors *vectors);
/* Offset must be >= count; rows between are absent. `stored` NULL: absent. Publishes the row
 * (release). */
enum status vectors_put(struct vectors *vectors, point_offset offset, const void *stored,
                        struct error *err);
/* The same for a point that has gone as a whole: what a reader found a moment ago can still be
 * read. */
void vectors_retire(struct vectors *vectors, point_offset offset);
/* Present, or retired since. */
bool vectors_had(const struct vectors *vectors, point_offset offset);
void vectors_remove(struct vectors *vectors,
                    point_offset offset); /* marks absent; the row's bytes stay for graph walks */
bool vectors_has(const struct vectors *vectors, point_offset offset);
static inline const void *vectors_at(const struct vectors *vectors, point_offset offset)
{
    return blocks_at(&vectors->rows, offset);
}
size_t vectors_count(const struct vectors *vectors); /* acquire */
size_t vectors_memory(const struct vectors *vectors);
