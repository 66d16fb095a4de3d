/* Rows of equal size in blocks of 2^shift rows whose addresses never change. One writer, any
 * readers. The blocks are anonymous memory, or regions of one file that are mapped one after the
 * other; what a file holds survives the process. */
#pragma once
#include "storage/base/status.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum { BLOCKS_MAX = 1 << 16 };

enum placement {                   /* where the bytes should be, as clients ask for it (`memory`) */
                 PLACEMENT_CACHED, /* mapped; the system keeps in memory what is used */
                 PLACEMENT_COLD,   /* mapped, not kept */
                 PLACEMENT_PINNED, /* in memory from the start */
};

/* Calls to the system that tests replace. They return 0 or an error number. */
struct blocks_system {
    int (*allocate)(int fd, uint64_t offset, uint64_t size); /* room on disk; may grow the file */
    int (*sync)(int fd);
    int (*punch)(int fd, uint64_t offset, uint64_t size); /* gives room back; reads as zeros */
};
const struct blocks_system *blocks_system_real(void);

struct blocks_file_options {
    const char *path; /* made when missing */
    enum placement placement;
    const struct blocks_system *system; /* NULL: the real one */
};

struct blocks_file;
struct blocks {
    size_t stride;
    uint32_t shift;
    uint8_t *_Atomic *block; /* BLOCKS_MAX pointers, mapped lazily */
    uint32_t blocks_count;   /* writer's */
    uint32_t adopted;        /* the first so many are somebody else's memory */
    int flags;
    struct blocks_file *file; /* NULL: anonymous memory */
    atomic_size_t released;   /* bytes given back */
};
/* Anonymous memory. A block is at most about 64 MiB of lazily backed memory; later blocks ask for
 * huge pages. */
enum status blocks_init(struct blocks *blocks, size_t stride, struct error *err);
/* Rows of a file, which keeps what it holds; `blocks_keep` comes next. */
enum status blocks_open(struct blocks *blocks, size_t stride,
                        const struct blocks_file_options *options, struct error *err);
void blocks_deinit(struct blocks *blocks);
/* Rows 0..rows-1 of the file are addressable as they are, what is behind them is cut off. CORRUPT:
 * the file is too short, nothing was changed. Before any reader; 0 may be asked for at any time
 * then. */
enum status blocks_keep(struct blocks *blocks, size_t rows, struct error *err);
/* Makes rows 0..count-1 addressable; new rows are zero. NO_SPACE when the disk is full: nothing
 * visible has changed, and no row that was addressable can fail later. */
enum status blocks_grow(struct blocks *blocks, size_t count, struct error *err);
/* The same, but rows below `first` that are not there yet will never be written: they take no room
 * on disk. */
enum status blocks_grow_from(struct blocks *blocks, size_t first, size_t count, struct error *err);
/* For empty blocks of anonymous memory: the first `rows` rows are those at `base`, a writable
 * mapping that outlives the blocks. Whole blocks are used in place when base is aligned to a page;
 * the rest is copied. */
enum status blocks_adopt(struct blocks *blocks, uint8_t *base, size_t rows, struct error *err);
/* Gives back the whole pages among these rows, in memory and on disk; they read as zeros from then
 * on and must not be written again. The last row must have been followed by others. */
enum status blocks_release(struct blocks *blocks, size_t first, size_t count, struct error *err);
size_t blocks_memory(const struct blocks *blocks,
                     size_t rows_used); /* bytes really touched, about */

/* Files only. What was written before is on disk. After a failure what is there is unknown, and
 * stays so: every later call fails too. */
enum status blocks_sync(struct blocks *blocks, struct error *err);
/* Reads rows from the file, not from the mapping: a disk that fails gives IO, not a signal. All
 * rows are of one block. */
enum status blocks_read(const struct blocks *blocks, size_t first, size_t count, uint8_t *out,
                        struct error *err);
/* COLD: lets go of the memory of the first `rows`, which were synced. */
void blocks_let_go(struct blocks *blocks, size_t rows);
const char *blocks_path(const struct blocks *blocks); /* NULL: anonymous memory */
enum placement blocks_placement(const struct blocks *blocks);

static inline void *blocks_at(const struct blocks *blocks, size_t row)
{
    uint8_t *base =
        atomic_load_explicit(&blocks->block[row >> blocks->shift], memory_order_relaxed);
    return base + (row & (((size_t)1 << blocks->shift) - 1)) * blocks->stride;
}
