/* Geometry of the geo conditions: points, boxes, circles.
 *
 * Boxes are judged in the plane of degrees, as the contract does; circles on the sphere, so that
 * they go across the antimeridian and over the poles by themselves. How a cell lies to a circle is
 * bounded by the distance of its centre and by how far its points are from there: along a meridian,
 * then along a parallel. Rounding is met with margins: 1 m for distances, 1e-9 degrees (0.1 mm) for
 * edges. Pure functions of their arguments; nothing fails. */
#include "index/payload/geo.h"

#include <math.h>

static const double earth_radius_m = 6371008.8; /* IUGG mean radius */
static const double radians_per_degree = 0.017453292519943295;
static const double half_globe_m = 20015115; /* and a little */
static const double margin_m = 1, margin_degrees = 1e-9;

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
    double half_lat = (b.lat - a.lat) * radians_per_degree / 2;
    double half_lon = (b.lon - a.lon) * radians_per_degree / 2;
    double sin_lat = sin(half_lat), sin_lon = sin(half_lon);
    double h = sin_lat * sin_lat + cos(a.lat * radians_per_degree) *
                                       cos(b.lat * radians_per_degree) * sin_lon * sin_lon;
    return 2 * earth_radius_m * asin(sqrt(fmin(h, 1.0)));
}

size_t geo_cover(double west, double south, double east, double north,
                 struct geo_box out[GEO_COVER_MAX])
{
    west -= margin_degrees;
    east += margin_degrees;
    south = fmax(south - margin_degrees, -90);
    north = fmin(north + margin_degrees, 90);
    if (!(east - west < 360)) {
        out[0] = (struct geo_box){.west = -180, .south = south, .east = 180, .north = north};
        return 1;
    }
    double shift = floor((west + 180) / 360) * 360;
    west = fmax(west - shift, -180);
    east -= shift;
    out[0] =
        (struct geo_box){.west = west, .south = south, .east = fmin(east, 180), .north = north};
    if (east <= 180)
        return 1;
    out[1] = (struct geo_box){.west = -180, .south = south, .east = east - 360, .north = north};
    return 2;
}

/* ---- boxes ---- */

bool geo_in_box(struct geo_point point, struct geo_point top_left, struct geo_point bottom_right)
{
    if (point.lat >= top_left.lat || point.lat <= bottom_right.lat)
        return false;
    bool east_of_left = point.lon > top_left.lon;
    bool west_of_right = point.lon < bottom_right.lon;
    return top_left.lon > bottom_right.lon ? east_of_left || west_of_right
                                           : east_of_left && west_of_right;
}

enum geo_relation geo_box_relation(struct geo_box cell, struct geo_point top_left,
                                   struct geo_point bottom_right)
{
    double left = top_left.lon, right = bottom_right.lon;
    if (cell.south >= top_left.lat || cell.north <= bottom_right.lat)
        return GEO_OUTSIDE;
    bool lat_inside = cell.north < top_left.lat && cell.south > bottom_right.lat;
    if (left > right) { /* east of the left side or west of the right one */
        if (cell.east <= left && cell.west >= right)
            return GEO_OUTSIDE;
        return lat_inside && (cell.west > left || cell.east < right) ? GEO_INSIDE : GEO_CROSSES;
    }
    if (cell.west >= right || cell.east <= left)
        return GEO_OUTSIDE;
    return lat_inside && cell.west > left && cell.east < right ? GEO_INSIDE : GEO_CROSSES;
}

size_t geo_box_cover(struct geo_point top_left, struct geo_point bottom_right,
                     struct geo_box out[GEO_COVER_MAX])
{
    double left = top_left.lon, right = bottom_right.lon;
    if (!(top_left.lat > bottom_right.lat))
        return 0;
    return geo_cover(left, bottom_right.lat, left > right ? right + 360 : right, top_left.lat, out);
}

/* ---- circles ---- */

bool geo_in_circle(struct geo_point point, struct geo_point center, double radius_m)
{
    return geo_distance_m(point, center) < radius_m;
}

enum geo_relation geo_circle_relation(struct geo_box cell, struct geo_point center, double radius_m)
{
    struct geo_point middle = {.lon = cell.west + (cell.east - cell.west) / 2,
                               .lat = cell.south + (cell.north - cell.south) / 2};
    double lat_nearest_equator =
        cell.south <= 0 && cell.north >= 0 ? 0 : fmin(fabs(cell.south), fabs(cell.north));
    double half_lat = (cell.north - cell.south) / 2 * radians_per_degree;
    double half_lon = (cell.east - cell.west) / 2 * radians_per_degree;
    double spread_m =
        earth_radius_m * (half_lat + half_lon * cos(lat_nearest_equator * radians_per_degree));
    double distance_m = geo_distance_m(middle, center);
    if (fmin(distance_m + spread_m, half_globe_m) + margin_m < radius_m)
        return GEO_INSIDE;
    return distance_m - spread_m - margin_m < radius_m ? GEO_CROSSES : GEO_OUTSIDE;
}

size_t geo_circle_cover(struct geo_point center, double radius_m, struct geo_box out[GEO_COVER_MAX])
{
    if (!(radius_m > 0))
        return 0;
    double angle = fmin((radius_m + margin_m) / earth_radius_m, 4); /* 4: beyond half the globe */
    double degrees = angle / radians_per_degree;
    double south = center.lat - degrees, north = center.lat + degrees;
    if (south <= -90 || north >= 90) /* it has a pole, and so all longitudes */
        return geo_cover(-180, south, 180, north, out);
    double sine = sin(angle) / cos(center.lat * radians_per_degree);
    double half = sine < 1 ? asin(sine) / radians_per_degree : 180;
    return geo_cover(center.lon - half, south, center.lon + half, north, out);
}
