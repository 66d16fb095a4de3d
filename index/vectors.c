/* Rows in blocks whose addresses never change, and the vectors of one name on top of them.
 *
 * blocks: a table of BLOCKS_MAX pointers is mapped without being backed, so only the part in use
 * costs memory. A block is mapped the same way when the first of its rows is asked for. Pages come
 * when written, so a block of 64 MiB with ten rows costs a few pages. Huge pages are asked for once
 * waste is small beside what is used: from HUGE_FROM on in the first block, for the whole of every
 * later one.
 *
 * Threads: one writer, any readers. The writer stores a block pointer and the row's bytes, then
 * publishes them by the release store of `count`; a reader that saw the count (acquire) sees the
 * row. Presence is one atomic byte a row, for it may be taken away later. Failures: NO memory or a
 * full table give TOO_LARGE and change nothing visible.
 */
#include "index/vectors.h"

#include "storage/base/assert.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>

/* Values of the presence bytes. */
enum presence { ABSENT, PRESENT, RETIRED };

enum { PAGE_BYTES = 4096 };
enum { BLOCK_BYTES_MAX = 64 << 20, HUGE_PAGE = 2 << 20, HUGE_FROM = 4 << 20, SHIFT_MAX = 26 };
enum { FLAG_FIRST_HUGE = 1 }; /* the first block has asked for huge pages */

static void *map_lazily(size_t size, struct error *err)
{
    void *memory = mmap(NULL, size, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) {
        error_set(err, STATUS_TOO_LARGE, "cannot map %zu bytes: %s", size, strerror(errno));
        return NULL;
    }
    return memory;
}

enum status blocks_init(struct blocks *blocks, size_t stride, struct error *err)
{
    ASSERT(stride > 0 && stride <= BLOCK_BYTES_MAX);
    uint32_t shift = 0;
    while (shift < SHIFT_MAX && (stride << (shift + 1)) <= BLOCK_BYTES_MAX) {
        shift++;
    }
    void *table = map_lazily(BLOCKS_MAX * sizeof *blocks->block, err);
    if (table == NULL) {
        return STATUS_TOO_LARGE;
    }
    *blocks = (struct blocks){.stride = stride, .shift = shift, .block = table};
    return STATUS_OK;
}

static size_t block_bytes(const struct blocks *blocks)
{
    size_t bytes = blocks->stride << blocks->shift;
    return (bytes + HUGE_PAGE - 1) / HUGE_PAGE * HUGE_PAGE;
}

void blocks_deinit(struct blocks *blocks)
{
    if (blocks->block == NULL) {
        return;
    }
    for (uint32_t i = blocks->adopted; i < blocks->blocks_count; i++) {
        munmap(atomic_load_explicit(&blocks->block[i], memory_order_relaxed), block_bytes(blocks));
    }
    munmap(blocks->block, BLOCKS_MAX * sizeof *blocks->block);
    *blocks = (struct blocks){0};
}

/* A mapping whose start is aligned to a huge page: map more, give back both ends. */
static uint8_t *map_block(size_t bytes, struct error *err)
{
    uint8_t *memory = map_lazily(bytes + HUGE_PAGE, err);
    if (memory == NULL) {
        return NULL;
    }
    size_t before = (HUGE_PAGE - (uintptr_t)memory % HUGE_PAGE) % HUGE_PAGE;
    if (before > 0) {
        munmap(memory, before);
    }
    munmap(memory + before + bytes, HUGE_PAGE - before);
    return memory + before;
}

enum status blocks_grow(struct blocks *blocks, size_t count, struct error *err)
{
    size_t needed = count == 0 ? 0 : ((count - 1) >> blocks->shift) + 1;
    if (needed > BLOCKS_MAX) {
        return error_set(err, STATUS_TOO_LARGE, "a segment cannot hold %zu rows", count);
    }
    while (blocks->blocks_count < needed) {
        uint8_t *block = map_block(block_bytes(blocks), err);
        if (block == NULL) {
            return STATUS_TOO_LARGE;
        }
        if (blocks->blocks_count > 0) {
            /* Advice only: where it is refused, the pages are small. */
            (void)madvise(block, block_bytes(blocks), MADV_HUGEPAGE);
        }
        atomic_store_explicit(&blocks->block[blocks->blocks_count], block, memory_order_relaxed);
        blocks->blocks_count++;
    }
    if ((blocks->flags & FLAG_FIRST_HUGE) == 0 && blocks->adopted == 0 &&
        count > HUGE_FROM / blocks->stride) {
        blocks->flags |= FLAG_FIRST_HUGE;
        size_t bytes = block_bytes(blocks);
        if (bytes > HUGE_FROM) {
            uint8_t *first = atomic_load_explicit(&blocks->block[0], memory_order_relaxed);
            (void)madvise(first, bytes, MADV_HUGEPAGE);
        }
    }
    return STATUS_OK;
}

enum status blocks_adopt(struct blocks *blocks, uint8_t *base, size_t rows, struct error *err)
{
    ASSERT(blocks->blocks_count == 0);
    size_t whole = (uintptr_t)base % PAGE_BYTES == 0 ? rows >> blocks->shift : 0;
    if (whole > BLOCKS_MAX) {
        return error_set(err, STATUS_TOO_LARGE, "a segment cannot hold %zu rows", rows);
    }
    size_t block_size = blocks->stride << blocks->shift;
    for (size_t i = 0; i < whole; i++) {
        atomic_store_explicit(&blocks->block[i], base + i * block_size, memory_order_relaxed);
    }
    blocks->blocks_count = (uint32_t)whole;
    blocks->adopted = (uint32_t)whole;
    enum status status = blocks_grow(blocks, rows, err);
    size_t row = whole << blocks->shift;
    while (status == STATUS_OK && row < rows) {
        size_t in_block = (size_t)1 << blocks->shift;
        size_t count = rows - row < in_block ? rows - row : in_block;
        memcpy(blocks_at(blocks, row), base + row * blocks->stride, count * blocks->stride);
        row += count;
    }
    return status;
}

size_t blocks_memory(const struct blocks *blocks, size_t rows_used)
{
    return rows_used * blocks->stride;
}

static size_t row_stride(size_t dim, enum element element)
{
    size_t bytes = dim * element_size(element);
    size_t align = bytes >= 512 ? 64 : 32;
    return (bytes + align - 1) / align * align;
}

enum status vectors_init(struct vectors *vectors, enum distance distance, enum element element,
                         size_t dim, struct error *err)
{
    ASSERT(dim > 0 && dim <= 65536);
    *vectors = (struct vectors){.distance = distance,
                                .element = element,
                                .dim = dim,
                                .kernel = kernel_get(distance, element)};
    enum status status = blocks_init(&vectors->rows, row_stride(dim, element), err);
    if (status != STATUS_OK) {
        return status;
    }
    status = blocks_init(&vectors->present, 1, err);
    if (status != STATUS_OK) {
        blocks_deinit(&vectors->rows);
    }
    return status;
}

void vectors_deinit(struct vectors *vectors)
{
    blocks_deinit(&vectors->rows);
    blocks_deinit(&vectors->present);
}

enum status vectors_put(struct vectors *vectors, point_offset offset, const void *stored,
                        struct error *err)
{
    ASSERT(offset >= atomic_load_explicit(&vectors->count, memory_order_relaxed));
    ASSERT(offset < UINT32_MAX);
    size_t count = (size_t)offset + 1;
    enum status status = blocks_grow(&vectors->rows, count, err);
    if (status == STATUS_OK) {
        status = blocks_grow(&vectors->present, count, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    if (stored != NULL) {
        memcpy(blocks_at(&vectors->rows, offset), stored,
               vectors->dim * element_size(vectors->element));
        atomic_store_explicit((_Atomic uint8_t *)blocks_at(&vectors->present, offset), PRESENT,
                              memory_order_relaxed);
    }
    atomic_store_explicit(&vectors->count, offset + 1, memory_order_release);
    return STATUS_OK;
}

static void set_presence(struct vectors *vectors, point_offset offset, enum presence presence)
{
    ASSERT(offset < atomic_load_explicit(&vectors->count, memory_order_relaxed));
    atomic_store_explicit((_Atomic uint8_t *)blocks_at(&vectors->present, offset),
                          (uint8_t)presence, memory_order_release);
}

static enum presence get_presence(const struct vectors *vectors, point_offset offset)
{
    if (offset >= vectors_count(vectors)) {
        return ABSENT;
    }
    return (enum presence)atomic_load_explicit(
        (const _Atomic uint8_t *)blocks_at(&vectors->present, offset), memory_order_acquire);
}

void vectors_remove(struct vectors *vectors, point_offset offset)
{
    set_presence(vectors, offset, ABSENT);
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
    return get_presence(vectors, offset) != ABSENT;
}

size_t vectors_count(const struct vectors *vectors)
{
    return atomic_load_explicit(&vectors->count, memory_order_acquire);
}

size_t vectors_memory(const struct vectors *vectors)
{
    size_t count = vectors_count(vectors);
    return blocks_memory(&vectors->rows, count) + blocks_memory(&vectors->present, count);
}
