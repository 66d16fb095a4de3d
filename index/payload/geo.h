/* Points on the earth in payload, and the shapes of geo conditions: boxes and circles here, rings
 * in geo_ring.h. Degrees everywhere, longitudes from -180 to 180; distances in metres.
 *
 * A shape can be asked for a point, for how a cell lies to it, and for boxes that cover it. The
 * answer for a cell holds for every point in it, its edges included; whoever is not sure says that
 * it crosses. */
#pragma once
#include "index/payload/json_view.h"

struct geo_point {
    double lon, lat;
};
struct geo_box { /* closed; west <= east: what lies across the antimeridian is two boxes */
    double west, south, east, north;
};
enum geo_relation { GEO_OUTSIDE, GEO_CROSSES, GEO_INSIDE };
enum { GEO_COVER_MAX = 2 };

/* False unless the value is an object with numbers `lon` and `lat`. */
bool geo_of_value(struct json_view value, struct geo_point *out);
static inline bool geo_on_globe(struct geo_point point)
{
    return point.lon >= -180 && point.lon <= 180 && point.lat >= -90 && point.lat <= 90;
}
/* Great-circle distance on a sphere of the mean earth radius (haversine). */
double geo_distance_m(struct geo_point a, struct geo_point b);

/* Edges are outside. A box whose left side is east of its right one lies across the antimeridian.
 */
bool geo_in_box(struct geo_point point, struct geo_point top_left, struct geo_point bottom_right);
enum geo_relation geo_box_relation(struct geo_box cell, struct geo_point top_left,
                                   struct geo_point bottom_right);
size_t geo_box_cover(struct geo_point top_left, struct geo_point bottom_right,
                     struct geo_box out[GEO_COVER_MAX]);
/* Nearer to the center than the radius; a radius that is no number or not positive has no points.
 */
bool geo_in_circle(struct geo_point point, struct geo_point center, double radius_m);
enum geo_relation geo_circle_relation(struct geo_box cell, struct geo_point center,
                                      double radius_m);
size_t geo_circle_cover(struct geo_point center, double radius_m,
                        struct geo_box out[GEO_COVER_MAX]);
/* Boxes of the longitudes from west to east, which may be beyond 180, a little more on all sides.
 */
size_t geo_cover(double west, double south, double east, double north,
                 struct geo_box out[GEO_COVER_MAX]);
