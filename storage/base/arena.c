/* Request-scoped memory.
 *
 * An arena is a list of blocks, newest first. An allocation is cut off the newest block; when it
 * does not fit, a new block is made, twice as large as the one before (from 4 KiB to 1 MiB), or as
 * large as the allocation needs. What is left of the older block stays unused: looking back would
 * cost more than it saves. Notes of arena_defer live in the arena too.
 *
 * Under the address sanitizer all of a block that is not handed out is poisoned, and a gap follows
 * each allocation, so that an overrun hits poison instead of its neighbour. Release builds have no
 * gaps.
 *
 * One owner at a time. Over the limit or out of memory: NULL, and the arena stays usable. */
#include "storage/base/arena.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#ifdef __SANITIZE_ADDRESS__
#define HAS_POISON 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_POISON 1
#endif
#endif
#ifdef HAS_POISON
#include <sanitizer/asan_interface.h>
#define POISON(at, size)   ASAN_POISON_MEMORY_REGION((at), (size))
#define UNPOISON(at, size) ASAN_UNPOISON_MEMORY_REGION((at), (size))
enum { GAP_SIZE = 16 };
#else
#define POISON(at, size)   ((void)(at), (void)(size))
#define UNPOISON(at, size) ((void)(at), (void)(size))
enum { GAP_SIZE = 0 };
#endif

enum { ALIGN_MAX = 64, BLOCK_SIZE_MIN = 4096, BLOCK_SIZE_MAX = 1 << 20 };

struct block {
    struct block *older;
    size_t size; /* of data */
    size_t used; /* of data */
    uint8_t data[];
};

struct defer {
    struct defer *earlier;
    void (*fn)(void *arg);
    void *arg;
};

struct arena {
    struct block *newest;
    struct defer *last;
    size_t bytes_max;
    size_t used; /* sum of what was asked for */
    size_t next_block_size;
};

static struct block *block_create(size_t size)
{
    struct block *block = mem_try_alloc(sizeof(struct block) + size);
    if (!block) {
        return NULL;
    }
    block->older = NULL;
    block->size = size;
    block->used = 0;
    POISON(block->data, size);
    return block;
}

static void block_destroy(struct block *block)
{
    UNPOISON(block->data, block->size);
    mem_free(block);
}

struct arena *arena_create(size_t bytes_max)
{
    struct arena *arena = mem_zalloc(sizeof(*arena));
    arena->bytes_max = bytes_max;
    arena->next_block_size = BLOCK_SIZE_MIN;
    return arena;
}

/* The place for `size` bytes in the block, or NULL when they do not fit. */
static void *block_cut(struct block *block, size_t size, size_t align)
{
    uintptr_t at = (uintptr_t)(block->data + block->used);
    size_t pad = (size_t)(-at & (align - 1));
    size_t left = block->size - block->used;
    if (pad > left || size > left - pad) {
        return NULL;
    }
    uint8_t *out = block->data + block->used + pad;
    block->used += pad + size;
    /* The gap is a courtesy: at the end of the block it may be shorter. */
    size_t gap = GAP_SIZE;
    left = block->size - block->used;
    block->used += left < gap ? left : gap;
    UNPOISON(out, size);
    return out;
}

static struct block *arena_grow(struct arena *arena, size_t size)
{
    size_t needed;
    if (__builtin_add_overflow(size, (size_t)ALIGN_MAX + GAP_SIZE, &needed) ||
        needed > SIZE_MAX - sizeof(struct block)) {
        return NULL;
    }
    size_t block_size = needed > arena->next_block_size ? needed : arena->next_block_size;
    struct block *block = block_create(block_size);
    if (!block) {
        return NULL;
    }
    block->older = arena->newest;
    arena->newest = block;
    if (arena->next_block_size < BLOCK_SIZE_MAX) {
        arena->next_block_size *= 2;
    }
    return block;
}

void *arena_alloc(struct arena *arena, size_t size, size_t align)
{
    ASSERT(align > 0 && align <= ALIGN_MAX && (align & (align - 1)) == 0);
    size_t used;
    if (__builtin_add_overflow(arena->used, size, &used) ||
        (arena->bytes_max && used > arena->bytes_max)) {
        return NULL;
    }
    void *out = arena->newest ? block_cut(arena->newest, size, align) : NULL;
    if (!out) {
        struct block *block = arena_grow(arena, size);
        if (!block) {
            return NULL;
        }
        out = block_cut(block, size, align);
        ASSERT(out);
    }
    arena->used = used;
    return out;
}

void *arena_zalloc(struct arena *arena, size_t size, size_t align)
{
    void *out = arena_alloc(arena, size, align);
    return out ? memset(out, 0, size) : NULL;
}

void *arena_zalloc_array(struct arena *arena, size_t count, size_t size, size_t align)
{
    size_t total;
    if (__builtin_mul_overflow(count, size, &total)) {
        return NULL;
    }
    return arena_zalloc(arena, total, align);
}

char *arena_strndup(struct arena *arena, const char *text, size_t size)
{
    if (size == SIZE_MAX) {
        return NULL;
    }
    char *out = arena_alloc(arena, size + 1, 1);
    if (!out) {
        return NULL;
    }
    if (size) {
        memcpy(out, text, size);
    }
    out[size] = '\0';
    return out;
}

void *arena_memdup(struct arena *arena, const void *data, size_t size)
{
    void *out = arena_alloc(arena, size, _Alignof(max_align_t));
    if (out && size) {
        memcpy(out, data, size);
    }
    return out;
}

char *arena_printf(struct arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    int size = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *out = size < 0 ? NULL : arena_alloc(arena, (size_t)size + 1, 1);
    if (out) {
        (void)vsnprintf(out, (size_t)size + 1, format, again);
    }
    va_end(again);
    return out;
}

bool arena_defer(struct arena *arena, void (*fn)(void *arg), void *arg)
{
    struct defer *note = arena_alloc(arena, sizeof(*note), _Alignof(struct defer));
    if (!note) {
        return false;
    }
    *note = (struct defer){.earlier = arena->last, .fn = fn, .arg = arg};
    arena->last = note;
    return true;
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}

static void run_defers(struct arena *arena)
{
    while (arena->last) {
        struct defer *note = arena->last;
        arena->last = note->earlier; /* first: the function may defer again */
        note->fn(note->arg);
    }
}

void arena_reset(struct arena *arena)
{
    run_defers(arena);
    struct block *block = arena->newest;
    while (block && block->older) {
        struct block *older = block->older;
        block_destroy(block);
        block = older;
    }
    /* The oldest block is the smallest: an arena that is reset often must not keep the memory of
     * its largest use. */
    if (block) {
        POISON(block->data, block->size);
        block->used = 0;
    }
    arena->newest = block;
    arena->used = 0;
    arena->next_block_size = block ? 2 * BLOCK_SIZE_MIN : BLOCK_SIZE_MIN;
}

void arena_destroy(struct arena *arena)
{
    if (!arena) {
        return;
    }
    run_defers(arena);
    while (arena->newest) {
        struct block *block = arena->newest;
        arena->newest = block->older;
        block_destroy(block);
    }
    mem_free(arena);
}
