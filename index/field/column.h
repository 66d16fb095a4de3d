/* From points to the ids of their values: one in place, several in a list. One writer, or any
 * readers. */
#pragma once
#include <stddef.h>
#include <stdint.h>

enum { COLUMN_CLASSES = 64 };
struct column {
    uint32_t **pages; /* of 4096 points; NULL: none has a value */
    size_t pages_count;
    uint32_t *pool; /* of lists, in units of four words */
    uint32_t pool_units, pool_capacity;
    uint32_t free_lists[COLUMN_CLASSES]; /* first unit + 1 of lists of that size; 0: none */
    size_t pages_used;
};
struct column_values {
    const uint32_t *ids; /* valid until the column changes */
    size_t count;
};
void column_init(struct column *column);
void column_deinit(struct column *column);
struct column_values column_get(const struct column *column, uint32_t point);
/* The point must not have the id yet; ids are below 2^31. */
void column_add(struct column *column, uint32_t point, uint32_t id);
void column_clear(struct column *column, uint32_t point);
size_t column_memory(const struct column *column);
