/* Heap memory. mem_* never return NULL: a small allocation that fails ends the process with a
 * message. An allocation whose size comes from input, a file or a setting goes through mem_try_* or
 * an arena with a limit. */
#pragma once
#include "storage/base/status.h"

#include <stddef.h>

void *mem_alloc(size_t size);  /* uninitialised */
void *mem_zalloc(size_t size); /* zeroed */
void *mem_realloc(void *ptr, size_t size);
char *mem_strdup(const char *text);
void mem_free(void *ptr);
NODISCARD void *mem_try_alloc(size_t size);              /* NULL: no memory */
NODISCARD void *mem_try_realloc(void *ptr, size_t size); /* NULL: no memory, ptr still valid */
