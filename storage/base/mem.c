/* Heap memory: the only callers of the C allocator.
 *
 * mem_* end the process when there is no memory: small allocations fail only when the machine is
 * lost anyway, and code that tries to go on then is code that is never tested. Sizes that a client
 * or a file chooses go through mem_try_*, which return NULL. A size of 0 gives a pointer that may
 * be freed, never NULL. Thread-safe. */
#include "storage/base/mem.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

_Noreturn static void die(size_t size)
{
    char text[96];
    int printed = snprintf(text, sizeof(text), "out of memory: %zu bytes were refused\n", size);
    if (printed > 0) {
        ssize_t written = write(STDERR_FILENO, text, (size_t)printed);
        (void)written; /* nothing is left to do about it */
    }
    abort();
}

/* A larger request is a damaged or hostile size, never a need. The sanitizers' allocators end the
 * process for such sizes where others return NULL, so it is refused before they see it. */
static const size_t TRY_SIZE_MAX = (size_t)1 << 39;

void *mem_try_alloc(size_t size)
{
    return size <= TRY_SIZE_MAX ? malloc(size ? size : 1) : NULL;
}

void *mem_try_realloc(void *ptr, size_t size)
{
    return size <= TRY_SIZE_MAX ? realloc(ptr, size ? size : 1) : NULL;
}

void *mem_alloc(size_t size)
{
    void *ptr = mem_try_alloc(size);
    if (!ptr) {
        die(size);
    }
    return ptr;
}

void *mem_zalloc(size_t size)
{
    void *ptr = calloc(1, size ? size : 1);
    if (!ptr) {
        die(size);
    }
    return ptr;
}

void *mem_realloc(void *ptr, size_t size)
{
    void *grown = mem_try_realloc(ptr, size);
    if (!grown) {
        die(size);
    }
    return grown;
}

char *mem_strdup(const char *text)
{
    size_t size = strlen(text) + 1;
    return memcpy(mem_alloc(size), text, size);
}

void mem_free(void *ptr)
{
    free(ptr);
}
