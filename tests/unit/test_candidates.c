/* What payload indexes tell of random filters over random payloads: never a match that is not
 * possible, never a sure point that does not match. */
/* cmocka needs these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
/* clang-format on */

#include "index/filter/candidates.h"
#include "storage/base/mem.h"
#include "tests/unit/filter_random.h"

enum { ROUNDS = 150, FILTERS = 20, POINTS = 60, FIELDS = 4 };

struct world {
    struct field_set *fields;
    struct buffer payloads[POINTS];
    bool put[POINTS];
};

static const enum field_type TYPES[] = {FIELD_KEYWORD, FIELD_INTEGER,  FIELD_FLOAT, FIELD_BOOL,
                                        FIELD_TEXT,    FIELD_DATETIME, FIELD_UUID,  FIELD_GEO};

static void add_field(struct world *world)
{
    struct field *field = NULL;
    struct field_spec spec = {.key = WAYS[pick(sizeof(WAYS) / sizeof(WAYS[0]))].path,
                              .type = pick(3) ? TYPES[pick(4)] : TYPES[pick(8)],
                              .lookup = pick(4) > 0,
                              .range = pick(4) > 0,
                              .patterns = pick(2) > 0,
                              .text = tokenizer_plain};
    struct error err;
    assert_int_equal(field_create(&spec, &field, &err), STATUS_OK);
    field_set_add_ready(world->fields, field);
}

static void put(struct world *world, size_t i)
{
    buffer_clear(&world->payloads[i]);
    write_node(&world->payloads[i], make_payload());
    field_set_put(world->fields, (point_offset)i, buffer_slice(&world->payloads[i]));
    world->put[i] = true;
}

static void world_init(struct world *world)
{
    world->fields = field_set_create();
    field_set_lock_write(world->fields);
    for (int i = 0; i < FIELDS; i++) {
        add_field(world);
    }
    for (size_t i = 0; i < POINTS; i++) {
        buffer_init(&world->payloads[i], 0);
        world->put[i] = false;
    }
    for (size_t i = 0; i < 2 * POINTS; i++) { /* many are put again, some go */
        size_t point = (size_t)pick(POINTS);
        if (pick(6) == 0) {
            field_set_remove(world->fields, (point_offset)point);
            world->put[point] = false;
        } else {
            put(world, point);
        }
    }
    field_set_unlock_write(world->fields);
}

static void world_deinit(struct world *world)
{
    for (size_t i = 0; i < POINTS; i++) {
        buffer_deinit(&world->payloads[i]);
    }
    field_set_destroy(world->fields);
}

static void locate(void *ctx, const struct point_id *ids, size_t count, roaring_bitmap_t *out)
{
    const struct world *world = ctx;
    for (size_t i = 0; i < count; i++) {
        if (!ids[i].is_uuid && ids[i].low < POINTS && world->put[ids[i].low]) {
            roaring_bitmap_add(out, (uint32_t)ids[i].low);
        }
    }
}

static struct slice read_payload(struct point_view *self)
{
    return buffer_slice(self->ctx);
}

struct tally {
    size_t narrowed, exact, sure, unsure;
};

static void check_filter_of(struct world *world, struct tally *tally)
{
    struct rule *rule = arena_new(arena, struct rule);
    struct filter *filter;
    struct error err;
    rule->kind = FILTER;
    Qdrant__Filter *wire = make_clause(rule, 3);
    assert_int_equal(filter_compile(wire, NULL, arena, &filter, &err), STATUS_OK);
    struct candidate_source source = {.fields = world->fields, .ctx = world, .locate = locate};
    struct candidates found;
    if (!filter_candidates(filter, &source, &found)) {
        return;
    }
    tally->narrowed++;
    tally->exact += found.possible == NULL;
    const roaring_bitmap_t *possible = found.possible ? found.possible : found.sure;
    assert_true(roaring_bitmap_is_subset(found.sure, possible));
    assert_true(roaring_bitmap_is_subset(possible, field_set_points(world->fields)));
    for (size_t i = 0; i < POINTS; i++) {
        if (!world->put[i]) {
            continue;
        }
        struct point_view point = {
            .id = point_id_number(i), .payload = read_payload, .ctx = &world->payloads[i]};
        bool matches = filter_check(filter, &point);
        bool sure = roaring_bitmap_contains(found.sure, (uint32_t)i);
        bool may = roaring_bitmap_contains(possible, (uint32_t)i);
        if ((sure && !matches) || (matches && !may)) {
            fail_msg("%.*s: matches %d, sure %d, possible %d", (int)world->payloads[i].size,
                     (char *)world->payloads[i].data, matches, sure, may);
        }
        tally->sure += sure;
        tally->unsure += may && !sure;
    }
    candidates_free(&found);
}

/* Sure points match, matches are possible, for any filter, any indexes, any history. */
static void test_bounds_hold(void **state)
{
    (void)state;
    const uint64_t seed = 7301;
    struct tally tally = {0};
    random_init(&rng, seed);
    print_message("seed %llu\n", (unsigned long long)seed);
    arena = arena_create(0);
    for (int round = 0; round < ROUNDS; round++) {
        struct world world;
        world_init(&world);
        for (int i = 0; i < FILTERS; i++) {
            check_filter_of(&world, &tally);
        }
        world_deinit(&world);
        arena_reset(arena);
    }
    arena_destroy(arena);
    print_message("of %d filters %zu narrowed, %zu exactly; %zu sure points, %zu to check\n",
                  ROUNDS * FILTERS, tally.narrowed, tally.exact, tally.sure, tally.unsure);
    assert_true(tally.narrowed > ROUNDS * FILTERS / 4);
    assert_true(tally.exact > ROUNDS && tally.sure > 1000 && tally.unsure > 1000);
}

/* A field that is filled in steps, with puts, edits and removals in between, is the same as one
 * that was there from the start. */
static void test_filled_in_steps(void **state)
{
    (void)state;
    random_init(&rng, 99);
    arena = arena_create(0);
    struct world world;
    world_init(&world);
    field_set_lock_write(world.fields);
    struct field_spec spec = {.key = "a", .type = FIELD_INTEGER, .lookup = true, .range = true};
    struct field *late = NULL;
    struct field *early = NULL;
    assert_int_equal(field_create(&spec, &late, NULL), STATUS_OK);
    assert_int_equal(field_create(&spec, &early, NULL), STATUS_OK);
    field_set_add(world.fields, late);
    assert_int_equal(field_set_fill_from(world.fields), 0);
    assert_null(field_set_find(world.fields, field_path(late)));
    for (size_t i = 0; i < POINTS; i++) {
        if (world.put[i]) {
            field_set_fill(world.fields, (point_offset)i, buffer_slice(&world.payloads[i]));
        }
        field_set_filled(world.fields, (point_offset)i + 1, i + 1 == POINTS);
        size_t point = (size_t)pick(POINTS);
        if (pick(4) == 0) {
            field_set_remove(world.fields, (point_offset)point);
            world.put[point] = false;
        } else {
            put(&world, point);
        }
    }
    assert_int_equal(field_set_fill_from(world.fields), POINT_NONE);
    for (size_t i = 0; i < POINTS; i++) {
        if (world.put[i]) {
            field_add(early, (point_offset)i, json_view_of(buffer_slice(&world.payloads[i])));
        }
    }
    const struct field_query query = {.kind = QUERY_EMPTY, .wanted = false};
    const struct field_query range = {.kind = QUERY_RANGE};
    const struct field_query *queries[] = {&query, &range};
    for (size_t i = 0; i < 2; i++) {
        struct field_found a, b;
        assert_true(field_find(late, queries[i], &a) && field_find(early, queries[i], &b));
        assert_true(roaring_bitmap_equals(a.sure, b.sure));
        assert_int_equal(a.possible == NULL, b.possible == NULL);
        roaring_bitmap_free(a.sure);
        roaring_bitmap_free(b.sure);
        if (a.possible) {
            assert_true(roaring_bitmap_equals(a.possible, b.possible));
            roaring_bitmap_free(a.possible);
            roaring_bitmap_free(b.possible);
        }
    }
    field_destroy(early);
    field_set_unlock_write(world.fields);
    world_deinit(&world);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds_hold),
        cmocka_unit_test(test_filled_in_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
