/* The index kinds of strings, UUIDs and booleans: what they find and count is what the conditions'
 * checks and a pass over the payloads say, whatever the payloads hold and however they changed. */
#include "index/field/field_int.h"
#include "index/filter/filter_int.h"
#include "index/payload/presence.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/unit/filter_wire.h"

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

enum { SEED = 90210, POINTS = 1400, STEPS = 2500, ROUNDS = 3, DAMAGES = 400, VALUES_MAX = 64 };

static struct random rng;

static uint32_t pick(uint32_t bound)
{
    return (uint32_t)random_below(&rng, bound);
}

static const char *const TEXTS[] = {
    "",
    "a",
    "abc",
    "abcd",
    "abd",
    "ABC",
    "a/b",
    "b\"c\\d",
    "tab\tline\n",
    "caf\xc3\xa9",
    "cafe\xcc\x81",
    "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e",
    "\xe6\x97\xa5\xe6\x9c\xac",
    "\xf0\x9f\x98\x80!",
    "a rather long text, of which there is more than a few bytes to look at and to compare",
    "550e8400-e29b-41d4-a716-446655440000",
    "550e8400-e29b-41d4-a716-446655440001",
    "550E8400-E29B-41D4-A716-446655440000",
    "550e8400e29b41d4a716446655440000",
    "{550e8400-e29b-41d4-a716-446655440000}",
    "urn:uuid:550e8400-e29b-41d4-a716-446655440000",
    "a50e8400-e29b-41d4-a716-446655440000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "00000000-0000-0000-0000-000000000000",
    "550e8400-e29b-41d4-a716-44665544000",
};
enum { TEXTS_COUNT = sizeof(TEXTS) / sizeof(TEXTS[0]), UUIDS_FIRST = 15 };

/* ---- payloads ---- */

static void write_unit(struct buffer *out, unsigned unit)
{
    buffer_printf(out, pick(2) ? "\\u%04x" : "\\u%04X", unit);
}

/* The text with more escapes than it needs. */
static void write_text(struct buffer *out, const char *text)
{
    buffer_append_byte(out, '"');
    for (const uint8_t *at = (const uint8_t *)text; *at;) {
        unsigned code = *at, size = 1;
        if (code >= 0xf0) {
            size = 4;
            code = (code & 7u) << 18 | (at[1] & 63u) << 12 | (at[2] & 63u) << 6 | (at[3] & 63u);
        } else if (code >= 0xe0) {
            size = 3;
            code = (code & 15u) << 12 | (at[1] & 63u) << 6 | (at[2] & 63u);
        } else if (code >= 0xc0) {
            size = 2;
            code = (code & 31u) << 6 | (at[1] & 63u);
        }
        bool must = code < 0x20 || code == '"' || code == '\\';
        if (!must && pick(10) > 0) {
            buffer_append(out, at, size);
        } else if (code > 0xffff) {
            write_unit(out, 0xd800 + ((code - 0x10000) >> 10));
            write_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff));
        } else if (code == '\n' && pick(2)) {
            buffer_append_text(out, "\\n");
        } else {
            write_unit(out, code);
        }
        at += size;
    }
    buffer_append_byte(out, '"');
}

static void write_value(struct buffer *out, int depth)
{
    static const char *const scalars[] = {"null", "true", "false", "true", "0",
                                          "1",    "-1.5", "1e308", "{}",   "[]"};
    uint32_t die = pick(depth > 0 ? 24 : 18);
    if (die < 12) {
        /* A few texts are common, so that some postings become bitmaps. */
        write_text(out, TEXTS[pick(3) ? pick(TEXTS_COUNT) : 2 + pick(2) * UUIDS_FIRST]);
    } else if (die < 18) {
        buffer_append_text(out, scalars[pick(sizeof(scalars) / sizeof(scalars[0]))]);
    } else if (die < 23) {
        buffer_append_byte(out, '[');
        for (uint32_t i = 0, count = pick(die == 22 ? 30 : 4); i < count; i++) {
            if (i > 0) {
                buffer_append_byte(out, ',');
            }
            write_value(out, depth - 1);
        }
        buffer_append_byte(out, ']');
    } else {
        buffer_append_text(out, "{\"b\":");
        write_value(out, depth - 1);
        buffer_append_byte(out, '}');
    }
}

static void write_payload(struct buffer *out)
{
    buffer_append_byte(out, '{');
    if (pick(12) > 0) {
        buffer_append_text(out, "\"k\":");
        write_value(out, 2);
    }
    if (pick(3) == 0) {
        buffer_append_text(out, out->size > 1 ? ",\"o\":" : "\"o\":");
        write_value(out, 2);
    }
    buffer_append_byte(out, '}');
}

/* ---- a field and what it should say ---- */

struct world {
    struct field *field;
    struct buffer payloads[POINTS];
    bool put[POINTS];
};

static struct field *create_field(enum field_type type, const char *key, bool patterns)
{
    struct field *field = NULL;
    struct field_spec spec = {.key = key, .type = type, .patterns = patterns};
    assert_int_equal(field_create(&spec, &field, NULL), STATUS_OK);
    return field;
}

static void world_init(struct world *world, enum field_type type, const char *key, bool patterns)
{
    world->field = create_field(type, key, patterns);
    for (size_t i = 0; i < POINTS; i++) {
        buffer_init(&world->payloads[i], 0);
        world->put[i] = false;
    }
}

static void world_deinit(struct world *world)
{
    field_destroy(world->field);
    for (size_t i = 0; i < POINTS; i++) {
        buffer_deinit(&world->payloads[i]);
    }
}

static void remove_point(struct world *world, point_offset point)
{
    field_remove(world->field, point);
    world->put[point] = false;
}

static void put_point(struct world *world, point_offset point)
{
    struct buffer *payload = &world->payloads[point];
    if (world->put[point]) {
        remove_point(world, point);
    }
    buffer_clear(payload);
    write_payload(payload);
    field_add(world->field, point, json_view_of(buffer_slice(payload)));
    world->put[point] = true;
}

static struct slice read_payload(struct point_view *self)
{
    return buffer_slice(self->ctx);
}

static bool accepts(const struct world *world, const struct filter *filter, size_t i)
{
    struct point_view point = {.payload = read_payload,
                               .ctx = (void *)(uintptr_t)&world->payloads[i]};
    return world->put[i] && filter_check(filter, &point);
}

/* Compares what the field finds with the check of each point; says whether it could tell. */
static bool check_condition(const struct world *world, Qdrant__Condition *wire, bool must_be_sure)
{
    struct filter *filter = NULL;
    struct field_found found = {0};
    struct error err;
    assert_int_equal(filter_compile(filter_of('m', wire, NULL), NULL, arena, &filter, &err),
                     STATUS_OK);
    const struct field_query *query = filter->must.conds[0]->query;
    assert_non_null(query);
    if (!field_find(world->field, query, &found)) {
        assert_false(must_be_sure);
        return false;
    }
    const roaring_bitmap_t *possible = found.possible ? found.possible : found.sure;
    assert_true(!must_be_sure || !found.possible);
    assert_true(roaring_bitmap_is_subset(found.sure, possible));
    assert_true(roaring_bitmap_is_subset(possible, world->field->points));
    for (uint32_t i = 0; i < POINTS; i++) {
        bool expected = accepts(world, filter, i);
        bool sure = roaring_bitmap_contains(found.sure, i);
        bool may = roaring_bitmap_contains(possible, i);
        if ((sure && !expected) || (expected && !may)) {
            fail_msg("point %u, kind %d: %.*s is %d, sure %d, possible %d", i, (int)query->kind,
                     (int)world->payloads[i].size, (char *)world->payloads[i].data, expected, sure,
                     may);
        }
        /* Only several values and foreign ones leave a doubt. */
        assert_true(sure == may || roaring_bitmap_contains(world->field->foreign, i) ||
                    (query->except && roaring_bitmap_contains(world->field->many, i)));
    }
    roaring_bitmap_free(found.sure);
    if (found.possible) {
        roaring_bitmap_free(found.possible);
    }
    return true;
}

static void check_words(const struct world *world, const char *key)
{
    bool is_keyword = world->field->spec.type == FIELD_KEYWORD;
    for (size_t i = 0; i < TEXTS_COUNT; i++) {
        assert_true(check_condition(world, match_keyword(key, TEXTS[i]), is_keyword));
    }
    assert_true(check_condition(world, match_keyword(key, "not there"), is_keyword));
    for (int round = 0; round < 8; round++) {
        const char *words[6];
        size_t count = pick(7);
        for (size_t i = 0; i < count; i++) {
            words[i] = pick(8) ? TEXTS[pick(TEXTS_COUNT)] : "not there";
        }
        assert_true(check_condition(world, match_keywords(key, false, words, count), is_keyword));
        assert_true(check_condition(world, match_keywords(key, true, words, count), false));
    }
}

static void check_prefixes(const struct world *world, const char *key)
{
    static const char *const prefixes[] = {"",
                                           "a",
                                           "ab",
                                           "abc",
                                           "abcd",
                                           "abcde",
                                           "b\"",
                                           "\xe6\x97\xa5",
                                           "caf",
                                           "5",
                                           "550e",
                                           "550",
                                           "55E",
                                           "550E",
                                           "550e8400",
                                           "550e8400-",
                                           "550e8400e",
                                           "{550",
                                           "urn:uuid:5",
                                           "f",
                                           "ffffffff-ffff-ffff-ffff-ffffffffffff",
                                           "0000",
                                           "ffffffff-ffff-ffff-ffff-ffffffffffff0"};
    bool is_keyword = world->field->spec.type == FIELD_KEYWORD;
    for (size_t i = 0; i < sizeof(prefixes) / sizeof(prefixes[0]); i++) {
        Qdrant__Condition *wire = match_text(key, QDRANT__MATCH__MATCH_VALUE_PREFIX, prefixes[i]);
        assert_true(check_condition(world, wire, is_keyword));
    }
}

static void check_patterns(const struct world *world, const char *key)
{
    static const struct {
        Qdrant__Match__MatchValueCase kind;
        const char *text;
    } patterns[] = {
        {QDRANT__MATCH__MATCH_VALUE_SUBSTRING, ""},
        {QDRANT__MATCH__MATCH_VALUE_SUBSTRING, "b"},
        {QDRANT__MATCH__MATCH_VALUE_SUBSTRING, "abc"},
        {QDRANT__MATCH__MATCH_VALUE_SUBSTRING, "446655440000"},
        {QDRANT__MATCH__MATCH_VALUE_SUBSTRING, "\xe6\x9c\xac"},
        {QDRANT__MATCH__MATCH_VALUE_SUBSTRING, "\"c\\"},
        {QDRANT__MATCH__MATCH_VALUE_SUBSTRING, "nowhere"},
        {QDRANT__MATCH__MATCH_VALUE_WILDCARD, "ab*"},
        {QDRANT__MATCH__MATCH_VALUE_WILDCARD, "*rather*few bytes*"},
        {QDRANT__MATCH__MATCH_VALUE_WILDCARD, "?50e?400-e29?-*"},
        {QDRANT__MATCH__MATCH_VALUE_WILDCARD, "caf?"},
        {QDRANT__MATCH__MATCH_VALUE_WILDCARD, ""},
        {QDRANT__MATCH__MATCH_VALUE_REGEX, "(?i)abc"},
        {QDRANT__MATCH__MATCH_VALUE_REGEX, "^(abc|550e).*(00|d)$"},
        {QDRANT__MATCH__MATCH_VALUE_REGEX, "^[0-9a-f]{8}-"},
        {QDRANT__MATCH__MATCH_VALUE_REGEX, "\\n"},
        {QDRANT__MATCH__MATCH_VALUE_REGEX, "rather|line"},
    };
    bool is_keyword = world->field->spec.type == FIELD_KEYWORD;
    for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
        Qdrant__Condition *wire = match_text(key, patterns[i].kind, patterns[i].text);
        assert_true(check_condition(world, wire, is_keyword));
    }
}

static void check_others(const struct world *world, const char *key)
{
    static const int64_t numbers[] = {0, 1};
    bool is_bool = world->field->spec.type == FIELD_BOOL;
    assert_true(check_condition(world, match_boolean(key, true), is_bool));
    assert_true(check_condition(world, match_boolean(key, false), is_bool));
    assert_true(check_condition(world, match_integer(key, 1), false));
    assert_true(check_condition(world, match_integers(key, false, numbers, 2), false));
    assert_true(check_condition(world, match_integers(key, true, numbers, 2), false));
    assert_true(check_condition(world, exact_range(key, exact(-5), NULL, exact(5)), false));
    assert_true(check_condition(world, geo_circle(key, geo(0, 0), 1e9f), false));
    check_condition(world, match_text(key, QDRANT__MATCH__MATCH_VALUE_TEXT, "abc"), false);
}

/* ---- facets ---- */

struct facet {
    enum field_type type;
    struct {
        char text[128];
        uint64_t count;
    } values[VALUES_MAX];
    size_t count;
    char seen[VALUES_MAX][128]; /* of one point */
    size_t seen_count;
};

static void facet_add(struct facet *facet, const char *text, uint64_t count)
{
    size_t i = 0;
    while (i < facet->count && strcmp(facet->values[i].text, text) != 0) {
        i++;
    }
    assert_true(i < VALUES_MAX);
    if (i == facet->count) {
        (void)snprintf(facet->values[i].text, sizeof(facet->values[i].text), "%s", text);
        facet->values[i].count = 0;
        facet->count++;
    }
    facet->values[i].count += count;
}

static bool is_own(const struct facet *facet, enum json_kind kind, const char *text)
{
    struct point_id id;
    if (facet->type == FIELD_BOOL) {
        return kind == JSON_TRUE || kind == JSON_FALSE;
    }
    return kind == JSON_STRING &&
           (facet->type == FIELD_KEYWORD || point_id_parse_uuid(slice_text(text), &id));
}

static bool facet_value(void *ctx, struct json_view value)
{
    struct facet *facet = ctx;
    enum json_kind kind = json_view_kind(value);
    char text[2048];
    if (value.text.size >= sizeof(text)) {
        return false;
    }
    memcpy(text, value.text.data, value.text.size);
    text[value.text.size] = '\0';
    if (kind == JSON_STRING) {
        text[json_string_unescape(json_view_raw_string(value), (uint8_t *)text)] = '\0';
    }
    for (size_t i = 0; i < facet->seen_count; i++) {
        if (strcmp(facet->seen[i], text) == 0) {
            return false;
        }
    }
    if (is_own(facet, kind, text)) {
        assert_true(facet->seen_count < VALUES_MAX);
        (void)snprintf(facet->seen[facet->seen_count++], sizeof(facet->seen[0]), "%s", text);
        facet_add(facet, text, 1);
    }
    return false;
}

static bool take_value(void *ctx, const struct field_value *value, uint64_t count)
{
    struct facet *facet = ctx;
    char text[128];
    assert_true(count > 0);
    if (value->kind == VALUE_BOOL) {
        (void)snprintf(text, sizeof(text), "%s", value->boolean ? "true" : "false");
    } else {
        assert_int_equal(value->kind, VALUE_TEXT);
        (void)snprintf(text, sizeof(text), "%.*s", (int)value->text.size, value->text.data);
    }
    size_t before = facet->count;
    facet_add(facet, text, count);
    assert_true(facet->count > before); /* a value comes once */
    return false;
}

static void check_facet(const struct world *world, const roaring_bitmap_t *among)
{
    struct facet expected = {.type = world->field->spec.type}, found = {.count = 0};
    for (uint32_t i = 0; i < POINTS; i++) {
        expected.seen_count = 0;
        if (world->put[i] && (!among || roaring_bitmap_contains(among, i))) {
            payload_each_value(world->field->path, json_view_of(buffer_slice(&world->payloads[i])),
                               facet_value, &expected);
        }
    }
    world->field->kind->each_value(world->field, among, take_value, &found);
    assert_int_equal(found.count, expected.count);
    for (size_t i = 0; i < expected.count; i++) {
        facet_add(&found, expected.values[i].text, 0);
    }
    assert_int_equal(found.count, expected.count);
    for (size_t i = 0; i < expected.count; i++) {
        for (size_t k = 0; k < found.count; k++) {
            if (strcmp(expected.values[i].text, found.values[k].text) == 0 &&
                expected.values[i].count != found.values[k].count) {
                fail_msg("'%s': %zu points, not %zu", expected.values[i].text,
                         (size_t)found.values[k].count, (size_t)expected.values[i].count);
            }
        }
    }
}

static bool stop_at_once(void *ctx, const struct field_value *value, uint64_t count)
{
    (void)value;
    (void)count;
    ++*(int *)ctx;
    return true;
}

static void check_facets(const struct world *world)
{
    int calls = 0;
    struct facet whole = {.count = 0};
    roaring_bitmap_t *all = roaring_bitmap_from_range(0, POINTS * 2, 1);
    roaring_bitmap_t *few = roaring_bitmap_from_range(5, POINTS, 97);
    roaring_bitmap_t *none = roaring_bitmap_create();
    check_facet(world, NULL);
    check_facet(world, all);
    check_facet(world, few);
    check_facet(world, none);
    world->field->kind->each_value(world->field, NULL, take_value, &whole);
    world->field->kind->each_value(world->field, NULL, stop_at_once, &calls);
    world->field->kind->each_value(world->field, all, stop_at_once, &calls);
    assert_int_equal(calls, whole.count > 0 ? 2 : 0);
    roaring_bitmap_free(all);
    roaring_bitmap_free(few);
    roaring_bitmap_free(none);
}

/* ---- tests ---- */

static void check_world(const struct world *world, const char *key)
{
    arena = arena_create(0);
    check_words(world, key);
    check_prefixes(world, key);
    check_patterns(world, key);
    check_others(world, key);
    arena_destroy(arena);
    check_facets(world);
    assert_true(field_memory(world->field) > 0);
}

static void change_world(struct world *world)
{
    for (int step = 0; step < STEPS; step++) {
        point_offset point = pick(POINTS);
        if (pick(4) == 0) {
            remove_point(world, point);
        } else {
            put_point(world, point);
        }
    }
}

/* Puts the field's image into another one, which takes its place. */
static void reload(struct world *world, const char *key)
{
    struct field *loaded = create_field(world->field->spec.type, key, world->field->spec.patterns);
    struct buffer image;
    struct reader reader;
    buffer_init(&image, 0);
    field_save(world->field, &image);
    reader_init(&reader, buffer_slice(&image));
    assert_int_equal(field_load(loaded, &reader, NULL), STATUS_OK);
    assert_int_equal(reader_left(&reader), 0);
    field_destroy(world->field);
    world->field = loaded;
    buffer_deinit(&image);
}

static void run(enum field_type type, const char *key, bool patterns)
{
    struct world *world = mem_alloc(sizeof(*world));
    world_init(world, type, key, patterns);
    check_world(world, key);
    for (int round = 0; round < ROUNDS; round++) {
        change_world(world);
        if (round > 0) {
            check_world(world, key);
        }
        reload(world, key);
    }
    check_world(world, key);
    for (point_offset point = 0; point < POINTS; point++) {
        remove_point(world, point);
    }
    check_world(world, key);
    struct facet nothing = {.count = 0};
    world->field->kind->each_value(world->field, NULL, take_value, &nothing);
    assert_int_equal(nothing.count, 0);
    world_deinit(world);
    mem_free(world);
}

/* Proves that a keyword index without trigrams agrees with checks and counts. */
static void test_keyword(void **state)
{
    (void)state;
    run(FIELD_KEYWORD, "k", false);
}

/* Proves the same of one with trigrams, over a path of items. */
static void test_keyword_patterns(void **state)
{
    (void)state;
    run(FIELD_KEYWORD, "k[]", true);
    run(FIELD_KEYWORD, "k", true);
}

/* Proves that an index of UUIDs agrees with checks, which compare spellings. */
static void test_uuid(void **state)
{
    (void)state;
    run(FIELD_UUID, "k", false);
    run(FIELD_UUID, "o.b", true);
}

/* Proves that an index of booleans agrees with checks and counts. */
static void test_bool(void **state)
{
    (void)state;
    run(FIELD_BOOL, "k", false);
}

static void use_loaded(struct field *field)
{
    struct field_found found = {0};
    struct slice word = SLICE_LITERAL("abc");
    struct field_query query = {.kind = QUERY_WORDS, .words = &word, .words_count = 1};
    roaring_bitmap_t *few = roaring_bitmap_from_range(0, POINTS, 31);
    if (field->kind->find(field, &query, &found, &(bool){false})) {
        roaring_bitmap_free(found.sure);
    }
    int calls = 0;
    field->kind->each_value(field, few, stop_at_once, &calls);
    for (point_offset point = 0; point < POINTS; point++) {
        field->kind->remove(field, point);
    }
    roaring_bitmap_free(few);
}

static void check_damaged(const struct world *world, const struct buffer *own, size_t size)
{
    struct field *field = create_field(world->field->spec.type, "k", true);
    struct reader reader;
    struct error err = {0};
    roaring_bitmap_or_inplace(field->present, world->field->present);
    reader_init(&reader, slice_of(own->data, size));
    enum status status = field->kind->load(field, &reader, &err);
    if (status == STATUS_OK) {
        use_loaded(field);
    } else {
        assert_int_equal(status, STATUS_CORRUPT);
        assert_true(strlen(err.message) > 0);
    }
    if (size < own->size) {
        assert_int_equal(status, STATUS_CORRUPT);
    }
    field_destroy(field);
}

/* Proves that damaged images are refused or harmless, and cut ones always refused. */
static void test_damaged(void **state)
{
    (void)state;
    static const enum field_type types[] = {FIELD_KEYWORD, FIELD_UUID, FIELD_BOOL};
    struct world *world = mem_alloc(sizeof(*world));
    for (size_t t = 0; t < 3; t++) {
        struct buffer own;
        world_init(world, types[t], "k", true);
        change_world(world);
        buffer_init(&own, 0);
        world->field->kind->save(world->field, &own);
        for (uint32_t i = 0; i < DAMAGES / 2; i++) {
            check_damaged(world, &own, pick((uint32_t)own.size));
        }
        for (uint32_t i = 0; i < DAMAGES; i++) {
            size_t at = pick((uint32_t)own.size);
            uint8_t old = own.data[at];
            own.data[at] = (uint8_t)(pick(2) ? old ^ 1u << pick(8) : pick(256));
            check_damaged(world, &own, own.size);
            own.data[at] = old;
        }
        check_damaged(world, &own, own.size);
        buffer_deinit(&own);
        world_deinit(world);
    }
    mem_free(world);
}

/* Proves that very many and very large values in one point are found, counted and removed. */
static void test_large_values(void **state)
{
    (void)state;
    enum { ITEMS = 20000, LONG = 300000 };
    struct field *field = create_field(FIELD_KEYWORD, "k", true);
    struct buffer payload;
    buffer_init(&payload, 0);
    buffer_append_text(&payload, "{\"k\":[\"");
    for (int i = 0; i < LONG; i++) {
        buffer_append_byte(&payload, (uint8_t)('a' + i % 23));
    }
    buffer_append_byte(&payload, '"');
    for (int i = 0; i < ITEMS; i++) {
        buffer_printf(&payload, ",\"item %d\"", i / 2); /* each twice */
    }
    buffer_append_text(&payload, "]}");
    for (point_offset point = 0; point < 3; point++) {
        field_add(field, point, json_view_of(buffer_slice(&payload)));
    }
    field_remove(field, 1);
    struct slice word = SLICE_LITERAL("item 9999");
    struct field_query query = {.kind = QUERY_WORDS, .words = &word, .words_count = 1};
    struct field_found found = {0};
    assert_true(field_find(field, &query, &found));
    assert_null(found.possible);
    assert_int_equal(roaring_bitmap_get_cardinality(found.sure), 2);
    roaring_bitmap_free(found.sure);
    int calls = 0;
    field->kind->each_value(field, NULL, stop_at_once, &calls);
    assert_int_equal(calls, 1);
    size_t full = field_memory(field);
    field_remove(field, 0);
    field_remove(field, 2);
    field->kind->each_value(field, NULL, stop_at_once, &calls);
    assert_int_equal(calls, 1);
    assert_true(field_memory(field) < full);
    field_destroy(field);
    buffer_deinit(&payload);
}

/* Proves that a lookup that would take long leaves the rest untested, or says that it cannot tell.
 */
static void test_pattern_budget(void **state)
{
    (void)state;
    enum { TEXTS_MANY = 3000, PADDING = 3000 };
    for (int patterns = 0; patterns < 2; patterns++) {
        struct field *field = create_field(FIELD_KEYWORD, "k", patterns);
        struct buffer payload;
        buffer_init(&payload, 0);
        for (point_offset point = 0; point < TEXTS_MANY; point++) {
            buffer_clear(&payload);
            buffer_printf(&payload, "{\"k\":\"%0*u common\"}", PADDING, point);
            field_add(field, point, json_view_of(buffer_slice(&payload)));
        }
        struct pattern *pattern = NULL;
        struct slice text = SLICE_LITERAL("[^1-9]{2}[0-9] common$");
        assert_int_equal(pattern_create(PATTERN_REGEX, text, &pattern, NULL), STATUS_OK);
        struct field_query query = {.kind = QUERY_PATTERN, .pattern = pattern};
        struct field_found found = {0};
        assert_int_equal(field_find(field, &query, &found), patterns);
        if (patterns) {
            assert_non_null(found.possible);
            assert_true(roaring_bitmap_get_cardinality(found.sure) <= TEXTS_MANY / 100);
            for (point_offset point = 0; point < TEXTS_MANY; point++) {
                bool matches = point / 10 % 100 == 0;
                assert_true(!matches || roaring_bitmap_contains(found.possible, point));
                assert_true(matches || !roaring_bitmap_contains(found.sure, point));
            }
            roaring_bitmap_free(found.sure);
            roaring_bitmap_free(found.possible);
        }
        pattern_destroy(pattern);
        field_destroy(field);
        buffer_deinit(&payload);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keyword),        cmocka_unit_test(test_keyword_patterns),
        cmocka_unit_test(test_uuid),           cmocka_unit_test(test_bool),
        cmocka_unit_test(test_damaged),        cmocka_unit_test(test_large_values),
        cmocka_unit_test(test_pattern_budget),
    };
    random_init(&rng, SEED);
    print_message("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
