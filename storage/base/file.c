/* Whole files, over any file system.
 *
 * Writing goes to a second file beside the first: write, sync, rename, sync the folder. A crash or
 * failure at any step leaves the old file or the new one under the name. A failure removes the
 * second file; a crash may leave it, and the next write replaces it. No state: threads may write
 * different paths at once. */
#include "storage/base/file.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

enum status file_read_whole(const struct file_system *fs, const char *path, struct buffer *out,
                            struct error *err)
{
    struct file *file;
    enum status status = fs->open(fs, path, FILE_READ, &file, err);
    if (status) {
        return status;
    }
    uint64_t size;
    status = fs->size(file, &size, err);
    if (status) {
        goto close;
    }
    uint8_t *to = buffer_reserve(out, size);
    if (!to) {
        status = error_set(err, STATUS_TOO_LARGE, "file %s has %llu bytes, more than fit", path,
                           (unsigned long long)size);
        goto close;
    }
    size_t read;
    status = fs->read_at(file, 0, to, size, &read, err);
    if (status == STATUS_OK) {
        buffer_commit(out, read);
    }
close:
    fs->close(file);
    return status;
}

static enum status write_synced(const struct file_system *fs, const char *path, struct slice data,
                                struct error *err)
{
    struct file *file;
    enum status status = fs->open(fs, path, FILE_WRITE_NEW, &file, err);
    if (status) {
        return status;
    }
    status = fs->append(file, data, err);
    if (status == STATUS_OK) {
        status = fs->sync(file, err);
    }
    fs->close(file);
    return status;
}

enum status file_write_atomic(const struct file_system *fs, const char *path, struct slice data,
                              struct error *err)
{
    char temporary[PATH_MAX];
    int size = snprintf(temporary, sizeof(temporary), "%s.tmp", path);
    if (size < 0 || (size_t)size >= sizeof(temporary)) {
        return error_set(err, STATUS_IO, "cannot write %s: the path is too long", path);
    }
    enum status status = write_synced(fs, temporary, data, err);
    if (status == STATUS_OK) {
        status = fs->rename(fs, temporary, path, err);
    }
    if (status) {
        struct error ignored; /* the first fault is the one to report */
        (void)fs->remove(fs, temporary, &ignored);
        return status;
    }
    char *slash = strrchr(temporary, '/');
    if (!slash) {
        return fs->sync_dir(fs, ".", err);
    }
    slash[slash == temporary] =
        '\0'; /* the name goes; the slash stays only when it is all there is */
    return fs->sync_dir(fs, temporary, err);
}
