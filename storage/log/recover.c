/* Recovery of the log when it is opened.
 *
 * Segments are read oldest first and every record is checked. What is wrong is one of two things. A
 * torn tail: the last segment ends in bytes that are no record, and nothing valid lies behind them;
 * a crash while writing leaves that, none of these records was ever reported durable, and the bytes
 * are cut. Damage: everything else. Records that were reported durable are lost, so the server
 * refuses to start, unless the operator says to cut the log there; then what is cut off is kept
 * beside the log in files named *.damaged.
 *
 * One thread. Failures: the file system's; CORRUPT for damage. When it fails half way through a
 * cut, the next recovery does the rest: later segments are put aside newest first, so that no gap
 * ever looks like an end. */
#include "storage/log/recover.h"

#include "storage/base/logger.h"
#include "storage/base/mem.h"

#include <inttypes.h>
#include <stdio.h>

#define MODULE "storage/log"

enum { DAMAGED_NAMES_MAX = 1000 };

struct recovery {
    const struct log_options *options;
    uint64_t *names; /* first indexes, from the segments' names */
    size_t count, capacity;
    bool too_many;
    struct segment_info *kept;
    size_t kept_count;
    uint64_t next_index;
    bool stop; /* the log was cut: later segments are put aside already */
};

static void collect(void *ctx, const char *name)
{
    struct recovery *r = ctx;
    uint64_t first;
    if (!segment_name_parse(name, &first))
        return;
    if (r->count == SEGMENTS_MAX) {
        r->too_many = true;
        return;
    }
    if (r->count == r->capacity) {
        r->capacity = r->capacity ? r->capacity * 2 : 16;
        r->names = mem_realloc(r->names, r->capacity * sizeof(*r->names));
    }
    r->names[r->count++] = first; /* bytewise order of names is the order of indexes */
}

/* A name "<path><middle>.damaged[.n]" that no file has. */
static enum status damaged_name(const struct file_system *fs, const char *path,
                                char out[SEGMENT_PATH_MAX], struct error *err)
{
    for (int i = 1; i <= DAMAGED_NAMES_MAX; i++) {
        int n = i == 1 ? snprintf(out, SEGMENT_PATH_MAX, "%s.damaged", path)
                       : snprintf(out, SEGMENT_PATH_MAX, "%s.%d.damaged", path, i);
        if (n < 0 || n >= SEGMENT_PATH_MAX)
            return error_set(err, STATUS_TOO_LARGE, "the path of the log folder is too long");
        struct file *file;
        enum status status = fs->open(fs, out, FILE_READ, &file, err);
        if (status == STATUS_NOT_FOUND)
            return STATUS_OK;
        if (status)
            return status;
        fs->close(file);
    }
    return error_set(err, STATUS_IO, "%s: too many *.damaged files; move them away", path);
}

/* Renames segments at..count-1, newest first. */
static enum status put_aside(const struct recovery *r, size_t at, struct error *err)
{
    const struct file_system *fs = r->options->fs;
    for (size_t i = r->count; i-- > at;) {
        char path[SEGMENT_PATH_MAX], aside[SEGMENT_PATH_MAX];
        enum status status = segment_path(r->options->path, r->names[i], path, err);
        if (!status)
            status = damaged_name(fs, path, aside, err);
        if (!status)
            status = fs->rename(fs, path, aside, err);
        if (!status)
            status = fs->sync_dir(fs, r->options->path, err);
        if (status)
            return status;
        log_warn(MODULE, "put aside %s", aside);
    }
    return STATUS_OK;
}

static enum status cut(const struct recovery *r, const struct segment_reader *reader,
                       struct error *err)
{
    const struct file_system *fs = r->options->fs;
    struct file *file;
    enum status status = fs->open(fs, reader->path, FILE_APPEND, &file, err);
    if (status)
        return status;
    status = fs->truncate(file, reader->offset, err);
    if (!status)
        status = fs->sync(file, err);
    fs->close(file);
    return status;
}

static enum status damage(const struct recovery *r, const char *path, uint64_t offset,
                          const char *what, struct error *err)
{
    return error_set(err, STATUS_CORRUPT,
                     "%s: damaged at offset %" PRIu64 ", log index %" PRIu64
                     ": %s; start with storage.wal.drop_damaged_tail=true to cut the log there, "
                     "or restore a backup",
                     path, offset, r->next_index, what);
}

/* Damage in segment `at`, at the reader's offset: refuses, or cuts if told to. Outside the header
 * the segment is kept up to there. */
static enum status damaged(struct recovery *r, size_t at, struct segment_reader *reader,
                           const char *what, struct error *err)
{
    const struct file_system *fs = r->options->fs;
    if (!r->options->drop_damaged_tail)
        return damage(r, reader->path, reader->offset, what, err);
    log_error(MODULE,
              "%s: damaged at offset %" PRIu64 ", log index %" PRIu64
              ": %s; cutting the log there, as told",
              reader->path, reader->offset, r->next_index, what);
    r->stop = true;
    if (reader->offset < SEGMENT_HEADER_SIZE)
        return put_aside(r, at, err);
    enum status status = put_aside(r, at + 1, err);
    if (status)
        return status;
    struct slice tail;
    status = segment_reader_tail(reader, &tail, err);
    char from[SEGMENT_PATH_MAX], aside[SEGMENT_PATH_MAX];
    int n = snprintf(from, sizeof(from), "%s.%" PRIu64, reader->path, reader->offset);
    if (!status && (n < 0 || n >= SEGMENT_PATH_MAX))
        status = error_set(err, STATUS_TOO_LARGE, "the path of the log folder is too long");
    if (!status)
        status = damaged_name(fs, from, aside, err);
    if (!status)
        status = file_write_atomic(fs, aside, tail, err);
    if (!status)
        status = cut(r, reader, err);
    if (!status)
        r->kept[r->kept_count++] = (struct segment_info){r->names[at], reader->offset};
    return status;
}

/* Is there any valid record in `tail`, at whatever offset? A record is believed for its checksum,
 * which is salted: nobody can have made one. Behind the start, the index is looked at first, to
 * spare work. Data can be made to look promising at every offset, so the work is bounded; past the
 * bound the answer is yes, the careful one. */
static bool any_record(struct slice tail, uint64_t next_index, uint64_t salt)
{
    uint64_t index_max;
    if (__builtin_add_overflow(next_index, tail.size / RECORD_HEADER_SIZE + 1, &index_max))
        index_max = UINT64_MAX;
    uint64_t budget = (UINT64_C(256) << 20) + 16 * (uint64_t)tail.size;
    for (size_t at = 0; tail.size - at > RECORD_HEADER_SIZE; at++) {
        const uint8_t *here = tail.data + at;
        uint64_t index = record_index(here);
        uint32_t length = record_length(here);
        if (index == 0 || (index > index_max && at > 0) || length == 0 ||
            length > tail.size - at - RECORD_HEADER_SIZE)
            continue;
        struct record record;
        if (!record_decode(slice_of(here, tail.size - at), salt, &record) || length >= budget)
            return true;
        budget -= length;
    }
    return false;
}

static enum status torn_or_damaged(struct recovery *r, size_t at, struct segment_reader *reader,
                                   const char *what, struct error *err)
{
    if (at + 1 < r->count)
        return damaged(r, at, reader, what, err);
    struct slice tail;
    enum status status = segment_reader_tail(reader, &tail, err);
    if (status)
        return status;
    if (any_record(tail, r->next_index, reader->salt))
        return damaged(r, at, reader, what, err);
    log_warn(MODULE,
             "%s: cut %" PRIu64 " bytes at offset %" PRIu64 ", log index %" PRIu64
             ": a record was half written when the server stopped",
             reader->path, reader->size - reader->offset, reader->offset, r->next_index);
    status = cut(r, reader, err);
    if (!status)
        r->kept[r->kept_count++] = (struct segment_info){r->names[at], reader->offset};
    return status;
}

static enum status recover_records(struct recovery *r, size_t at, struct segment_reader *reader,
                                   struct error *err)
{
    for (;;) {
        struct record record;
        struct error wrong;
        enum status status = segment_reader_next(reader, r->next_index, &record, &wrong);
        if (status == STATUS_NOT_FOUND)
            break;
        if (status == STATUS_CORRUPT)
            return torn_or_damaged(r, at, reader, wrong.message, err);
        if (status)
            return error_set(err, status, "%s", wrong.message);
        if (r->next_index == UINT64_MAX)
            return damaged(r, at, reader, "no index is left after this one", err);
        segment_reader_skip(reader, &record);
        r->next_index++;
    }
    r->kept[r->kept_count++] = (struct segment_info){r->names[at], reader->size};
    return STATUS_OK;
}

/* The header of the last segment may be missing or half there when the file is no longer than it:
 * the server stopped while it made the file, or the file is empty and nothing is lost. It is made
 * anew. */
static enum status recover_header(struct recovery *r, size_t at, struct segment_reader *reader,
                                  const char *what, struct error *err)
{
    if (at + 1 < r->count || reader->size > SEGMENT_HEADER_SIZE)
        return damaged(r, at, reader, what, err);
    log_warn(MODULE, "%s: made anew: the server stopped while it made the file", reader->path);
    struct file *file;
    uint64_t salt;
    enum status status =
        segment_create(r->options->fs, r->options->path, r->names[at], &file, &salt, err);
    if (status)
        return status;
    r->options->fs->close(file);
    r->kept[r->kept_count++] = (struct segment_info){r->names[at], SEGMENT_HEADER_SIZE};
    return STATUS_OK;
}

static enum status recover_segment(struct recovery *r, size_t at, struct error *err)
{
    struct segment_reader reader;
    struct error wrong;
    enum status status =
        segment_reader_open(&reader, r->options->fs, r->options->path, r->names[at], &wrong);
    if (status && status != STATUS_CORRUPT)
        return error_set(err, status, "%s", wrong.message);
    if (at == 0)
        r->next_index = r->names[0];
    if (r->names[at] != r->next_index) {
        char what[128];
        snprintf(what, sizeof(what),
                 "the segment begins with index %" PRIu64 ": one before it is missing or short",
                 r->names[at]);
        reader.offset = 0;
        status = damaged(r, at, &reader, what, err);
    } else if (status == STATUS_CORRUPT) {
        status = recover_header(r, at, &reader, wrong.message, err);
    } else {
        status = recover_records(r, at, &reader, err);
    }
    segment_reader_close(&reader);
    return status;
}

enum status log_recover(const struct log_options *options, struct recovered *out, struct error *err)
{
    struct recovery r = {.options = options, .next_index = 1};
    enum status status = options->fs->list(options->fs, options->path, collect, &r, err);
    if (!status && r.too_many)
        status = error_set(err, STATUS_CORRUPT, "%s: more than %d log segments", options->path,
                           SEGMENTS_MAX);
    if (status)
        goto fail;
    r.kept = mem_alloc((r.count + 1) * sizeof(*r.kept));
    for (size_t i = 0; i < r.count && !r.stop; i++) {
        status = recover_segment(&r, i, err);
        if (status)
            goto fail;
    }
    mem_free(r.names);
    *out =
        (struct recovered){.segments = r.kept, .count = r.kept_count, .next_index = r.next_index};
    return STATUS_OK;
fail:
    mem_free(r.names);
    mem_free(r.kept);
    return status;
}
