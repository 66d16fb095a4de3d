/* Collecting matches and making a roaring bitmap of them.
 *
 * A chunk of flat bits costs a walk over its 1024 words, a point of a list its share of the
 * sorting: about the same at a thousand points a chunk. The list is sorted by bytes from the lowest
 * up (radix sort), as many as the highest point has, and written as the containers of the portable
 * format. Nothing fails. */
#include "index/field/point_bits.h"
#include "storage/base/mem.h"

#include <string.h>

enum {
    LIST_PER_CHUNK = 768,
    LIST_MAX = 1 << 20,
    LIST_ROOM_MIN = 64,
    FEW_POINTS = 48, /* the library sorts them as fast */
    DIGIT_BITS = 8,
    DIGITS = 1 << DIGIT_BITS
};

void point_sink_init(struct point_sink *sink, uint32_t highest)
{
    size_t list_max = ((highest >> POINT_CHUNK_SHIFT) + 1) * (size_t)LIST_PER_CHUNK;
    *sink = (struct point_sink){.list_max = list_max < LIST_MAX ? list_max : LIST_MAX};
    point_bits_init(&sink->bits);
}

static void spill(struct point_sink *sink)
{
    if (sink->spilled)
        return;
    point_bits_mark(&sink->bits, sink->list, sink->list_count);
    sink->spilled = true;
}

void point_sink_add(struct point_sink *sink, const uint32_t *points, size_t count)
{
    if (sink->spilled || count > sink->list_max - sink->list_count) {
        spill(sink);
        point_bits_mark(&sink->bits, points, count);
        return;
    }
    if (count > sink->list_capacity - sink->list_count) {
        sink->list_capacity = (sink->list_count + count) * 2 + LIST_ROOM_MIN;
        sink->list = mem_realloc(sink->list, sink->list_capacity * sizeof(uint32_t));
    }
    memcpy(sink->list + sink->list_count, points, count * sizeof(uint32_t));
    sink->list_count += count;
}

void point_sink_or(struct point_sink *sink, const struct point_bits *bits)
{
    spill(sink);
    point_bits_or(&sink->bits, bits);
}

/* Orders by one digit; equal digits keep their order. */
static void sort_digit(const uint32_t *from, uint32_t *to, size_t count, unsigned shift)
{
    uint32_t starts[DIGITS] = {0}, sum = 0;
    for (size_t i = 0; i < count; i++)
        starts[from[i] >> shift & (DIGITS - 1)]++;
    for (size_t i = 0; i < DIGITS; i++) {
        uint32_t here = starts[i];
        starts[i] = sum;
        sum += here;
    }
    for (size_t i = 0; i < count; i++)
        to[starts[from[i] >> shift & (DIGITS - 1)]++] = from[i];
}

/* Ascending, each point once; returns how many. */
static size_t sort_list(struct point_sink *sink)
{
    uint32_t *from = sink->list, *to = mem_alloc(sink->list_count * sizeof(*to));
    uint32_t all = 0;
    size_t count = 0;
    for (size_t i = 0; i < sink->list_count; i++)
        all |= from[i];
    for (unsigned shift = 0; shift < 32 && all >> shift != 0; shift += DIGIT_BITS) {
        sort_digit(from, to, sink->list_count, shift);
        uint32_t *other = from;
        from = to;
        to = other;
    }
    for (size_t i = 0; i < sink->list_count; i++) {
        if (i == 0 || from[i] != from[i - 1])
            to[count++] = from[i];
    }
    mem_free(from);
    sink->list = to;
    return count;
}

static roaring_bitmap_t *finish_list(struct point_sink *sink)
{
    if (sink->list_count <= FEW_POINTS)
        return roaring_bitmap_of_ptr(sink->list_count, sink->list);
    size_t count = sort_list(sink);
    return point_list_to_roaring(sink->list, count);
}

roaring_bitmap_t *point_sink_finish(struct point_sink *sink)
{
    roaring_bitmap_t *out = sink->spilled ? point_bits_to_roaring(&sink->bits) : finish_list(sink);
    point_bits_deinit(&sink->bits);
    mem_free(sink->list);
    return out;
}
