/* Linear probing with deletion by shifting back, so there are no tombstones and a lookup ends at
 * the first free cell. */
#include "index/segment/id_map.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <string.h>

enum { CAPACITY_FIRST = 64 };

static const struct point_row *row_of(const struct id_map *map, uint32_t cell)
{
    return blocks_at(map->points, cell - 1);
}

static size_t home_of(const struct id_map *map, struct point_id id)
{
    return (size_t)point_id_hash(id) & (map->capacity - 1);
}

void id_map_init(struct id_map *map, const struct blocks *points)
{
    ASSERT(pthread_rwlock_init(&map->lock, NULL) == 0);
    map->capacity = CAPACITY_FIRST;
    map->count = 0;
    map->table = mem_zalloc(map->capacity * sizeof(map->table[0]));
    map->points = points;
}

void id_map_deinit(struct id_map *map)
{
    pthread_rwlock_destroy(&map->lock);
    mem_free(map->table);
}

/* The cell that holds the id, or the free one where it would go. */
static size_t find_cell(const struct id_map *map, struct point_id id)
{
    size_t at = home_of(map, id);
    while (map->table[at] && point_id_compare(row_of(map, map->table[at])->id, id) != 0) {
        at = (at + 1) & (map->capacity - 1);
    }
    return at;
}

bool id_map_get(struct id_map *map, struct point_id id, point_offset *out)
{
    pthread_rwlock_rdlock(&map->lock);
    uint32_t cell = map->table[find_cell(map, id)];
    pthread_rwlock_unlock(&map->lock);
    if (cell) {
        *out = cell - 1;
    }
    return cell != 0;
}

static void set_capacity(struct id_map *map, size_t capacity)
{
    uint32_t *old = map->table;
    size_t old_capacity = map->capacity;
    map->capacity = capacity;
    map->table = mem_zalloc(map->capacity * sizeof(map->table[0]));
    for (size_t i = 0; i < old_capacity; i++) {
        if (old[i]) {
            map->table[find_cell(map, row_of(map, old[i])->id)] = old[i];
        }
    }
    mem_free(old);
}

void id_map_reserve(struct id_map *map, size_t count)
{
    size_t capacity = map->capacity;
    while (count * 2 > capacity) {
        capacity *= 2;
    }
    pthread_rwlock_wrlock(&map->lock);
    if (capacity != map->capacity) {
        set_capacity(map, capacity);
    }
    pthread_rwlock_unlock(&map->lock);
}

bool id_map_fill(struct id_map *map, const point_offset *offsets, size_t count)
{
    enum { AHEAD = 16 }; /* cells asked for before they are needed: each is a cache miss */
    size_t homes[AHEAD];
    ASSERT(map->count == 0);
    id_map_reserve(map, count);
    for (size_t i = 0; i < count + AHEAD; i++) {
        size_t *home = &homes[i % AHEAD];
        if (i >= AHEAD) {
            const struct point_row *row = blocks_at(map->points, offsets[i - AHEAD]);
            size_t at = *home;
            while (map->table[at] &&
                   point_id_compare(row_of(map, map->table[at])->id, row->id) != 0) {
                at = (at + 1) & (map->capacity - 1);
            }
            if (map->table[at]) {
                memset(map->table, 0, map->capacity * sizeof(map->table[0]));
                return false;
            }
            map->table[at] = offsets[i - AHEAD] + 1;
        }
        if (i < count) {
            const struct point_row *row = blocks_at(map->points, offsets[i]);
            *home = home_of(map, row->id);
            __builtin_prefetch(&map->table[*home], 1);
        }
    }
    map->count = count;
    return true;
}

bool id_map_put(struct id_map *map, point_offset offset, point_offset *old)
{
    const struct point_row *row = blocks_at(map->points, offset);
    pthread_rwlock_wrlock(&map->lock);
    if ((map->count + 1) * 2 > map->capacity) {
        set_capacity(map, map->capacity * 2);
    }
    size_t at = find_cell(map, row->id);
    uint32_t replaced = map->table[at];
    map->table[at] = offset + 1;
    map->count += replaced == 0;
    pthread_rwlock_unlock(&map->lock);
    if (replaced) {
        *old = replaced - 1;
    }
    return replaced != 0;
}

bool id_map_remove(struct id_map *map, struct point_id id, point_offset *old)
{
    pthread_rwlock_wrlock(&map->lock);
    size_t hole = find_cell(map, id);
    uint32_t removed = map->table[hole];
    if (removed) {
        size_t mask = map->capacity - 1;
        for (size_t at = (hole + 1) & mask; map->table[at]; at = (at + 1) & mask) {
            size_t home = home_of(map, row_of(map, map->table[at])->id);
            /* Moves back unless its home lies between the hole and where it stands. */
            if (((at - home) & mask) >= ((at - hole) & mask)) {
                map->table[hole] = map->table[at];
                hole = at;
            }
        }
        map->table[hole] = 0;
        map->count--;
        *old = removed - 1;
    }
    pthread_rwlock_unlock(&map->lock);
    return removed != 0;
}

size_t id_map_count(struct id_map *map)
{
    pthread_rwlock_rdlock(&map->lock);
    size_t count = map->count;
    pthread_rwlock_unlock(&map->lock);
    return count;
}
