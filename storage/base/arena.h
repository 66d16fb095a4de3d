/* Request-scoped memory: allocations are freed together. Under the address sanitizer each
 * allocation is followed by a poisoned gap, so an overrun is found. Not thread-safe: one owner at a
 * time. */
#pragma once
#include "storage/base/slice.h"
#include "storage/base/status.h"

#include <stddef.h>

struct arena;
/* `bytes_max` bounds the sum of all allocations; 0: no limit. */
struct arena *arena_create(size_t bytes_max);
/* Uninitialised, aligned to `align` (a power of two, at most 64). NULL: over the limit or no
 * memory. */
NODISCARD void *arena_alloc(struct arena *arena, size_t size, size_t align);
NODISCARD void *arena_zalloc(struct arena *arena, size_t size, size_t align);
/* NUL-terminated copy. NULL: over the limit. */
NODISCARD char *arena_strndup(struct arena *arena, const char *text, size_t size);
NODISCARD void *arena_memdup(struct arena *arena, const void *data, size_t size);
NODISCARD char *arena_printf(struct arena *arena, const char *format, ...) PRINTF(2, 3);
/* `fn(arg)` runs at destroy and reset, in reverse order of registration, before the memory goes.
 * Returns false, having run nothing, when there is no memory for the note. */
NODISCARD bool arena_defer(struct arena *arena, void (*fn)(void *arg), void *arg);
size_t arena_used(const struct arena *arena);
void arena_reset(struct arena *arena); /* as new; keeps one block */
void arena_destroy(struct arena *arena);
#define arena_new(arena, type) ((type *)arena_zalloc((arena), sizeof(type), _Alignof(type)))
#define arena_new_array(arena, type, count)                                                        \
    ((type *)arena_zalloc_array((arena), (count), sizeof(type), _Alignof(type)))
/* Zeroed; NULL also when count x size overflows. */
NODISCARD void *arena_zalloc_array(struct arena *arena, size_t count, size_t size, size_t align);
