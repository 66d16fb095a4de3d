/* Segment files. Making one: header, sync, sync of the folder, and only then records. Reading one:
 * a window of the file in memory that moves forward, and grows for a record larger than it.
 * Failures: those of the file system, CORRUPT for bad bytes, TOO_LARGE when there is no memory for
 * a record. */
#include "storage/log/segment.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

#include <inttypes.h>
#include <stdio.h>

enum { WINDOW_BYTES = 256 * 1024 };

bool segment_name_parse(const char *name, uint64_t *first_index)
{
    if (strlen(name) != SEGMENT_NAME_SIZE - 1 || strcmp(name + 20, ".log") != 0)
        return false;
    uint64_t value = 0;
    for (int i = 0; i < 20; i++) {
        if (name[i] < '0' || name[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(name[i] - '0'), &value))
            return false;
    }
    if (value == 0)
        return false;
    *first_index = value;
    return true;
}

enum status segment_path(const char *folder, uint64_t first_index, char out[SEGMENT_PATH_MAX],
                         struct error *err)
{
    int n = snprintf(out, SEGMENT_PATH_MAX, "%s/%020" PRIu64 ".log", folder, first_index);
    if (n < 0 || n >= SEGMENT_PATH_MAX)
        return error_set(err, STATUS_TOO_LARGE, "the path of the log folder is too long");
    return STATUS_OK;
}

enum status segment_create(const struct file_system *fs, const char *folder, uint64_t first_index,
                           struct file **out, uint64_t *salt, struct error *err)
{
    char path[SEGMENT_PATH_MAX];
    enum status status = segment_path(folder, first_index, path, err);
    if (status)
        return status;
    struct file *file;
    status = fs->open(fs, path, FILE_WRITE_NEW, &file, err);
    if (status)
        return status;
    uint64_t fresh;
    random_os_bytes(&fresh, sizeof(fresh));
    uint8_t header[SEGMENT_HEADER_SIZE];
    segment_header_encode(header, first_index, fresh);
    status = fs->append(file, slice_of(header, sizeof(header)), err);
    if (!status)
        status = fs->sync(file, err);
    if (!status)
        status = fs->sync_dir(fs, folder, err);
    if (status) {
        fs->close(file);
        return status;
    }
    *out = file;
    *salt = fresh;
    return STATUS_OK;
}

enum status segment_reader_open(struct segment_reader *reader, const struct file_system *fs,
                                const char *folder, uint64_t first_index, struct error *err)
{
    *reader = (struct segment_reader){.first_index = first_index};
    enum status status = segment_path(folder, first_index, reader->path, err);
    if (status)
        return status;
    status = fs->open(fs, reader->path, FILE_READ, &reader->file, err);
    if (status)
        return status;
    reader->fs = fs;
    status = fs->size(reader->file, &reader->size, err);
    uint8_t header[SEGMENT_HEADER_SIZE];
    size_t got = 0;
    if (!status)
        status = fs->read_at(reader->file, 0, header, sizeof(header), &got, err);
    if (status) {
        segment_reader_close(reader);
        return status;
    }
    uint64_t named;
    const char *wrong = segment_header_decode(slice_of(header, got), &named, &reader->salt);
    if (!wrong && named != first_index)
        wrong = "the segment's name and its header tell different first indexes";
    if (wrong)
        return error_set(err, STATUS_CORRUPT, "%s", wrong);
    reader->offset = SEGMENT_HEADER_SIZE;
    return STATUS_OK;
}

void segment_reader_close(struct segment_reader *reader)
{
    if (reader->file)
        reader->fs->close(reader->file);
    mem_free(reader->window);
    reader->file = NULL;
    reader->window = NULL;
}

/* Makes the window hold [offset, offset + size), which lies inside the file. */
static enum status window_fill(struct segment_reader *reader, uint64_t offset, uint64_t size,
                               struct error *err)
{
    ASSERT(offset <= reader->size && size <= reader->size - offset);
    if (offset >= reader->window_at && offset + size <= reader->window_at + reader->window_size)
        return STATUS_OK;
    uint64_t want = reader->size - offset;
    if (want > WINDOW_BYTES)
        want = size > WINDOW_BYTES ? size : WINDOW_BYTES;
    if (want > reader->window_capacity) {
        uint8_t *grown = mem_try_realloc(reader->window, want);
        if (!grown)
            return error_set(err, STATUS_TOO_LARGE,
                             "%s: no memory for %" PRIu64 " bytes at offset %" PRIu64, reader->path,
                             want, offset);
        reader->window = grown;
        reader->window_capacity = want;
    }
    reader->window_size = 0;
    size_t got;
    enum status status = reader->fs->read_at(reader->file, offset, reader->window, want, &got, err);
    if (status)
        return status;
    if (got < size)
        return error_set(err, STATUS_IO, "%s: the file became shorter while it was read",
                         reader->path);
    reader->window_at = offset;
    reader->window_size = got;
    return STATUS_OK;
}

static const uint8_t *window_at(const struct segment_reader *reader, uint64_t offset)
{
    return reader->window + (offset - reader->window_at);
}

enum status segment_reader_next(struct segment_reader *reader, uint64_t index, struct record *out,
                                struct error *err)
{
    uint64_t left = reader->size - reader->offset;
    if (left == 0)
        return STATUS_NOT_FOUND;
    uint64_t size = left < RECORD_HEADER_SIZE ? left : RECORD_HEADER_SIZE;
    enum status status = window_fill(reader, reader->offset, size, err);
    if (status)
        return status;
    if (size == RECORD_HEADER_SIZE) {
        uint32_t length = record_length(window_at(reader, reader->offset));
        if (length <= left - RECORD_HEADER_SIZE)
            size += length;
        status = window_fill(reader, reader->offset, size, err);
        if (status)
            return status;
    }
    struct record record;
    const char *wrong =
        record_decode(slice_of(window_at(reader, reader->offset), size), reader->salt, &record);
    if (wrong)
        return error_set(err, STATUS_CORRUPT, "%s", wrong);
    if (record.index != index)
        return error_set(err, STATUS_CORRUPT, "the record there has index %" PRIu64, record.index);
    *out = record;
    return STATUS_OK;
}

void segment_reader_skip(struct segment_reader *reader, const struct record *record)
{
    reader->offset += RECORD_HEADER_SIZE + record->payload.size;
    ASSERT(reader->offset <= reader->size);
}

enum status segment_reader_tail(struct segment_reader *reader, struct slice *out, struct error *err)
{
    enum status status = window_fill(reader, reader->offset, reader->size - reader->offset, err);
    if (!status)
        *out = slice_of(window_at(reader, reader->offset), reader->size - reader->offset);
    return status;
}
