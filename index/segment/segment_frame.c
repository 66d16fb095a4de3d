/* Writing and reading framed files in a collection's index folder. File: magic 8 bytes, checksum
 * u64 little endian of what follows. */
#include "index/segment/segment_frame.h"

#include "index/segment/segment_int.h"
#include "storage/base/checksum.h"
#include "storage/base/file.h"

#include <stdio.h>

enum { PATH_BYTES_MAX = 4096 };

static enum status frame_path(const struct segment *segment, const char *name,
                              char path[PATH_BYTES_MAX], struct error *err)
{
    int size = snprintf(path, PATH_BYTES_MAX, "%s/%s", segment->index_path, name);
    return size < PATH_BYTES_MAX ? STATUS_OK
                                 : error_set(err, STATUS_IO, "path of the data folder is too long");
}

enum status segment_frame_write(const struct segment *segment, const char *name,
                                const char magic[FRAME_MAGIC_BYTES], struct slice rest,
                                struct error *err)
{
    char path[PATH_BYTES_MAX];
    const struct file_system *fs = file_system_real();
    enum status status = frame_path(segment, name, path, err);
    if (status == STATUS_OK) {
        status = fs->make_dirs(fs, segment->index_path, err);
    }
    if (status == STATUS_OK) {
        struct buffer file;
        buffer_init(&file, 0);
        buffer_append(&file, magic, FRAME_MAGIC_BYTES);
        buffer_append_u64(&file, checksum64(rest));
        buffer_append_slice(&file, rest);
        status = file_write_atomic(fs, path, buffer_slice(&file), err);
        buffer_deinit(&file);
    }
    return status;
}

enum status segment_frame_read(const struct segment *segment, const char *name,
                               const char magic[FRAME_MAGIC_BYTES], struct buffer *file,
                               struct reader *rest, struct error *err)
{
    char path[PATH_BYTES_MAX];
    enum status status = frame_path(segment, name, path, err);
    if (status == STATUS_OK) {
        status = file_read_whole(file_system_real(), path, file, err);
    }
    if (status != STATUS_OK) {
        return status;
    }
    reader_init(rest, buffer_slice(file));
    struct slice own = reader_bytes(rest, FRAME_MAGIC_BYTES);
    uint64_t checksum = reader_u64(rest);
    if (rest->failed || memcmp(own.data, magic, FRAME_MAGIC_BYTES) != 0 ||
        checksum64(slice_of(rest->at, reader_left(rest))) != checksum) {
        return error_set(err, STATUS_CORRUPT, "%s is damaged", path);
    }
    return STATUS_OK;
}
