/* Flat bit set. Bits of the last word past `bits` are always 0, which counting and searching rely
 * on. One owner at a time. Only growing can fail, for memory; the bitmap is then unchanged. */
#include "storage/base/bitmap.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <string.h>

static size_t words_of(size_t bits)
{
    return bits / 64 + (bits % 64 != 0);
}

/* Zeroes what lies past the last bit. */
static void clear_rest(struct bitmap *bitmap)
{
    if (bitmap->bits % 64) {
        bitmap->words[bitmap->bits / 64] &= ((uint64_t)1 << (bitmap->bits % 64)) - 1;
    }
}

void bitmap_init(struct bitmap *bitmap)
{
    *bitmap = (struct bitmap){0};
}

void bitmap_deinit(struct bitmap *bitmap)
{
    mem_free(bitmap->words);
    bitmap_init(bitmap);
}

bool bitmap_resize(struct bitmap *bitmap, size_t bits)
{
    size_t had = words_of(bitmap->bits);
    size_t want = words_of(bits);
    if (want != had) {
        uint64_t *words = mem_try_realloc(bitmap->words, want * sizeof(uint64_t));
        if (!words) {
            return false;
        }
        bitmap->words = words;
        if (want > had) {
            memset(words + had, 0, (want - had) * sizeof(uint64_t));
        }
    }
    bitmap->bits = bits;
    clear_rest(bitmap);
    return true;
}

size_t bitmap_count(const struct bitmap *bitmap)
{
    size_t count = 0;
    for (size_t i = 0; i < words_of(bitmap->bits); i++) {
        count += (size_t)__builtin_popcountll(bitmap->words[i]);
    }
    return count;
}

size_t bitmap_next(const struct bitmap *bitmap, size_t from)
{
    if (from >= bitmap->bits) {
        return bitmap->bits;
    }
    size_t at = from / 64;
    uint64_t word = bitmap->words[at] & (UINT64_MAX << (from % 64));
    size_t words = words_of(bitmap->bits);
    while (!word) {
        if (++at == words) {
            return bitmap->bits;
        }
        word = bitmap->words[at];
    }
    return at * 64 + (size_t)__builtin_ctzll(word);
}

void bitmap_and(struct bitmap *into, const struct bitmap *other)
{
    ASSERT(into->bits == other->bits);
    for (size_t i = 0; i < words_of(into->bits); i++) {
        into->words[i] &= other->words[i];
    }
}

void bitmap_or(struct bitmap *into, const struct bitmap *other)
{
    ASSERT(into->bits == other->bits);
    for (size_t i = 0; i < words_of(into->bits); i++) {
        into->words[i] |= other->words[i];
    }
}

void bitmap_not(struct bitmap *bitmap)
{
    for (size_t i = 0; i < words_of(bitmap->bits); i++) {
        bitmap->words[i] = ~bitmap->words[i];
    }
    if (bitmap->bits) {
        clear_rest(bitmap);
    }
}
