/* Files, through a table of functions that tests replace to make any call fail, and to drop what
 * was not synced. All calls return STATUS_IO with the path and the system's words, STATUS_NOT_FOUND
 * for a missing file, STATUS_NO_SPACE for a full disk. Interrupted calls are repeated; short writes
 * are completed. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/base/slice.h"
#include "storage/base/status.h"

#include <stdint.h>

struct file; /* an open file; what is behind it only its file system knows */
enum file_mode {
    FILE_READ,
    FILE_WRITE_NEW /* create or truncate */,
    FILE_APPEND /* create if missing */
};

struct file_system {
    enum status (*open)(const struct file_system *fs, const char *path, enum file_mode mode,
                        struct file **out, struct error *err);
    enum status (*read_at)(struct file *file, uint64_t offset, void *data, size_t size,
                           size_t *read, struct error *err);
    enum status (*append)(struct file *file, struct slice data, struct error *err);
    enum status (*truncate)(struct file *file, uint64_t size, struct error *err);
    enum status (*sync)(struct file *file, struct error *err); /* fdatasync */
    enum status (*size)(struct file *file, uint64_t *out, struct error *err);
    void (*close)(struct file *file);
    enum status (*rename)(const struct file_system *fs, const char *from, const char *to,
                          struct error *err);
    enum status (*remove)(const struct file_system *fs, const char *path,
                          struct error *err); /* missing is OK */
    enum status (*make_dirs)(const struct file_system *fs, const char *path, struct error *err);
    enum status (*sync_dir)(const struct file_system *fs, const char *path, struct error *err);
    /* Calls `each` with the plain name of every entry of the folder, in bytewise order. */
    enum status (*list)(const struct file_system *fs, const char *path,
                        void (*each)(void *ctx, const char *name), void *ctx, struct error *err);
    void *self;
};
const struct file_system *file_system_real(void);

/* Whole files. file_write_atomic writes to "<path>.tmp", syncs, renames, syncs the folder: the file
 * is old or new, never half. */
enum status file_read_whole(const struct file_system *fs, const char *path, struct buffer *out,
                            struct error *err);
enum status file_write_atomic(const struct file_system *fs, const char *path, struct slice data,
                              struct error *err);
/* Recursively; missing is OK. Real file system only. */
enum status file_remove_tree(const char *path, struct error *err);

/* Exclusive lock of a folder by a lock file that holds the owner's process number. ALREADY_EXISTS
 * names the holder. */
struct file_lock;
enum status file_lock_take(const char *path, struct file_lock **out, struct error *err);
void file_lock_release(struct file_lock *lock);
