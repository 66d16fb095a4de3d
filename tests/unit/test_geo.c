/* Geometry of the geo conditions: known places, turning the globe, cells and covers. */
#include "index/filter/filter_int.h"
#include "index/payload/geo_ring.h"
#include "tests/lib/unit.h"
#include "tests/unit/geo_shapes.h"

#include <stdio.h>

static struct random rng;

static bool in_polygon(const struct geo_point *points, size_t count, double lon, double lat)
{
    struct geo_ring ring;
    assert_true(geo_ring_create(arena, points, count, &ring));
    struct geo_point place = {lon, lat};
    bool inside = geo_in_ring(place, &ring, false);
    /* An edge is inside for one who asks so, and nothing else changes. */
    assert_true(geo_in_ring(place, &ring, true) || !inside);
    return inside;
}

static int setup(void **state)
{
    (void)state;
    arena = arena_create(0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

/* Fiji lies on both sides of the antimeridian; the ring goes the short way. */
static void test_across_the_antimeridian(void **state)
{
    (void)state;
    static const struct geo_point fiji[] = {{177, -20}, {-178, -20}, {-178, -15}, {177, -15}};
    assert_true(in_polygon(fiji, 4, 178, -17));
    assert_true(in_polygon(fiji, 4, -179, -17));
    assert_true(in_polygon(fiji, 4, 180, -17));
    assert_true(in_polygon(fiji, 4, -180, -17));
    assert_false(in_polygon(fiji, 4, 0, -17));
    assert_false(in_polygon(fiji, 4, 176, -17));
    assert_false(in_polygon(fiji, 4, -177, -17));
    assert_false(in_polygon(fiji, 4, 180, -20)); /* on the edge */
    assert_false(in_polygon(fiji, 4, -178, -16));
    assert_false(in_polygon(fiji, 4, 538, -17)); /* off the globe */
    /* A corner on the antimeridian, written either way. */
    static const struct geo_point wedge[] = {{170, 0}, {180, 10}, {-170, 0}, {-180, -10}};
    for (double lon = -180; lon <= 180; lon += 360) {
        assert_true(in_polygon(wedge, 4, lon, 9));
        assert_true(in_polygon(wedge, 4, lon, 0));
        assert_false(in_polygon(wedge, 4, lon, 10));
        assert_false(in_polygon(wedge, 4, lon, 11));
        assert_false(in_polygon(wedge, 4, lon, -10));
    }
    assert_true(in_polygon(wedge, 4, 171, 0.5));
    assert_false(in_polygon(wedge, 4, 171, 1));
    assert_true(in_polygon(wedge, 4, -171, -0.5));
}

/* A ring round the globe has the pole that is nearer, whichever way it runs; a whole world is one.
 */
static void test_poles(void **state)
{
    (void)state;
    static const struct geo_point arctic[] = {{0, 70}, {90, 60}, {180, 70}, {-90, 60}};
    static const struct geo_point west[] = {{-90, 60}, {180, 70}, {90, 60}, {0, 70}};
    static const struct geo_point south[] = {{0, -70}, {120, -70}, {-120, -70}};
    static const struct geo_point corners[] = {
        {-180, 60}, {0, 60}, {180, 60}, {180, 90}, {-180, 90}};
    for (double lon = -180; lon <= 180; lon += 30) {
        assert_true(in_polygon(arctic, 4, lon, 89));
        assert_true(in_polygon(arctic, 4, lon, 90));
        assert_true(in_polygon(west, 4, lon, 71));
        assert_false(in_polygon(arctic, 4, lon, 59));
        assert_false(in_polygon(west, 4, lon, -89));
        assert_true(in_polygon(south, 3, lon, -71));
        assert_true(in_polygon(south, 3, lon, -90));
        assert_false(in_polygon(south, 3, lon, -69));
        /* The cut along the antimeridian is an edge. */
        assert_int_equal(in_polygon(corners, 5, lon, 61), fabs(lon) < 180);
        assert_false(in_polygon(corners, 5, lon, 59));
    }
    assert_true(in_polygon(arctic, 4, 45, 65.1) && !in_polygon(arctic, 4, 45, 64.9));
    assert_true(in_polygon(arctic, 4, -135, 65.1) && !in_polygon(arctic, 4, -135, 64.9));
    static const struct geo_point world[] = {{-180, -90}, {180, -90}, {180, 90}, {-180, 90}};
    static const struct geo_point lower[] = {{180, 0}, {-180, 0}, {-180, -90}, {180, -90}};
    assert_true(in_polygon(world, 4, 0, 0) && in_polygon(world, 4, -179, 89));
    assert_true(in_polygon(lower, 4, 100, -1) && !in_polygon(lower, 4, 100, 1));
    /* On the equator the way it runs decides. */
    static const struct geo_point belt[] = {{0, 0}, {120, 0}, {-120, 0}};
    static const struct geo_point back[] = {{-120, 0}, {120, 0}, {0, 0}};
    assert_true(in_polygon(belt, 3, 10, 5) && !in_polygon(belt, 3, 10, -5));
    assert_true(in_polygon(back, 3, 10, -5) && !in_polygon(back, 3, 10, 5));
}

/* Circles reach over poles and across the antimeridian, and up to the other side of the earth. */
static void test_circles(void **state)
{
    (void)state;
    struct geo_point near_pole = {0, 89}, seam = {179.5, 0};
    assert_true(geo_in_circle((struct geo_point){180, 89}, near_pole, 223000));
    assert_false(geo_in_circle((struct geo_point){180, 88.9}, near_pole, 223000));
    assert_true(geo_in_circle((struct geo_point){-179.5, 0}, seam, 112000));
    assert_false(geo_in_circle((struct geo_point){-179.4, 0}, seam, 112000));
    assert_true(geo_in_circle((struct geo_point){-0.5, 0}, seam, 20015115));
    assert_false(geo_in_circle((struct geo_point){-0.5, 0}, seam, 20015113));
    assert_true(geo_in_circle((struct geo_point){-0.5, 0}, seam, HUGE_VAL));
    assert_false(geo_in_circle(seam, seam, 0));
    assert_false(geo_in_circle(seam, seam, (double)NAN));
    struct geo_box boxes[GEO_COVER_MAX];
    assert_int_equal(geo_circle_cover(seam, 0, boxes), 0);
    assert_int_equal(geo_circle_cover(seam, (double)NAN, boxes), 0);
    assert_int_equal(geo_circle_cover(seam, 112000, boxes), 2);
    assert_int_equal(geo_circle_cover(near_pole, 223000, boxes), 1);
    assert_true(boxes[0].west <= -180 && boxes[0].east >= 180 && boxes[0].north >= 90);
}

/* Turning the globe under a ring changes nothing, wherever the antimeridian then is. */
static void test_turning(void **state)
{
    (void)state;
    size_t inside_count = 0, on_edge_count = 0;
    const uint64_t seed = 31337;
    print_message("seed %llu\n", (unsigned long long)seed);
    random_init(&rng, seed);
    for (int round = 0; round < 400; round++) {
        struct geo_point ring[RING_POINTS_MAX], turned[RING_POINTS_MAX];
        struct geo_ring here, there;
        bool belt = random_below(&rng, 3) == 0;
        struct geo_point center = {random_degrees(&rng, -60, 60), random_degrees(&rng, -60, 60)};
        size_t count = belt ? random_belt(&rng, -20, 80, ring)
                            : random_ring(&rng, center, random_degrees(&rng, 1, 85), ring);
        double by = random_degrees(&rng, -180, 180);
        for (size_t i = 0; i < count; i++)
            turned[i] = (struct geo_point){turn(ring[i].lon, by), ring[i].lat};
        assert_true(geo_ring_create(arena, ring, count, &here));
        assert_true(geo_ring_create(arena, turned, count, &there));
        assert_int_equal(here.north_pole, there.north_pole);
        for (int i = 0; i < 200; i++) {
            struct geo_point place = random_place(&rng);
            if (random_below(&rng, 3) == 0)
                place.lon = ring[random_below(&rng, count)].lon;
            if (random_below(&rng, 6) == 0)
                place = ring[random_below(&rng, count)];
            struct geo_point moved = {turn(place.lon, by), place.lat};
            bool inside = geo_in_ring(place, &here, false);
            bool on_edge = geo_in_ring(place, &here, true) && !inside;
            if (geo_in_ring(moved, &there, false) != inside ||
                geo_in_ring(moved, &there, true) != (inside || on_edge))
                fail_msg("round %d: %g, %g turned by %g", round, place.lon, place.lat, by);
            inside_count += inside ? 1 : 0;
            on_edge_count += on_edge ? 1 : 0;
        }
        arena_reset(arena);
    }
    print_message("%zu inside, %zu on edges\n", inside_count, on_edge_count);
    assert_true(inside_count > 5000 && on_edge_count > 1000);
}

/* A corner is on the edge to the last bit, whatever its coordinates and wherever its edges come
 * from. */
static void test_corners(void **state)
{
    (void)state;
    random_init(&rng, 10);
    for (int round = 0; round < 2000; round++) {
        struct geo_point points[4];
        struct geo_ring ring;
        bool at_seam = round % 2 == 0; /* its edges come from the west, others go beyond */
        double middle = at_seam ? 180 : random_double(&rng) * 360 - 180;
        for (size_t i = 0; i < 4; i++) {
            points[i].lon = turn(middle, random_double(&rng) * 100 - 50);
            points[i].lat = random_double(&rng) * 160 - 80;
        }
        if (at_seam) {
            points[0].lon = 179 - random_double(&rng) * 40;
            points[1].lon = 180;
            points[2].lon = 179 - random_double(&rng) * 40;
            points[3].lon = -179 + random_double(&rng) * 40;
        }
        assert_true(geo_ring_create(arena, points, 4, &ring));
        for (size_t i = 0; i < 4; i++)
            assert_true(geo_in_ring(points[i], &ring, true) &&
                        !geo_in_ring(points[i], &ring, false));
    }
}

/* A ring in the plane against crossings counted edge by edge, without lists of edges. */
static void test_plain_rings(void **state)
{
    (void)state;
    random_init(&rng, 8);
    for (int round = 0; round < 300; round++) {
        struct geo_point points[RING_POINTS_MAX];
        struct geo_ring ring;
        size_t count = random_ring(&rng, (struct geo_point){0, 0}, 60, points);
        assert_true(geo_ring_create(arena, points, count, &ring));
        for (int i = 0; i < 200; i++) {
            struct geo_point place = {random_degrees(&rng, -60, 60) + 1.0 / 128,
                                      random_degrees(&rng, -60, 60)};
            bool odd = false, near_edge = false;
            for (size_t j = 0; j < count; j++) {
                struct geo_point a = points[j], b = points[(j + 1) % count];
                if ((a.lon > place.lon) == (b.lon > place.lon))
                    continue;
                double lat = a.lat + (b.lat - a.lat) * ((place.lon - a.lon) / (b.lon - a.lon));
                near_edge = near_edge || fabs(lat - place.lat) < 1e-9;
                odd ^= place.lat < lat;
            }
            if (!near_edge)
                assert_int_equal(geo_in_ring(place, &ring, false), odd);
        }
        arena_reset(arena);
    }
}

static struct geo_point place_in(struct geo_box cell)
{
    static const double parts[] = {0, 1};
    double x = random_below(&rng, 4) ? random_double(&rng) : parts[random_below(&rng, 2)];
    double y = random_below(&rng, 4) ? random_double(&rng) : parts[random_below(&rng, 2)];
    return (struct geo_point){fmin(cell.west + (cell.east - cell.west) * x, cell.east),
                              fmin(cell.south + (cell.north - cell.south) * y, cell.north)};
}

static bool is_covered(const struct field_query *query, struct geo_point place)
{
    for (size_t i = 0; i < query->boxes_count; i++) {
        const struct geo_box *box = &query->boxes[i];
        if (place.lon >= box->west && place.lon <= box->east && place.lat >= box->south &&
            place.lat <= box->north)
            return true;
    }
    return false;
}

/* What is said of a cell holds for all places in it, and no place of a shape is outside of its
 * boxes. */
static void test_cells_and_covers(void **state)
{
    (void)state;
    size_t counts[3] = {0};
    random_init(&rng, 9);
    for (int round = 0; round < 3000; round++) {
        struct filter *filter;
        Qdrant__Condition *cond = random_shape(&rng, "v");
        assert_int_equal(filter_compile(filter_of('m', cond, NULL), NULL, arena, &filter, NULL),
                         STATUS_OK);
        const struct field_query *query = filter->must.conds[0]->query;
        assert_int_equal(query->kind, QUERY_GEO);
        for (int i = 0; i < 20; i++) {
            uint32_t level = (uint32_t)random_below(&rng, 14);
            double width = ldexp(360, -(int)level);
            uint64_t cells = UINT64_C(1) << level;
            double west = -180 + width * (double)random_below(&rng, cells);
            double south = -90 + width / 2 * (double)random_below(&rng, cells);
            struct geo_box cell = {west, south, west + width, south + width / 2};
            enum geo_relation relation = query->relate(query->shape, cell);
            counts[relation]++;
            for (int j = 0; j < 8; j++) {
                struct geo_point place = place_in(cell);
                bool inside = query->contains(query->shape, place);
                if ((relation == GEO_INSIDE && !inside) || (relation == GEO_OUTSIDE && inside))
                    fail_msg("round %d: a cell said %d of %.17g, %.17g", round, relation, place.lon,
                             place.lat);
                assert_true(!inside || is_covered(query, place));
            }
        }
        arena_reset(arena);
    }
    print_message("%zu outside, %zu crossing, %zu inside\n", counts[0], counts[1], counts[2]);
    assert_true(counts[0] > 3000 && counts[1] > 3000 && counts[2] > 3000);
    assert_true(counts[1] < 25000); /* not the answer to everything */
}

/* Many edges over the same longitudes: the lists stay short, the answers right. */
static void test_many_edges(void **state)
{
    (void)state;
    enum { TEETH = 5000 };
    struct geo_point *points = arena_new_array(arena, struct geo_point, 2 * TEETH);
    struct geo_ring ring;
    for (size_t i = 0; i < TEETH; i++) { /* up and down between two far sides */
        points[2 * i] = (struct geo_point){-80, -40 + 80.0 * (double)i / TEETH};
        points[2 * i + 1] = (struct geo_point){80, -40 + 80.0 * ((double)i + 0.5) / TEETH};
    }
    assert_true(geo_ring_create(arena, points, 2 * TEETH, &ring));
    assert_true(ring.starts[ring.stretches_count] <= 10 * 2 * TEETH);
    size_t inside = 0;
    for (int i = 0; i < 1000; i++)
        inside += geo_in_ring((struct geo_point){0, -40 + i * 0.0801}, &ring, false) ? 1 : 0;
    assert_in_range(inside, 300, 700);
    /* A circle of many corners: nearly all lists are short, and cells see few edges. */
    for (size_t i = 0; i < 2 * TEETH; i++) {
        double angle = 6.283185307179586 * (double)i / (2 * TEETH);
        points[i] = (struct geo_point){40 * cos(angle), 40 * sin(angle)};
    }
    assert_true(geo_ring_create(arena, points, 2 * TEETH, &ring));
    for (int i = 0; i < 2000; i++) {
        struct geo_point place = {random_double(&rng) * 100 - 50, random_double(&rng) * 100 - 50};
        double radius = sqrt(place.lon * place.lon + place.lat * place.lat);
        if (fabs(radius - 40) > 1e-4)
            assert_int_equal(geo_in_ring(place, &ring, false), radius < 40);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_across_the_antimeridian),
        TEST(test_poles),
        TEST(test_circles),
        TEST(test_turning),
        TEST(test_plain_rings),
        TEST(test_cells_and_covers),
        TEST(test_many_edges),
        TEST(test_corners),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
