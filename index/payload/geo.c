/* Geometry of the geo conditions.
 *
 * Shapes are judged in the plane of degrees, as the contract does; only the distance knows the
 * sphere. Pure functions of their arguments; nothing fails. */
#include "index/payload/geo.h"

#include <math.h>

static bool read_coordinate(struct json_view object, struct slice key, double *out)
{
    struct json_view value;
    if (!json_view_find(object, key, &value) || json_view_kind(value) != JSON_NUMBER)
        return false;
    struct json_number number = json_view_number(value);
    if (number.kind == NUMBER_SIGNED)
        *out = (double)number.signed_value;
    else if (number.kind == NUMBER_UNSIGNED)
        *out = (double)number.unsigned_value;
    else
        *out = number.real_value;
    return isfinite(*out) != 0;
}

bool geo_of_value(struct json_view value, struct geo_point *out)
{
    struct geo_point point;
    if (json_view_kind(value) != JSON_OBJECT)
        return false;
    if (!read_coordinate(value, SLICE_LITERAL("lon"), &point.lon) ||
        !read_coordinate(value, SLICE_LITERAL("lat"), &point.lat))
        return false;
    *out = point;
    return true;
}

double geo_distance_m(struct geo_point a, struct geo_point b)
{
    static const double earth_radius_m = 6371008.8; /* IUGG mean radius */
    static const double radians_per_degree = 0.017453292519943295;
    double half_lat = (b.lat - a.lat) * radians_per_degree / 2;
    double half_lon = (b.lon - a.lon) * radians_per_degree / 2;
    double sin_lat = sin(half_lat), sin_lon = sin(half_lon);
    double h = sin_lat * sin_lat + cos(a.lat * radians_per_degree) *
                                       cos(b.lat * radians_per_degree) * sin_lon * sin_lon;
    return 2 * earth_radius_m * asin(sqrt(fmin(h, 1.0)));
}

bool geo_in_box(struct geo_point point, struct geo_point top_left, struct geo_point bottom_right)
{
    if (point.lat >= top_left.lat || point.lat <= bottom_right.lat)
        return false;
    bool east_of_left = point.lon > top_left.lon;
    bool west_of_right = point.lon < bottom_right.lon;
    return top_left.lon > bottom_right.lon ? east_of_left || west_of_right
                                           : east_of_left && west_of_right;
}

/* Collinear with the edge's ends and between them. */
static bool on_edge(struct geo_point p, struct geo_point a, struct geo_point b)
{
    double cross = (b.lon - a.lon) * (p.lat - a.lat) - (b.lat - a.lat) * (p.lon - a.lon);
    return cross == 0 && p.lon >= fmin(a.lon, b.lon) && p.lon <= fmax(a.lon, b.lon) &&
           p.lat >= fmin(a.lat, b.lat) && p.lat <= fmax(a.lat, b.lat);
}

/* Does a ray from the point along growing latitude cross the edge? One end counts, the other does
 * not. */
static bool ray_crosses(struct geo_point p, struct geo_point a, struct geo_point b)
{
    if ((a.lon > p.lon) == (b.lon > p.lon))
        return false;
    double lat = a.lat + (b.lat - a.lat) * ((p.lon - a.lon) / (b.lon - a.lon));
    return p.lat < lat;
}

bool geo_in_ring(struct geo_point point, struct geo_ring ring, bool edge_is_inside)
{
    bool inside = false;
    for (size_t i = 0; i < ring.count; i++) {
        struct geo_point a = ring.points[i];
        struct geo_point b = ring.points[i + 1 < ring.count ? i + 1 : 0];
        if (on_edge(point, a, b))
            return edge_is_inside;
        if (ray_crosses(point, a, b))
            inside = !inside;
    }
    return inside;
}
