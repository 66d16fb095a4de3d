/* Files of the operating system: the table that the server uses.
 *
 * Every call is repeated when a signal interrupts it. Files are opened for appending, so the place
 * of a write is always the end. A failed append may leave a prefix of its bytes; a failed sync may
 * have lost any of them: the caller must not try again and believe the answer. Folders made by
 * make_dirs are synced into their parents, so they outlast a crash.
 *
 * No state: threads may share the table. A file may be used by one thread at a time for append and
 * truncate; read_at may run beside them. */
#include "storage/base/file.h"
#include "storage/base/file_int.h"
#include "storage/base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODE_FILE = 0640, MODE_DIR = 0750, TREE_DEPTH_MAX = 64 };

struct real_file {
    int fd;
    char path[];
};

static struct real_file *real_of(struct file *file)
{
    return (struct real_file *)(void *)file;
}

enum status file_fail(struct error *err, int code, const char *verb, const char *path)
{
    enum status status = STATUS_IO;
    if (code == ENOENT) {
        status = STATUS_NOT_FOUND;
    } else if (code == ENOSPC || code == EDQUOT) {
        status = STATUS_NO_SPACE;
    }
    char words[128];
    if (strerror_r(code, words, sizeof(words)) != 0) {
        (void)snprintf(words, sizeof(words), "error %d", code);
    }
    return error_set(err, status, "cannot %s %s: %s", verb, path, words);
}

static int open_again(const char *path, int flags)
{
    int fd;
    do {
        fd = open(path, flags | O_CLOEXEC, MODE_FILE);
    } while (fd < 0 && errno == EINTR);
    return fd;
}

static enum status real_open(const struct file_system *fs, const char *path, enum file_mode mode,
                             struct file **out, struct error *err)
{
    (void)fs;
    static const int flags[] = {
        [FILE_READ] = O_RDONLY,
        [FILE_WRITE_NEW] = O_RDWR | O_CREAT | O_TRUNC | O_APPEND,
        [FILE_APPEND] = O_RDWR | O_CREAT | O_APPEND,
    };
    int fd = open_again(path, flags[mode]);
    if (fd < 0) {
        return file_fail(err, errno, "open", path);
    }
    size_t path_size = strlen(path) + 1;
    struct real_file *file = mem_alloc(sizeof(*file) + path_size);
    file->fd = fd;
    memcpy(file->path, path, path_size);
    *out = (struct file *)(void *)file;
    return STATUS_OK;
}

static enum status real_read_at(struct file *file, uint64_t offset, void *data, size_t size,
                                size_t *read, struct error *err)
{
    struct real_file *real = real_of(file);
    size_t done = 0;
    while (done < size) {
        ssize_t got = pread(real->fd, (uint8_t *)data + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            return file_fail(err, errno, "read", real->path);
        }
        if (got == 0) {
            break;
        }
        done += (size_t)got;
    }
    *read = done;
    return STATUS_OK;
}

static enum status real_append(struct file *file, struct slice data, struct error *err)
{
    struct real_file *real = real_of(file);
    size_t done = 0;
    while (done < data.size) {
        ssize_t wrote = write(real->fd, data.data + done, data.size - done);
        if (wrote < 0 && errno == EINTR) {
            continue;
        }
        if (wrote < 0) {
            return file_fail(err, errno, "write", real->path);
        }
        done += (size_t)wrote;
    }
    return STATUS_OK;
}

static enum status real_truncate(struct file *file, uint64_t size, struct error *err)
{
    struct real_file *real = real_of(file);
    int result;
    do {
        result = ftruncate(real->fd, (off_t)size);
    } while (result < 0 && errno == EINTR);
    return result < 0 ? file_fail(err, errno, "truncate", real->path) : STATUS_OK;
}

static int sync_again(int fd, int (*sync)(int fd))
{
    int result;
    do {
        result = sync(fd);
    } while (result < 0 && errno == EINTR);
    return result;
}

static enum status real_sync(struct file *file, struct error *err)
{
    struct real_file *real = real_of(file);
    return sync_again(real->fd, fdatasync) < 0 ? file_fail(err, errno, "sync", real->path)
                                               : STATUS_OK;
}

static enum status real_size(struct file *file, uint64_t *out, struct error *err)
{
    struct real_file *real = real_of(file);
    struct stat facts;
    if (fstat(real->fd, &facts) < 0) {
        return file_fail(err, errno, "examine", real->path);
    }
    *out = (uint64_t)facts.st_size;
    return STATUS_OK;
}

static void real_close(struct file *file)
{
    /* What had to be safe was synced before; Linux releases the number even when close reports a
     * signal. */
    (void)close(real_of(file)->fd);
    mem_free(real_of(file));
}

static enum status real_rename(const struct file_system *fs, const char *from, const char *to,
                               struct error *err)
{
    (void)fs;
    return rename(from, to) < 0 ? file_fail(err, errno, "rename", from) : STATUS_OK;
}

static enum status real_remove(const struct file_system *fs, const char *path, struct error *err)
{
    (void)fs;
    return remove(path) < 0 && errno != ENOENT ? file_fail(err, errno, "remove", path) : STATUS_OK;
}

static enum status real_sync_dir(const struct file_system *fs, const char *path, struct error *err)
{
    (void)fs;
    int fd = open_again(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0) {
        return file_fail(err, errno, "open", path);
    }
    int result = sync_again(fd, fsync);
    int code = errno;
    (void)close(fd);
    return result < 0 ? file_fail(err, code, "sync", path) : STATUS_OK;
}

/* Makes one folder, whose name is `path` up to `end`; a new one is synced into its parent. */
static enum status make_dir(const struct file_system *fs, char *path, char *end, struct error *err)
{
    char kept = *end;
    *end = '\0';
    enum status status = STATUS_OK;
    if (mkdir(path, MODE_DIR) == 0) {
        char *slash = strrchr(path, '/');
        if (!slash) {
            status = real_sync_dir(fs, ".", err);
        } else if (slash == path) {
            status = real_sync_dir(fs, "/", err);
        } else {
            *slash = '\0';
            status = real_sync_dir(fs, path, err);
            *slash = '/';
        }
    } else if (errno == EEXIST) {
        struct stat facts;
        if (stat(path, &facts) < 0) {
            status = file_fail(err, errno, "make folder", path);
        } else if (!S_ISDIR(facts.st_mode)) {
            status = file_fail(err, ENOTDIR, "make folder", path);
        }
    } else {
        status = file_fail(err, errno, "make folder", path);
    }
    *end = kept;
    return status;
}

static enum status real_make_dirs(const struct file_system *fs, const char *path, struct error *err)
{
    char copy[PATH_MAX];
    size_t size = strlen(path);
    if (size >= sizeof(copy)) {
        return file_fail(err, ENAMETOOLONG, "make folder", path);
    }
    memcpy(copy, path, size + 1);
    while (size > 1 && copy[size - 1] == '/') {
        copy[--size] = '\0';
    }
    for (char *at = copy; *at; at++) {
        bool is_end = at[1] == '/' || at[1] == '\0';
        if (*at == '/' || !is_end) {
            continue;
        }
        enum status status = make_dir(fs, copy, at + 1, err);
        if (status) {
            return status;
        }
    }
    return STATUS_OK;
}

struct names {
    char **items;
    size_t count;
    size_t capacity;
};

static void names_deinit(struct names *names)
{
    for (size_t i = 0; i < names->count; i++) {
        mem_free(names->items[i]);
    }
    mem_free(names->items);
}

static void names_add(struct names *names, const char *name)
{
    if (names->count == names->capacity) {
        names->capacity = names->capacity ? names->capacity * 2 : 16;
        names->items = mem_realloc(names->items, names->capacity * sizeof(char *));
    }
    names->items[names->count++] = mem_strdup(name);
}

/* All names but "." and ".."; 0 or the error number. */
static int read_names(DIR *dir, struct names *names)
{
    for (;;) {
        errno = 0;
        struct dirent *entry = readdir(dir); /* the stream is ours alone */
        if (!entry) {
            return errno;
        }
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            names_add(names, entry->d_name);
        }
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static enum status real_list(const struct file_system *fs, const char *path,
                             void (*each)(void *ctx, const char *name), void *ctx,
                             struct error *err)
{
    (void)fs;
    DIR *dir = opendir(path);
    if (!dir) {
        return file_fail(err, errno, "list", path);
    }
    struct names names = {0};
    int code = read_names(dir, &names);
    (void)closedir(dir);
    if (!code && names.count) {
        qsort(names.items, names.count, sizeof(char *), compare_names);
        for (size_t i = 0; i < names.count; i++) {
            each(ctx, names.items[i]);
        }
    }
    names_deinit(&names);
    return code ? file_fail(err, code, "list", path) : STATUS_OK;
}

static const struct file_system REAL = {
    .open = real_open,
    .read_at = real_read_at,
    .append = real_append,
    .truncate = real_truncate,
    .sync = real_sync,
    .size = real_size,
    .close = real_close,
    .rename = real_rename,
    .remove = real_remove,
    .make_dirs = real_make_dirs,
    .sync_dir = real_sync_dir,
    .list = real_list,
};

const struct file_system *file_system_real(void)
{
    return &REAL;
}

/* Removes the entry of the open folder, its content first; 0 or the error number. Links are
 * removed, not followed. */
static int remove_entry(int parent, const char *name, unsigned depth)
{
    if (unlinkat(parent, name, 0) == 0 || errno == ENOENT) {
        return 0;
    }
    if (errno != EISDIR && errno != EPERM) {
        return errno;
    }
    if (depth == TREE_DEPTH_MAX) {
        return ELOOP;
    }
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) {
        return errno;
    }
    DIR *dir = fdopendir(fd);
    if (!dir) {
        int code = errno;
        (void)close(fd);
        return code;
    }
    struct names names = {0};
    int code = read_names(dir, &names);
    for (size_t i = 0; !code && i < names.count; i++) {
        code = remove_entry(fd, names.items[i], depth + 1);
    }
    names_deinit(&names);
    (void)closedir(dir);
    if (!code && unlinkat(parent, name, AT_REMOVEDIR) < 0 && errno != ENOENT) {
        code = errno;
    }
    return code;
}

enum status file_remove_tree(const char *path, struct error *err)
{
    int code = remove_entry(AT_FDCWD, path, 0);
    return code ? file_fail(err, code, "remove", path) : STATUS_OK;
}
