/* One segment file: its name, making one, and reading its records in order through a window.
 * A reader belongs to one thread. */
#pragma once
#include "storage/base/file.h"
#include "storage/base/slice.h"
#include "storage/base/status.h"
#include "storage/log/record.h"

#include <stdint.h>

enum { SEGMENT_NAME_SIZE = 25 /* 20 digits, ".log", NUL */, SEGMENT_PATH_MAX = 4096 };

struct segment_info {
    uint64_t first_index;
    uint64_t bytes;
};

/* False: not a segment's name. */
bool segment_name_parse(const char *name, uint64_t *first_index);
/* "<folder>/<name>"; TOO_LARGE when it does not fit. */
enum status segment_path(const char *folder, uint64_t first_index, char out[SEGMENT_PATH_MAX],
                         struct error *err);
/* Makes (or makes anew) an empty segment, on disk with its name when this returns. `*out` is open
 * for appending. */
enum status segment_create(const struct file_system *fs, const char *folder, uint64_t first_index,
                           struct file **out, uint64_t *salt, struct error *err);

struct segment_reader {
    const struct file_system *fs;
    struct file *file;
    char path[SEGMENT_PATH_MAX];
    uint64_t size;   /* of the file when it was opened */
    uint64_t offset; /* of the next record */
    uint64_t first_index, salt;
    uint8_t *window; /* bytes [window_at, window_at + window_size) of the file */
    uint64_t window_at;
    size_t window_size, window_capacity;
};
/* CORRUPT when the header is bad, or is another segment's; the reader is then open all the same,
 * and `size` tells. All other failures leave it closed. */
enum status segment_reader_open(struct segment_reader *reader, const struct file_system *fs,
                                const char *folder, uint64_t first_index, struct error *err);
void segment_reader_close(struct segment_reader *reader);
/* The record at `offset`, which must have `index`; borrowed until the next call. NOT_FOUND: the end
 * of the file, nothing left over. CORRUPT: a bad record; `offset` stays at it. */
enum status segment_reader_next(struct segment_reader *reader, uint64_t index, struct record *out,
                                struct error *err);
/* Moves past a record that next returned. */
void segment_reader_skip(struct segment_reader *reader, const struct record *record);
/* All bytes from `offset` to the end, for looking behind a bad record; borrowed as a record is. */
enum status segment_reader_tail(struct segment_reader *reader, struct slice *out,
                                struct error *err);
