/* The vectors of one name in one segment: fixed-size rows in blocks whose addresses never change,
 * so searches read while the one writer appends. Row i belongs to offset i. An offset without a
 * vector has `present` false.
 *
 * A row's life: absent; present from vectors_put on; retired when its point has gone but may still
 * be read by who found it; dead when nobody may, though graphs walk over it; absent again when no
 * graph does either and vectors_release was called. */
#pragma once
#include "index/blocks.h"
#include "index/kernel/kernel.h"
#include "storage/base/status.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef uint32_t point_offset; /* position inside one segment; never leaves index/ */

struct seal;
struct vectors {
    enum distance distance;
    enum element element;
    size_t dim;
    const struct kernel *kernel;
    struct blocks rows;    /* stride: dim x element, padded to 32 bytes (64 from 512 up) */
    struct blocks present; /* one atomic byte a row */
    atomic_uint count;     /* rows addressable and published: offsets 0..count-1 */
    struct seal *seal;     /* vectors_file.h; NULL: rows in anonymous memory */
};
/* Rows in anonymous memory. vectors_open of vectors_file.h: rows in a file. */
enum status vectors_init(struct vectors *vectors, enum distance distance, enum element element,
                         size_t dim, struct error *err);
void vectors_deinit(struct vectors *vectors);
/* Room for a row at `offset`, so that vectors_put cannot fail there. NO_SPACE, TOO_LARGE. */
enum status vectors_reserve(struct vectors *vectors, point_offset offset, struct error *err);
/* Offset must be >= count; rows between are absent. `stored` NULL: absent. Publishes the row
 * (release). */
enum status vectors_put(struct vectors *vectors, point_offset offset, const void *stored,
                        struct error *err);
/* The point has gone as a whole: what a reader found a moment ago can still be read. */
void vectors_retire(struct vectors *vectors, point_offset offset);
/* Present, or retired since. */
bool vectors_had(const struct vectors *vectors, point_offset offset);
/* Marks absent; the row's bytes stay for graph walks. */
void vectors_remove(struct vectors *vectors, point_offset offset);
bool vectors_has(const struct vectors *vectors, point_offset offset);
static inline const void *vectors_at(const struct vectors *vectors, point_offset offset)
{
    return blocks_at(&vectors->rows, offset);
}
size_t vectors_count(const struct vectors *vectors); /* acquire */

/* ---- giving rows back: one thread at a time, beside the writer and readers ---- */
/* A retired row dies: no reader needs it any more. Others stay as they are. */
void vectors_bury(struct vectors *vectors, point_offset offset);
/* No index refers to this row, which is not present, or ever will. */
void vectors_unrefer(struct vectors *vectors, point_offset offset);
/* Rows that are dead and not referred to become absent, and the pages that hold no other rows are
 * given back. In a file the seal record comes first: see vectors_file.h. Says how many rows went;
 * after an error the rest follows with the next call. */
enum status vectors_release(struct vectors *vectors, size_t *released, struct error *err);

struct vectors_usage {
    size_t anonymous; /* bytes of memory that only the process's end or a release gives back */
    size_t mapped;    /* bytes of files, in memory as far as the system finds them useful */
};
struct vectors_usage vectors_usage(const struct vectors *vectors);
size_t vectors_memory(const struct vectors *vectors); /* both together */
