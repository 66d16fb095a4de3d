/* Flat bit set over 0..bits-1, growable. bitmap_set/clear/get are plain;
 * not thread-safe. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bitmap {
    uint64_t *words;
    size_t bits;
};
void bitmap_init(struct bitmap *bitmap);
void bitmap_deinit(struct bitmap *bitmap);
bool bitmap_resize(struct bitmap *bitmap, size_t bits); /* new bits are 0; false: no memory */
static inline bool bitmap_get(const struct bitmap *b, size_t i)
{
    return i < b->bits && (b->words[i >> 6] >> (i & 63) & 1);
}
static inline void bitmap_set(struct bitmap *b, size_t i)
{
    b->words[i >> 6] |= (uint64_t)1 << (i & 63);
}
static inline void bitmap_clear(struct bitmap *b, size_t i)
{
    b->words[i >> 6] &= ~((uint64_t)1 << (i & 63));
}
size_t bitmap_count(const struct bitmap *bitmap);
/* First set bit at or after `from`; `bits` when there is none. */
size_t bitmap_next(const struct bitmap *bitmap, size_t from);
void bitmap_and(struct bitmap *into, const struct bitmap *other); /* sizes equal */
void bitmap_or(struct bitmap *into, const struct bitmap *other);
void bitmap_not(struct bitmap *bitmap);
