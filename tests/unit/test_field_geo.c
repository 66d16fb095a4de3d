/* The index of places against the checks of boxes, circles and polygons; images, whole and damaged.
 */
#include "index/field/geo_key.h"
#include "storage/base/mem.h"
#include "tests/lib/unit.h"
#include "tests/unit/field_world.h"
#include "tests/unit/geo_shapes.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 25, SHAPES = 60, MANY_POINTS = 20000 };

static const char *const KEYS[] = {"v", "v[]", "o.v", "v[1]"};
static const char *const OTHERS[] = {"true",
                                     "null",
                                     "\"x\"",
                                     "5",
                                     "{}",
                                     "[1,2]",
                                     "{\"lon\":1}",
                                     "{\"lon\":\"1\",\"lat\":2}",
                                     "{\"lon\":1,\"lat\":null}",
                                     "{\"lon\":1,\"lat\":[2]}"};

static void write_place(struct buffer *out, struct geo_point place)
{
    if (pick(2))
        buffer_printf(out, "{\"lon\":%.17g,\"lat\":%.17g}", place.lon, place.lat);
    else
        buffer_printf(out, "{\"a\":0,\"lat\":%.17g,\"lon\":%.17g}", place.lat, place.lon);
}

static void write_value(struct buffer *out)
{
    struct geo_point place = random_place(&rng);
    int64_t die = pick(12);
    if (die == 0) {
        buffer_append_text(out, OTHERS[pick(10)]);
        return;
    }
    if (die == 1) /* off the globe */
        place.lon += pick(2) ? 360 : -1e300;
    if (die == 2)
        place.lat += 180.5;
    write_place(out, place);
}

static void write_payload(struct buffer *out)
{
    bool wrapped = pick(3) == 0;
    if (pick(12) == 0) {
        buffer_append_text(out, "{}");
        return;
    }
    buffer_append_text(out, wrapped ? "{\"o\":{\"v\":" : "{\"v\":");
    if (pick(3)) {
        write_value(out);
    } else {
        buffer_append_byte(out, '[');
        for (int64_t i = 0, count = pick(5); i < count; i++) {
            if (i > 0)
                buffer_append_byte(out, ',');
            write_value(out);
        }
        buffer_append_byte(out, ']');
    }
    buffer_append_text(out, wrapped ? "}}" : "}");
}

/* Any shape, any values: answers are exact; the same after the index was saved and loaded. */
static void test_finds_what_checks_find(void **state)
{
    (void)state;
    const uint64_t seed = 60126;
    struct tally tally = {0};
    print_message("seed %llu\n", (unsigned long long)seed);
    random_init(&rng, seed);
    for (int round = 0; round < ROUNDS; round++) {
        struct world world;
        const char *key = KEYS[round % 4];
        arena = arena_create(0);
        world_init(&world, FIELD_GEO, key);
        for (int part = 0; part < 3; part++) {
            world_stir(&world, 2 * WORLD_POINTS, write_payload);
            for (int i = 0; i < SHAPES; i++)
                world_ask(&world, random_shape(&rng, key), &tally);
            struct field *copy = world_reload(world.field);
            field_destroy(world.field);
            world.field = copy;
        }
        assert_int_equal(tally.exact, tally.asked);
        assert_int_equal(tally.unsure, 0);
        /* Conditions on other kinds of values: only foreign ones can match. */
        struct tally other = {0};
        world_ask(&world, match_integer(key, 5), &other);
        world_ask(&world, match_keyword(key, "x"), &other);
        world_ask(&world, match_boolean(key, true), &other);
        assert_int_equal(other.answered, 3);
        assert_int_equal(other.sure, 0);
        world_deinit(&world);
        arena_destroy(arena);
    }
    print_message("%zu shapes, %zu points found\n", tally.asked, tally.sure);
    assert_true(tally.sure > 20000);
}

static void check_shape(const struct field *field, const struct field_query *query,
                        const struct geo_point *places, const bool *there)
{
    struct field_found found;
    uint64_t expected = 0;
    assert_true(field_find(field, query, &found));
    assert_null(found.possible);
    for (size_t i = 0; i < MANY_POINTS; i++) {
        bool inside = there[i] && query->contains(query->shape, places[i]);
        expected += inside ? 1 : 0;
        if (inside && !roaring_bitmap_contains(found.sure, (uint32_t)i))
            fail_msg("%.17g, %.17g is missing", places[i].lon, places[i].lat);
    }
    assert_int_equal(roaring_bitmap_get_cardinality(found.sure), expected);
    found_free(&found);
}

/* Many places, some crowded at one spot: cells are quartered down to single places. */
static void test_many_places(void **state)
{
    (void)state;
    struct field_spec spec = {.key = "v", .type = FIELD_GEO};
    struct geo_point *places = mem_alloc(MANY_POINTS * sizeof(*places));
    bool *there = mem_zalloc(MANY_POINTS * sizeof(*there));
    struct geo_point crowd = {-179.25, 64.5};
    struct field *field;
    struct buffer text;
    random_init(&rng, 3);
    buffer_init(&text, 0);
    assert_int_equal(field_create(&spec, &field, NULL), STATUS_OK);
    for (size_t i = 0; i < MANY_POINTS; i++) {
        places[i] = pick(3) ? (struct geo_point){random_double(&rng) * 360 - 180,
                                                 random_double(&rng) * 180 - 90}
                            : random_place(&rng);
        if (pick(8) == 0)
            places[i] = crowd;
        if (pick(8) == 0)
            places[i] = (struct geo_point){crowd.lon + random_double(&rng) * 1e-6,
                                           crowd.lat + random_double(&rng) * 1e-6};
        buffer_clear(&text);
        buffer_append_text(&text, "{\"v\":");
        write_place(&text, places[i]);
        buffer_append_byte(&text, '}');
        field_add(field, (point_offset)i, json_view_of(buffer_slice(&text)));
        there[i] = true;
    }
    for (int part = 0; part < 2; part++) {
        arena = arena_create(0);
        for (int i = 0; i < 150; i++) {
            struct filter *filter;
            Qdrant__Condition *cond = random_shape(&rng, "v");
            if (i % 8 == 0)
                cond = geo_circle("v", geo(crowd.lon, crowd.lat), 0.05F * (float)pick(4));
            if (i % 8 == 1)
                cond = geo_box("v", geo(crowd.lon, crowd.lat + 5e-7),
                               geo(crowd.lon + 4e-7, crowd.lat));
            assert_int_equal(filter_compile(filter_of('m', cond, NULL), NULL, arena, &filter, NULL),
                             STATUS_OK);
            check_shape(field, filter->must.conds[0]->query, places, there);
        }
        arena_destroy(arena);
        for (size_t i = 0; i < MANY_POINTS; i++) {
            if (there[i] && pick(2)) {
                field_remove(field, (point_offset)i);
                there[i] = false;
            }
        }
    }
    field_destroy(field);
    buffer_deinit(&text);
    mem_free(places);
    mem_free(there);
}

/* A point with very many places costs what they cost, not their square. */
static void test_many_places_of_one_point(void **state)
{
    (void)state;
    enum { PLACES = 20000 };
    struct field_spec spec = {.key = "v", .type = FIELD_GEO};
    struct field *field;
    struct buffer text;
    random_init(&rng, 4);
    buffer_init(&text, 0);
    buffer_append_text(&text, "{\"v\":[");
    for (size_t i = 0; i < PLACES; i++) {
        buffer_append_text(&text, i > 0 ? "," : "");
        write_place(&text, (struct geo_point){random_double(&rng) * 90, random_double(&rng) * 90});
    }
    buffer_append_text(&text, "]}");
    assert_int_equal(field_create(&spec, &field, NULL), STATUS_OK);
    for (point_offset point = 0; point < 3; point++)
        field_add(field, point, json_view_of(buffer_slice(&text)));
    field_remove(field, 1);
    arena = arena_create(0);
    for (int i = 0; i < 40; i++) { /* across the empty part, then over the places */
        struct filter *filter;
        struct field_found found;
        Qdrant__Condition *cond = geo_circle("v", geo(-45, 45), i % 2 ? 1e6F : 7e6F);
        assert_int_equal(filter_compile(filter_of('m', cond, NULL), NULL, arena, &filter, NULL),
                         STATUS_OK);
        assert_true(field_find(field, filter->must.conds[0]->query, &found));
        assert_int_equal(roaring_bitmap_get_cardinality(found.sure), i % 2 ? 0 : 2);
        found_free(&found);
    }
    arena_destroy(arena);
    field_destroy(field);
    buffer_deinit(&text);
}

static void use(struct field *field)
{
    struct filter *filter;
    struct field_found found;
    arena = arena_create(0);
    Qdrant__Condition *cond = geo_circle("v", geo(170, 60), 5e6F);
    assert_int_equal(filter_compile(filter_of('m', cond, NULL), NULL, arena, &filter, NULL),
                     STATUS_OK);
    assert_true(field_find(field, filter->must.conds[0]->query, &found));
    found_free(&found);
    for (size_t i = 0; i < WORLD_POINTS; i++)
        field->kind->remove(field, offset_of(i));
    assert_true(field_memory(field) > 0);
    arena_destroy(arena);
}

/* Any bytes give CORRUPT or an index that works. */
static void test_damaged_images(void **state)
{
    (void)state;
    struct world world;
    random_init(&rng, 80);
    world_init(&world, FIELD_GEO, "v");
    world_stir(&world, 4 * WORLD_POINTS, write_payload);
    size_t refused = world_damage(world.field, 1500, use);
    print_message("%zu of 1500 damaged images were refused\n", refused);
    assert_true(refused > 300 && refused < 1500);
    world_deinit(&world);
}

/* The box of a cell has every place with a key of the cell, at every level. */
static void test_cells(void **state)
{
    (void)state;
    random_init(&rng, 81);
    for (int i = 0; i < 20000; i++) {
        struct geo_point place = random_place(&rng);
        if (pick(2))
            place =
                (struct geo_point){random_double(&rng) * 360 - 180, random_double(&rng) * 180 - 90};
        struct geo_cell cell = {0};
        int64_t key = geo_key(place);
        while (cell.level < GEO_LEVEL_MAX) {
            unsigned quarter = 0;
            while (key > geo_cell_high(geo_cell_quarter(cell, quarter)))
                quarter++;
            assert_true(quarter < 4);
            cell = geo_cell_quarter(cell, quarter);
            struct geo_box box = geo_cell_box(cell);
            assert_true(key >= geo_cell_low(cell));
            assert_true(place.lon >= box.west && place.lon <= box.east);
            assert_true(place.lat >= box.south && place.lat <= box.north);
        }
        assert_true(geo_cell_low(cell) == key && geo_cell_high(cell) == key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_checks_find),
        cmocka_unit_test(test_many_places),
        cmocka_unit_test(test_many_places_of_one_point),
        cmocka_unit_test(test_damaged_images),
        cmocka_unit_test(test_cells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
