/* Parts of a segment: the id map against a plain array, and what filters matched while points
 * change beneath. */
#include "index/kernel/kernel.h"
#include "index/segment/id_map.h"
#include "index/segment/match_cache.h"
#include "index/segment/segment.h"
#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "storage/kv/keys.h"
#include "tests/lib/commands.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { IDS = 500, STEPS = 20000, POINTS = 400 };
static const uint64_t SEED = 20261125;

/* Random puts and removals: lookups agree with an array indexed by id. */
static void test_id_map(void **state)
{
    (void)state;
    struct blocks points;
    struct id_map map;
    int64_t expected[IDS];
    struct random random;
    random_init(&random, SEED);
    memset(expected, -1, sizeof(expected));
    assert_int_equal(blocks_init(&points, sizeof(struct point_row), NULL), STATUS_OK);
    assert_int_equal(blocks_grow(&points, STEPS, NULL), STATUS_OK);
    id_map_init(&map, &points);
    for (point_offset step = 0; step < STEPS; step++) {
        uint64_t n = random_below(&random, IDS);
        struct point_id id = {.low = n, .is_uuid = n % 3 == 0};
        point_offset old = 0;
        if (random_below(&random, 3) == 0) {
            assert_int_equal(id_map_remove(&map, id, &old), expected[n] >= 0);
            assert_true(expected[n] < 0 || old == (point_offset)expected[n]);
            expected[n] = -1;
        } else {
            ((struct point_row *)blocks_at(&points, step))->id = id;
            assert_int_equal(id_map_put(&map, step, &old), expected[n] >= 0);
            assert_true(expected[n] < 0 || old == (point_offset)expected[n]);
            expected[n] = step;
        }
        n = random_below(&random, IDS);
        id = (struct point_id){.low = n, .is_uuid = n % 3 == 0};
        assert_int_equal(id_map_get(&map, id, &old), expected[n] >= 0);
        assert_true(expected[n] < 0 || old == (point_offset)expected[n]);
    }
    id_map_deinit(&map);
    blocks_deinit(&points);
}

/* An entry is found until something changes in place; the least recently used makes room. */
static void test_match_cache(void **state)
{
    (void)state;
    struct match_cache cache;
    struct bitmap bits;
    match_cache_init(&cache);
    bitmap_init(&bits);
    assert_true(bitmap_resize(&bits, 100));
    bitmap_set(&bits, 42);
    match_cache_put(&cache, slice_text("a"), match_cache_epoch(&cache), 100, &bits);
    assert_null(bits.words);
    struct match_entry *entry = match_cache_get(&cache, slice_text("a"));
    assert_non_null(entry);
    assert_true(bitmap_get(&entry->bits, 42));
    assert_null(match_cache_get(&cache, slice_text("b")));
    match_cache_invalidate(&cache);
    assert_null(match_cache_get(&cache, slice_text("a")));
    match_entry_unref(entry);
    for (int i = 0; i <= MATCH_CACHE_ENTRIES; i++) {
        char key[8];
        (void)snprintf(key, sizeof(key), "k%d", i);
        match_cache_put(&cache, slice_text(key), match_cache_epoch(&cache), 0, &bits);
    }
    assert_null(match_cache_get(&cache, slice_text("k0")));
    entry = match_cache_get(&cache, slice_text("k1"));
    assert_non_null(entry);
    match_entry_unref(entry);
    match_cache_deinit(&cache);
}

struct world {
    struct kv *kv;
    struct segment *segment;
    struct arena *arena;
    struct kv_batch *batch;
    uint64_t version;
    char kind[POINTS]; /* what the payload says; 0: no such point */
};

static void commit(struct world *world)
{
    assert_int_equal(kv_commit(world->kv, world->batch, NULL), STATUS_OK);
    kv_batch_clear(world->batch);
    segment_committed(world->segment);
    world->version++;
}

static void change(struct world *world, struct random *random, uint64_t version)
{
    uint64_t id = random_below(random, POINTS);
    char kind = (char)('a' + random_below(random, 3));
    char payload[32];
    point_offset offset = 0;
    (void)snprintf(payload, sizeof(payload), "{\"k\":\"%c\"}", kind);
    bool exists = segment_locate(world->segment, point_id_number(id), &offset);
    assert_int_equal(exists, world->kind[id] != 0);
    uint64_t what = random_below(random, 4);
    if (exists && what == 0) {
        segment_delete(world->segment, world->batch, offset);
        kind = 0;
    } else if (exists && what == 1) {
        segment_set_payload(world->segment, world->batch, version, offset, slice_text(payload));
    } else {
        struct slice none = {0};
        assert_int_equal(segment_put(world->segment, world->batch, version, point_id_number(id),
                                     &none, slice_text(payload), NULL),
                         STATUS_OK);
    }
    world->kind[id] = kind;
}

static void check(struct world *world)
{
    for (char kind = 'a'; kind <= 'c'; kind++) {
        struct filter *filter = NULL;
        struct bitmap matches;
        size_t expected = 0;
        char text[2] = {kind, 0};
        bitmap_init(&matches);
        assert_int_equal(filter_compile(filter_keyword(world->arena, "k", text), NULL, world->arena,
                                        &filter, NULL),
                         STATUS_OK);
        assert_int_equal(segment_matches(world->segment, filter, NULL, &matches, NULL), STATUS_OK);
        for (uint64_t id = 0; id < POINTS; id++) {
            point_offset offset = 0;
            if (segment_locate(world->segment, point_id_number(id), &offset)) {
                assert_int_equal(bitmap_get(&matches, offset), world->kind[id] == kind);
            }
            expected += world->kind[id] == kind;
        }
        assert_int_equal(bitmap_count(&matches), expected);
        bitmap_deinit(&matches);
    }
    arena_reset(world->arena);
}

/* Filters answer right, remembered or not, while points come, change in place, are replaced and go.
 */
static void test_matches_follow_changes(void **state)
{
    (void)state;
    char path[] = "/tmp/sagitta-segment-XXXXXX";
    struct world world = {.arena = arena_create(0), .batch = kv_batch_create()};
    struct random random;
    random_init(&random, SEED);
    assert_non_null(mkdtemp(path));
    struct kv_options kv = {.path = path, .cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20};
    assert_int_equal(kv_open(&kv, &world.kv, NULL), STATUS_OK);
    Qdrant__CreateCollection config;
    qdrant__create_collection__init(&config);
    Qdrant__HnswConfigDiff hnsw = QDRANT__HNSW_CONFIG_DIFF__INIT;
    Qdrant__OptimizersConfigDiff optimizers = QDRANT__OPTIMIZERS_CONFIG_DIFF__INIT;
    config.hnsw_config = &hnsw;
    config.optimizers_config = &optimizers;
    struct schema *schema = NULL;
    assert_int_equal(schema_create(&config, &schema, NULL), STATUS_OK);
    struct segment_options options = {
        .kv = world.kv, .collection = 1, .index_path = path, .schema = schema};
    assert_int_equal(segment_open(&options, &world.segment, NULL), STATUS_OK);
    for (uint64_t step = 1; step <= 1500; step++) {
        change(&world, &random, step);
        commit(&world);
        if (step % 10 == 0) {
            check(&world);
        }
    }
    segment_close(world.segment);
    schema_unref(schema);
    kv_batch_destroy(world.batch);
    kv_close(world.kv);
    arena_destroy(world.arena);
    assert_int_equal(file_remove_tree(path, NULL), STATUS_OK);
}

enum { DIM = 8, ROWS = 200, REPLACED = 50 };

struct building {
    struct segment *segment;
    atomic_bool cancelled;
    enum status status;
};

static void *build(void *arg)
{
    struct building *building = arg;
    building->status = segment_build(building->segment, &building->cancelled, NULL);
    return NULL;
}

static void put_rows(struct world *world, size_t count)
{
    for (uint64_t id = 0; id < count; id++) {
        float vector[DIM] = {(float)id, (float)world->version};
        struct slice bytes = slice_of(vector, sizeof(vector));
        assert_int_equal(segment_put(world->segment, world->batch, world->version + 1,
                                     point_id_number(id), &bytes, slice_of("", 0), NULL),
                         STATUS_OK);
    }
}

static size_t count_rows(struct world *world)
{
    struct key from = key_vector_begin(1, 0);
    struct key to = key_vector_end(1, 0);
    struct kv_cursor *cursor =
        kv_cursor_open(world->kv, KV_VECTORS, key_slice(&from), key_slice(&to));
    size_t count = 0;
    for (; kv_cursor_valid(cursor); kv_cursor_next(cursor)) {
        count++;
    }
    kv_cursor_close(cursor);
    return count;
}

static struct schema *vectors_schema(void)
{
    Qdrant__VectorParams params = QDRANT__VECTOR_PARAMS__INIT;
    params.size = DIM;
    params.distance = QDRANT__DISTANCE__Euclid;
    Qdrant__VectorsConfig vectors = QDRANT__VECTORS_CONFIG__INIT;
    vectors.config_case = QDRANT__VECTORS_CONFIG__CONFIG_PARAMS;
    vectors.params = &params;
    Qdrant__HnswConfigDiff hnsw = QDRANT__HNSW_CONFIG_DIFF__INIT;
    hnsw._m_case = QDRANT__HNSW_CONFIG_DIFF___M_M;
    hnsw.m = 8;
    hnsw._ef_construct_case = QDRANT__HNSW_CONFIG_DIFF___EF_CONSTRUCT_EF_CONSTRUCT;
    hnsw.ef_construct = 32;
    Qdrant__OptimizersConfigDiff optimizers = QDRANT__OPTIMIZERS_CONFIG_DIFF__INIT;
    optimizers._indexing_threshold_case =
        QDRANT__OPTIMIZERS_CONFIG_DIFF___INDEXING_THRESHOLD_INDEXING_THRESHOLD;
    optimizers.indexing_threshold = 1;
    Qdrant__CreateCollection config;
    qdrant__create_collection__init(&config);
    config.vectors_config = &vectors;
    config.hnsw_config = &hnsw;
    config.optimizers_config = &optimizers;
    struct schema *schema = NULL;
    assert_int_equal(schema_create(&config, &schema, NULL), STATUS_OK);
    return schema;
}

/* A graph that is built while a command runs leaves the rows that the command made dead in storage
 * until it is committed: a crash before that finds them all. */
static void test_dead_rows_wait_for_the_commit(void **state)
{
    (void)state;
    char path[] = "/tmp/sagitta-segment-XXXXXX";
    struct world world = {.batch = kv_batch_create()};
    kernel_init();
    assert_non_null(mkdtemp(path));
    struct kv_options kv = {.path = path, .cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20};
    assert_int_equal(kv_open(&kv, &world.kv, NULL), STATUS_OK);
    struct schema *schema = vectors_schema();
    struct segment_options options = {
        .kv = world.kv, .collection = 1, .index_path = path, .schema = schema, .build_threads = 1};
    assert_int_equal(segment_open(&options, &world.segment, NULL), STATUS_OK);
    put_rows(&world, ROWS);
    commit(&world);
    put_rows(&world, REPLACED); /* not committed yet */
    struct building building = {.segment = world.segment};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, build, &building), 0);
    struct segment_stats stats = {0};
    for (int i = 0; i < 1000 && stats.indexed_vectors < ROWS; i++) {
        usleep(1000);
        segment_stats(world.segment, &stats);
    }
    assert_int_equal(stats.indexed_vectors, ROWS);
    usleep(50000);
    assert_int_equal(count_rows(&world), ROWS);
    commit(&world);
    pthread_join(thread, NULL);
    assert_int_equal(building.status, STATUS_OK);
    assert_int_equal(count_rows(&world), ROWS);
    segment_close(world.segment);
    schema_unref(schema);
    kv_batch_destroy(world.batch);
    kv_close(world.kv);
    assert_int_equal(file_remove_tree(path, NULL), STATUS_OK);
}

static void random_vector(uint64_t seed, float out[DIM])
{
    struct random random;
    random_init(&random, seed);
    for (int i = 0; i < DIM; i++) {
        out[i] = (float)random_double(&random);
    }
}

static size_t count_lost(struct segment *segment, uint64_t ids)
{
    size_t lost = 0;
    for (uint64_t id = 0; id < ids; id++) {
        float query[DIM];
        struct scored item = {0};
        size_t count = 0;
        point_offset offset = 0;
        if (!segment_locate(segment, point_id_number(id), &offset)) {
            continue;
        }
        random_vector(id, query);
        struct segment_search search = {.query = query, .limit = 1, .ef = 32};
        assert_int_equal(segment_search(segment, &search, &item, &count, NULL), STATUS_OK);
        lost += count != 1 || item.point != offset;
    }
    return lost;
}

/* A crash right after a graph was built anew: the image on disk and the rows in storage belong
 * together, every point is found. */
static void test_image_belongs_to_rows(void **state)
{
    (void)state;
    enum { POINTS_MANY = 2000 };
    char path[] = "/tmp/sagitta-segment-XXXXXX";
    char live[64];
    char copy[64];
    struct world world = {.batch = kv_batch_create()};
    atomic_bool cancelled = false;
    kernel_init();
    assert_non_null(mkdtemp(path));
    (void)snprintf(live, sizeof(live), "%s/live", path);
    (void)snprintf(copy, sizeof(copy), "%s/copy", path);
    struct kv_options kv = {.path = live, .cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20};
    assert_int_equal(kv_open(&kv, &world.kv, NULL), STATUS_OK);
    struct schema *schema = vectors_schema();
    schema->deleted_threshold = 0.2;
    struct segment_options options = {
        .kv = world.kv, .collection = 1, .index_path = path, .schema = schema, .build_threads = 1};
    assert_int_equal(segment_open(&options, &world.segment, NULL), STATUS_OK);
    for (uint64_t id = 0; id < POINTS_MANY; id++) {
        float vector[DIM];
        random_vector(id, vector);
        struct slice bytes = slice_of(vector, sizeof(vector));
        assert_int_equal(segment_put(world.segment, world.batch, 1, point_id_number(id), &bytes,
                                     slice_of("", 0), NULL),
                         STATUS_OK);
    }
    commit(&world);
    while (segment_build_due(world.segment)) {
        assert_int_equal(segment_build(world.segment, &cancelled, NULL), STATUS_OK);
    }
    for (point_offset offset = 0; offset < POINTS_MANY; offset += offset % 5 == 3 ? 2 : 1) {
        segment_delete(world.segment, world.batch, offset);
    }
    commit(&world);
    /* Until they are purged, searches that began before may return the deleted points. */
    assert_false(segment_build_due(world.segment));
    for (int i = 0; i < 4 && !segment_build_due(world.segment); i++) {
        assert_int_equal(segment_purge(world.segment, NULL), STATUS_OK);
    }
    assert_true(segment_build_due(world.segment));
    assert_int_equal(segment_build(world.segment, &cancelled, NULL), STATUS_OK);
    assert_int_equal(count_rows(&world), segment_points_count(world.segment));
    assert_int_equal(kv_checkpoint(world.kv, copy, NULL), STATUS_OK);
    struct kv_options kv_copy = {
        .path = copy, .cache_bytes = 1 << 20, .write_buffer_bytes = 1 << 20};
    struct segment *reopened = NULL;
    struct segment_options again = options;
    again.next_offset = POINTS_MANY;
    assert_int_equal(kv_open(&kv_copy, &again.kv, NULL), STATUS_OK);
    assert_int_equal(segment_open(&again, &reopened, NULL), STATUS_OK);
    struct segment_stats stats;
    segment_stats(reopened, &stats);
    assert_int_equal(stats.indexed_vectors, stats.points);
    assert_true(stats.points > 300);
    assert_int_equal(count_lost(reopened, POINTS_MANY), 0);
    segment_close(reopened);
    kv_close(again.kv);
    segment_close(world.segment);
    schema_unref(schema);
    kv_batch_destroy(world.batch);
    kv_close(world.kv);
    assert_int_equal(file_remove_tree(path, NULL), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_map),
        cmocka_unit_test(test_match_cache),
        cmocka_unit_test(test_matches_follow_changes),
        cmocka_unit_test(test_dead_rows_wait_for_the_commit),
        cmocka_unit_test(test_image_belongs_to_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
