/* From a point's id to its offset: open addressing over offsets, the ids themselves stay in the
 * point rows. One writer, any readers. */
#pragma once
#include "index/point_id.h"
#include "index/vectors.h"

#include <pthread.h>

struct point_row { /* one row of a segment's points */
    struct point_id id;
    _Atomic uint64_t version; /* log index of the last change */
    _Atomic uint64_t retired; /* batch by which the point left this place; 0: it has not */
};

struct id_map {
    pthread_rwlock_t lock; /* guards table, capacity, count */
    uint32_t *table;       /* offset + 1; 0: free */
    size_t capacity;       /* a power of two */
    size_t count;
    const struct blocks *points;
};
void id_map_init(struct id_map *map, const struct blocks *points);
void id_map_deinit(struct id_map *map);
/* Fills an empty map with the rows at these offsets, in one pass. False: two of them hold the same
 * id; the map stays empty. */
bool id_map_fill(struct id_map *map, const point_offset *offsets, size_t count);
/* Room for so many ids at once. */
void id_map_reserve(struct id_map *map, size_t count);
bool id_map_get(struct id_map *map, struct point_id id, point_offset *out);
/* The row at `offset` holds the id. True: another offset was replaced, now in *old. */
bool id_map_put(struct id_map *map, point_offset offset, point_offset *old);
bool id_map_remove(struct id_map *map, struct point_id id, point_offset *old);
size_t id_map_count(struct id_map *map);
