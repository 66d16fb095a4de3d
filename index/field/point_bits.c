/* Flat bitmaps of points, and roaring bitmaps made of them.
 *
 * A chunk becomes a roaring container as it is: an array up to 4096 points, a bitset above; both
 * are written in the portable format (github.com/RoaringBitmap/RoaringFormatSpec) and read back by
 * the library, which is one copy and no insertion. Loops over words are plain so that the compiler
 * makes vectors of them. No locks; nothing fails. */
#include "index/field/point_bits.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <string.h>

enum {
    COOKIE_WITHOUT_RUNS = 12346,
    ARRAY_POINTS_MAX = 4096,
    HEADER_BYTES = 8,
    DESCRIPTION_BYTES = 8, /* key, count - 1, place */
    WORDS_BYTES = POINT_CHUNK_WORDS * 8
};

void point_bits_init(struct point_bits *bits)
{
    *bits = (struct point_bits){0};
}

void point_bits_deinit(struct point_bits *bits)
{
    for (size_t i = 0; i < bits->chunks_count; i++)
        mem_free(bits->chunks[i]);
    mem_free(bits->chunks);
    point_bits_init(bits);
}

static void reserve_chunks(struct point_bits *bits, size_t count)
{
    if (count <= bits->chunks_count)
        return;
    bits->chunks = mem_realloc(bits->chunks, count * sizeof(struct point_chunk *));
    memset(bits->chunks + bits->chunks_count, 0,
           (count - bits->chunks_count) * sizeof(struct point_chunk *));
    bits->chunks_count = count;
}

static struct point_chunk *make_chunk(struct point_bits *bits, size_t at)
{
    reserve_chunks(bits, at + 1);
    if (!bits->chunks[at])
        bits->chunks[at] = mem_zalloc(sizeof(struct point_chunk));
    return bits->chunks[at];
}

void point_bits_mark(struct point_bits *bits, const uint32_t *points, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t point = points[i];
        size_t at = point >> POINT_CHUNK_SHIFT;
        struct point_chunk *chunk = at < bits->chunks_count ? bits->chunks[at] : NULL;
        if (!chunk)
            chunk = make_chunk(bits, at);
        chunk->words[(point & 0xFFFF) >> 6] |= UINT64_C(1) << (point & 63);
    }
}

void point_bits_or(struct point_bits *into, const struct point_bits *other)
{
    for (size_t at = 0; at < other->chunks_count; at++) {
        if (!other->chunks[at])
            continue;
        uint64_t *words = make_chunk(into, at)->words;
        const uint64_t *others = other->chunks[at]->words;
        for (size_t i = 0; i < POINT_CHUNK_WORDS; i++)
            words[i] |= others[i];
    }
}

void point_bits_add(struct point_bits *bits, uint32_t point)
{
    struct point_chunk *chunk = make_chunk(bits, point >> POINT_CHUNK_SHIFT);
    uint64_t *word = &chunk->words[(point & 0xFFFF) >> 6], bit = UINT64_C(1) << (point & 63);
    chunk->count += *word & bit ? 0 : 1;
    *word |= bit;
}

void point_bits_remove(struct point_bits *bits, uint32_t point)
{
    size_t at = point >> POINT_CHUNK_SHIFT;
    if (!point_bits_has(bits, point))
        return;
    struct point_chunk *chunk = bits->chunks[at];
    chunk->words[(point & 0xFFFF) >> 6] &= ~(UINT64_C(1) << (point & 63));
    if (--chunk->count == 0) {
        mem_free(chunk);
        bits->chunks[at] = NULL;
    }
}

static uint32_t count_bits(const struct point_chunk *chunk)
{
    uint32_t count = 0;
    for (size_t i = 0; i < POINT_CHUNK_WORDS; i++)
        count += (uint32_t)__builtin_popcountll(chunk->words[i]);
    return count;
}

void point_bits_recount(struct point_bits *bits)
{
    for (size_t at = 0; at < bits->chunks_count; at++) {
        if (bits->chunks[at])
            bits->chunks[at]->count = count_bits(bits->chunks[at]);
    }
}

static bool mark_one(uint32_t point, void *ctx)
{
    point_bits_mark(ctx, &point, 1);
    return true;
}

void point_bits_of_roaring(struct point_bits *bits, const roaring_bitmap_t *points)
{
    roaring_iterate(points, mark_one, bits);
}

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

/* The points of a chunk as the format has them; returns the end. */
static uint8_t *put_container(uint8_t *at, const struct point_chunk *chunk, uint32_t count)
{
    if (count > ARRAY_POINTS_MAX) {
        memcpy(at, chunk->words, WORDS_BYTES);
        return at + WORDS_BYTES;
    }
    for (uint32_t i = 0; i < POINT_CHUNK_WORDS; i++) {
        for (uint64_t word = chunk->words[i]; word != 0; word &= word - 1) {
            uint16_t low = (uint16_t)(i * 64 + (uint32_t)__builtin_ctzll(word));
            memcpy(at, &low, sizeof(low));
            at += sizeof(low);
        }
    }
    return at;
}

static size_t container_bytes(uint32_t count)
{
    return count > ARRAY_POINTS_MAX ? WORDS_BYTES : count * sizeof(uint16_t);
}

roaring_bitmap_t *point_bits_to_roaring(const struct point_bits *bits)
{
    uint32_t *counts = mem_zalloc((bits->chunks_count + 1) * sizeof(*counts));
    uint32_t containers = 0;
    size_t size = HEADER_BYTES;
    for (size_t at = 0; at < bits->chunks_count; at++) {
        counts[at] = bits->chunks[at] ? count_bits(bits->chunks[at]) : 0;
        containers += counts[at] ? 1 : 0;
        size += counts[at] ? DESCRIPTION_BYTES + container_bytes(counts[at]) : 0;
    }
    uint8_t *image = mem_alloc(size);
    uint8_t *key = put_u32(put_u32(image, COOKIE_WITHOUT_RUNS), containers);
    uint8_t *place = key + (size_t)containers * 4;
    uint8_t *data = place + (size_t)containers * 4;
    for (size_t at = 0; at < bits->chunks_count; at++) {
        if (counts[at] == 0)
            continue;
        key = put_u32(key, (uint32_t)at | (counts[at] - 1) << 16);
        place = put_u32(place, (uint32_t)(data - image));
        data = put_container(data, bits->chunks[at], counts[at]);
    }
    ASSERT((size_t)(data - image) == size);
    roaring_bitmap_t *out = roaring_bitmap_portable_deserialize_safe((const char *)image, size);
    ASSERT(out);
    mem_free(image);
    mem_free(counts);
    return out;
}

size_t point_bits_memory(const struct point_bits *bits)
{
    size_t bytes = bits->chunks_count * sizeof(struct point_chunk *);
    for (size_t at = 0; at < bits->chunks_count; at++)
        bytes += bits->chunks[at] ? sizeof(struct point_chunk) : 0;
    return bytes;
}

void point_sink_init(struct point_sink *sink)
{
    point_bits_init(&sink->bits);
    sink->list_count = 0;
    sink->spilled = false;
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
    if (!sink->spilled && count <= POINT_LIST_MAX - sink->list_count) {
        memcpy(sink->list + sink->list_count, points, count * sizeof(*points));
        sink->list_count += count;
        return;
    }
    spill(sink);
    point_bits_mark(&sink->bits, points, count);
}

void point_sink_or(struct point_sink *sink, const struct point_bits *bits)
{
    spill(sink);
    point_bits_or(&sink->bits, bits);
}

roaring_bitmap_t *point_sink_finish(struct point_sink *sink)
{
    roaring_bitmap_t *out = sink->spilled ? point_bits_to_roaring(&sink->bits)
                                          : roaring_bitmap_of_ptr(sink->list_count, sink->list);
    point_bits_deinit(&sink->bits);
    return out;
}
