/* The lock of a folder: a file that one process holds with flock and that has the holder's number
 * in it.
 *
 * The kernel drops the lock when the holder ends in any way, so a leftover file is no lock. The
 * file is never removed: a process that had opened the removed one would lock something that nobody
 * else sees. The number is only for the message; between lock and write a second process may find
 * none. */
#include "storage/base/file.h"
#include "storage/base/file_int.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct file_lock {
    int fd;
};

static enum status held(struct error *err, int fd, const char *path)
{
    char text[24];
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    text[size < 0 ? 0 : size] = '\0';
    long holder = strtol(text, NULL, 10);
    if (holder <= 0) {
        return error_set(err, STATUS_ALREADY_EXISTS,
                         "data folder lock %s is held by another process", path);
    }
    return error_set(err, STATUS_ALREADY_EXISTS, "data folder lock %s is held by process %ld", path,
                     holder);
}

enum status file_lock_take(const char *path, struct file_lock **out, struct error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (fd < 0) {
        return file_fail(err, errno, "take the data folder lock", path);
    }
    int result;
    do {
        result = flock(fd, LOCK_EX | LOCK_NB);
    } while (result < 0 && errno == EINTR);
    enum status status;
    if (result < 0) {
        status = errno == EWOULDBLOCK ? held(err, fd, path)
                                      : file_fail(err, errno, "take the data folder lock", path);
        goto fail_close;
    }
    char text[24];
    int size = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
    if (ftruncate(fd, 0) < 0 || pwrite(fd, text, (size_t)size, 0) != size) {
        status = file_fail(err, errno, "take the data folder lock", path);
        goto fail_close;
    }
    struct file_lock *lock = mem_alloc(sizeof(*lock));
    lock->fd = fd;
    *out = lock;
    return STATUS_OK;

fail_close:
    (void)close(fd);
    return status;
}

void file_lock_release(struct file_lock *lock)
{
    if (!lock) {
        return;
    }
    int ignored = ftruncate(lock->fd, 0); /* an old number would only mislead people */
    (void)ignored;
    (void)close(lock->fd);
    mem_free(lock);
}
