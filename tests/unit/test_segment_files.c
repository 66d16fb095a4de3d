/* A segment whose rows live in files: what a start finds after a proper end, after a crash at any
 * moment and beside damaged files, and how room is given back when points go. */
#include "index/kernel/kernel.h"
#include "index/segment/segment.h"
#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "storage/kv/keys.h"
#include "tests/lib/commands.h"
#include "tests/lib/unit.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIM = 128, IDS_MAX = 40000, PATH_BYTES = 128 };
static const uint64_t SEED = 20261125;

/* What the points should be: the generation of each id, 0: no such point. */
struct model {
    uint32_t generation[IDS_MAX];
};

struct world {
    char path[PATH_BYTES];
    struct kv *kv;
    struct segment *segment;
    struct schema *schema;
    struct kv_batch *batch;
    uint64_t applied;
    struct model model;
};

static struct schema *make_schema(uint64_t indexing_threshold_kb)
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
    hnsw.ef_construct = 24;
    Qdrant__OptimizersConfigDiff optimizers = QDRANT__OPTIMIZERS_CONFIG_DIFF__INIT;
    optimizers._indexing_threshold_case =
        QDRANT__OPTIMIZERS_CONFIG_DIFF___INDEXING_THRESHOLD_INDEXING_THRESHOLD;
    optimizers.indexing_threshold = indexing_threshold_kb;
    optimizers._deleted_threshold_case =
        QDRANT__OPTIMIZERS_CONFIG_DIFF___DELETED_THRESHOLD_DELETED_THRESHOLD;
    optimizers.deleted_threshold = 0.2;
    optimizers._vacuum_min_vector_number_case =
        QDRANT__OPTIMIZERS_CONFIG_DIFF___VACUUM_MIN_VECTOR_NUMBER_VACUUM_MIN_VECTOR_NUMBER;
    optimizers.vacuum_min_vector_number = 100;
    Qdrant__CreateCollection config;
    qdrant__create_collection__init(&config);
    config.vectors_config = &vectors;
    config.hnsw_config = &hnsw;
    config.optimizers_config = &optimizers;
    struct schema *schema = NULL;
    assert_int_equal(schema_create(&config, &schema, NULL), STATUS_OK);
    return schema;
}

/* ---- the state that storage keeps with each batch: applied, next offset ---- */

static void put_state(struct world *world)
{
    uint64_t state[2] = {world->applied, segment_next_offset(world->segment)};
    struct key key = key_applied(1);
    kv_put(world->batch, KV_META, key_slice(&key), slice_of(state, sizeof(state)));
}

static void get_state(struct kv *kv, uint64_t state[2])
{
    struct arena *arena = arena_create(0);
    struct key key = key_applied(1);
    struct slice value;
    if (kv_get(kv, KV_META, key_slice(&key), arena, &value, NULL) == STATUS_OK) {
        memcpy(state, value.data, 2 * sizeof(state[0]));
    } else {
        state[0] = state[1] = 0;
    }
    arena_destroy(arena);
}

static void commit(struct world *world)
{
    put_state(world);
    assert_int_equal(kv_commit(world->kv, world->batch, NULL), STATUS_OK);
    kv_batch_clear(world->batch);
    segment_committed(world->segment);
}

static void start(struct world *world)
{
    char kv_path[PATH_BYTES + 16];
    char index_path[PATH_BYTES + 16];
    uint64_t state[2];
    struct error err = {0};
    (void)snprintf(kv_path, sizeof(kv_path), "%s/kv", world->path);
    (void)snprintf(index_path, sizeof(index_path), "%s/index", world->path);
    struct kv_options kv = {.path = kv_path, .cache_bytes = 8 << 20, .write_buffer_bytes = 8 << 20};
    assert_int_equal(kv_open(&kv, &world->kv, NULL), STATUS_OK);
    get_state(world->kv, state);
    world->applied = state[0];
    struct segment_options options = {.kv = world->kv,
                                      .collection = 1,
                                      .index_path = index_path,
                                      .schema = world->schema,
                                      .next_offset = (point_offset)state[1],
                                      .applied = state[0],
                                      .build_threads = 1};
    if (segment_open(&options, &world->segment, &err) != STATUS_OK) {
        fail_msg("segment_open: %s", err.message);
    }
    world->batch = kv_batch_create();
}

/* As a crash leaves it: nothing is flushed, sealed or saved. */
static void crash(struct world *world)
{
    segment_close(world->segment);
    kv_batch_destroy(world->batch);
    kv_close(world->kv);
}

static void stop(struct world *world)
{
    assert_int_equal(segment_seal(world->segment, NULL), STATUS_OK);
    assert_int_equal(segment_save_points(world->segment, world->applied, NULL), STATUS_OK);
    assert_int_equal(segment_save_images(world->segment, NULL), STATUS_OK);
    assert_int_equal(kv_flush(world->kv, NULL), STATUS_OK);
    crash(world);
}

static struct world *world_create(uint64_t indexing_threshold_kb)
{
    struct world *world = calloc(1, sizeof(*world));
    assert_non_null(world);
    (void)snprintf(world->path, sizeof(world->path), "/tmp/sagitta-files-XXXXXX");
    assert_non_null(mkdtemp(world->path));
    kernel_init();
    world->schema = make_schema(indexing_threshold_kb);
    start(world);
    return world;
}

static void world_destroy(struct world *world)
{
    crash(world);
    schema_unref(world->schema);
    assert_int_equal(file_remove_tree(world->path, NULL), STATUS_OK);
    free(world);
}

/* ---- points ---- */

static void make_vector(uint64_t id, uint32_t generation, float out[DIM])
{
    struct random random;
    random_init(&random, id * 1000003 + generation);
    for (int i = 0; i < DIM; i++) {
        out[i] = (float)random_double(&random);
    }
}

static void put(struct world *world, uint64_t id, uint32_t generation)
{
    float vector[DIM];
    char payload[32];
    make_vector(id, generation, vector);
    (void)snprintf(payload, sizeof(payload), "{\"g\":%u}", generation);
    struct slice bytes = slice_of(vector, sizeof(vector));
    assert_int_equal(segment_put(world->segment, world->batch, generation, point_id_number(id),
                                 &bytes, slice_text(payload), NULL),
                     STATUS_OK);
    world->model.generation[id] = generation;
}

static void take_out(struct world *world, uint64_t id)
{
    point_offset offset = 0;
    assert_true(segment_locate(world->segment, point_id_number(id), &offset));
    segment_delete(world->segment, world->batch, offset);
    world->model.generation[id] = 0;
}

/* Every point is what the model says, by id, payload and vector, and no other is there. */
static void check_points(struct world *world, const struct model *model)
{
    size_t expected = 0;
    struct arena *arena = arena_create(0);
    for (uint64_t id = 0; id < IDS_MAX; id++) {
        point_offset offset = 0;
        bool found = segment_locate(world->segment, point_id_number(id), &offset);
        uint32_t generation = model->generation[id];
        assert_int_equal(found, generation != 0);
        if (found) {
            float vector[DIM];
            char payload[32];
            struct slice text;
            expected++;
            make_vector(id, generation, vector);
            struct slice stored = segment_vector(world->segment, offset, 0);
            assert_int_equal(stored.size, sizeof(vector));
            assert_memory_equal(stored.data, vector, sizeof(vector));
            assert_int_equal(segment_version(world->segment, offset), generation);
            (void)snprintf(payload, sizeof(payload), "{\"g\":%u}", generation);
            assert_int_equal(segment_payload(world->segment, offset, arena, &text, NULL),
                             STATUS_OK);
            assert_int_equal(text.size, strlen(payload));
            assert_memory_equal(text.data, payload, text.size);
            arena_reset(arena);
        }
    }
    arena_destroy(arena);
    assert_int_equal(segment_points_count(world->segment), expected);
}

/* How many of some points are not found first by their own vectors. */
static size_t count_missed(struct world *world, const struct model *model, bool exact, size_t step)
{
    size_t missed = 0;
    for (uint64_t id = 0; id < IDS_MAX; id += step) {
        float query[DIM];
        struct scored item = {0};
        size_t count = 0;
        point_offset offset = 0;
        if (model->generation[id] == 0) {
            continue;
        }
        make_vector(id, model->generation[id], query);
        struct segment_search search = {.query = query, .limit = 1, .ef = 200, .exact = exact};
        assert_int_equal(segment_search(world->segment, &search, &item, &count, NULL), STATUS_OK);
        assert_true(segment_locate(world->segment, point_id_number(id), &offset));
        missed += count != 1 || item.point != offset;
    }
    return missed;
}

static void fill(struct world *world, uint64_t first, uint64_t end, uint32_t generation)
{
    for (uint64_t id = first; id < end; id++) {
        put(world, id, generation);
        if (id % 500 == 499 || id + 1 == end) {
            world->applied++;
            commit(world);
        }
    }
}

/* What the builder does, to the end. Returns how many points were moved. */
static size_t background(struct world *world)
{
    atomic_bool cancelled = false;
    size_t total = 0;
    for (bool more = true; more;) {
        size_t moved = 0;
        bool piece = false;
        if (segment_move_due(world->segment)) {
            segment_begin_write(world->segment);
            assert_int_equal(segment_move(world->segment, world->batch, &moved, NULL), STATUS_OK);
            commit(world);
            segment_end_write(world->segment);
        }
        total += moved;
        assert_int_equal(segment_maintain(world->segment, &piece, NULL), STATUS_OK);
        more = moved > 0 || piece;
    }
    for (int i = 0; i < 3; i++) {
        assert_int_equal(segment_purge(world->segment, NULL), STATUS_OK);
    }
    for (int i = 0; i < 20 && segment_build_due(world->segment); i++) {
        assert_int_equal(segment_build(world->segment, &cancelled, NULL), STATUS_OK);
    }
    assert_int_equal(segment_purge(world->segment, NULL), STATUS_OK);
    return total;
}

static void file_path(const struct world *world, const char *name, char out[PATH_BYTES + 64])
{
    (void)snprintf(out, PATH_BYTES + 64, "%s/index/%s", world->path, name);
}

static uint64_t file_room(const struct world *world, const char *name)
{
    char path[PATH_BYTES + 64];
    struct stat facts;
    file_path(world, name, path);
    assert_int_equal(stat(path, &facts), 0);
    return (uint64_t)facts.st_blocks * 512;
}

static void flip(const struct world *world, const char *name, uint64_t place)
{
    char path[PATH_BYTES + 64];
    uint8_t byte;
    file_path(world, name, path);
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, (off_t)place), 1);
    byte ^= 0x10;
    assert_int_equal(pwrite(fd, &byte, 1, (off_t)place), 1);
    close(fd);
}

/* ---- tests ---- */

/* After a proper end everything is there again, again and again, with and without each of the
 * files; the rows come from the file. */
static void test_proper_end(void **state)
{
    (void)state;
    static const char *const files[] = {"", "0.rows", "0.seal", "points.image", "0.index"};
    struct world *world = world_create(1000);
    fill(world, 0, 12000, 1);
    for (uint64_t id = 0; id < 12000; id += 7) {
        take_out(world, id);
    }
    world->applied++;
    commit(world);
    (void)background(world);
    for (size_t i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
        char path[PATH_BYTES + 64];
        stop(world);
        file_path(world, files[i], path);
        if (files[i][0]) {
            assert_int_equal(unlink(path), 0);
        }
        start(world);
        check_points(world, &world->model);
        fill(world, 12000 + i * 100, 12100 + i * 100, (uint32_t)(i + 2));
        (void)background(world);
        check_points(world, &world->model);
        assert_int_equal(count_missed(world, &world->model, true, 371), 0);
    }
    world_destroy(world);
}

/* Damage: a flipped bit in any file is either found at the start or restored in the background; no
 * point is lost, and the file is whole afterwards. */
static void test_damage(void **state)
{
    (void)state;
    static const char *const files[] = {"0.rows", "0.seal", "points.image", "0.index"};
    struct world *world = world_create(1000);
    struct random random;
    random_init(&random, SEED);
    fill(world, 0, 10000, 1);
    (void)background(world);
    for (int round = 0; round < 4; round++) {
        const char *name = files[round % 4];
        char path[PATH_BYTES + 64];
        struct stat facts;
        stop(world);
        file_path(world, name, path);
        assert_int_equal(stat(path, &facts), 0);
        uint64_t size = round % 4 == 0 ? 10000 * DIM * sizeof(float) : (uint64_t)facts.st_size;
        flip(world, name, random_below(&random, size));
        start(world);
        (void)background(world);
        check_points(world, &world->model);
        assert_int_equal(count_missed(world, &world->model, true, 997), 0);
        assert_in_range(count_missed(world, &world->model, false, 97), 0, 10);
    }
    world_destroy(world);
}

struct copying {
    const char *from, *to;
    bool failed;
};

static void copy_file(void *ctx, const char *name)
{
    struct copying *copying = ctx;
    const struct file_system *fs = file_system_real();
    char from[PATH_BYTES * 2];
    char to[PATH_BYTES * 2];
    struct buffer content;
    struct file *file = NULL;
    buffer_init(&content, 0);
    (void)snprintf(from, sizeof(from), "%s/%s", copying->from, name);
    (void)snprintf(to, sizeof(to), "%s/%s", copying->to, name);
    if (file_read_whole(fs, from, &content, NULL) == STATUS_OK) {
        assert_int_equal(fs->open(fs, to, FILE_WRITE_NEW, &file, NULL), STATUS_OK);
        assert_int_equal(fs->append(file, buffer_slice(&content), NULL), STATUS_OK);
        fs->close(file);
    } else {
        copying->failed = true;
    }
    buffer_deinit(&content);
}

static void append_name(void *ctx, const char *name)
{
    buffer_append_text(ctx, name);
}

/* Files of a flat folder, all of one moment. */
static void copy_flat(const char *root, const char *name, const char *to_root)
{
    const struct file_system *fs = file_system_real();
    char from[PATH_BYTES + 16];
    char to[PATH_BYTES + 16];
    (void)snprintf(from, sizeof(from), "%s/%s", root, name);
    (void)snprintf(to, sizeof(to), "%s/%s", to_root, name);
    for (bool changed = true; changed;) { /* storage tidies up in the background */
        struct copying copying = {.from = from, .to = to};
        struct buffer before;
        struct buffer after;
        buffer_init(&before, 0);
        buffer_init(&after, 0);
        assert_int_equal(file_remove_tree(to, NULL), STATUS_OK);
        assert_int_equal(fs->make_dirs(fs, to, NULL), STATUS_OK);
        assert_int_equal(fs->list(fs, from, append_name, &before, NULL), STATUS_OK);
        assert_int_equal(fs->list(fs, from, copy_file, &copying, NULL), STATUS_OK);
        assert_int_equal(fs->list(fs, from, append_name, &after, NULL), STATUS_OK);
        changed = copying.failed || !slice_equal(buffer_slice(&before), buffer_slice(&after));
        buffer_deinit(&before);
        buffer_deinit(&after);
    }
}

/* Opens a copy of the folder and compares it with the model of the moment that storage had on
 * disk. */
static void check_copy(const struct world *world, const struct model *models)
{
    struct world *copy = calloc(1, sizeof(*copy));
    assert_non_null(copy);
    (void)snprintf(copy->path, sizeof(copy->path), "%.100s-copy", world->path);
    copy_flat(world->path, "kv", copy->path);
    copy_flat(world->path, "index", copy->path);
    copy->schema = world->schema;
    start(copy);
    check_points(copy, &models[copy->applied]);
    assert_int_equal(count_missed(copy, &models[copy->applied], true, 331), 0);
    copy->model = models[copy->applied];
    (void)background(copy);
    check_points(copy, &copy->model);
    fill(copy, 300, 320, 77); /* life goes on */
    stop(copy);
    start(copy);
    check_points(copy, &copy->model);
    crash(copy);
    assert_int_equal(file_remove_tree(copy->path, NULL), STATUS_OK);
    free(copy);
}

/* A crash at any moment between writes, moves, seals, purges, builds and flushes: what storage had
 * on its disk is there, no more and no less, whatever the files say. */
static void test_crashes(void **state)
{
    (void)state;
    enum { STEPS = 36, IDS = 6000 };
    struct world *world = world_create(200);
    struct model *models = calloc(STEPS * 2 + 2, sizeof(models[0]));
    assert_non_null(models);
    struct random random;
    random_init(&random, SEED);
    for (int step = 1; step <= STEPS; step++) {
        uint64_t first = random_below(&random, IDS);
        bool deletes = random_below(&random, 3) == 0;
        for (uint64_t id = first; id < first + IDS / 4 && id < IDS; id++) {
            if (!deletes) {
                put(world, id, (uint32_t)step);
            } else if (world->model.generation[id] && random_below(&random, 10) > 0) {
                take_out(world, id);
            }
        }
        world->applied++;
        models[world->applied] = world->model;
        commit(world);
        switch (random_below(&random, 6)) {
        case 0:
            assert_int_equal(kv_flush(world->kv, NULL), STATUS_OK);
            break;
        case 1:
            assert_int_equal(segment_seal(world->segment, NULL), STATUS_OK);
            break;
        case 2:
            (void)background(world);
            break;
        case 3:
            assert_int_equal(segment_save_points(world->segment, world->applied, NULL), STATUS_OK);
            assert_int_equal(segment_save_images(world->segment, NULL), STATUS_OK);
            break;
        default:
            break;
        }
        if (step % 6 == 0) {
            check_copy(world, models);
        }
    }
    free(models);
    world_destroy(world);
}

/* When nine points of ten go, the rows' file, the memory for them and storage shrink, with an index
 * and without; the others stay as they were, and a start finds them. */
static void test_room_comes_back(void **state)
{
    (void)state;
    for (int indexed = 0; indexed < 2; indexed++) {
        struct world *world = world_create(indexed ? 1000 : 0);
        struct segment_stats before;
        struct segment_stats after;
        fill(world, 0, 20480, 1);
        (void)background(world);
        stop(world);
        start(world);
        segment_stats(world->segment, &before);
        uint64_t room = file_room(world, "0.rows");
        assert_true(room >= (uint64_t)20480 * DIM * 4);
        for (uint64_t id = 0; id < 20480; id++) {
            if (id % 10 != 3) {
                take_out(world, id);
            }
        }
        world->applied++;
        commit(world);
        size_t moved = background(world);
        assert_in_range(moved, 1200, 2048);
        check_points(world, &world->model);
        assert_int_equal(count_missed(world, &world->model, true, 53), 0);
        segment_stats(world->segment, &after);
        assert_int_equal(after.points, 2048);
        assert_true(after.vector_bytes < before.vector_bytes / 3);
        assert_true(file_room(world, "0.rows") < room / 3);
        stop(world);
        start(world);
        check_points(world, &world->model);
        assert_int_equal(background(world), 0);
        assert_true(file_room(world, "0.rows") < room / 3);
        world_destroy(world);
    }
}

struct watching {
    struct world *world;
    atomic_bool stop;
    atomic_size_t searches;
};

/* Points 3, 13, 23 .. never change: each must be found, by vector and by id, all the time. */
static void *watch(void *arg)
{
    struct watching *watching = arg;
    struct segment *segment = watching->world->segment;
    struct arena *arena = arena_create(0);
    for (uint64_t id = 3; !atomic_load(&watching->stop); id = (id + 10) % 12000) {
        float query[DIM];
        struct scored item = {0};
        size_t count = 0;
        make_vector(id, 1, query);
        struct segment_search search = {.query = query, .limit = 1, .exact = true};
        assert_int_equal(segment_search(segment, &search, &item, &count, NULL), STATUS_OK);
        assert_int_equal(count, 1);
        assert_int_equal(segment_id(segment, item.point).low, id);
        struct slice vector = segment_found_vector(segment, item.point, 0);
        assert_memory_equal(vector.data, query, sizeof(query));
        Qdrant__PointId number = QDRANT__POINT_ID__INIT;
        number.point_id_options_case = QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM;
        number.num = id;
        Qdrant__PointId *numbers[] = {&number};
        Qdrant__HasIdCondition has = QDRANT__HAS_ID_CONDITION__INIT;
        has.has_id = numbers;
        has.n_has_id = 1;
        Qdrant__Condition condition = QDRANT__CONDITION__INIT;
        condition.condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_HAS_ID;
        condition.has_id = &has;
        Qdrant__Condition *conditions[] = {&condition};
        Qdrant__Filter wire = QDRANT__FILTER__INIT;
        wire.must = conditions;
        wire.n_must = 1;
        struct filter *filter = NULL;
        assert_int_equal(filter_compile(&wire, NULL, arena, &filter, NULL), STATUS_OK);
        search.filter = filter;
        search.exact = false;
        assert_int_equal(segment_search(segment, &search, &item, &count, NULL), STATUS_OK);
        assert_int_equal(count, 1);
        arena_reset(arena);
        atomic_fetch_add(&watching->searches, 1);
    }
    arena_destroy(arena);
    return NULL;
}

/* Deletes and writes on one thread, moves, seals, purges and releases on another, searches on a
 * third: what does not change is found in every answer. */
static void *write_beside(void *arg)
{
    struct watching *watching = arg;
    struct world *world = watching->world;
    struct kv_batch *batch = kv_batch_create();
    struct slice none = {0};
    for (uint64_t id = 0; id < 12000; id++) {
        point_offset offset = 0;
        if (id % 10 == 3) {
            continue;
        }
        segment_begin_write(world->segment);
        assert_true(segment_locate(world->segment, point_id_number(id), &offset));
        segment_delete(world->segment, batch, offset);
        if (id % 50 == 0) {
            assert_int_equal(segment_put(world->segment, batch, 2, point_id_number(id + 20000),
                                         &none, none, NULL),
                             STATUS_OK);
        }
        assert_int_equal(kv_commit(world->kv, batch, NULL), STATUS_OK);
        kv_batch_clear(batch);
        segment_committed(world->segment);
        segment_end_write(world->segment);
    }
    kv_batch_destroy(batch);
    return NULL;
}

static void test_moves_beside_searches(void **state)
{
    (void)state;
    struct world *world = world_create(0);
    struct watching watching = {.world = world};
    pthread_t reader;
    pthread_t writer;
    fill(world, 0, 12000, 1);
    assert_int_equal(pthread_create(&reader, NULL, watch, &watching), 0);
    assert_int_equal(pthread_create(&writer, NULL, write_beside, &watching), 0);
    size_t moved = 0;
    for (int i = 0; i < 200 || (i < 2000 && moved == 0); i++) {
        size_t now = 0;
        if (segment_move_due(world->segment)) {
            segment_begin_write(world->segment);
            assert_int_equal(segment_move(world->segment, world->batch, &now, NULL), STATUS_OK);
            commit(world);
            segment_end_write(world->segment);
        }
        moved += now;
        if (i % 50 == 0) {
            assert_int_equal(segment_seal(world->segment, NULL), STATUS_OK);
        }
        usleep(2000);
    }
    pthread_join(writer, NULL);
    atomic_store(&watching.stop, true);
    pthread_join(reader, NULL);
    assert_true(moved > 0);
    assert_true(atomic_load(&watching.searches) > 0);
    world_destroy(world);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_proper_end),
        cmocka_unit_test(test_damage),
        cmocka_unit_test(test_crashes),
        cmocka_unit_test(test_room_comes_back),
        cmocka_unit_test(test_moves_beside_searches),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
