/* Places as 64-bit keys along a Z-order curve (Morton, "A computer oriented geodetic data base and
 * a new technique in file sequencing", 1966): longitude and latitude in 32 bits each, their bits by
 * turns. The places of a cell, a quarter of a quarter ... of the world, are a stretch of keys. */
#pragma once
#include "index/payload/geo.h"

enum { GEO_LEVEL_MAX = 32 };

struct geo_cell {
    uint32_t level;      /* 0: the world */
    uint64_t first_code; /* of the key as an unsigned number; the rest of its bits are 0 */
};
int64_t geo_key(struct geo_point point);      /* on the globe */
struct geo_cell geo_cell_of_key(int64_t key); /* of level GEO_LEVEL_MAX */
/* Keys of a cell's places, inclusive. */
int64_t geo_cell_low(struct geo_cell cell);
int64_t geo_cell_high(struct geo_cell cell);
/* The box of a cell, wide enough for every place whose key is in it. */
struct geo_box geo_cell_box(struct geo_cell cell);
struct geo_cell geo_cell_quarter(struct geo_cell cell, unsigned quarter); /* 0..3, ascending */
