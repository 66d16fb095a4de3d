/* geo_bounding_box, geo_radius, geo_polygon: a point on the earth inside a shape. What lies exactly
 * on the edge of a shape is outside; what lies on the edge of a polygon's hole is in the hole.
 * Shapes come from clients: coordinates off the globe and rings that are not closed are refused.
 *
 * Each shape asks an index the same as its check: the point, how a cell lies to it, and the boxes
 * that cover it. */
#include "index/filter/filter_int.h"
#include "index/payload/geo.h"
#include "index/payload/geo_ring.h"

enum { RING_POINTS_MIN = 4 };

/* First member of each shape. */
struct shape_test {
    struct value_test base;
    struct field_query query; /* its `contains` is the test */
    struct geo_box boxes[GEO_COVER_MAX];
};
struct box_test {
    struct shape_test shape;
    struct geo_point top_left, bottom_right;
};
struct circle_test {
    struct shape_test shape;
    struct geo_point center;
    double radius_m;
};
struct polygon_test {
    struct shape_test shape;
    struct geo_ring exterior;
    struct geo_ring *interiors;
    size_t interiors_count;
};

static bool shape_check(const struct value_test *test, struct json_view value)
{
    const struct shape_test *self = (const struct shape_test *)test;
    struct geo_point point;
    return geo_of_value(value, &point) && self->query.contains(self, point);
}

/* The condition of a shape whose members are set. */
static enum status create_cond(struct compiler *compiler, const struct path *path,
                               struct shape_test *self, size_t boxes_count, struct cond **out)
{
    self->base.test = shape_check;
    self->query.kind = QUERY_GEO;
    self->query.boxes = self->boxes;
    self->query.boxes_count = boxes_count;
    self->query.shape = self;
    return cond_values_create(compiler, path, &self->base, &self->query, out);
}

static enum status read_point(struct compiler *compiler, const Qdrant__GeoPoint *wire,
                              struct geo_point *out)
{
    if (!wire)
        return compiler_refuse(compiler, "the geo shape lacks a point");
    struct geo_point point = {.lon = wire->lon, .lat = wire->lat};
    if (!geo_on_globe(point))
        return compiler_refuse(compiler,
                               "geo point lat = %g, lon = %g is outside of lat [-90;90] and lon "
                               "[-180;180]",
                               wire->lat, wire->lon);
    *out = point;
    return STATUS_OK;
}

/* ---- boxes ---- */

static bool box_contains(const void *shape, struct geo_point point)
{
    const struct box_test *self = shape;
    return geo_in_box(point, self->top_left, self->bottom_right);
}

static enum geo_relation box_relate(const void *shape, struct geo_box cell)
{
    const struct box_test *self = shape;
    return geo_box_relation(cell, self->top_left, self->bottom_right);
}

enum status part_geo_bounding_box_compile(struct compiler *compiler, const struct path *path,
                                          const Qdrant__FieldCondition *wire, struct cond **out)
{
    const Qdrant__GeoBoundingBox *box = wire->geo_bounding_box;
    struct box_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    enum status status = read_point(compiler, box->top_left, &self->top_left);
    if (status == STATUS_OK)
        status = read_point(compiler, box->bottom_right, &self->bottom_right);
    if (status != STATUS_OK)
        return status;
    self->shape.query.contains = box_contains;
    self->shape.query.relate = box_relate;
    size_t boxes = geo_box_cover(self->top_left, self->bottom_right, self->shape.boxes);
    return create_cond(compiler, path, &self->shape, boxes, out);
}

/* ---- circles ---- */

static bool circle_contains(const void *shape, struct geo_point point)
{
    const struct circle_test *self = shape;
    return geo_in_circle(point, self->center, self->radius_m);
}

static enum geo_relation circle_relate(const void *shape, struct geo_box cell)
{
    const struct circle_test *self = shape;
    return geo_circle_relation(cell, self->center, self->radius_m);
}

enum status part_geo_radius_compile(struct compiler *compiler, const struct path *path,
                                    const Qdrant__FieldCondition *wire, struct cond **out)
{
    const Qdrant__GeoRadius *circle = wire->geo_radius;
    struct circle_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->radius_m = (double)circle->radius;
    enum status status = read_point(compiler, circle->center, &self->center);
    if (status != STATUS_OK)
        return status;
    self->shape.query.contains = circle_contains;
    self->shape.query.relate = circle_relate;
    size_t boxes = geo_circle_cover(self->center, self->radius_m, self->shape.boxes);
    return create_cond(compiler, path, &self->shape, boxes, out);
}

/* ---- polygons ---- */

static bool polygon_contains(const void *shape, struct geo_point point)
{
    const struct polygon_test *self = shape;
    if (!geo_in_ring(point, &self->exterior, false))
        return false;
    for (size_t i = 0; i < self->interiors_count; i++) {
        if (geo_in_ring(point, &self->interiors[i], true))
            return false;
    }
    return true;
}

static enum geo_relation polygon_relate(const void *shape, struct geo_box cell)
{
    const struct polygon_test *self = shape;
    enum geo_relation relation = geo_ring_relation(cell, &self->exterior);
    for (size_t i = 0; relation != GEO_OUTSIDE && i < self->interiors_count; i++) {
        enum geo_relation hole = geo_ring_relation(cell, &self->interiors[i]);
        if (hole == GEO_INSIDE)
            relation = GEO_OUTSIDE;
        else if (hole == GEO_CROSSES)
            relation = GEO_CROSSES;
    }
    return relation;
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
    /* The repeated point would add an edge without length. */
    return geo_ring_create(compiler->arena, points, wire->n_points - 1, out)
               ? STATUS_OK
               : compiler_no_memory(compiler);
}

enum status part_geo_polygon_compile(struct compiler *compiler, const struct path *path,
                                     const Qdrant__FieldCondition *wire, struct cond **out)
{
    const Qdrant__GeoPolygon *polygon = wire->geo_polygon;
    struct polygon_test *self = compiler_alloc(compiler, 1, sizeof(*self));
    if (!self)
        return STATUS_TOO_LARGE;
    self->interiors_count = polygon->n_interiors;
    self->interiors = compiler_alloc(compiler, polygon->n_interiors, sizeof(self->interiors[0]));
    if (!self->interiors)
        return STATUS_TOO_LARGE;
    enum status status = read_ring(compiler, polygon->exterior, &self->exterior);
    for (size_t i = 0; status == STATUS_OK && i < polygon->n_interiors; i++)
        status = read_ring(compiler, polygon->interiors[i], &self->interiors[i]);
    if (status != STATUS_OK)
        return status;
    self->shape.query.contains = polygon_contains;
    self->shape.query.relate = polygon_relate;
    memcpy(self->shape.boxes, self->exterior.boxes, sizeof(self->shape.boxes));
    return create_cond(compiler, path, &self->shape, self->exterior.boxes_count, out);
}
