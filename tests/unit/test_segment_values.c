/* Values of matching points: what payload indexes say is what a pass over the payloads says, while
 * points come, change in place, are replaced and go. */
#include "index/kernel/kernel.h"
#include "index/payload/datetime.h"
#include "index/payload/presence.h"
#include "index/segment/segment_int.h"
#include "index/segment/segment_values.h"
#include "storage/base/buffer.h"
#include "storage/base/file.h"
#include "storage/base/random.h"
#include "tests/lib/commands.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>

enum { POINTS = 150, STEPS = 1200, CHECK_EVERY = 8, ROWS_MAX = 4096 };
static const uint64_t SEED = 20261125;
static const char *const KEYS[] = {"w", "i", "f", "b", "d", "u"};
static const Qdrant__PayloadSchemaType TYPES[] = {
    QDRANT__PAYLOAD_SCHEMA_TYPE__Keyword,  QDRANT__PAYLOAD_SCHEMA_TYPE__Integer,
    QDRANT__PAYLOAD_SCHEMA_TYPE__Float,    QDRANT__PAYLOAD_SCHEMA_TYPE__Bool,
    QDRANT__PAYLOAD_SCHEMA_TYPE__Datetime, QDRANT__PAYLOAD_SCHEMA_TYPE__Uuid};
enum { KEYS_COUNT = 6 };

/* Values that the kinds hold, three in four times; else of any kind. */
static const char *const OWN[KEYS_COUNT][6] = {
    {"\"red\"", "\"\"", "\"gr\\u00fcn\"", "\"a\\\"b\"", "\"red\"", "\"long long long\""},
    {"0", "-7", "9007199254740993", "9223372036854775807", "-9223372036854775808", "3"},
    {"0.5", "-0.0", "4", "4.0", "1e308", "-2"},
    {"true", "false", "true", "false", "true", "false"},
    {"\"2024-01-01\"", "\"2024-01-01T00:00:00Z\"", "\"1969-12-31 23:59:59.999999\"",
     "\"2024-06-30T12:00:00+02:00\"", "\"9999-12-31\"", "\"0001-01-01\""},
    {"\"0b1a7f2c-3d4e-4f60-8a91-b2c3d4e5f607\"", "\"0B1A7F2C-3D4E-4F60-8A91-B2C3D4E5F607\"",
     "\"0b1a7f2c3d4e4f608a91b2c3d4e5f607\"", "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
     "\"00000000-0000-0000-0000-000000000000\"", "\"0b1a7f2c-3d4e-4f60-8a91-b2c3d4e5f608\""}};
static const char *const ANY[] = {
    "null", "[]",      "[[1]]",          "{\"x\":1}", "18446744073709551615", "5", "5.5",
    "true", "\"red\"", "\"2024-01-01\"", "[null,5]",  "\"nul\\u0000\""};

struct world {
    struct random random;
    struct kv *kv;
    struct segment *segment;
    struct arena *arena;
    struct kv_batch *batch;
    char path[64];
    uint64_t compared; /* answers that an index gave */
};

/* ---- random points ---- */

static void write_value(struct world *world, int key, struct buffer *out)
{
    uint64_t die = random_below(&world->random, 40);
    if (die == 0) {
        buffer_append_text(out, ANY[random_below(&world->random, sizeof(ANY) / sizeof(ANY[0]))]);
    } else {
        buffer_append_text(out, OWN[key][random_below(&world->random, 6)]);
    }
}

static struct slice make_payload(struct world *world)
{
    struct buffer out;
    bool first = true;
    buffer_init(&out, 0);
    buffer_append_byte(&out, '{');
    for (int key = 0; key < KEYS_COUNT; key++) {
        uint64_t count = random_below(&world->random, 4);
        if (count == 0) {
            continue;
        }
        buffer_printf(&out, "%s\"%s\":%s", first ? "" : ",", KEYS[key], count > 1 ? "[" : "");
        for (uint64_t i = 0; i < count; i++) {
            buffer_append_text(&out, i ? "," : "");
            write_value(world, key, &out);
        }
        buffer_append_text(&out, count > 1 ? "]" : "");
        first = false;
    }
    if (random_below(&world->random, 2)) { /* no index knows it */
        buffer_append_text(&out, first ? "\"plain\":\"yes\"" : ",\"plain\":\"yes\"");
    }
    buffer_append_byte(&out, '}');
    void *copy = arena_memdup(world->arena, out.data, out.size);
    struct slice payload = slice_of(copy, out.size);
    buffer_deinit(&out);
    return payload;
}

static void change(struct world *world, uint64_t version)
{
    struct point_id id = point_id_number(random_below(&world->random, POINTS));
    struct slice none = {0};
    point_offset point = 0;
    bool exists = segment_locate(world->segment, id, &point);
    uint64_t what = random_below(&world->random, 5);
    if (exists && what == 0) {
        segment_delete(world->segment, world->batch, point);
    } else if (exists && what == 1) {
        segment_set_payload(world->segment, world->batch, version, point, make_payload(world));
    } else {
        assert_int_equal(segment_put(world->segment, world->batch, version, id, &none,
                                     what == 2 ? slice_of("", 0) : make_payload(world), NULL),
                         STATUS_OK);
    }
}

/* ---- a segment with an index on every key ---- */

static struct schema *make_schema(void)
{
    Qdrant__VectorParams params = QDRANT__VECTOR_PARAMS__INIT;
    params.size = 1;
    params.distance = QDRANT__DISTANCE__Euclid;
    Qdrant__VectorsConfig vectors = QDRANT__VECTORS_CONFIG__INIT;
    vectors.config_case = QDRANT__VECTORS_CONFIG__CONFIG_PARAMS;
    vectors.params = &params;
    Qdrant__CreateCollection config;
    qdrant__create_collection__init(&config);
    config.vectors_config = &vectors;
    Qdrant__HnswConfigDiff hnsw = QDRANT__HNSW_CONFIG_DIFF__INIT;
    Qdrant__OptimizersConfigDiff optimizers = QDRANT__OPTIMIZERS_CONFIG_DIFF__INIT;
    config.hnsw_config = &hnsw;
    config.optimizers_config = &optimizers;
    struct schema *schema = NULL;
    assert_int_equal(schema_create(&config, &schema, NULL), STATUS_OK);
    for (int key = 0; key < KEYS_COUNT; key++) {
        struct schema *larger = NULL;
        Qdrant__PayloadIndex index = QDRANT__PAYLOAD_INDEX__INIT;
        index.key = (char *)KEYS[key];
        index.type = TYPES[key];
        assert_int_equal(schema_add_field(schema, &index, &larger, NULL), STATUS_OK);
        schema_unref(schema);
        schema = larger;
    }
    return schema;
}

static void world_open(struct world *world)
{
    *world = (struct world){.arena = arena_create(0), .batch = kv_batch_create()};
    random_init(&world->random, SEED);
    (void)snprintf(world->path, sizeof(world->path), "/tmp/sagitta-values-XXXXXX");
    assert_non_null(mkdtemp(world->path));
    kernel_init();
    struct kv_options kv = {
        .path = world->path, .cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20};
    assert_int_equal(kv_open(&kv, &world->kv, NULL), STATUS_OK);
    struct schema *schema = make_schema();
    struct segment_options options = {
        .kv = world->kv, .collection = 1, .index_path = world->path, .schema = schema};
    assert_int_equal(segment_open(&options, &world->segment, NULL), STATUS_OK);
    schema_unref(schema);
    atomic_bool cancelled = false;
    assert_int_equal(segment_build(world->segment, &cancelled, NULL), STATUS_OK); /* fills */
}

static void world_close(struct world *world)
{
    segment_close(world->segment);
    kv_batch_destroy(world->batch);
    kv_close(world->kv);
    arena_destroy(world->arena);
    assert_int_equal(file_remove_tree(world->path, NULL), STATUS_OK);
}

/* ---- (value, point) pairs and (value, count) pairs, both ways ---- */

struct pair {
    char text[48]; /* of the value */
    double order;  /* of the value, for orders */
    uint64_t number;
};
struct pairs {
    struct pair items[ROWS_MAX];
    size_t count;
    const struct path *path;
    bool for_facets;
    point_offset point;
    bool unordered; /* values came in another order than they should */
    int direction;
};

static int compare_pairs(const void *a, const void *b)
{
    const struct pair *left = a, *right = b;
    int order = strcmp(left->text, right->text);
    return order ? order : (left->number > right->number) - (left->number < right->number);
}

static struct pair *pair_add(struct pairs *pairs)
{
    assert_true(pairs->count < ROWS_MAX);
    return &pairs->items[pairs->count++];
}

static bool same_text(const struct pairs *pairs, const char *text, uint64_t number)
{
    for (size_t i = 0; i < pairs->count; i++) {
        if (pairs->items[i].number == number && strcmp(pairs->items[i].text, text) == 0) {
            return true;
        }
    }
    return false;
}

/* Equal for equal numbers. */
static bool number_text(struct json_number number, bool for_facets, char out[48])
{
    if (for_facets) {
        (void)snprintf(out, 48, "%lld", (long long)number.signed_value);
        return number.kind == NUMBER_SIGNED;
    }
    struct json_number real = {.kind = NUMBER_REAL,
                               .real_value = number.kind == NUMBER_REAL ? number.real_value
                                             : number.kind == NUMBER_SIGNED
                                                 ? (double)number.signed_value
                                                 : (double)number.unsigned_value};
    if (json_number_compare(number, real) == 0) {
        (void)snprintf(out, 48, "%.17g", real.real_value + 0.0);
    } else {
        (void)snprintf(out, 48, "%lld", (long long)number.signed_value);
    }
    return true;
}

/* The value as text, equal for equal values; false: it does not count. */
static bool value_text(const struct pairs *pairs, struct json_view view, char out[48])
{
    uint8_t text[64];
    enum json_kind kind = json_view_kind(view);
    if (kind == JSON_NUMBER) {
        return number_text(json_view_number(view), pairs->for_facets, out);
    }
    if (!pairs->for_facets) {
        struct json_number us = {.kind = NUMBER_SIGNED};
        return datetime_of_value(view, &us.signed_value) && number_text(us, false, out);
    }
    if (kind == JSON_TRUE || kind == JSON_FALSE) {
        (void)snprintf(out, 48, "%s", kind == JSON_TRUE ? "true" : "false");
        return true;
    }
    if (kind != JSON_STRING) {
        return false;
    }
    size_t size = json_string_unescape(json_view_raw_string(view), text);
    (void)snprintf(out, 48, "'%.*s'", (int)size, (const char *)text);
    return true;
}

static bool pass_value(void *ctx, struct json_view view)
{
    struct pairs *pairs = ctx;
    char text[48];
    if (value_text(pairs, view, text) && !same_text(pairs, text, pairs->point)) {
        struct pair *pair = pair_add(pairs);
        memcpy(pair->text, text, sizeof(text));
        pair->number = pairs->point;
    }
    return false;
}

static bool pass_point(void *ctx, point_offset point, struct slice payload)
{
    struct pairs *pairs = ctx;
    pairs->point = point;
    payload_each_value(pairs->path, json_view_of(payload), pass_value, pairs);
    return false;
}

static void field_text(const struct field_value *value, bool for_facets, char out[48])
{
    struct json_number number = {.kind = NUMBER_SIGNED};
    switch (value->kind) {
    case VALUE_BOOL:
        (void)snprintf(out, 48, "%s", value->boolean ? "true" : "false");
        return;
    case VALUE_TEXT:
        (void)snprintf(out, 48, "'%.*s'", (int)value->text.size, (const char *)value->text.data);
        return;
    case VALUE_REAL:
        number = (struct json_number){.kind = NUMBER_REAL, .real_value = value->real};
        break;
    default:
        number.signed_value = value->integer;
    }
    assert_true(number_text(number, for_facets, out));
}

static bool index_count(void *ctx, const struct field_value *value, uint64_t count)
{
    struct pair *pair = pair_add(ctx);
    field_text(value, true, pair->text);
    pair->number = count;
    return false;
}

static bool index_row(void *ctx, const struct field_value *value, point_offset point)
{
    struct pairs *pairs = ctx;
    struct pair *pair = pair_add(pairs);
    field_text(value, false, pair->text);
    pair->number = point;
    pair->order = value->kind == VALUE_REAL ? value->real : (double)value->integer;
    if (pairs->count > 1) {
        double before = pairs->items[pairs->count - 2].order;
        pairs->unordered |= pairs->direction * before > pairs->direction * pair->order;
    }
    return false;
}

/* (value, point) of a pass into (value, number of points). */
static void count_up(struct pairs *pairs)
{
    size_t kept = 0;
    qsort(pairs->items, pairs->count, sizeof(pairs->items[0]), compare_pairs);
    for (size_t i = 0; i < pairs->count; i++) {
        if (kept > 0 && strcmp(pairs->items[kept - 1].text, pairs->items[i].text) == 0) {
            pairs->items[kept - 1].number++;
            continue;
        }
        pairs->items[kept] = pairs->items[i];
        pairs->items[kept++].number = 1;
    }
    pairs->count = kept;
}

static void assert_same(struct world *world, struct pairs *pass, struct pairs *index,
                        const char *what, const char *key)
{
    qsort(pass->items, pass->count, sizeof(pass->items[0]), compare_pairs);
    qsort(index->items, index->count, sizeof(index->items[0]), compare_pairs);
    bool same = pass->count == index->count;
    for (size_t i = 0; same && i < pass->count; i++) {
        same = compare_pairs(&pass->items[i], &index->items[i]) == 0;
    }
    if (!same) {
        fail_msg("seed %llu: %s of `%s`: %zu by a pass, %zu by the index", (unsigned long long)SEED,
                 what, key, pass->count, index->count);
    }
    world->compared++;
}

static void check_key(struct world *world, int key, const struct filter *filter, bool facets)
{
    static struct pairs pass, index;
    struct path *path = NULL;
    assert_int_equal(path_parse(slice_text(KEYS[key]), world->arena, &path, NULL), STATUS_OK);
    pass = (struct pairs){.path = path, .for_facets = facets};
    index = (struct pairs){.path = path, .direction = key % 2 ? 1 : -1};
    struct payload_pass by_pass = {.filter = filter, .each = pass_point, .ctx = &pass};
    struct index_pass by_index = {.path = path, .filter = filter};
    struct index_order order = {.descending = key % 2 == 0};
    assert_int_equal(segment_each_payload(world->segment, &by_pass, NULL), STATUS_OK);
    if (facets && segment_index_values(world->segment, &by_index, index_count, &index)) {
        count_up(&pass);
        assert_same(world, &pass, &index, "facets", KEYS[key]);
    } else if (!facets &&
               segment_index_order(world->segment, &by_index, &order, index_row, &index)) {
        assert_false(index.unordered);
        assert_same(world, &pass, &index, "order", KEYS[key]);
    }
}

static const struct filter *compile(struct world *world, Qdrant__Filter *wire)
{
    struct filter *filter = NULL;
    assert_int_equal(filter_compile(wire, NULL, world->arena, &filter, NULL), STATUS_OK);
    return filter;
}

static void check(struct world *world)
{
    Qdrant__Filter *red = filter_keyword(world->arena, "w", "red");
    Qdrant__Filter *plain = filter_keyword(world->arena, "plain", "yes");
    Qdrant__Filter both = QDRANT__FILTER__INIT;
    Qdrant__Condition *conditions[] = {red->must[0], plain->must[0]};
    both.must = conditions;
    both.n_must = 2;
    const struct filter *filters[] = {NULL, compile(world, red), compile(world, plain),
                                      compile(world, &both)};
    for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
        for (int key = 0; key < KEYS_COUNT; key++) {
            check_key(world, key, filters[i], true);
            check_key(world, key, filters[i], false);
        }
    }
    arena_reset(world->arena);
}

static void commit(struct world *world)
{
    assert_int_equal(kv_commit(world->kv, world->batch, NULL), STATUS_OK);
    kv_batch_clear(world->batch);
    segment_committed(world->segment);
}

/* Random commands, seen between and half way: facets and orders of every key, without a filter,
 * with one on an indexed key and one on another, agree both ways; purges make no difference. */
static void test_index_is_pass(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    for (uint64_t step = 1; step <= STEPS; step++) {
        segment_begin_write(world.segment);
        for (uint64_t i = random_below(&world.random, 4); i-- > 0;) {
            change(&world, step);
        }
        if (step % CHECK_EVERY == CHECK_EVERY / 2) {
            check(&world); /* a command is half way: it is not seen */
        }
        commit(&world);
        segment_end_write(world.segment);
        if (step % CHECK_EVERY == 0) {
            check(&world);
        }
        if (step % 100 == 0) {
            assert_int_equal(segment_purge(world.segment, NULL), STATUS_OK);
        }
    }
    assert_true(world.compared > 500);
    world_close(&world);
}

struct meddling {
    struct world *world;
    uint64_t seen;
};

/* At the first point, the others change in place so that they match no more. */
static bool meddle(void *ctx, point_offset point, struct slice payload)
{
    struct meddling *meddling = ctx;
    struct world *world = meddling->world;
    (void)payload;
    if (meddling->seen++ > 0) {
        return false;
    }
    segment_begin_write(world->segment);
    for (uint64_t id = 0; id < 3; id++) {
        point_offset other = 0;
        assert_true(segment_locate(world->segment, point_id_number(id), &other));
        if (other != point) {
            segment_set_payload(world->segment, world->batch, 1000, other,
                                SLICE_LITERAL("{\"plain\":\"no\",\"w\":\"new\"}"));
        }
    }
    commit(world);
    segment_end_write(world->segment);
    return false;
}

/* A point whose payload changes between being found and being read counts with one state only: as
 * it is now it does not match, so it is not visited. */
static void test_changed_meanwhile(void **state)
{
    (void)state;
    struct world world;
    world_open(&world);
    for (uint64_t id = 0; id < POINTS; id++) {
        struct slice none = {0};
        struct slice payload = id < 3 ? SLICE_LITERAL("{\"plain\":\"yes\"}") : SLICE_LITERAL("{}");
        assert_int_equal(segment_put(world.segment, world.batch, id + 1, point_id_number(id), &none,
                                     payload, NULL),
                         STATUS_OK);
    }
    commit(&world);
    struct meddling meddling = {.world = &world};
    struct payload_pass pass = {.filter =
                                    compile(&world, filter_keyword(world.arena, "plain", "yes")),
                                .each = meddle,
                                .ctx = &meddling};
    assert_int_equal(segment_each_payload(world.segment, &pass, NULL), STATUS_OK);
    assert_int_equal(meddling.seen, 1);
    world_close(&world);
}

/* A draw has the size asked for, no point twice, only points that have the vector and match, and
 * each of them about equally often. */
static void test_draw(void **state)
{
    enum { ROWS = 60, WANTED = 6, DRAWS = 3000 };
    (void)state;
    struct world world;
    struct filter *filter = NULL;
    size_t seen[ROWS] = {0};
    world_open(&world);
    for (uint64_t id = 0; id < ROWS; id++) {
        float number = (float)id;
        struct slice vector = slice_of(&number, id % 2 ? sizeof(number) : 0);
        vector.data = id % 2 ? vector.data : NULL;
        struct slice payload = id % 3 ? SLICE_LITERAL("{\"w\":\"red\"}") : slice_of("", 0);
        assert_int_equal(segment_put(world.segment, world.batch, id + 1, point_id_number(id),
                                     &vector, payload, NULL),
                         STATUS_OK);
    }
    commit(&world);
    assert_int_equal(
        filter_compile(filter_keyword(world.arena, "w", "red"), NULL, world.arena, &filter, NULL),
        STATUS_OK);
    for (uint64_t seed = 0; seed < DRAWS; seed++) {
        point_offset drawn[WANTED];
        size_t count = 0;
        bool twice[ROWS] = {false};
        struct segment_draw draw = {.filter = filter, .limit = WANTED, .seed = seed};
        assert_int_equal(segment_draw(world.segment, &draw, drawn, &count, NULL), STATUS_OK);
        assert_int_equal(count, WANTED);
        for (size_t i = 0; i < count; i++) {
            uint64_t id = segment_id(world.segment, drawn[i]).low;
            assert_true(id % 2 == 1 && id % 3 != 0 && !twice[id]);
            twice[id] = true;
            seen[id]++;
        }
    }
    for (uint64_t id = 0; id < ROWS; id++) { /* of 20 points 6 are drawn: 900 times each */
        bool matches = id % 2 == 1 && id % 3 != 0;
        assert_true(matches ? seen[id] > 700 && seen[id] < 1100 : seen[id] == 0);
    }
    point_offset all[ROWS];
    size_t count = 0;
    struct segment_draw draw = {.limit = ROWS};
    assert_int_equal(segment_draw(world.segment, &draw, all, &count, NULL), STATUS_OK);
    assert_int_equal(count, ROWS / 2);
    atomic_bool cancelled = true;
    struct payload_pass pass = {.cancelled = &cancelled, .each = pass_point};
    assert_int_equal(segment_each_payload(world.segment, &pass, NULL), STATUS_CANCELLED);
    world_close(&world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_index_is_pass),
                                       cmocka_unit_test(test_changed_meanwhile),
                                       cmocka_unit_test(test_draw)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
