/* Points on the earth in payload, and the shapes of geo conditions. Degrees everywhere; distances
 * in metres. */
#pragma once
#include "index/payload/json_view.h"

struct geo_point {
    double lon, lat;
};
/* A ring's last edge runs from the last point to the first; repeating the first point at the end is
 * allowed. */
struct geo_ring {
    const struct geo_point *points;
    size_t count;
};
/* False unless the value is an object with numbers `lon` and `lat`. */
bool geo_of_value(struct json_view value, struct geo_point *out);
/* Great-circle distance on a sphere of the mean earth radius (haversine). */
double geo_distance_m(struct geo_point a, struct geo_point b);
/* Edges are outside. A box whose left side is east of its right one lies across the antimeridian.
 */
bool geo_in_box(struct geo_point point, struct geo_point top_left, struct geo_point bottom_right);
/* In the plane of degrees, by crossings; a point on an edge counts as `edge_is_inside` says. */
bool geo_in_ring(struct geo_point point, struct geo_ring ring, bool edge_is_inside);
