/* The replica over a real log and engine: order, fences, restart from the log alone, checkpoints.
 */
#include "index/collection/engine.h"
#include "replication/replica.h"
#include "storage/base/file.h"
#include "storage/log/log.h"
#include "tests/lib/commands.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { DIM = 4, COLLECTIONS = 5, ROUNDS = 200 };

struct node {
    char path[64];
    uint64_t segment_bytes;
    bool drop_damaged_tail;
    struct log *log;
    struct engine *engine;
    struct replica *replica;
};

static enum status try_start(struct node *node, uint64_t checkpoint_bytes, struct error *err)
{
    char log_path[96];
    (void)snprintf(log_path, sizeof(log_path), "%s/log", node->path);
    struct log_options log = {.fs = file_system_real(),
                              .path = log_path,
                              .segment_bytes = node->segment_bytes,
                              .record_bytes_max = 1 << 20,
                              .queue_bytes_max = 1 << 20,
                              .drop_damaged_tail = node->drop_damaged_tail};
    struct engine_options engine = {.path = node->path,
                                    .cache_bytes = 8 << 20,
                                    .write_buffer_bytes = 8 << 20,
                                    .build_threads = 1};
    if (log_open(&log, &node->log, err) != STATUS_OK ||
        engine_open(&engine, &node->engine, err) != STATUS_OK) {
        fail_msg("start: %s", err->message);
    }
    struct replica_options replica = {.log = node->log,
                                      .engine = node->engine,
                                      .apply_threads = 3,
                                      .checkpoint_log_bytes = checkpoint_bytes,
                                      .drop_damaged_tail = node->drop_damaged_tail};
    enum status status = replica_open(&replica, &node->replica, err);
    if (status != STATUS_OK) {
        log_close(node->log);
        engine_close(node->engine);
    }
    return status;
}

static void start(struct node *node, uint64_t checkpoint_bytes)
{
    struct error err = {0};
    if (try_start(node, checkpoint_bytes, &err) != STATUS_OK) {
        fail_msg("replica_open: %s", err.message);
    }
}

static void stop(struct node *node)
{
    replica_close(node->replica);
    log_close(node->log);
    engine_close(node->engine);
}

static int setup(void **state)
{
    struct node *node = calloc(1, sizeof(*node));
    node->segment_bytes = 64 << 10;
    (void)snprintf(node->path, sizeof(node->path), "/tmp/sagitta-replica-XXXXXX");
    assert_non_null(mkdtemp(node->path));
    *state = node;
    return 0;
}

static int teardown(void **state)
{
    struct node *node = *state;
    assert_int_equal(file_remove_tree(node->path, NULL), STATUS_OK);
    free(node);
    return 0;
}

/* A proposal with all its memory, counted down when applied. */
struct waiter {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    size_t waiting;
};
struct sent {
    struct proposal proposal;
    struct arena *arena;
    struct waiter *waiter;
    enum status expected;
};

static void on_applied(struct proposal *proposal, const struct fsm_result *result)
{
    struct sent *sent = proposal->ctx;
    struct waiter *waiter = sent->waiter;
    assert_int_equal(result->code, sent->expected);
    arena_destroy(sent->arena);
    free(sent);
    pthread_mutex_lock(&waiter->lock);
    waiter->waiting--;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

static void propose(struct node *node, struct waiter *waiter, struct arena *arena,
                    struct slice command, enum status expected)
{
    struct sent *sent = calloc(1, sizeof(*sent));
    sent->arena = arena;
    sent->waiter = waiter;
    sent->expected = expected;
    sent->proposal = (struct proposal){.command = command, .applied = on_applied, .ctx = sent};
    pthread_mutex_lock(&waiter->lock);
    waiter->waiting++;
    pthread_mutex_unlock(&waiter->lock);
    replica_propose(node->replica, &sent->proposal);
}

static void wait_all(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    while (waiter->waiting) {
        pthread_cond_wait(&waiter->changed, &waiter->lock);
    }
    pthread_mutex_unlock(&waiter->lock);
}

static void write_all(struct node *node)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    char name[16];
    for (uint32_t c = 1; c <= COLLECTIONS; c++) {
        struct arena *arena = arena_create(0);
        (void)snprintf(name, sizeof(name), "c%u", c);
        propose(node, &waiter, arena, command_create(arena, name, DIM, 0), STATUS_OK);
    }
    for (uint32_t round = 0; round < ROUNDS; round++) {
        for (uint32_t c = 1; c <= COLLECTIONS; c++) {
            struct arena *arena = arena_create(0);
            float vector[DIM] = {(float)round, (float)c};
            struct Sagitta__PointsOperation *operation =
                operation_upsert(arena, round % 50, vector, DIM, "");
            propose(node, &waiter, arena, command_points(arena, c, &operation, 1), STATUS_OK);
        }
        if (round == ROUNDS / 2) { /* a catalog command in the middle of them */
            struct arena *arena = arena_create(0);
            propose(node, &waiter, arena, command_alias(arena, "alias", "c3"), STATUS_OK);
        }
    }
    wait_all(&waiter);
}

/* Every collection has the 50 points, each as written last. */
static void check_all(struct node *node)
{
    struct arena *arena = arena_create(0);
    char name[16];
    for (uint32_t c = 1; c <= COLLECTIONS; c++) {
        struct view view;
        (void)snprintf(name, sizeof(name), "c%u", c);
        assert_int_equal(engine_pin(node->engine, name, arena, &view, NULL), STATUS_OK);
        uint64_t count = 0;
        assert_int_equal(view_count(&view, NULL, NULL, &count, NULL), STATUS_OK);
        assert_int_equal(count, 50);
        for (uint64_t id = 0; id < 50; id++) {
            struct found point;
            float vector[DIM];
            assert_true(view_locate(&view, point_id_number(id), &point));
            assert_true(view_vector(&view, &point, 0, vector));
            assert_true(vector[0] == (float)(ROUNDS - 50 + id));
            assert_true(vector[1] == (float)c);
        }
    }
    struct view view;
    assert_int_equal(engine_pin(node->engine, "alias", arena, &view, NULL), STATUS_OK);
    assert_string_equal(view.name, "c3");
    arena_destroy(arena);
}

/* Commands of a collection are applied in order, beside those of others and around catalog
 * commands; a restart shows the same. */
static void test_order_and_restart(void **state)
{
    struct node *node = *state;
    start(node, UINT64_MAX);
    write_all(node);
    check_all(node);
    stop(node);
    start(node, UINT64_MAX);
    check_all(node);
    stop(node);
}

/* Storage lost everything (its folder is gone): the log alone brings it all back. */
static void test_replay_from_log_alone(void **state)
{
    struct node *node = *state;
    char kv[96];
    node->segment_bytes = 64 << 20; /* one segment: a clean stop lets none of it go */
    start(node, UINT64_MAX);
    write_all(node);
    stop(node);
    (void)snprintf(kv, sizeof(kv), "%s/kv", node->path);
    assert_int_equal(file_remove_tree(kv, NULL), STATUS_OK);
    start(node, UINT64_MAX);
    check_all(node);
    stop(node);
}

/* Checkpoints let old log segments go, and nothing is missed after a restart. */
static void test_checkpoints_trim_the_log(void **state)
{
    struct node *node = *state;
    start(node, 16 << 10);
    write_all(node);
    for (int i = 0; i < 100 && log_first_index(node->log) == 1; i++) {
        usleep(50000);
    }
    assert_true(log_first_index(node->log) > 1);
    stop(node);
    start(node, 16 << 10);
    check_all(node);
    stop(node);
}

static void propose_point(struct node *node, uint64_t id, float x)
{
    struct waiter waiter = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct arena *arena = arena_create(0);
    float vector[DIM] = {x};
    struct Sagitta__PointsOperation *operation = operation_upsert(arena, id, vector, DIM, "");
    propose(node, &waiter, arena, command_points(arena, 1, &operation, 1), STATUS_OK);
    wait_all(&waiter);
}

static void check_point(struct node *node, uint64_t id, float x)
{
    struct arena *arena = arena_create(0);
    struct view view;
    struct found point;
    float vector[DIM];
    assert_int_equal(engine_pin(node->engine, "c1", arena, &view, NULL), STATUS_OK);
    assert_true(view_locate(&view, point_id_number(id), &point));
    assert_true(view_vector(&view, &point, 0, vector));
    assert_true(vector[0] == x);
    arena_destroy(arena);
}

/* The log is cut below what storage holds (here: it is gone). That is refused, with the way out;
 * told to go on, nothing that is written then is taken for applied already, nor after a restart. */
static void test_log_behind_storage(void **state)
{
    struct node *node = *state;
    char log_path[96];
    struct error err = {0};
    start(node, UINT64_MAX);
    write_all(node);
    stop(node);
    (void)snprintf(log_path, sizeof(log_path), "%s/log", node->path);
    assert_int_equal(file_remove_tree(log_path, NULL), STATUS_OK);
    assert_int_equal(try_start(node, UINT64_MAX, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.message, "storage.wal.drop_damaged_tail=true"));
    node->drop_damaged_tail = true;
    start(node, UINT64_MAX);
    check_all(node);
    propose_point(node, 1000, 7);
    propose_point(node, 3, 8);
    check_point(node, 1000, 7);
    stop(node);
    node->drop_damaged_tail = false;
    start(node, UINT64_MAX);
    check_point(node, 1000, 7);
    check_point(node, 3, 8);
    stop(node);
}

/* What is replayed counts as growth of the log: a checkpoint is made though nothing is written. */
static void test_replay_leads_to_a_checkpoint(void **state)
{
    struct node *node = *state;
    char kv[96];
    node->segment_bytes = 64 << 20;
    start(node, UINT64_MAX);
    write_all(node);
    stop(node);
    (void)snprintf(kv, sizeof(kv), "%s/kv", node->path);
    assert_int_equal(file_remove_tree(kv, NULL), STATUS_OK);
    node->segment_bytes = 4 << 10;
    start(node, 8 << 10);
    propose_point(node, 1, 1); /* begins a new segment, so that the old one can go */
    for (int i = 0; i < 100 && log_first_index(node->log) == 1; i++) {
        usleep(50000);
    }
    assert_true(log_first_index(node->log) > 1);
    stop(node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_order_and_restart, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replay_from_log_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(test_checkpoints_trim_the_log, setup, teardown),
        cmocka_unit_test_setup_teardown(test_log_behind_storage, setup, teardown),
        cmocka_unit_test_setup_teardown(test_replay_leads_to_a_checkpoint, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
