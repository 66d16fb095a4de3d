/* geo_bounding_box, geo_radius, geo_polygon: a point on the earth inside a shape. What lies exactly
 * on the edge of a shape is outside; what lies on the edge of a polygon's hole is in the hole.
 * Shapes come from clients: coordinates off the globe and rings that are not closed are refused. */
#include "index/filter/filter_int.h"
#include "index/payload/geo.h"

#include <math.h>

enum { RING_POINTS_MIN = 4 };

struct box_test {
    struct value_test base;
    struct geo_point top_left, bottom_right;
};
struct radius_test {
    struct value_test base;
    struct geo_point center;
    double radius_m;
};
struct polygon_test {
    struct value_test base;
    struct geo_ring exterior;
    struct geo_ring *interiors;
    size_t interiors_count;
};

static enum status read_point(struct compiler *compiler, const Qdrant__GeoPoint *wire,
                              struct geo_point *out)
{
    if (!wire)
        return compiler_refuse(compiler, "the geo shape lacks a point");
    bool on_globe = wire->lat >= -90 && wire->lat <= 90 && wire->lon >= -180 && wire->lon <= 180;
    if (!on_globe)
        return compiler_refuse(compiler,
                               "geo point lat = %g, lon = %g is outside of lat [-90;90] and lon "
                               "[-180;180]",
                               wire->lat, wire->lon);
    *out = (struct geo_point){.lon = wire->lon, .lat = wire->lat};
    return STATUS_OK;
}

static bool box_check(const struct value_test *test, struct json_view value)
{
    const struct box_test *self = (const struct box_test *)test;
    struct geo_point point;
    return geo_of_value(value, &point) && geo_in_box(point, self->top_left, self->bottom_right);
}

enum status part_geo_bounding_box_compile(struct compiler *compiler, const struct path *path,
                                          const Qdrant__FieldCondition *wire, struct cond **out)
{
    const Qdrant__GeoBoundingBox *box = wire->geo_bounding_box;
    struct box_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base.test = box_check;
    enum status status = read_point(compiler, box->top_left, &self->top_left);
    if (status == STATUS_OK)
        status = read_point(compiler, box->bottom_right, &self->bottom_right);
    return status == STATUS_OK ? cond_values_create(compiler, path, &self->base, NULL, out)
                               : status;
}

static bool radius_check(const struct value_test *test, struct json_view value)
{
    const struct radius_test *self = (const struct radius_test *)test;
    struct geo_point point;
    return geo_of_value(value, &point) && geo_distance_m(point, self->center) < self->radius_m;
}

enum status part_geo_radius_compile(struct compiler *compiler, const struct path *path,
                                    const Qdrant__FieldCondition *wire, struct cond **out)
{
    const Qdrant__GeoRadius *circle = wire->geo_radius;
    struct radius_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base.test = radius_check;
    self->radius_m = (double)circle->radius;
    enum status status = read_point(compiler, circle->center, &self->center);
    return status == STATUS_OK ? cond_values_create(compiler, path, &self->base, NULL, out)
                               : status;
}

static bool polygon_check(const struct value_test *test, struct json_view value)
{
    const struct polygon_test *self = (const struct polygon_test *)test;
    struct geo_point point;
    if (!geo_of_value(value, &point) || !geo_in_ring(point, self->exterior, false))
        return false;
    for (size_t i = 0; i < self->interiors_count; i++) {
        if (geo_in_ring(point, self->interiors[i], true))
            return false;
    }
    return true;
}

static enum status read_ring(struct compiler *compiler, const Qdrant__GeoLineString *wire,
                             struct geo_ring *out)
{
    if (!wire || wire->n_points < RING_POINTS_MIN)
        return compiler_refuse(compiler,
                               "a ring of the polygon has %zu points, must be at least %d",
                               wire ? wire->n_points : 0, RING_POINTS_MIN);
    struct geo_point *points = compiler_alloc(compiler, wire->n_points, sizeof(*points));
    if (!points)
        return STATUS_TOO_LARGE;
    for (size_t i = 0; i < wire->n_points; i++) {
        enum status status = read_point(compiler, wire->points[i], &points[i]);
        if (status != STATUS_OK)
            return status;
    }
    struct geo_point last = points[wire->n_points - 1];
    if (points[0].lon < last.lon || points[0].lon > last.lon || points[0].lat < last.lat ||
        points[0].lat > last.lat)
        return compiler_refuse(compiler, "a ring of the polygon is not closed: its first and last "
                                         "points must be the same");
    /* The repeated point adds an edge without length. */
    *out = (struct geo_ring){.points = points, .count = wire->n_points - 1};
    return STATUS_OK;
}

enum status part_geo_polygon_compile(struct compiler *compiler, const struct path *path,
                                     const Qdrant__FieldCondition *wire, struct cond **out)
{
    const Qdrant__GeoPolygon *polygon = wire->geo_polygon;
    struct polygon_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->base.test = polygon_check;
    self->interiors_count = polygon->n_interiors;
    self->interiors = compiler_alloc(compiler, polygon->n_interiors, sizeof(self->interiors[0]));
    if (!self->interiors)
        return STATUS_TOO_LARGE;
    enum status status = read_ring(compiler, polygon->exterior, &self->exterior);
    for (size_t i = 0; status == STATUS_OK && i < polygon->n_interiors; i++)
        status = read_ring(compiler, polygon->interiors[i], &self->interiors[i]);
    return status == STATUS_OK ? cond_values_create(compiler, path, &self->base, NULL, out)
                               : status;
}
