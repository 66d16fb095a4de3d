/* Rows in blocks whose addresses never change.
 *
 * A table of BLOCKS_MAX pointers is mapped without being backed, so only the part in use costs
 * memory. A block is mapped when the first of its rows is asked for.
 *
 * Anonymous blocks are backed lazily as well: pages come when written, so a block of 64 MiB with
 * ten rows costs a few pages. Huge pages are asked for once waste is small beside what is used:
 * from BLOCK_HUGE_FROM on in the first block, for the whole of every later one.
 *
 * Blocks of a file lie in it one after the other, each mapped as a whole. The file grows behind the
 * mapping, and always before a row is handed out: touching a mapped page without a block on disk
 * ends the process when the disk is full.
 *
 * Threads: one writer; readers reach only what the writer published by other means (the count of
 * vectors.h). blocks_release, blocks_sync, blocks_read and blocks_let_go may run beside the writer,
 * on one other thread. Failures: no memory or a full table give TOO_LARGE, a full disk NO_SPACE,
 * and change nothing visible.
 */
#include "index/blocks.h"

#include "index/blocks_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { BLOCK_BYTES_MAX = 64 << 20, SHIFT_MAX = 26 };
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
    return (bytes + BLOCK_HUGE_PAGE - 1) / BLOCK_HUGE_PAGE * BLOCK_HUGE_PAGE;
}

enum status blocks_open(struct blocks *blocks, size_t stride,
                        const struct blocks_file_options *options, struct error *err)
{
    enum status status = blocks_init(blocks, stride, err);
    if (status != STATUS_OK) {
        return status;
    }
    status =
        blocks_file_open(options, block_bytes(blocks), stride << blocks->shift, &blocks->file, err);
    if (status != STATUS_OK) {
        blocks_deinit(blocks);
    }
    return status;
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
    if (blocks->file != NULL) {
        blocks_file_close(blocks->file);
    }
    *blocks = (struct blocks){0};
}

/* A mapping whose start is aligned to a huge page: map more, give back both ends. */
static uint8_t *map_block(const struct blocks *blocks, struct error *err)
{
    size_t bytes = block_bytes(blocks);
    uint8_t *memory = map_lazily(bytes + BLOCK_HUGE_PAGE, err);
    if (memory == NULL) {
        return NULL;
    }
    size_t before = (BLOCK_HUGE_PAGE - (uintptr_t)memory % BLOCK_HUGE_PAGE) % BLOCK_HUGE_PAGE;
    if (before > 0) {
        munmap(memory, before);
    }
    munmap(memory + before + bytes, BLOCK_HUGE_PAGE - before);
    memory += before;
    if (blocks->file != NULL &&
        blocks_file_map(blocks->file, blocks->blocks_count, memory, err) != STATUS_OK) {
        munmap(memory, bytes);
        return NULL;
    }
    return memory;
}

static enum status map_blocks(struct blocks *blocks, size_t count, struct error *err)
{
    size_t needed = count == 0 ? 0 : ((count - 1) >> blocks->shift) + 1;
    if (needed > BLOCKS_MAX) {
        return error_set(err, STATUS_TOO_LARGE, "a segment cannot hold %zu rows", count);
    }
    while (blocks->blocks_count < needed) {
        uint8_t *block = map_block(blocks, err);
        if (block == NULL) {
            return STATUS_TOO_LARGE;
        }
        if (blocks->blocks_count > 0 && blocks->file == NULL) {
            /* Advice only: where it is refused, the pages are small. */
            (void)madvise(block, block_bytes(blocks), MADV_HUGEPAGE);
        }
        atomic_store_explicit(&blocks->block[blocks->blocks_count], block, memory_order_relaxed);
        blocks->blocks_count++;
    }
    return STATUS_OK;
}

/* Where a row begins in the file. */
static uint64_t row_place(const struct blocks *blocks, size_t row)
{
    size_t in_block = row & (((size_t)1 << blocks->shift) - 1);
    return (uint64_t)(row >> blocks->shift) * block_bytes(blocks) + in_block * blocks->stride;
}

enum status blocks_keep(struct blocks *blocks, size_t rows, struct error *err)
{
    ASSERT(blocks->file != NULL);
    uint64_t end = rows == 0 ? 0 : row_place(blocks, rows - 1) + blocks->stride;
    uint64_t size = 0;
    enum status status = blocks_file_size(blocks->file, &size, err);
    if (status == STATUS_OK && size < end) {
        return error_set(err, STATUS_CORRUPT, "%s has %llu bytes instead of %llu",
                         blocks->file->path, (unsigned long long)size, (unsigned long long)end);
    }
    if (status == STATUS_OK) {
        status = blocks_file_cut(blocks->file, end, err);
    }
    status = status == STATUS_OK ? map_blocks(blocks, rows, err) : status;
    if (status == STATUS_OK) {
        blocks_file_advise(blocks->file, blocks);
    }
    return status;
}

enum status blocks_grow_from(struct blocks *blocks, size_t first, size_t count, struct error *err)
{
    if (blocks->file != NULL && count > 0 && count <= (size_t)BLOCKS_MAX << blocks->shift) {
        enum status status =
            blocks_file_allocate(blocks->file, row_place(blocks, first),
                                 row_place(blocks, count - 1) + blocks->stride, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    uint32_t mapped = blocks->blocks_count;
    enum status status = map_blocks(blocks, count, err);
    if (status == STATUS_OK && blocks->file != NULL) {
        if (blocks->blocks_count != mapped || !blocks->file->huge) {
            blocks_file_advise(blocks->file, blocks);
        }
        return STATUS_OK;
    }
    if (status == STATUS_OK && (blocks->flags & FLAG_FIRST_HUGE) == 0 && blocks->adopted == 0 &&
        count > BLOCK_HUGE_FROM / blocks->stride) {
        blocks->flags |= FLAG_FIRST_HUGE;
        size_t bytes = block_bytes(blocks);
        if (bytes > BLOCK_HUGE_FROM) {
            uint8_t *first_block = atomic_load_explicit(&blocks->block[0], memory_order_relaxed);
            (void)madvise(first_block, bytes, MADV_HUGEPAGE);
        }
    }
    return status;
}

enum status blocks_grow(struct blocks *blocks, size_t count, struct error *err)
{
    return blocks_grow_from(blocks, 0, count, err);
}

enum status blocks_adopt(struct blocks *blocks, uint8_t *base, size_t rows, struct error *err)
{
    ASSERT(blocks->blocks_count == 0 && blocks->file == NULL);
    size_t whole = (uintptr_t)base % BLOCK_PAGE == 0 ? rows >> blocks->shift : 0;
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

/* The part of the rows that lies in one block. */
static enum status release_in_block(struct blocks *blocks, size_t first, size_t count,
                                    struct error *err)
{
    size_t number = first >> blocks->shift;
    size_t in_block = first & (((size_t)1 << blocks->shift) - 1);
    size_t begin = (in_block * blocks->stride + BLOCK_PAGE - 1) / BLOCK_PAGE * BLOCK_PAGE;
    size_t end = (in_block + count) * blocks->stride / BLOCK_PAGE * BLOCK_PAGE;
    if (begin >= end) {
        return STATUS_OK;
    }
    if (blocks->file != NULL) {
        enum status status = blocks_file_punch(
            blocks->file, number * (uint64_t)block_bytes(blocks) + begin, end - begin, err);
        if (status != STATUS_OK) {
            return status;
        }
    } else {
        uint8_t *block = atomic_load_explicit(&blocks->block[number], memory_order_relaxed);
        if (madvise(block + begin, end - begin, MADV_DONTNEED) != 0) {
            return error_set(err, STATUS_INTERNAL, "cannot give back memory: %s", strerror(errno));
        }
    }
    atomic_fetch_add_explicit(&blocks->released, end - begin, memory_order_relaxed);
    return STATUS_OK;
}

enum status blocks_release(struct blocks *blocks, size_t first, size_t count, struct error *err)
{
    size_t rows_a_block = (size_t)1 << blocks->shift;
    enum status status = STATUS_OK;
    while (count > 0 && status == STATUS_OK) {
        size_t here = rows_a_block - (first & (rows_a_block - 1));
        here = here < count ? here : count;
        status = release_in_block(blocks, first, here, err);
        first += here;
        count -= here;
    }
    return status;
}

size_t blocks_memory(const struct blocks *blocks, size_t rows_used)
{
    size_t bytes = rows_used * blocks->stride;
    size_t released = atomic_load_explicit(&blocks->released, memory_order_relaxed);
    return bytes > released ? bytes - released : 0;
}

enum status blocks_sync(struct blocks *blocks, struct error *err)
{
    struct blocks_file *file = blocks->file;
    if (atomic_load(&file->unsynced)) {
        return error_set(err, STATUS_IO, "an earlier write of %s was lost", file->path);
    }
    int code = file->system->sync(file->fd);
    if (code != 0) {
        atomic_store(&file->unsynced, true);
        return error_set(err, code == ENOSPC ? STATUS_NO_SPACE : STATUS_IO, "cannot sync %s: %s",
                         file->path, strerror(code));
    }
    return STATUS_OK;
}

enum status blocks_read(const struct blocks *blocks, size_t first, size_t count, uint8_t *out,
                        struct error *err)
{
    uint64_t place = row_place(blocks, first);
    size_t bytes = count * blocks->stride;
    for (size_t done = 0; done < bytes;) {
        ssize_t got = pread(blocks->file->fd, out + done, bytes - done, (off_t)(place + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got <= 0) {
            return error_set(err, STATUS_IO, "cannot read %s: %s", blocks->file->path,
                             got < 0 ? strerror(errno) : "the file is too short");
        }
        done += (size_t)got;
    }
    return STATUS_OK;
}

void blocks_let_go(struct blocks *blocks, size_t rows)
{
    /* Advice only. The mapping's pages go first: the system keeps in memory what is mapped. */
    size_t rows_a_block = (size_t)1 << blocks->shift;
    for (size_t first = 0; first < rows; first += rows_a_block) {
        size_t here = rows - first < rows_a_block ? rows - first : rows_a_block;
        size_t bytes = here * blocks->stride / BLOCK_PAGE * BLOCK_PAGE;
        if (bytes > 0) {
            (void)madvise(blocks_at(blocks, first), bytes, MADV_DONTNEED);
            (void)posix_fadvise(blocks->file->fd, (off_t)row_place(blocks, first), (off_t)bytes,
                                POSIX_FADV_DONTNEED);
        }
    }
}

const char *blocks_path(const struct blocks *blocks)
{
    return blocks->file != NULL ? blocks->file->path : NULL;
}

enum placement blocks_placement(const struct blocks *blocks)
{
    return blocks->file != NULL ? blocks->file->placement : PLACEMENT_CACHED;
}
