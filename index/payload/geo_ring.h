/* Rings of polygons, prepared so that a point meets few edges. Immutable once created.
 *
 * A ring is judged in the plane of degrees. An edge that spans more than 180 degrees of longitude
 * goes the short way, across the antimeridian; one that spans 360 is taken as it is written, unless
 * the ring goes round a pole. A ring that goes round the globe contains the pole that is nearer to
 * it by its mean latitude. */
#pragma once
#include "index/payload/geo.h"
#include "storage/base/arena.h"

struct geo_edge {
    double west, east;      /* longitudes of its ends */
    double span;            /* from west to east; at most 180, or 360 */
    double lat, lat_change; /* at the western end; to the eastern one */
    bool wraps;             /* across the antimeridian: west > east */
};
struct geo_ring {
    struct geo_edge *edges;
    size_t count;
    bool winds;      /* some edge goes the short way: the two sides of the antimeridian are one */
    bool north_pole; /* is inside */
    struct geo_box boxes[GEO_COVER_MAX]; /* cover it */
    size_t boxes_count;
    /* Edges by stretches of longitude of equal width; one stretch when there are few edges. */
    double begin, end; /* longitudes that the edges reach, unwrapped: end may be beyond 180 */
    uint32_t *starts;  /* stretches_count + 1: places in `entries` */
    uint32_t *entries; /* edges */
    size_t stretches_count;
};
/* The last edge runs from the last point to the first. All points are on the globe; at least one.
 * The ring lives in the arena and does not keep `points`. False: no memory. */
bool geo_ring_create(struct arena *arena, const struct geo_point *points, size_t count,
                     struct geo_ring *out);
/* A point on an edge counts as `edge_is_inside` says; places off the globe are outside. */
bool geo_in_ring(struct geo_point point, const struct geo_ring *ring, bool edge_is_inside);
enum geo_relation geo_ring_relation(struct geo_box cell, const struct geo_ring *ring);
