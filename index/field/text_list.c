/* Postings in blocks: finding, adding, taking out.
 *
 * A block has at most TEXT_BLOCK_POSTINGS postings and, unless it is a single one, little more than
 * TEXT_BLOCK_BYTES bytes, so that a change moves few bytes; a full one is split in two, or left
 * behind when the new point comes after it. Blocks are found by binary search over their last
 * points. What is in memory is trusted: it was made here or checked by text_list_image.c.
 *
 * The writer's lock is the field set's. No memory ends the process. */
#include "index/field/text_list.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

/* ---- bytes ---- */

size_t varint_write(uint8_t *out, uint64_t value)
{
    size_t size = 0;
    while (value >= 0x80) {
        out[size++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    out[size++] = (uint8_t)value;
    return size;
}

uint64_t varint_read(const uint8_t **at)
{
    uint64_t value = *(*at)++;
    if (value < 0x80) {
        return value;
    }
    value &= 0x7f;
    for (unsigned shift = 7;; shift += 7) {
        uint64_t byte = *(*at)++;
        value |= (byte & 0x7f) << shift;
        if (byte < 0x80) {
            return value;
        }
    }
}

size_t text_room(size_t size)
{
    size_t step = 8;
    while (step < size / 8) {
        step *= 2;
    }
    return (size + step - 1) / step * step;
}

/* In the block's bytes, `from` bytes at `at` become `to` bytes whose contents the caller writes. */
static void resize_at(struct text_lists *lists, struct text_block *block, size_t at, size_t from,
                      size_t to)
{
    size_t size = block->size - from + to;
    size_t room = text_room(size), room_before = block->bytes ? text_room(block->size) : 0;
    if (room > room_before) {
        block->bytes = mem_realloc(block->bytes, room);
    }
    memmove(block->bytes + at + to, block->bytes + at + from, block->size - at - from);
    if (room < room_before) {
        block->bytes = mem_realloc(block->bytes, room);
    }
    lists->bytes += room - room_before;
    block->size = (uint32_t)size;
}

/* ---- blocks ---- */

static struct text_block *blocks_of(const struct text_list *list)
{
    struct text_list *own = (struct text_list *)(uintptr_t)list;
    return list->blocks_count > 1 ? own->many : &own->one;
}

static size_t blocks_room(size_t count)
{
    return count > 1 ? text_room(count * sizeof(struct text_block)) : 0;
}

struct text_block *text_list_insert_block(struct text_lists *lists, struct text_list *list,
                                          uint32_t number)
{
    uint32_t count = list->blocks_count;
    if (count > 0) {
        size_t room = blocks_room(count + 1), room_before = blocks_room(count);
        struct text_block *many = count > 1 ? list->many : NULL;
        struct text_block one = list->one;
        if (room != room_before) {
            many = mem_realloc(many, room);
        }
        if (count == 1) {
            many[0] = one;
        }
        memmove(&many[number + 1], &many[number], (count - number) * sizeof(many[0]));
        list->many = many;
        lists->bytes += room - room_before;
    }
    list->blocks_count++;
    struct text_block *block = &blocks_of(list)[number];
    *block = (struct text_block){0};
    return block;
}

static void remove_block(struct text_lists *lists, struct text_list *list, uint32_t number)
{
    struct text_block *blocks = blocks_of(list);
    uint32_t count = --list->blocks_count;
    lists->bytes -= text_room(blocks[number].size);
    mem_free(blocks[number].bytes);
    if (count == 0) {
        *list = (struct text_list){0};
        return;
    }
    memmove(&blocks[number], &blocks[number + 1], (count - number) * sizeof(blocks[0]));
    size_t room = blocks_room(count), room_before = blocks_room(count + 1);
    lists->bytes -= room_before - room;
    if (count == 1) {
        struct text_block one = blocks[0];
        mem_free(blocks);
        list->one = one;
    } else if (room != room_before) {
        list->many = mem_realloc(blocks, room);
    }
}

/* The first block from `number` on that ends at or after the point; blocks_count: none. */
static uint32_t find_block(const struct text_list *list, uint32_t number, point_offset point)
{
    const struct text_block *blocks = blocks_of(list);
    uint32_t low = number, high = list->blocks_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (blocks[middle].last < point) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

void text_list_clear(struct text_lists *lists, struct text_list *list)
{
    while (list->blocks_count > 0) {
        remove_block(lists, list, list->blocks_count - 1);
    }
}

/* ---- postings ---- */

/* What stands before a posting's positions. */
struct head {
    point_offset point;
    uint32_t frequency;
    bool has_last;
    uint64_t last;      /* position */
    size_t places_size; /* bytes of the positions; 0 where there are none */
};

static struct head read_head(const uint8_t **at, point_offset before, bool positions)
{
    struct head head = {.point = before + (point_offset)varint_read(at)};
    uint64_t frequency = varint_read(at);
    head.frequency = (uint32_t)(positions ? frequency / 2 : frequency);
    if (positions) {
        head.has_last = frequency % 2 != 0;
        head.places_size = varint_read(at);
        head.last = head.has_last ? varint_read(at) : 0;
    }
    return head;
}

enum { HEAD_BYTES_MAX = 4 * VARINT_BYTES_MAX };

static size_t write_head(uint8_t *out, const struct head *head, point_offset before, bool positions)
{
    size_t size = varint_write(out, head->point - before);
    uint64_t frequency = head->frequency;
    size += varint_write(out + size, positions ? frequency * 2 + head->has_last : frequency);
    if (positions) {
        size += varint_write(out + size, head->places_size);
    }
    if (head->has_last) {
        size += varint_write(out + size, head->last);
    }
    return size;
}

uint64_t text_position_next(const uint8_t **at, uint64_t position)
{
    return position + varint_read(at);
}

/* A place in a block: the posting of a point, or where it would be. */
struct spot {
    size_t at;           /* in the block's bytes */
    point_offset before; /* what a distance here counts from */
    bool found;
    struct head head; /* of what is there, when there is anything */
    size_t head_size;
};

static struct spot find_spot(const struct text_block *block, point_offset point, bool positions)
{
    struct spot spot = {.before = block->first};
    if (block->count > 0 && point > block->last) { /* as points mostly come */
        return (struct spot){.at = block->size, .before = block->last};
    }
    while (spot.at < block->size) {
        const uint8_t *at = block->bytes + spot.at;
        spot.head = read_head(&at, spot.before, positions);
        spot.head_size = (size_t)(at - block->bytes) - spot.at;
        if (spot.head.point >= point) {
            spot.found = spot.head.point == point;
            break;
        }
        spot.before = spot.head.point;
        spot.at += spot.head_size + spot.head.places_size;
    }
    return spot;
}

/* The posting that begins at `at` now counts from `before` and no more from `before_old`. */
static void rebase(struct text_lists *lists, struct text_block *block, size_t at,
                   point_offset before_old, point_offset before)
{
    uint8_t distance[VARINT_BYTES_MAX];
    const uint8_t *read = block->bytes + at;
    point_offset point = before_old + (point_offset)varint_read(&read);
    size_t size_old = (size_t)(read - block->bytes) - at;
    size_t size = varint_write(distance, point - before);
    resize_at(lists, block, at, size_old, size);
    memcpy(block->bytes + at, distance, size);
}

static size_t pack_positions(const uint64_t *positions, uint32_t count, uint64_t last, uint8_t *out)
{
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += varint_write(out + size, positions[i] - last);
        last = positions[i];
    }
    return size;
}

static size_t packed_size(const uint64_t *positions, uint32_t count, uint64_t last)
{
    uint8_t room[VARINT_BYTES_MAX];
    size_t size = 0;
    for (uint32_t i = 0; i < count; i++) {
        size += varint_write(room, positions[i] - last);
        last = positions[i];
    }
    return size;
}

/* Another value of a point that has a posting. */
static void extend(struct text_lists *lists, struct text_block *block, const struct spot *spot,
                   const uint64_t *positions, uint32_t frequency)
{
    struct head head = spot->head;
    uint8_t bytes[HEAD_BYTES_MAX];
    size_t places_size = 0;
    if (lists->positions && !head.has_last) {
        const uint8_t *at = block->bytes + spot->at + spot->head_size;
        for (uint32_t i = 0; i < head.frequency; i++) {
            head.last = text_position_next(&at, head.last);
        }
        head.has_last = true;
    }
    if (lists->positions) {
        places_size = packed_size(positions, frequency, head.last);
    }
    uint64_t last = head.last;
    size_t old_size = head.places_size;
    head.places_size += places_size;
    head.frequency += frequency;
    ASSERT(head.frequency <= TEXT_FREQUENCY_MAX);
    head.last = lists->positions ? positions[frequency - 1] : 0;
    size_t size = write_head(bytes, &head, spot->before, lists->positions);
    resize_at(lists, block, spot->at, spot->head_size, size);
    memcpy(block->bytes + spot->at, bytes, size);
    if (lists->positions) {
        size_t at = spot->at + size + old_size;
        resize_at(lists, block, at, 0, places_size);
        pack_positions(positions, frequency, last, block->bytes + at);
    }
}

/* A posting for a point that has none in the block, which may be empty. */
static void insert(struct text_lists *lists, struct text_block *block, struct spot spot,
                   point_offset point, const uint64_t *positions, uint32_t frequency)
{
    struct head head = {.point = point, .frequency = frequency};
    uint8_t bytes[HEAD_BYTES_MAX];
    if (lists->positions) {
        head.places_size = packed_size(positions, frequency, 0);
    }
    if (block->count == 0 || point < block->first) {
        spot.before = point;
    }
    if (spot.at < block->size) {
        rebase(lists, block, spot.at, spot.at == 0 ? block->first : spot.before, point);
    }
    size_t size = write_head(bytes, &head, spot.before, lists->positions);
    resize_at(lists, block, spot.at, 0, size + head.places_size);
    memcpy(block->bytes + spot.at, bytes, size);
    if (lists->positions) {
        pack_positions(positions, frequency, 0, block->bytes + spot.at + size);
    }
    block->first = block->count == 0 || point < block->first ? point : block->first;
    block->last = block->count == 0 || point > block->last ? point : block->last;
    block->count++;
}

static bool is_full(const struct text_block *block)
{
    return block->count >= TEXT_BLOCK_POSTINGS ||
           (block->size >= TEXT_BLOCK_BYTES && block->count > 1);
}

/* Moves the upper half of a block into a new one behind it. */
static void split(struct text_lists *lists, struct text_list *list, uint32_t number)
{
    struct text_block *upper = text_list_insert_block(lists, list, number + 1);
    struct text_block *lower = &blocks_of(list)[number];
    const uint8_t *at = lower->bytes;
    point_offset before = lower->first;
    uint32_t kept = lower->count / 2;
    for (uint32_t i = 0; i < kept; i++) {
        struct head head = read_head(&at, before, lists->positions);
        at += head.places_size;
        before = head.point;
    }
    size_t size = (size_t)(at - lower->bytes);
    resize_at(lists, upper, 0, 0, lower->size - size);
    memcpy(upper->bytes, at, upper->size);
    upper->first = before + (point_offset)varint_read(&at);
    upper->last = lower->last;
    upper->count = lower->count - kept;
    rebase(lists, upper, 0, before, upper->first);
    resize_at(lists, lower, size, lower->size - size, 0);
    lower->last = before;
    lower->count = kept;
}

void text_list_add(struct text_lists *lists, struct text_list *list, point_offset point,
                   const uint64_t *positions, uint32_t frequency)
{
    ASSERT(frequency > 0 && frequency <= TEXT_FREQUENCY_MAX);
    uint32_t number = find_block(list, 0, point);
    if (number == list->blocks_count) { /* after all: to the last block, if it has room */
        if (number == 0 || is_full(&blocks_of(list)[number - 1])) {
            text_list_insert_block(lists, list, number);
        } else {
            number--;
        }
    }
    struct text_block *block = &blocks_of(list)[number];
    struct spot spot = find_spot(block, point, lists->positions);
    if (spot.found) {
        extend(lists, block, &spot, positions, frequency);
        return;
    }
    if (is_full(block)) {
        split(lists, list, number);
        number += blocks_of(list)[number].last < point;
        block = &blocks_of(list)[number];
        spot = find_spot(block, point, lists->positions);
    }
    insert(lists, block, spot, point, positions, frequency);
    list->points_count++;
}

bool text_list_remove(struct text_lists *lists, struct text_list *list, point_offset point)
{
    uint32_t number = find_block(list, 0, point);
    if (number == list->blocks_count) {
        return false;
    }
    struct text_block *block = &blocks_of(list)[number];
    struct spot spot = find_spot(block, point, lists->positions);
    if (!spot.found) {
        return false;
    }
    list->points_count--;
    if (block->count == 1) {
        remove_block(lists, list, number);
        return true;
    }
    block->count--;
    resize_at(lists, block, spot.at, spot.head_size + spot.head.places_size, 0);
    if (spot.at == block->size) {
        block->last = spot.before;
        return true;
    }
    const uint8_t *next = block->bytes + spot.at;
    point_offset next_point = point + (point_offset)varint_read(&next);
    rebase(lists, block, spot.at, point, spot.at == 0 ? next_point : spot.before);
    if (spot.at == 0) {
        block->first = next_point;
    }
    return true;
}

/* ---- reading ---- */

void text_cursor_init(struct text_cursor *cursor, const struct text_list *list, bool has_positions)
{
    *cursor = (struct text_cursor){.list = list, .has_positions = has_positions};
}

/* To the first posting of the block at hand. */
static bool enter_block(struct text_cursor *cursor)
{
    if (cursor->block >= cursor->list->blocks_count) {
        return false;
    }
    const struct text_block *block = &blocks_of(cursor->list)[cursor->block];
    cursor->at = block->bytes;
    cursor->point = block->first;
    cursor->left = block->count;
    return true;
}

static void read_posting(struct text_cursor *cursor)
{
    struct head head = read_head(&cursor->at, cursor->point, cursor->has_positions);
    cursor->point = head.point;
    cursor->frequency = head.frequency;
    cursor->positions = slice_of(cursor->at, head.places_size);
    cursor->at += head.places_size;
    cursor->left--;
}

bool text_cursor_next(struct text_cursor *cursor)
{
    if (cursor->left == 0) {
        cursor->block += cursor->at != NULL;
        if (!enter_block(cursor)) {
            return false;
        }
    }
    read_posting(cursor);
    return true;
}

bool text_cursor_seek(struct text_cursor *cursor, point_offset point)
{
    if (cursor->at && cursor->point >= point && cursor->block < cursor->list->blocks_count) {
        return true;
    }
    uint32_t number = find_block(cursor->list, cursor->block, point);
    if (!cursor->at || number != cursor->block || number == cursor->list->blocks_count) {
        cursor->block = number;
        cursor->left = 0;
        if (!enter_block(cursor)) {
            return false;
        }
        read_posting(cursor);
    }
    while (cursor->point < point) {
        read_posting(cursor);
    }
    return true;
}
