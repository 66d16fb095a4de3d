/* Images of lists: how many points u32, how many blocks u32, and for each block its postings u32,
 * bytes u32, first point u32 and the bytes as they are in memory. Loading reads every posting, so
 * that what is in memory can be trusted. */
#include "index/field/text_list.h"
#include "storage/base/mem.h"

bool varint_read_checked(const uint8_t **at, const uint8_t *end, uint64_t *out)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 64 && *at < end; shift += 7) {
        uint64_t byte = *(*at)++;
        if (shift == 63 && byte > 1) {
            return false;
        }
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            *out = value;
            return true;
        }
    }
    return false;
}

void text_list_save(const struct text_list *list, struct buffer *out)
{
    const struct text_block *blocks = list->blocks_count > 1 ? list->many : &list->one;
    buffer_append_u32(out, list->points_count);
    buffer_append_u32(out, list->blocks_count);
    for (uint32_t i = 0; i < list->blocks_count; i++) {
        buffer_append_u32(out, blocks[i].count);
        buffer_append_u32(out, blocks[i].size);
        buffer_append_u32(out, blocks[i].first);
        buffer_append(out, blocks[i].bytes, blocks[i].size);
    }
}

/* Positions from *at on: as many as they should be, ascending, ending with `last` if it is told. */
static bool check_positions(const uint8_t *at, const uint8_t *end, uint64_t frequency,
                            const uint64_t *last)
{
    uint64_t position = 0, distance;
    for (uint64_t i = 0; i < frequency; i++) {
        if (!varint_read_checked(&at, end, &distance) || (i > 0 && distance == 0) ||
            __builtin_add_overflow(position, distance, &position)) {
            return false;
        }
    }
    return at == end && (!last || *last == position);
}

/* A posting at *at; *point is the one before it, then its own. */
static bool check_posting(const uint8_t **at, const uint8_t *end, bool has_positions,
                          uint64_t *point)
{
    uint64_t distance, frequency, size, last = 0;
    if (!varint_read_checked(at, end, &distance) || distance > UINT32_MAX ||
        !varint_read_checked(at, end, &frequency)) {
        return false;
    }
    *point += distance;
    if (!has_positions) {
        return frequency > 0 && frequency <= TEXT_FREQUENCY_MAX;
    }
    bool has_last = frequency % 2 != 0;
    frequency /= 2;
    if (frequency == 0 || frequency > TEXT_FREQUENCY_MAX || !varint_read_checked(at, end, &size) ||
        (has_last && !varint_read_checked(at, end, &last)) || size > (size_t)(end - *at)) {
        return false;
    }
    const uint8_t *places = *at;
    *at += size;
    return check_positions(places, *at, frequency, has_last ? &last : NULL);
}

/* Sets the block's last point. */
static bool check_block(struct text_block *block, bool has_positions, point_offset point_max)
{
    const uint8_t *at = block->bytes, *end = at + block->size;
    uint64_t point = block->first;
    for (uint32_t i = 0; i < block->count; i++) {
        uint64_t before = point;
        if (!check_posting(&at, end, has_positions, &point) || (point == before) != (i == 0) ||
            point > point_max) {
            return false;
        }
    }
    block->last = (point_offset)point;
    return at == end;
}

static bool load_block(struct text_lists *lists, struct text_block *block, struct reader *image)
{
    uint32_t count = reader_u32(image), size = reader_u32(image), first = reader_u32(image);
    struct slice bytes = reader_bytes(image, size);
    if (image->failed || count == 0 || count > TEXT_BLOCK_POSTINGS || size == 0) {
        return false;
    }
    *block = (struct text_block){.count = count, .size = size, .first = first};
    block->bytes = mem_alloc(text_room(size));
    memcpy(block->bytes, bytes.data, size);
    lists->bytes += text_room(size);
    return true;
}

bool text_list_load(struct text_lists *lists, struct text_list *list, struct reader *image,
                    point_offset point_max)
{
    uint32_t points_count = reader_u32(image), blocks_count = reader_u32(image);
    uint64_t points = 0, last = 0;
    for (uint32_t i = 0; i < blocks_count; i++) {
        struct text_block *block = text_list_insert_block(lists, list, i);
        if (!load_block(lists, block, image) || !check_block(block, lists->positions, point_max) ||
            (i > 0 && block->first <= last)) {
            return false;
        }
        last = block->last;
        points += block->count;
    }
    list->points_count = points_count;
    return !image->failed && points == points_count;
}
