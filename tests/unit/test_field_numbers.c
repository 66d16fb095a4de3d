/* Indexes of integers, reals and times against the checks of conditions; facets and orders against
 * qsort; images, whole and damaged. */
#include "index/payload/datetime.h"
#include "index/payload/presence.h"
#include "storage/base/mem.h"
#include "tests/lib/unit.h"
#include "tests/unit/field_world.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum { ROUNDS = 60, QUESTIONS = 40, VALUES_MAX = 4096 };

static const enum field_type TYPES[] = {FIELD_INTEGER, FIELD_FLOAT, FIELD_DATETIME};
static const char *const KEYS[] = {"v", "v[]", "o.v", "v[1]"};

static const char *const EDGES[] = {"0",
                                    "-0",
                                    "-0.0",
                                    "0.0",
                                    "1",
                                    "1.0",
                                    "-1",
                                    "1e0",
                                    "2.5",
                                    "-2.5",
                                    "1e2",
                                    "100",
                                    "9007199254740991",
                                    "9007199254740992",
                                    "9007199254740993",
                                    "9007199254740993.0",
                                    "-9007199254740993",
                                    "9223372036854775807",
                                    "9223372036854775806",
                                    "9223372036854775808",
                                    "9223372036854774784",
                                    "-9223372036854775808",
                                    "-9223372036854775807",
                                    "-9223372036854775809",
                                    "9223372036854775807.0",
                                    "-9223372036854775808.0",
                                    "18446744073709551615",
                                    "18446744073709551616",
                                    "1e308",
                                    "-1e308",
                                    "1e19",
                                    "5e-324",
                                    "-5e-324",
                                    "123456789012345678901234567890"};
static const char *const OTHERS[] = {"true",
                                     "false",
                                     "null",
                                     "\"x\"",
                                     "\"5\"",
                                     "\"\"",
                                     "{}",
                                     "{\"v\":1}",
                                     "[]",
                                     "[null]",
                                     "\"2020-02-30\"",
                                     "{\"lon\":1,\"lat\":2}",
                                     "\"2020-01-01T00:00:00+25:00\""};
static const char *const TIMES[] = {"\"2020-01-01\"",
                                    "\"2020-01-01T00:00:00Z\"",
                                    "\"2020-01-01T02:00:00+02:00\"",
                                    "\"2020-01-01 00:00:00.000001\"",
                                    "\"2020-01-01T00:00:00.0000019Z\"",
                                    "\"1969-12-31T23:59:59.999999Z\"",
                                    "\"1970-01-01\"",
                                    "\"0001-01-01\"",
                                    "\"9999-12-31T23:59:59.999999\"",
                                    "\"2020-01-01T00:00:00\\u005a\""};

#define PICK_OF(list) list[pick((int64_t)(sizeof(list) / sizeof((list)[0])))]

/* Numbers alone, for tests that want no other values. */
static void write_number(struct buffer *out)
{
    switch (pick(6)) {
    case 0:
        buffer_append_text(out, PICK_OF(EDGES));
        break;
    case 1:
        buffer_printf(out, "%lld", (long long)random_u64(&rng));
        break;
    case 2:
        buffer_printf(out, "%.17g", (random_double(&rng) - 0.5) * (pick(2) ? 10 : 1e18));
        break;
    case 3:
        buffer_printf(out, "%lld", (long long)(INT64_C(9007199254740992) + pick(9) - 4));
        break;
    default:
        buffer_printf(out, "%lld", (long long)(pick(11) - 5));
    }
}

static void write_time(struct buffer *out)
{
    if (pick(2))
        buffer_append_text(out, PICK_OF(TIMES));
    else
        buffer_printf(out, "\"20%02d-%02d-%02dT%02d:00:00Z\"", (int)pick(40), (int)pick(14),
                      (int)pick(32), (int)pick(24));
}

static void write_value(struct buffer *out)
{
    int64_t die = pick(8);
    if (die < 4)
        write_number(out);
    else if (die < 7)
        write_time(out);
    else
        buffer_append_text(out, PICK_OF(OTHERS));
}

static void write_list(struct buffer *out, void (*write)(struct buffer *out))
{
    int64_t count = pick(5);
    buffer_append_byte(out, '[');
    for (int64_t i = 0; i < count; i++) {
        if (i > 0)
            buffer_append_byte(out, ',');
        if (pick(12) == 0)
            buffer_append_text(out, "[1,2]");
        else
            write(out);
    }
    buffer_append_byte(out, ']');
}

static void write_payload(struct buffer *out)
{
    if (pick(12) == 0) {
        buffer_append_text(out, "{}");
        return;
    }
    bool wrapped = pick(3) == 0;
    buffer_append_text(out, wrapped ? "{\"o\":{\"v\":" : "{\"v\":");
    if (pick(3) == 0)
        write_list(out, write_value);
    else
        write_value(out);
    buffer_append_text(out, wrapped ? "}}" : "}");
}

static void write_integers(struct buffer *out)
{
    buffer_printf(out, "{\"v\":%lld}", (long long)(pick(100) - 50));
}

/* ---- conditions ---- */

static Qdrant__ExactNumber *random_bound(void)
{
    struct buffer text;
    buffer_init(&text, 0);
    write_number(&text);
    struct json_number number = json_view_number(json_view_of(buffer_slice(&text)));
    buffer_deinit(&text);
    Qdrant__ExactNumber *out = exact(number.signed_value);
    if (number.kind == NUMBER_UNSIGNED ||
        (number.kind == NUMBER_SIGNED && pick(4) == 0 && number.signed_value >= 0)) {
        out->kind_case = QDRANT__EXACT_NUMBER__KIND_UNSIGNED_VALUE;
        out->unsigned_value = number.unsigned_value;
    } else if (number.kind == NUMBER_REAL) {
        static const double far[] = {HUGE_VAL, -HUGE_VAL, 1e300, -1e300};
        out->kind_case = QDRANT__EXACT_NUMBER__KIND_REAL_VALUE;
        out->real_value = pick(6) == 0 ? far[pick(4)] : number.real_value;
    }
    return out;
}

static Qdrant__Condition *random_range(const char *key)
{
    Qdrant__Condition *cond;
    NEW(Qdrant__ExactRange, qdrant__exact_range__init, out);
    field(&cond, key)->exact_range = out;
    if (pick(3))
        *(pick(2) ? &out->gt : &out->gte) = random_bound();
    if (pick(3))
        *(pick(2) ? &out->lt : &out->lte) = random_bound();
    return cond;
}

static Qdrant__Condition *random_integers(const char *key)
{
    int64_t list[8];
    size_t count = (size_t)pick(9);
    for (size_t i = 0; i < count; i++) {
        struct buffer text;
        buffer_init(&text, 0);
        write_number(&text);
        struct json_number number = json_view_number(json_view_of(buffer_slice(&text)));
        list[i] = number.kind == NUMBER_SIGNED ? number.signed_value : pick(5);
        buffer_deinit(&text);
    }
    return match_integers(key, pick(3) == 0, list, count);
}

static Google__Protobuf__Timestamp *random_time(void)
{
    struct buffer text;
    int64_t us = 0;
    NEW(Google__Protobuf__Timestamp, google__protobuf__timestamp__init, out);
    do {
        buffer_init(&text, 0);
        write_time(&text);
        bool known = datetime_of_value(json_view_of(buffer_slice(&text)), &us);
        buffer_deinit(&text);
        if (known)
            break;
    } while (true);
    out->seconds = us / 1000000 - (us % 1000000 < 0 ? 1 : 0);
    out->nanos = (int32_t)((us - out->seconds * 1000000) * 1000);
    return out;
}

static Qdrant__Condition *random_times(const char *key)
{
    Qdrant__Condition *cond;
    NEW(Qdrant__DatetimeRange, qdrant__datetime_range__init, out);
    field(&cond, key)->datetime_range = out;
    if (pick(3))
        *(pick(2) ? &out->gt : &out->gte) = random_time();
    if (pick(3))
        *(pick(2) ? &out->lt : &out->lte) = random_time();
    return cond;
}

static Qdrant__Condition *random_condition(const char *key)
{
    static const char *const words[] = {"x", "2020-01-01", "5"};
    switch (pick(9)) {
    case 0:
    case 1:
    case 2:
        return random_range(key);
    case 3:
    case 4:
        return random_integers(key);
    case 5:
    case 6:
        return random_times(key);
    case 7:
        return pick(2) ? match_keywords(key, pick(2) == 0, words, (size_t)pick(4))
                       : match_boolean(key, pick(2) == 0);
    default:
        return pick(2) ? geo_circle(key, geo(1, 2), 1000) : match_integer(key, pick(4) - 1);
    }
}

/* Any condition on any values: what is sure matches, what matches is possible; the same after the
 * index was saved and loaded. */
static void test_finds_what_checks_find(void **state)
{
    (void)state;
    const uint64_t seed = 20261;
    struct tally tally = {0};
    print_message("seed %llu\n", (unsigned long long)seed);
    random_init(&rng, seed);
    for (int round = 0; round < ROUNDS; round++) {
        struct world world;
        const char *key = KEYS[round % 4];
        arena = arena_create(0);
        world_init(&world, TYPES[round % 3], key);
        for (int part = 0; part < 3; part++) {
            world_stir(&world, 2 * WORLD_POINTS, write_payload);
            for (int i = 0; i < QUESTIONS; i++)
                world_ask(&world, random_condition(key), &tally);
            struct field *copy = world_reload(world.field);
            field_destroy(world.field);
            world.field = copy;
        }
        world_deinit(&world);
        arena_destroy(arena);
    }
    print_message("of %zu conditions %zu answered, %zu exactly; %zu points sure, %zu to check\n",
                  tally.asked, tally.answered, tally.exact, tally.sure, tally.unsure);
    assert_true(tally.answered > tally.asked * 9 / 10 && tally.exact > tally.asked / 8);
    assert_true(tally.sure > 10000 && tally.unsure > 10000);
}

/* An index that holds all values answers its own conditions exactly; one that is not for lookups or
 * not for ranges says so. */
static void test_exact_answers(void **state)
{
    (void)state;
    struct world world;
    struct tally tally = {0};
    arena = arena_create(0);
    random_init(&rng, 5);
    world_init(&world, FIELD_INTEGER, "v");
    world_stir(&world, 4 * WORLD_POINTS, write_integers);
    for (int i = 0; i < 200; i++) {
        world_ask(&world, random_range("v"), &tally);
        world_ask(&world, random_integers("v"), &tally);
    }
    assert_int_equal(tally.exact, tally.asked);
    assert_true(tally.sure > 1000);
    struct field_spec spec = *field_spec(world.field);
    const struct field_query lookup = {.kind = QUERY_INTEGERS}, range = {.kind = QUERY_RANGE};
    for (int which = 0; which < 2; which++) {
        struct field *field;
        struct field_found found;
        spec.lookup = which == 0;
        spec.range = which == 1;
        assert_int_equal(field_create(&spec, &field, NULL), STATUS_OK);
        assert_false(field_find(field, which == 0 ? &range : &lookup, &found));
        assert_true(field_find(field, which == 0 ? &lookup : &range, &found));
        found_free(&found);
        field_destroy(field);
    }
    world_deinit(&world);
    arena_destroy(arena);
}

/* ---- orders and facets ---- */

struct entry {
    struct json_number number;
    point_offset point;
};
struct entries {
    enum field_type type;
    struct entry list[VALUES_MAX];
    size_t count;
    point_offset point;
};

/* The value as the kind has it; false: foreign. */
static bool own_number(enum field_type type, struct json_view value, struct json_number *out)
{
    *out = (struct json_number){.kind = NUMBER_SIGNED};
    if (type == FIELD_DATETIME)
        return datetime_of_value(value, &out->signed_value);
    if (json_view_kind(value) != JSON_NUMBER)
        return false;
    *out = json_view_number(value);
    if (type == FIELD_INTEGER || out->kind == NUMBER_REAL)
        return (type == FIELD_INTEGER) == (out->kind == NUMBER_SIGNED);
    double real =
        out->kind == NUMBER_SIGNED ? (double)out->signed_value : (double)out->unsigned_value;
    struct json_number as_real = {.kind = NUMBER_REAL, .real_value = real};
    return json_number_compare(*out, as_real) == 0;
}

static bool add_entry(void *ctx, struct json_view value)
{
    struct entries *entries = ctx;
    struct json_number number;
    if (!own_number(entries->type, value, &number))
        return false;
    for (size_t i = 0; i < entries->count; i++) {
        if (entries->list[i].point == entries->point &&
            json_number_compare(entries->list[i].number, number) == 0)
            return false;
    }
    assert_true(entries->count < VALUES_MAX);
    entries->list[entries->count++] = (struct entry){number, entries->point};
    return false;
}

static int compare_entries(const void *a, const void *b)
{
    const struct entry *left = a, *right = b;
    int order = json_number_compare(left->number, right->number);
    return order ? order : (left->point > right->point) - (left->point < right->point);
}

static void list_entries(const struct world *world, struct entries *out)
{
    out->count = 0;
    out->type = field_spec(world->field)->type;
    for (size_t i = 0; i < WORLD_POINTS; i++) {
        out->point = offset_of(i);
        if (world->put[i])
            payload_each_value(field_path(world->field),
                               json_view_of(buffer_slice(&world->payloads[i])), add_entry, out);
    }
    qsort(out->list, out->count, sizeof(out->list[0]), compare_entries);
}

static struct json_number number_of(enum field_type type, const struct field_value *value)
{
    assert_int_equal(value->kind, type == FIELD_FLOAT      ? VALUE_REAL
                                  : type == FIELD_DATETIME ? VALUE_DATETIME
                                                           : VALUE_INTEGER);
    if (type == FIELD_FLOAT)
        return (struct json_number){.kind = NUMBER_REAL, .real_value = value->real};
    return (struct json_number){.kind = NUMBER_SIGNED, .signed_value = value->integer};
}

struct walk {
    const struct entries *entries;
    bool descending;
    size_t first, end; /* entries that are expected */
    size_t seen, stop_after;
    bool met[VALUES_MAX];
};

static bool next_value(void *ctx, const struct field_value *value, point_offset point)
{
    struct walk *walk = ctx;
    assert_true(walk->first + walk->seen < walk->end);
    size_t at = walk->descending ? walk->end - 1 - walk->seen : walk->first + walk->seen;
    struct json_number number = number_of(walk->entries->type, value);
    assert_int_equal(json_number_compare(number, walk->entries->list[at].number), 0);
    /* Equal values may come in any order. */
    struct entry wanted = {number, point};
    const struct entry *found = bsearch(&wanted, walk->entries->list, walk->entries->count,
                                        sizeof(wanted), compare_entries);
    assert_non_null(found);
    assert_false(walk->met[found - walk->entries->list]);
    walk->met[found - walk->entries->list] = true;
    return ++walk->seen == walk->stop_after;
}

static void check_order(const struct world *world, const struct entries *entries, bool descending,
                        const struct json_number *from)
{
    static struct walk walk;
    walk = (struct walk){.entries = entries, .descending = descending, .end = entries->count};
    if (from && !descending) {
        while (walk.first < walk.end &&
               json_number_compare(entries->list[walk.first].number, *from) < 0)
            walk.first++;
    } else if (from) {
        while (walk.end > 0 && json_number_compare(entries->list[walk.end - 1].number, *from) > 0)
            walk.end--;
    }
    size_t expected = walk.end - walk.first;
    walk.stop_after = pick(2) && expected > 1 ? (size_t)pick((int64_t)expected) + 1 : SIZE_MAX;
    world->field->kind->each_in_order(world->field, descending, from, next_value, &walk);
    assert_int_equal(walk.seen, walk.stop_after < expected ? walk.stop_after : expected);
}

/* Values come in the exact order of numbers, from any number on, both ways, each once a point. */
static void test_order(void **state)
{
    (void)state;
    static struct entries entries;
    random_init(&rng, 77);
    arena = arena_create(0);
    for (int round = 0; round < 12; round++) {
        struct world world;
        world_init(&world, TYPES[round % 3], "v");
        world_stir(&world, 4 * WORLD_POINTS, write_payload);
        list_entries(&world, &entries);
        assert_true(entries.count > WORLD_POINTS / 8);
        for (int i = 0; i < 60; i++) {
            Qdrant__ExactNumber *bound = random_bound();
            struct json_number from = {.kind = NUMBER_SIGNED, .signed_value = bound->signed_value};
            if (bound->kind_case == QDRANT__EXACT_NUMBER__KIND_UNSIGNED_VALUE)
                from.kind = NUMBER_UNSIGNED;
            else if (bound->kind_case == QDRANT__EXACT_NUMBER__KIND_REAL_VALUE)
                from = (struct json_number){.kind = NUMBER_REAL, .real_value = bound->real_value};
            if (TYPES[round % 3] == FIELD_DATETIME && entries.count > 0)
                from = entries.list[pick((int64_t)entries.count)].number;
            check_order(&world, &entries, i % 2 == 0, i < 4 ? NULL : &from);
        }
        world_deinit(&world);
    }
    arena_destroy(arena);
}

struct facets {
    const struct entries *entries;
    const roaring_bitmap_t *among;
    uint64_t values, total;
};

static bool next_facet(void *ctx, const struct field_value *value, uint64_t count)
{
    struct facets *facets = ctx;
    struct json_number number = number_of(facets->entries->type, value);
    uint64_t expected = 0;
    for (size_t i = 0; i < facets->entries->count; i++) {
        const struct entry *entry = &facets->entries->list[i];
        if (json_number_compare(entry->number, number) == 0 &&
            (!facets->among || roaring_bitmap_contains(facets->among, entry->point)))
            expected++;
    }
    assert_int_equal(count, expected);
    assert_true(count > 0);
    facets->values++;
    facets->total += count;
    return false;
}

/* Each value comes once, with the number of points that have it among all, most or few of them. */
static void test_facets(void **state)
{
    (void)state;
    static struct entries entries;
    random_init(&rng, 78);
    arena = arena_create(0);
    for (int round = 0; round < 24; round++) {
        struct world world;
        world_init(&world, TYPES[round % 3], "v");
        world_stir(&world, 4 * WORLD_POINTS, write_payload);
        list_entries(&world, &entries);
        roaring_bitmap_t *among = roaring_bitmap_create();
        uint64_t expected = 0;
        for (size_t i = 0; i < WORLD_POINTS; i++) {
            if (pick(round % 2 ? 2 : 60) == 0)
                roaring_bitmap_add(among, offset_of(i));
        }
        for (size_t i = 0; i < entries.count; i++)
            expected += roaring_bitmap_contains(among, entries.list[i].point) ? 1 : 0;
        struct facets all = {.entries = &entries}, some = {.entries = &entries, .among = among};
        world.field->kind->each_value(world.field, NULL, next_facet, &all);
        world.field->kind->each_value(world.field, among, next_facet, &some);
        assert_int_equal(all.total, entries.count);
        assert_int_equal(some.total, expected);
        roaring_bitmap_free(among);
        world_deinit(&world);
    }
    arena_destroy(arena);
}

/* ---- images ---- */

static bool ignore_value(void *ctx, const struct field_value *value, point_offset point)
{
    (void)value;
    *(uint64_t *)ctx += point;
    return false;
}

static void use(struct field *field)
{
    struct field_found found;
    uint64_t sum = 0;
    struct field_query query = {.kind = field->spec.type == FIELD_DATETIME ? QUERY_DATETIMES
                                                                           : QUERY_RANGE};
    query.range.low = (struct number_bound){.present = true, .number = {.signed_value = 1}};
    assert_true(field_find(field, &query, &found));
    found_free(&found);
    field->kind->each_in_order(field, true, NULL, ignore_value, &sum);
    for (size_t i = 0; i < WORLD_POINTS; i++)
        field->kind->remove(field, offset_of(i));
    assert_true(field_memory(field) > 0);
}

/* Any bytes give CORRUPT or an index that works. */
static void test_damaged_images(void **state)
{
    (void)state;
    size_t refused = 0, rounds = 0;
    random_init(&rng, 79);
    for (int round = 0; round < 6; round++) {
        struct world world;
        world_init(&world, TYPES[round % 3], "v");
        world_stir(&world, 4 * WORLD_POINTS, write_payload);
        refused += world_damage(world.field, 300, use);
        rounds += 300;
        world_deinit(&world);
    }
    print_message("%zu of %zu damaged images were refused\n", refused, rounds);
    assert_true(refused > rounds / 4 && refused < rounds);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_what_checks_find),
        cmocka_unit_test(test_exact_answers),
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_facets),
        cmocka_unit_test(test_damaged_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
