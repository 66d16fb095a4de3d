/* The points that have a term, each with how often and, where phrases are asked for, its positions:
 * ascending, packed in blocks. One writer, or any readers. All zero is the empty list.
 *
 * A posting: varint distance to the point before it in the block (the first: 0), then without
 * positions varint frequency; with positions varint frequency x 2 + (1: the last position follows
 * the size), varint bytes of the positions, (varint last position), and the positions, each as the
 * varint distance to the one before. The last position is there once a second value was added, so
 * that a point with very many values is not read again for each. */
#pragma once
#include "index/vectors.h"
#include "storage/base/buffer.h"
#include "storage/base/reader.h"
#include "storage/base/slice.h"

enum {
    TEXT_BLOCK_POSTINGS = 128,
    TEXT_BLOCK_BYTES = 1024,
    TEXT_FREQUENCY_MAX = 1 << 26, /* so that a block's size fits */
};

struct text_block {
    uint8_t *bytes;
    uint32_t size, count; /* count: postings, at least 1 */
    point_offset first, last;
};
struct text_list {
    uint32_t points_count;
    uint32_t blocks_count;
    union {
        struct text_block one; /* of a single block */
        struct text_block *many;
    };
};
/* How the lists of a field are kept. */
struct text_lists {
    bool positions;
    size_t bytes; /* all lists take, beside themselves */
};
/* Occurrences in one value more of a point, `frequency` > 0; positions ascend, are above those the
 * point has already, and are read only where positions are kept. A point has at most
 * TEXT_FREQUENCY_MAX. */
void text_list_add(struct text_lists *lists, struct text_list *list, point_offset point,
                   const uint64_t *positions, uint32_t frequency);
bool text_list_remove(struct text_lists *lists, struct text_list *list, point_offset point);
void text_list_clear(struct text_lists *lists, struct text_list *list);

struct text_cursor {
    const struct text_list *list;
    bool has_positions;
    uint32_t block, left; /* left: postings of the block after this one */
    const uint8_t *at;
    /* the posting at hand */
    point_offset point;
    uint32_t frequency;
    struct slice positions;
};
void text_cursor_init(struct text_cursor *cursor, const struct text_list *list, bool has_positions);
bool text_cursor_next(struct text_cursor *cursor); /* false: no more */
/* To the first posting at or after `point`, never back; false: there is none. */
bool text_cursor_seek(struct text_cursor *cursor, point_offset point);
/* The positions of a posting one after the other: *at and *position start at its first byte and 0.
 */
uint64_t text_position_next(const uint8_t **at, uint64_t position);

void text_list_save(const struct text_list *list, struct buffer *out);
/* Into an empty list; false: damaged, or a point is above `point_max`; clear it then. */
bool text_list_load(struct text_lists *lists, struct text_list *list, struct reader *image,
                    point_offset point_max);

/* An empty block before the block `number`, or the last; whoever calls fills it. */
struct text_block *text_list_insert_block(struct text_lists *lists, struct text_list *list,
                                          uint32_t number);

/* Seven bits a byte, the lowest first. */
enum { VARINT_BYTES_MAX = 10 };
size_t varint_write(uint8_t *out, uint64_t value);
uint64_t varint_read(const uint8_t **at);
/* Of bytes that are not trusted; false: it ends beyond `end` or has more than 64 bits. */
bool varint_read_checked(const uint8_t **at, const uint8_t *end, uint64_t *out);
/* Memory for `size` bytes that will grow: grown in steps of an eighth, so that appending copies
 * each byte a bounded number of times. */
size_t text_room(size_t size);
