/* Sets of points in flat bitmaps of 65,536 points each, made on demand, and the collecting of
 * matches in any order: setting a bit costs about 1 ns, adding to a roaring bitmap ten times as
 * much. Not thread-safe. */
#pragma once
#include <roaring/roaring.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { POINT_CHUNK_SHIFT = 16, POINT_CHUNK_WORDS = 1024 };

struct point_chunk {
    uint32_t count; /* of bits, kept by add and remove alone */
    uint64_t words[POINT_CHUNK_WORDS];
};
struct point_bits {
    struct point_chunk **chunks; /* NULL: none of its points */
    size_t chunks_count;
};
void point_bits_init(struct point_bits *bits);
void point_bits_deinit(struct point_bits *bits);
/* Sets bits; their chunks' counts are wrong afterwards. */
void point_bits_mark(struct point_bits *bits, const uint32_t *points, size_t count);
void point_bits_or(struct point_bits *into, const struct point_bits *other);
/* Sets or clears one bit of a set whose counts are right; chunks without bits go. */
void point_bits_add(struct point_bits *bits, uint32_t point);
void point_bits_remove(struct point_bits *bits, uint32_t point);
void point_bits_recount(struct point_bits *bits);
static inline bool point_bits_has(const struct point_bits *bits, uint32_t point)
{
    size_t at = point >> POINT_CHUNK_SHIFT;
    if (at >= bits->chunks_count || !bits->chunks[at])
        return false;
    return bits->chunks[at]->words[(point & 0xFFFF) >> 6] >> (point & 63) & 1;
}
void point_bits_of_roaring(struct point_bits *bits, const roaring_bitmap_t *points);
roaring_bitmap_t *point_bits_to_roaring(const struct point_bits *bits); /* the caller's, to free */
roaring_bitmap_t *point_list_to_roaring(const uint32_t *points, size_t count); /* ascending */
size_t point_bits_memory(const struct point_bits *bits);

/* Collects points, in any order and repeated. Few of them, measured by the chunks they may lie in,
 * stay a list that is sorted in the end: a small answer costs nothing for what it does not have. */
struct point_sink {
    struct point_bits bits;
    uint32_t *list;
    size_t list_count, list_capacity, list_max;
    bool spilled; /* everything is in `bits` */
};
/* `highest`: the highest point that may come. */
void point_sink_init(struct point_sink *sink, uint32_t highest);
void point_sink_add(struct point_sink *sink, const uint32_t *points, size_t count);
void point_sink_or(struct point_sink *sink, const struct point_bits *bits);
roaring_bitmap_t *point_sink_finish(struct point_sink *sink); /* the caller's; ends the sink */
