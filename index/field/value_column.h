/* The values of points, by point: what an index must know to take a point out again.
 *
 * Values have one size, 8 or 16 bytes. One value lies in its place; several are a list beside it.
 * Pages of 256 points, with room for the points that have values only. One writer, readers excluded
 * by the caller's lock. Nothing fails. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct value_chunk;
struct value_column {
    size_t value_size;
    struct value_chunk **chunks; /* of 65,536 points; NULL: none of its points */
    size_t chunks_count;
    size_t list_bytes;
};
void value_column_init(struct value_column *column, size_t value_size);
void value_column_deinit(struct value_column *column);
void value_column_add(struct value_column *column, uint32_t point, const void *value);
/* How many values the point has; they lie one behind the other, valid until the next change. */
size_t value_column_get(const struct value_column *column, uint32_t point, const void **values);
void value_column_remove(struct value_column *column, uint32_t point);
size_t value_column_memory(const struct value_column *column);
