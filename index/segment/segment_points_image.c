/* The image of a segment's points: "points.image" in the collection's index folder. With it a start
 * needs none of storage's point rows.
 *
 * It says for which state of storage it stands: the applied log index and the next offset, which
 * storage writes with every change of a point. Any other state, and the image is ignored. What has
 * gone but was not purged yet is listed too, so that the purge goes on where it was.
 *
 * File, integers little endian: magic "SGPOINT1", checksum u64 of what follows, applied u64, next
 * offset u32, slots u32, points u32, graves u32; bits by offset in words of u64: the live points,
 * for each slot those with a vector, those whose id is a UUID; graves x { offset u32 }; for each
 * live point in order of offsets { version u64, id's low u64, for a UUID its high u64 }. */
#include "index/segment/segment_frame.h"
#include "index/segment/segment_int.h"
#include "storage/base/assert.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/base/reader.h"

enum { POINTS_MIN = 10000, WORD_BITS = 64 };
static const char MAGIC[FRAME_MAGIC_BYTES] = "SGPOINT1";
static const char NAME[] = "points.image";

/* ---- saving ---- */

static bool live_bit(const struct segment *segment, uint32_t slot, point_offset offset)
{
    (void)slot;
    return is_live(segment, offset);
}

static bool uuid_bit(const struct segment *segment, uint32_t slot, point_offset offset)
{
    (void)slot;
    return is_live(segment, offset) && row_at(segment, offset)->id.is_uuid;
}

static bool has_bit(const struct segment *segment, uint32_t slot, point_offset offset)
{
    return is_live(segment, offset) && vectors_has(&segment->slots[slot].vectors, offset);
}

static void append_bits(const struct segment *segment, uint32_t slot,
                        bool (*bit)(const struct segment *segment, uint32_t slot,
                                    point_offset offset),
                        struct buffer *out)
{
    point_offset count = segment_next_offset(segment);
    for (uint64_t first = 0; first < count; first += WORD_BITS) {
        uint64_t word = 0;
        for (uint64_t i = first; i < first + WORD_BITS && i < count; i++) {
            word |= (uint64_t)bit(segment, slot, (point_offset)i) << (i - first);
        }
        buffer_append_u64(out, word);
    }
}

static void append_graves(struct graveyard *graves, struct buffer *out)
{
    for (size_t i = 0; i < graves->old_count; i++) {
        buffer_append_u32(out, graves->old[i]);
    }
    for (size_t i = 0; i < graves->fresh_count; i++) {
        buffer_append_u32(out, graves->fresh[i]);
    }
}

static void append_points(const struct segment *segment, struct buffer *out)
{
    for (point_offset i = 0; i < segment_next_offset(segment); i++) {
        const struct point_row *row = row_at(segment, i);
        if (is_live(segment, i)) {
            buffer_append_u64(out, atomic_load_explicit(&row->version, memory_order_relaxed));
            buffer_append_u64(out, row->id.low);
            if (row->id.is_uuid) {
                buffer_append_u64(out, row->id.high);
            }
        }
    }
}

enum status segment_save_points(struct segment *segment, uint64_t applied, struct error *err)
{
    if (segment_next_offset(segment) < POINTS_MIN || atomic_load(&segment->dropped)) {
        return STATUS_OK;
    }
    struct buffer rest;
    buffer_init(&rest, 0);
    pthread_mutex_lock(&segment->graves.lock);
    buffer_append_u64(&rest, applied);
    buffer_append_u32(&rest, segment_next_offset(segment));
    buffer_append_u32(&rest, segment->slots_count);
    buffer_append_u32(&rest, (uint32_t)segment_points_count(segment));
    buffer_append_u32(&rest, (uint32_t)(segment->graves.old_count + segment->graves.fresh_count));
    append_bits(segment, 0, live_bit, &rest);
    for (uint32_t i = 0; i < segment->slots_count; i++) {
        append_bits(segment, i, has_bit, &rest);
    }
    append_bits(segment, 0, uuid_bit, &rest);
    append_graves(&segment->graves, &rest);
    append_points(segment, &rest);
    pthread_mutex_unlock(&segment->graves.lock);
    enum status status = segment_frame_write(segment, NAME, MAGIC, buffer_slice(&rest), err);
    buffer_deinit(&rest);
    return status;
}

/* ---- loading ---- */

struct image {
    size_t words; /* of each set */
    uint32_t points, graves;
    const uint8_t *live, *has, *uuid, *grave;
    struct reader rows;
};

static uint64_t word_at(const uint8_t *words, size_t i)
{
    uint64_t word;
    memcpy(&word, words + i * sizeof(word), sizeof(word));
    return word;
}

static size_t count_bits(const uint8_t *words, size_t count)
{
    size_t bits = 0;
    for (size_t i = 0; i < count; i++) {
        bits += (size_t)__builtin_popcountll(word_at(words, i));
    }
    return bits;
}

/* Finds the parts. False: not of this state of storage (*why NULL), or not to be used. */
static bool read_image(const struct segment *segment, uint64_t applied, struct reader reader,
                       struct image *image, const char **why)
{
    *why = "it is damaged";
    point_offset count = segment_next_offset(segment);
    bool same_state = reader_u64(&reader) == applied;
    same_state = reader_u32(&reader) == count && same_state;
    same_state = reader_u32(&reader) == segment->slots_count && same_state;
    image->points = reader_u32(&reader);
    image->graves = reader_u32(&reader);
    if (!same_state) {
        *why = NULL;
        return false;
    }
    image->words = ((size_t)count + WORD_BITS - 1) / WORD_BITS;
    size_t set_bytes = image->words * sizeof(uint64_t);
    image->live = reader_bytes(&reader, set_bytes).data;
    image->has = reader_bytes(&reader, set_bytes * segment->slots_count).data;
    image->uuid = reader_bytes(&reader, set_bytes).data;
    image->grave = reader_bytes(&reader, (size_t)image->graves * sizeof(uint32_t)).data;
    image->rows = reader;
    if (reader.failed || count_bits(image->live, image->words) != image->points) {
        return false;
    }
    size_t numbers = 2 * (size_t)image->points + count_bits(image->uuid, image->words);
    return reader_left(&reader) == numbers * sizeof(uint64_t);
}

/* Point rows of the live offsets, which it lists. */
static void read_rows(struct segment *segment, struct image *image, point_offset *offsets)
{
    size_t found = 0;
    for (size_t w = 0; w < image->words; w++) {
        uint64_t uuids = word_at(image->uuid, w);
        for (uint64_t live = word_at(image->live, w); live; live &= live - 1) {
            unsigned bit = (unsigned)__builtin_ctzll(live);
            point_offset offset = (point_offset)(w * WORD_BITS + bit);
            struct point_row *row = row_at(segment, offset);
            atomic_store_explicit(&row->version, reader_u64(&image->rows), memory_order_relaxed);
            row->id = (struct point_id){.low = reader_u64(&image->rows)};
            if (uuids >> bit & 1) {
                row->id.is_uuid = true;
                row->id.high = reader_u64(&image->rows);
            }
            offsets[found++] = offset;
        }
    }
    ASSERT(found == image->points);
}

static bool is_in_range(const struct segment *segment, const struct image *image)
{
    unsigned used = segment_next_offset(segment) % WORD_BITS;
    bool past = used > 0 && word_at(image->live, image->words - 1) >> used != 0;
    for (uint32_t i = 0; i < image->graves && !past; i++) {
        uint32_t grave;
        memcpy(&grave, image->grave + i * sizeof(grave), sizeof(grave));
        past = grave >= segment_next_offset(segment);
    }
    return !past;
}

static bool take_image(struct segment *segment, struct image *image, struct bitmap *has)
{
    if (image->points == 0 || !is_in_range(segment, image)) {
        return false;
    }
    point_offset *offsets = mem_try_alloc(image->points * sizeof(offsets[0]));
    if (!offsets) {
        return false;
    }
    read_rows(segment, image, offsets);
    bool is_good = id_map_fill(&segment->ids, offsets, image->points);
    for (size_t i = 0; i < image->points && is_good; i++) {
        atomic_store_explicit(live_at(segment, offsets[i]), 1, memory_order_relaxed);
    }
    mem_free(offsets);
    size_t set_bytes = image->words * sizeof(uint64_t);
    for (uint32_t i = 0; i < segment->slots_count && is_good; i++) {
        memcpy(has[i].words, image->has + i * set_bytes, set_bytes);
    }
    for (uint32_t i = 0; i < image->graves && is_good; i++) {
        uint32_t grave;
        memcpy(&grave, image->grave + i * sizeof(grave), sizeof(grave));
        graveyard_add(&segment->graves, grave);
    }
    return is_good;
}

void segment_points_load(struct segment *segment, uint64_t applied, struct bitmap *has,
                         bool *loaded)
{
    struct buffer file;
    struct error err = {0};
    struct image image = {0};
    struct reader rest;
    const char *why = NULL;
    *loaded = false;
    buffer_init(&file, 0);
    enum status status = segment_frame_read(segment, NAME, MAGIC, &file, &rest, &err);
    if (status == STATUS_OK && read_image(segment, applied, rest, &image, &why)) {
        *loaded = take_image(segment, &image, has);
    }
    why = status != STATUS_OK && status != STATUS_NOT_FOUND ? err.message : why;
    if (!*loaded && why) {
        log_warn("index/segment",
                 "points of collection %u are loaded from storage, not from %s: %s",
                 segment->collection, NAME, why);
    }
    buffer_deinit(&file);
}
