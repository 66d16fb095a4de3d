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
    WORDS_BYTES = POINT_CHUNK_WORDS * 8,
    WORDS_SUMMED = 16, /* 8 bits each fit the sum in a byte */
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

/* Bits of each byte of the word, in that byte. */
static inline uint64_t count_in_bytes(uint64_t word)
{
    word -= word >> 1 & UINT64_C(0x5555555555555555);
    word = (word & UINT64_C(0x3333333333333333)) + (word >> 2 & UINT64_C(0x3333333333333333));
    return (word + (word >> 4)) & UINT64_C(0x0F0F0F0F0F0F0F0F);
}

/* Sums first and folds then: the loop has only operations that vectors have. */
static uint32_t count_bits(const struct point_chunk *chunk)
{
    uint64_t count = 0;
    for (size_t i = 0; i < POINT_CHUNK_WORDS; i += WORDS_SUMMED) {
        uint64_t sum = 0;
        for (size_t j = 0; j < WORDS_SUMMED; j++)
            sum += count_in_bytes(chunk->words[i + j]);
        uint64_t pairs =
            (sum & UINT64_C(0x00FF00FF00FF00FF)) + (sum >> 8 & UINT64_C(0x00FF00FF00FF00FF));
        count += pairs * UINT64_C(0x0001000100010001) >> 48;
    }
    return (uint32_t)count;
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

/* An image in the portable format that is being written: headers of all containers, then data. */
struct image {
    uint8_t *bytes, *key, *place, *data;
    size_t size;
};

static uint8_t *put_u32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++)
        *at++ = (uint8_t)(value >> (8 * i));
    return at;
}

static size_t container_bytes(uint32_t count)
{
    return count > ARRAY_POINTS_MAX ? WORDS_BYTES : count * sizeof(uint16_t);
}

static struct image image_begin(uint32_t containers, size_t data_bytes)
{
    struct image image = {.size =
                              HEADER_BYTES + containers * (size_t)DESCRIPTION_BYTES + data_bytes};
    image.bytes = mem_alloc(image.size);
    image.key = put_u32(put_u32(image.bytes, COOKIE_WITHOUT_RUNS), containers);
    image.place = image.key + (size_t)containers * 4;
    image.data = image.place + (size_t)containers * 4;
    return image;
}

/* Returns where the container's data goes. */
static uint8_t *image_put(struct image *image, size_t chunk, uint32_t count)
{
    uint8_t *data = image->data;
    image->key = put_u32(image->key, (uint32_t)chunk | (count - 1) << 16);
    image->place = put_u32(image->place, (uint32_t)(data - image->bytes));
    image->data += container_bytes(count);
    return data;
}

static roaring_bitmap_t *image_end(struct image *image)
{
    ASSERT((size_t)(image->data - image->bytes) == image->size);
    roaring_bitmap_t *out =
        roaring_bitmap_portable_deserialize_safe((const char *)image->bytes, image->size);
    ASSERT(out);
    mem_free(image->bytes);
    return out;
}

static void put_words(uint8_t *at, const struct point_chunk *chunk, uint32_t count)
{
    if (count > ARRAY_POINTS_MAX) {
        memcpy(at, chunk->words, WORDS_BYTES);
        return;
    }
    for (uint32_t i = 0; i < POINT_CHUNK_WORDS; i++) {
        for (uint64_t word = chunk->words[i]; word != 0; word &= word - 1) {
            uint16_t low = (uint16_t)(i * 64 + (uint32_t)__builtin_ctzll(word));
            memcpy(at, &low, sizeof(low));
            at += sizeof(low);
        }
    }
}

roaring_bitmap_t *point_bits_to_roaring(const struct point_bits *bits)
{
    uint32_t *counts = mem_zalloc((bits->chunks_count + 1) * sizeof(*counts));
    uint32_t containers = 0;
    size_t data_bytes = 0;
    for (size_t at = 0; at < bits->chunks_count; at++) {
        counts[at] = bits->chunks[at] ? count_bits(bits->chunks[at]) : 0;
        containers += counts[at] ? 1 : 0;
        data_bytes += container_bytes(counts[at]);
    }
    struct image image = image_begin(containers, data_bytes);
    for (size_t at = 0; at < bits->chunks_count; at++) {
        if (counts[at] > 0)
            put_words(image_put(&image, at, counts[at]), bits->chunks[at], counts[at]);
    }
    mem_free(counts);
    return image_end(&image);
}

/* How many of the points, which ascend, are in the chunk of the first. */
static size_t run_of(const uint32_t *points, size_t count)
{
    size_t run = 0;
    while (run < count && points[run] >> POINT_CHUNK_SHIFT == points[0] >> POINT_CHUNK_SHIFT)
        run++;
    return run;
}

static void put_points(uint8_t *at, const uint32_t *points, size_t count)
{
    if (count > ARRAY_POINTS_MAX) {
        struct point_chunk chunk = {0};
        for (size_t i = 0; i < count; i++)
            chunk.words[(points[i] & 0xFFFF) >> 6] |= UINT64_C(1) << (points[i] & 63);
        memcpy(at, chunk.words, WORDS_BYTES);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        uint16_t low = (uint16_t)points[i];
        memcpy(at + i * sizeof(low), &low, sizeof(low));
    }
}

roaring_bitmap_t *point_list_to_roaring(const uint32_t *points, size_t count)
{
    uint32_t containers = 0;
    size_t data_bytes = 0;
    for (size_t i = 0, run; i < count; i += run) {
        run = run_of(points + i, count - i);
        containers++;
        data_bytes += container_bytes((uint32_t)run);
    }
    struct image image = image_begin(containers, data_bytes);
    for (size_t i = 0, run; i < count; i += run) {
        run = run_of(points + i, count - i);
        put_points(image_put(&image, points[i] >> POINT_CHUNK_SHIFT, (uint32_t)run), points + i,
                   run);
    }
    return image_end(&image);
}

size_t point_bits_memory(const struct point_bits *bits)
{
    size_t bytes = bits->chunks_count * sizeof(struct point_chunk *);
    for (size_t at = 0; at < bits->chunks_count; at++)
        bytes += bits->chunks[at] ? sizeof(struct point_chunk) : 0;
    return bytes;
}
