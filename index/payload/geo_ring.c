/* Rings of polygons: is a point in it, how does a cell lie to it.
 *
 * Each edge is kept from its western end to its eastern one. A ray from the point along growing
 * latitude meets an edge when the point's longitude is in [west, east): comparing longitudes as
 * they are, never sums, makes neighbouring edges agree to the last bit, across the antimeridian
 * too, where 180 is read as -180. The number of edges that are met is odd inside; where the ring
 * goes round the north pole, even.
 *
 * Edges are listed by stretches of longitude, so a point looks at those of its stretch; the lists
 * together have at most 8 entries an edge. A cell looks at the edges of its stretches; when none
 * touches it, all its points are where its middle is. */
#include "index/payload/geo_ring.h"

#include <math.h>

enum { ENTRIES_PER_EDGE_MAX = 8, EDGES_LISTED_MIN = 16 };

static const double margin_degrees = 1e-9;

/* From a to b the short way. */
static double short_way(double a, double b)
{
    double way = b - a;
    return way > 180 ? way - 360 : way < -180 ? way + 360 : way;
}

struct winding {
    size_t long_count, full_count; /* edges of more than 180 degrees, of 360 */
    double sum;                    /* of longitude, the short ways */
    double lat_sum;                /* times the latitude */
    double lowest, highest;        /* longitude from the first point */
};

static struct winding wind(const struct geo_point *points, size_t count)
{
    struct winding out = {0};
    for (size_t i = 0; i < count; i++) {
        struct geo_point a = points[i], b = points[i + 1 < count ? i + 1 : 0];
        double plain = fabs(b.lon - a.lon), way = short_way(a.lon, b.lon);
        out.long_count += plain > 180 ? 1 : 0;
        out.full_count += plain >= 360 ? 1 : 0;
        out.sum += way;
        out.lat_sum += way * (a.lat + b.lat) / 2;
        out.lowest = fmin(out.lowest, out.sum);
        out.highest = fmax(out.highest, out.sum);
    }
    return out;
}

static double one_side(double lon)
{
    return lon >= 180 ? -180 : lon;
}

static struct geo_edge edge_of(struct geo_point a, struct geo_point b, bool winds)
{
    double way = winds ? short_way(a.lon, b.lon) : b.lon - a.lon;
    struct geo_point west = way < 0 ? b : a, east = way < 0 ? a : b;
    struct geo_edge edge = {.west = winds ? one_side(west.lon) : west.lon,
                            .east = winds ? one_side(east.lon) : east.lon,
                            .span = fabs(way),
                            .lat = west.lat,
                            .lat_change = east.lat - west.lat};
    edge.wraps = edge.west > edge.east;
    return edge;
}

/* ---- stretches of longitude ---- */

static double unwrap(const struct geo_ring *ring, double lon)
{
    return lon < ring->begin ? lon + 360 : lon;
}

/* Grows with the longitude, so what lies between two longitudes is in a stretch between theirs. */
static size_t stretch_of(const struct geo_ring *ring, double unwrapped)
{
    double part = (unwrapped - ring->begin) / (ring->end - ring->begin);
    double at = part * (double)ring->stretches_count;
    if (!(at > 0))
        return 0;
    return at < (double)ring->stretches_count ? (size_t)at : ring->stretches_count - 1;
}

/* The stretches [first, end) and [0, rest), none twice. */
struct stretches {
    size_t first, end, rest;
};

static struct stretches stretches_of(const struct geo_ring *ring, double west, double east)
{
    double from = unwrap(ring, west), upto = unwrap(ring, east);
    struct stretches out = {.first = stretch_of(ring, from), .end = ring->stretches_count};
    size_t last = stretch_of(ring, upto);
    if (from <= upto)
        out.end = last + 1;
    else if (last < out.first)
        out.rest = last + 1;
    else
        out.first = 0;
    return out;
}

static size_t count_entries(const struct geo_ring *ring)
{
    size_t count = 0;
    for (size_t i = 0; i < ring->count; i++) {
        struct stretches s = stretches_of(ring, ring->edges[i].west, ring->edges[i].east);
        count += s.end - s.first + s.rest;
    }
    return count;
}

static void put_entries(struct geo_ring *ring, size_t first, size_t end, uint32_t edge)
{
    for (size_t i = first; i < end; i++)
        ring->entries[ring->starts[i]++] = edge;
}

static bool list_edges(struct geo_ring *ring, struct arena *arena)
{
    ring->stretches_count = ring->count >= EDGES_LISTED_MIN ? ring->count : 1;
    size_t entries_count = count_entries(ring);
    while (ring->stretches_count > 1 && entries_count / ENTRIES_PER_EDGE_MAX > ring->count) {
        ring->stretches_count /= 2;
        entries_count = count_entries(ring);
    }
    ring->starts = arena_new_array(arena, uint32_t, ring->stretches_count + 2);
    ring->entries = arena_new_array(arena, uint32_t, entries_count + 1);
    if (!ring->starts || !ring->entries)
        return false;
    /* Counted one place ahead, so that filling leaves each start where its list begins. */
    uint32_t *counts = ring->starts + 1;
    for (size_t i = 0; i < ring->count; i++) {
        struct stretches s = stretches_of(ring, ring->edges[i].west, ring->edges[i].east);
        for (size_t j = s.first; j < s.end; j++)
            counts[j + 1]++;
        for (size_t j = 0; j < s.rest; j++)
            counts[j + 1]++;
    }
    for (size_t i = 0; i < ring->stretches_count; i++)
        counts[i + 1] += counts[i];
    ring->starts++;
    for (size_t i = 0; i < ring->count; i++) {
        struct stretches s = stretches_of(ring, ring->edges[i].west, ring->edges[i].east);
        put_entries(ring, s.first, s.end, (uint32_t)i);
        put_entries(ring, 0, s.rest, (uint32_t)i);
    }
    ring->starts--;
    return true;
}

/* ---- creating ---- */

static void cover(struct geo_ring *ring, const struct geo_point *points, size_t count,
                  const struct winding *winding, bool has_pole)
{
    double south = 90, north = -90, west = 180, east = -180;
    for (size_t i = 0; i < count; i++) {
        south = fmin(south, points[i].lat);
        north = fmax(north, points[i].lat);
        west = fmin(west, points[i].lon);
        east = fmax(east, points[i].lon);
    }
    if (ring->winds) {
        west = points[0].lon + winding->lowest;
        east = points[0].lon + winding->highest;
    }
    if (has_pole) {
        north = ring->north_pole ? 90 : north;
        south = ring->north_pole ? south : -90;
    }
    ring->boxes_count = geo_cover(west, south, east, north, ring->boxes);
    ring->begin = ring->boxes[0].west;
    ring->end = ring->boxes_count > 1 ? ring->boxes[1].east + 360 : ring->boxes[0].east;
}

bool geo_ring_create(struct arena *arena, const struct geo_point *points, size_t count,
                     struct geo_ring *out)
{
    struct geo_ring ring = {.edges = arena_new_array(arena, struct geo_edge, count),
                            .count = count};
    struct winding winding = wind(points, count);
    long rounds = lround(winding.sum / 360);
    if (!ring.edges)
        return false;
    ring.winds = winding.long_count > 0 && (winding.long_count > winding.full_count || rounds != 0);
    bool has_pole = ring.winds && rounds % 2 != 0;
    double mean_lat = rounds < 0 ? -winding.lat_sum : winding.lat_sum;
    ring.north_pole = has_pole && (mean_lat > 0 || (!(mean_lat < 0) && rounds > 0));
    for (size_t i = 0; i < count; i++)
        ring.edges[i] = edge_of(points[i], points[i + 1 < count ? i + 1 : 0], ring.winds);
    cover(&ring, points, count, &winding, has_pole);
    if (!list_edges(&ring, arena))
        return false;
    *out = ring;
    return true;
}

/* ---- points ---- */

enum meeting { MISSES, MEETS, LIES_ON };

/* Does the ray from the point along growing latitude meet the edge? */
static enum meeting meet(const struct geo_edge *edge, struct geo_point point)
{
    bool from_west = point.lon >= edge->west, upto_east = point.lon < edge->east;
    bool covers = edge->wraps ? from_west || upto_east : from_west && upto_east;
    if (!covers && point.lon != edge->east)
        return MISSES;
    double way = point.lon - edge->west;
    if (way < 0)
        way += 360;
    double rise = point.lat - edge->lat;
    double cross = edge->span * rise - edge->lat_change * way;
    bool between = edge->lat_change < 0 ? rise <= 0 && rise >= edge->lat_change
                                        : rise >= 0 && rise <= edge->lat_change;
    bool at_east = point.lon == edge->east && rise == edge->lat_change;
    if (at_east || (between && cross == 0))
        return LIES_ON;
    return covers && rise < edge->lat_change * (way / edge->span) ? MEETS : MISSES;
}

bool geo_in_ring(struct geo_point point, const struct geo_ring *ring, bool edge_is_inside)
{
    bool inside = ring->north_pole;
    if (!geo_on_globe(point))
        return false;
    if (ring->winds)
        point.lon = one_side(point.lon);
    size_t stretch = stretch_of(ring, unwrap(ring, point.lon));
    for (uint32_t i = ring->starts[stretch]; i < ring->starts[stretch + 1]; i++) {
        enum meeting meeting = meet(&ring->edges[ring->entries[i]], point);
        if (meeting == LIES_ON)
            return edge_is_inside;
        inside ^= meeting == MEETS;
    }
    return inside;
}

/* ---- cells ---- */

/* Not fmin and fmax, which are calls. */
static inline double lower(double a, double b)
{
    return a < b ? a : b;
}

static inline double higher(double a, double b)
{
    return a > b ? a : b;
}

/* Does the edge, moved by some degrees, come near the cell? Two convex shapes are apart when a line
 * parallel to a side of one of them lies between: the cell's sides, then the edge's own line. */
static bool touches(const struct geo_edge *edge, double moved, struct geo_box cell)
{
    double west = edge->west + moved;
    if (west > cell.east || west + edge->span < cell.west ||
        edge->lat + lower(edge->lat_change, 0) > cell.north ||
        edge->lat + higher(edge->lat_change, 0) < cell.south)
        return false;
    double apart = margin_degrees / 10 * (edge->span + fabs(edge->lat_change));
    double at_southwest =
        edge->span * (cell.south - edge->lat) - edge->lat_change * (cell.west - west);
    double to_north = edge->span * (cell.north - cell.south);
    double to_east = -edge->lat_change * (cell.east - cell.west);
    double least = at_southwest + lower(to_north, 0) + lower(to_east, 0);
    double greatest = at_southwest + higher(to_north, 0) + higher(to_east, 0);
    return !(least > apart) && !(greatest < -apart);
}

static bool any_touches(const struct geo_ring *ring, size_t first, size_t end, struct geo_box cell)
{
    for (uint32_t i = ring->starts[first]; i < ring->starts[end]; i++) {
        const struct geo_edge *edge = &ring->edges[ring->entries[i]];
        if (touches(edge, 0, cell) ||
            (ring->winds && (touches(edge, 360, cell) || touches(edge, -360, cell))))
            return true;
    }
    return false;
}

enum geo_relation geo_ring_relation(struct geo_box cell, const struct geo_ring *ring)
{
    struct geo_point middle = {.lon = cell.west + (cell.east - cell.west) / 2,
                               .lat = cell.south + (cell.north - cell.south) / 2};
    struct geo_box padded = {.west = cell.west - margin_degrees,
                             .south = cell.south - margin_degrees,
                             .east = cell.east + margin_degrees,
                             .north = cell.north + margin_degrees};
    struct stretches s = {.end = ring->stretches_count};
    bool at_seam = padded.west < -180 || padded.east > 180;
    if (!at_seam && padded.east - padded.west < ring->end - ring->begin)
        s = stretches_of(ring, padded.west, padded.east);
    if (any_touches(ring, s.first, s.end, padded) || any_touches(ring, 0, s.rest, padded))
        return GEO_CROSSES;
    return geo_in_ring(middle, ring, false) ? GEO_INSIDE : GEO_OUTSIDE;
}
