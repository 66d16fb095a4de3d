/* Random shapes of geo conditions as wire messages, and random places near them. Coordinates are
 * multiples of 1/64 degree, so that edges are met often and turning the globe is exact. */
#pragma once
#include "index/payload/geo.h"
#include "storage/base/random.h"
#include "tests/unit/filter_wire.h"

#include <math.h>

enum { RING_POINTS_MAX = 40 };

/* Degrees in [low, high], often on a coarse grid. */
MAKER double random_degrees(struct random *random, double low, double high)
{
    double step = random_below(random, 2) ? 1 : 1.0 / 64;
    double count = floor((high - low) / step) + 1;
    return low + step * (double)random_below(random, (uint64_t)count);
}

MAKER struct geo_point random_place(struct random *random)
{
    struct geo_point place = {.lon = random_degrees(random, -180, 180),
                              .lat = random_degrees(random, -90, 90)};
    if (random_below(random, 12) == 0)
        place.lon = random_below(random, 2) ? 180 : -180;
    if (random_below(random, 12) == 0)
        place.lat = random_below(random, 2) ? 90 : -90;
    return place;
}

MAKER double turn(double lon, double by)
{
    double out = lon + by;
    return out > 180 ? out - 360 : out < -180 ? out + 360 : out;
}

MAKER Qdrant__GeoLineString *line_of(const struct geo_point *points, size_t count)
{
    NEW(Qdrant__GeoLineString, qdrant__geo_line_string__init, out);
    out->n_points = count + 1;
    out->points = arena_new_array(arena, Qdrant__GeoPoint *, count + 1);
    for (size_t i = 0; i <= count; i++)
        out->points[i] = geo(points[i % count].lon, points[i % count].lat);
    return out;
}

/* Corners in any order: the ring may cross itself. */
MAKER size_t random_ring(struct random *random, struct geo_point center, double reach,
                         struct geo_point *out)
{
    size_t count = 3 + random_below(random, random_below(random, 3) ? 6 : RING_POINTS_MAX - 3);
    for (size_t i = 0; i < count; i++) {
        out[i].lon = turn(center.lon, random_degrees(random, -reach, reach));
        out[i].lat = fmax(-90, fmin(90, center.lat + random_degrees(random, -reach, reach)));
    }
    return count;
}

/* Round the globe between two latitudes, eastwards or westwards. */
MAKER size_t random_belt(struct random *random, double low, double high, struct geo_point *out)
{
    size_t count = 3 + random_below(random, 10);
    bool east = random_below(random, 2) == 0;
    double start = random_degrees(random, -180, 179);
    for (size_t i = 0; i < count; i++) {
        double way = floor(360.0 * (double)i / (double)count);
        out[i].lon = turn(start, way > 180 ? way - 360 : way);
        out[i].lat = random_degrees(random, low, high);
    }
    for (size_t i = 0; !east && i < count / 2; i++) {
        struct geo_point other = out[i];
        out[i] = out[count - 1 - i];
        out[count - 1 - i] = other;
    }
    return count;
}

MAKER Qdrant__Condition *geo_polygon(const char *key, Qdrant__GeoLineString *exterior,
                                     Qdrant__GeoLineString *hole)
{
    Qdrant__Condition *cond;
    NEW(Qdrant__GeoPolygon, qdrant__geo_polygon__init, polygon);
    field(&cond, key)->geo_polygon = polygon;
    polygon->exterior = exterior;
    polygon->n_interiors = hole ? 1 : 0;
    polygon->interiors = arena_new_array(arena, Qdrant__GeoLineString *, 1);
    polygon->interiors[0] = hole;
    return cond;
}

MAKER Qdrant__Condition *random_shape(struct random *random, const char *key)
{
    static const float radii_m[] = {0,        -5,   1,         1000,      50000,
                                    1e6F,     7e6F, 1.1e7F,    1.9e7F,    20015000,
                                    20015200, 5e7F, HUGE_VALF, (float)NAN};
    struct geo_point center = random_place(random), ring[RING_POINTS_MAX], hole[RING_POINTS_MAX];
    struct geo_point corner = random_place(random);
    double reach = random_degrees(random, 1, random_below(random, 2) ? 85 : 10);
    size_t count;
    switch (random_below(random, 4)) {
    case 0:
        return geo_box(key, geo(center.lon, fmax(center.lat, corner.lat)),
                       geo(corner.lon, fmin(center.lat, corner.lat)));
    case 1:
        return geo_circle(key, geo(center.lon, center.lat), radii_m[random_below(random, 14)]);
    case 2:
        if (random_below(random, 2))
            count = random_belt(random, 10, 80, ring);
        else
            count = random_belt(random, -85, 20, ring);
        return geo_polygon(key, line_of(ring, count), NULL);
    default:
        count = random_ring(random, center, reach, ring);
        if (random_below(random, 2))
            return geo_polygon(key, line_of(ring, count), NULL);
        Qdrant__GeoLineString *exterior = line_of(ring, count);
        count = random_ring(random, center, reach / 2, hole);
        return geo_polygon(key, exterior, line_of(hole, count));
    }
}
