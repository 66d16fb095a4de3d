/* A failed assertion: says where, shows the call stack, ends the process with a core image where
 * those are on.
 *
 * The process may be in any state, so nothing here allocates or takes a lock: one line is put
 * together in a local buffer and written, and the stack goes straight to the file descriptor. Any
 * thread may call. */
#include "storage/base/assert.h"

#include <execinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FRAMES_MAX = 64 };

void assert_fail(const char *expression, const char *file, int line)
{
    char text[512];
    int size =
        snprintf(text, sizeof(text), "assertion failed: %s at %s:%d\n", expression, file, line);
    if (size > 0) {
        size_t count = (size_t)size < sizeof(text) ? (size_t)size : sizeof(text) - 1;
        ssize_t written = write(STDERR_FILENO, text, count);
        (void)written; /* nothing is left to do about it */
    }
    void *frames[FRAMES_MAX];
    backtrace_symbols_fd(frames, backtrace(frames, FRAMES_MAX), STDERR_FILENO);
    abort();
}
