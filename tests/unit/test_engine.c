/* The engine through commands: what apply does to collections and points, what views then show, and
 * what is left after the engine was closed, or lost without a flush. */
#include "index/collection/engine.h"
#include "storage/base/assert.h"
#include "storage/base/file.h"
#include "storage/base/random.h"
#include "tests/lib/commands.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DIM = 8 };

struct fixture {
    char path[64];
    struct engine *engine;
    struct arena *arena;
    uint64_t index;
};

static void open_engine(struct fixture *f)
{
    struct engine_options options = {
        .path = f->path, .cache_bytes = 8 << 20, .write_buffer_bytes = 8 << 20, .build_threads = 2};
    struct error err = {0};
    if (engine_open(&options, &f->engine, &err) != STATUS_OK) {
        fail_msg("engine_open: %s", err.message);
    }
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    (void)snprintf(f->path, sizeof(f->path), "/tmp/sagitta-engine-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    f->arena = arena_create(0);
    open_engine(f);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    arena_destroy(f->arena);
    engine_close(f->engine);
    assert_int_equal(file_remove_tree(f->path, NULL), STATUS_OK);
    free(f);
    return 0;
}

static struct fsm_result apply(struct fixture *f, struct slice command)
{
    struct fsm_result result;
    engine_apply(f->engine, ++f->index, command, &result);
    return result;
}

static struct fsm_result apply_one(struct fixture *f, struct Sagitta__PointsOperation *operation)
{
    return apply(f, command_points(f->arena, 1, &operation, 1));
}

static void make_vector(uint64_t seed, float out[DIM])
{
    struct random random;
    random_init(&random, seed);
    for (int i = 0; i < DIM; i++) {
        out[i] = (float)random_double(&random);
    }
}

static void put(struct fixture *f, uint64_t id, uint64_t seed, const char *payload)
{
    float vector[DIM];
    make_vector(seed, vector);
    struct fsm_result result = apply_one(f, operation_upsert(f->arena, id, vector, DIM, payload));
    assert_int_equal(result.code, STATUS_OK);
}

static struct view pin(struct fixture *f, const char *name)
{
    struct view view;
    struct error err = {0};
    if (engine_pin(f->engine, name, f->arena, &view, &err) != STATUS_OK) {
        fail_msg("engine_pin: %s", err.message);
    }
    return view;
}

static size_t search(struct fixture *f, uint64_t seed, uint32_t limit, bool exact,
                     struct found **out)
{
    struct view view = pin(f, "c");
    float *query = arena_new_array(f->arena, float, DIM);
    make_vector(seed, query);
    struct view_search args = {.query = query, .limit = limit, .exact = exact};
    size_t count = 0;
    struct error err = {0};
    if (view_search(&view, &args, f->arena, out, &count, &err) != STATUS_OK) {
        fail_msg("view_search: %s", err.message);
    }
    return count;
}

static void assert_payload(struct fixture *f, uint64_t id, const char *expected)
{
    struct view view = pin(f, "c");
    struct found point;
    struct slice payload;
    assert_true(view_locate(&view, point_id_number(id), &point));
    assert_int_equal(view_payload(&view, &point, f->arena, &payload, NULL), STATUS_OK);
    assert_int_equal(payload.size, strlen(expected));
    assert_memory_equal(payload.data, expected, payload.size);
}

static uint64_t count_all(struct fixture *f)
{
    struct view view = pin(f, "c");
    uint64_t count = 0;
    assert_int_equal(view_count(&view, NULL, NULL, &count, NULL), STATUS_OK);
    return count;
}

/* Collections and aliases come, are found, and go, with the answers a client sees. */
static void test_catalog(void **state)
{
    struct fixture *f = *state;
    struct view view;
    struct error err = {0};
    assert_int_equal(engine_pin(f->engine, "c", f->arena, &view, &err), STATUS_NOT_FOUND);
    assert_string_equal(err.message, "Collection c not found");
    assert_int_equal(apply(f, command_create(f->arena, "c", DIM, 0)).code, STATUS_OK);
    assert_int_equal(apply(f, command_create(f->arena, "c", DIM, 0)).code, STATUS_ALREADY_EXISTS);
    assert_int_equal(apply(f, command_alias(f->arena, "a", "nothing")).code, STATUS_NOT_FOUND);
    assert_int_equal(apply(f, command_alias(f->arena, "a", "c")).code, STATUS_OK);
    assert_string_equal(pin(f, "a").name, "c");
    assert_int_equal(apply(f, command_drop(f->arena, "none")).changed, 0);
    assert_int_equal(apply(f, command_drop(f->arena, "c")).changed, 1);
    assert_int_equal(engine_pin(f->engine, "a", f->arena, &view, NULL), STATUS_NOT_FOUND);
}

/* A point is inserted, replaced, found by its newest vector only, and deleted. */
static void test_points(void **state)
{
    struct fixture *f = *state;
    struct found *hits = NULL;
    apply(f, command_create(f->arena, "c", DIM, 0));
    put(f, 1, 100, "{\"a\":1}");
    put(f, 2, 200, "");
    put(f, 1, 101, "{\"b\":2}");
    assert_int_equal(count_all(f), 2);
    assert_payload(f, 1, "{\"b\":2}");
    assert_payload(f, 2, "{}");
    assert_int_equal(search(f, 101, 10, true, &hits), 2);
    assert_int_equal(hits[0].id.low, 1);
    assert_true(hits[0].score == 0);
    assert_int_equal(hits[0].version, f->index);
    apply_one(f, operation_delete(f->arena, 1));
    assert_int_equal(search(f, 101, 10, true, &hits), 1);
    assert_int_equal(hits[0].id.low, 2);
    assert_int_equal(apply_one(f, operation_set_payload(f->arena, 1, "{\"x\":1}")).code,
                     STATUS_NOT_FOUND);
}

/* Operations of one command see what came before them in it. */
static void test_batch_sees_itself(void **state)
{
    struct fixture *f = *state;
    float vector[DIM] = {1};
    apply(f, command_create(f->arena, "c", DIM, 0));
    put(f, 1, 1, "{\"k\":\"old\"}");
    put(f, 2, 2, "{\"k\":\"keep\"}");
    struct Sagitta__PointsOperation *operations[] = {
        operation_upsert(f->arena, 3, vector, DIM, "{\"k\":\"new\"}"),
        operation_set_payload(f->arena, 1, "{\"k\":\"new\"}"),
        operation_delete_where(f->arena, "k", "new"),
        operation_upsert(f->arena, 4, NULL, 0, "{\"k\":\"last\"}"),
    };
    struct fsm_result result = apply(f, command_points(f->arena, 1, operations, 4));
    assert_int_equal(result.code, STATUS_OK);
    assert_int_equal(count_all(f), 2);
    assert_payload(f, 2, "{\"k\":\"keep\"}");
    assert_payload(f, 4, "{\"k\":\"last\"}");
}

/* An operation that names a missing point changes the others it names, says which is missing, and
 * ends the command. */
static void test_missing_points(void **state)
{
    struct fixture *f = *state;
    apply(f, command_create(f->arena, "c", DIM, 0));
    put(f, 1, 1, "");
    struct Sagitta__PointsOperation *set = operation_set_payload(f->arena, 77, "{\"a\":1}");
    struct Sagitta__PointsOperation *one = operation_set_payload(f->arena, 1, "{\"a\":1}");
    Sagitta__PointKey *both[] = {set->set_payload->points->ids[0],
                                 one->set_payload->points->ids[0]};
    set->set_payload->points->ids = both;
    set->set_payload->points->n_ids = 2;
    struct Sagitta__PointsOperation *operations[] = {set, operation_delete(f->arena, 1)};
    struct fsm_result result = apply(f, command_points(f->arena, 1, operations, 2));
    assert_int_equal(result.code, STATUS_NOT_FOUND);
    assert_string_equal(result.error.message, "operation 0: No point with id 77 found");
    assert_int_equal(result.changed, 1);
    assert_payload(f, 1, "{\"a\":1}");
    assert_int_equal(apply_one(f, operation_delete(f->arena, 77)).code, STATUS_OK);
}

/* After a clean close all is there; commands at or below what was applied are skipped. */
static void test_reopen(void **state)
{
    struct fixture *f = *state;
    struct found *hits = NULL;
    apply(f, command_create(f->arena, "c", DIM, 0));
    put(f, 1, 100, "{\"a\":1}");
    put(f, 7, 700, "{\"a\":7}");
    put(f, 1, 101, "{\"a\":2}");
    arena_reset(f->arena);
    engine_close(f->engine);
    open_engine(f);
    assert_int_equal(count_all(f), 2);
    assert_payload(f, 1, "{\"a\":2}");
    assert_int_equal(search(f, 101, 1, false, &hits), 1);
    assert_true(hits[0].score == 0);
    float vector[DIM] = {9};
    struct Sagitta__PointsOperation *operation = operation_upsert(f->arena, 99, vector, DIM, "");
    struct fsm_result result;
    engine_apply(f->engine, f->index, command_points(f->arena, 1, &operation, 1), &result);
    assert_int_equal(result.code, STATUS_OK);
    assert_int_equal(count_all(f), 2);
}

/* A graph is built, saved, opened again, and finds every point; deleted and replaced points never
 * show. */
static void test_graph(void **state)
{
    struct fixture *f = *state;
    enum { POINTS = 3000 };
    struct found *hits = NULL;
    apply(f, command_create(f->arena, "c", DIM, 10));
    for (uint64_t i = 0; i < POINTS; i++) {
        put(f, i, i + 1, "");
        arena_reset(f->arena);
    }
    for (uint64_t i = 0; i < POINTS; i += 3) {
        apply_one(f, operation_delete(f->arena, i));
        arena_reset(f->arena);
    }
    for (uint64_t i = 1; i < POINTS; i += 6) {
        put(f, i, i + 100000, "");
        arena_reset(f->arena);
    }
    for (int round = 0; round < 2; round++) {
        struct view_stats stats;
        struct view view = pin(f, "c");
        for (int wait = 0; wait < 1000; wait++) {
            view_stats(&view, &stats);
            if (!stats.building) {
                break;
            }
            usleep(10000);
        }
        assert_false(stats.building);
        assert_int_equal(stats.indexed_vectors, stats.points);
        size_t missed = 0;
        for (uint64_t i = 0; i < POINTS; i++) {
            uint64_t seed = i % 6 == 1 ? i + 100000 : i + 1;
            size_t count = search(f, seed, 5, false, &hits);
            assert_int_equal(count, 5);
            if (i % 3 == 0) {
                assert_int_not_equal(hits[0].id.low, i);
            } else {
                missed += hits[0].id.low != i;
            }
            arena_reset(f->arena);
        }
        assert_true(missed <= 3);
        arena_reset(f->arena);
        engine_close(f->engine);
        open_engine(f);
    }
}

struct searching {
    struct fixture *f;
    atomic_bool stop;
    size_t answers;
};

static void *read_all_the_time(void *arg)
{
    struct searching *reader = arg;
    uint64_t seed = 1;
    while (!atomic_load(&reader->stop)) {
        struct arena *arena = arena_create(0);
        struct view view;
        struct found *hits = NULL;
        size_t count = 0;
        float query[DIM];
        make_vector(seed++, query);
        assert_int_equal(engine_pin(reader->f->engine, "c", arena, &view, NULL), STATUS_OK);
        struct filter *filter = NULL;
        assert_int_equal(
            filter_compile(filter_keyword(arena, "k", "x"), NULL, arena, &filter, NULL), STATUS_OK);
        struct view_search args = {.query = query, .limit = 5, .filter = seed % 2 ? filter : NULL};
        assert_int_equal(view_search(&view, &args, arena, &hits, &count, NULL), STATUS_OK);
        for (size_t i = 0; i < count; i++) {
            struct slice payload;
            float vector[DIM];
            enum status status = view_payload(&view, &hits[i], arena, &payload, NULL);
            assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
            (void)view_vector(&view, &hits[i], 0, vector);
        }
        arena_destroy(arena);
    }
    return NULL;
}

/* Searches beside inserts, overwrites, deletes and builds: no crash, no race, no half point. */
static void test_concurrent(void **state)
{
    struct fixture *f = *state;
    apply(f, command_create(f->arena, "c", DIM, 5));
    put(f, 0, 1, "{\"k\":\"x\"}");
    struct searching reader = {.f = f};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, read_all_the_time, &reader), 0);
    }
    for (uint64_t i = 1; i < 1500; i++) {
        put(f, i % 700, i, i % 2 ? "{\"k\":\"x\"}" : "{\"k\":\"y\"}");
        if (i % 5 == 0) {
            apply_one(f, operation_delete(f->arena, (i * 7) % 700));
        }
    }
    atomic_store(&reader.stop, true);
    for (int i = 0; i < 2; i++) {
        pthread_join(threads[i], NULL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_catalog, setup, teardown),
        cmocka_unit_test_setup_teardown(test_points, setup, teardown),
        cmocka_unit_test_setup_teardown(test_batch_sees_itself, setup, teardown),
        cmocka_unit_test_setup_teardown(test_missing_points, setup, teardown),
        cmocka_unit_test_setup_teardown(test_reopen, setup, teardown),
        cmocka_unit_test_setup_teardown(test_graph, setup, teardown),
        cmocka_unit_test_setup_teardown(test_concurrent, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
