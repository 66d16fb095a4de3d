/* The replica over a log whose disk fails: what a proposer is told, what is visible, what is there
 * after a restart. The log is on a file system in memory that can fail; storage is real. */
#include "index/collection/engine.h"
#include "replication/replica.h"
#include "storage/base/file.h"
#include "storage/log/log.h"
#include "tests/lib/commands.h"
#include "tests/lib/fault_fs.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum { DIM = 4, BATCH = 5, COMMANDS = 30 };
static const uint64_t SEED = 20261124;

struct node {
    char path[64];
    struct fault_fs *fault;
    struct log *log;
    struct engine *engine;
    struct replica *replica;
};

static void start(struct node *node)
{
    struct error err = {0};
    struct log_options log = {.fs = fault_fs_system(node->fault),
                              .path = "/log",
                              .segment_bytes = 2000,
                              .record_bytes_max = 1 << 20,
                              .queue_bytes_max = 1 << 20};
    struct engine_options engine = {.path = node->path,
                                    .cache_bytes = 8 << 20,
                                    .write_buffer_bytes = 8 << 20,
                                    .build_threads = 1};
    if (log_open(&log, &node->log, &err) != STATUS_OK ||
        engine_open(&engine, &node->engine, &err) != STATUS_OK) {
        fail_msg("start: %s", err.message);
    }
    struct replica_options replica = {.log = node->log,
                                      .engine = node->engine,
                                      .apply_threads = 2,
                                      .checkpoint_log_bytes = UINT64_MAX};
    if (replica_open(&replica, &node->replica, &err) != STATUS_OK) {
        fail_msg("replica_open: %s", err.message);
    }
}

/* Without a checkpoint when the log has failed: storage keeps what its last flush had. */
static void stop(struct node *node)
{
    replica_close(node->replica);
    log_close(node->log);
    engine_close(node->engine);
}

/* One proposal that is waited for, and what was told about it. */
struct sent {
    struct proposal proposal;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int logged_calls, applied_calls;
    enum status logged;
    struct fsm_result result;
};

static void on_logged(struct proposal *proposal, enum status status, const struct error *err,
                      uint64_t index)
{
    struct sent *sent = proposal->ctx;
    (void)index;
    pthread_mutex_lock(&sent->lock);
    sent->logged_calls++;
    sent->logged = status;
    assert_true(status == STATUS_OK || err->message[0] != '\0');
    pthread_mutex_unlock(&sent->lock);
}

static void on_applied(struct proposal *proposal, const struct fsm_result *result)
{
    struct sent *sent = proposal->ctx;
    pthread_mutex_lock(&sent->lock);
    sent->applied_calls++;
    sent->result = *result;
    pthread_cond_signal(&sent->changed);
    pthread_mutex_unlock(&sent->lock);
}

/* Returns what the proposer was told, after checking that it was told once and the same twice. */
static enum status propose(struct node *node, struct slice command)
{
    struct sent sent = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    sent.proposal = (struct proposal){
        .command = command, .logged = on_logged, .applied = on_applied, .ctx = &sent};
    replica_propose(node->replica, &sent.proposal);
    pthread_mutex_lock(&sent.lock);
    while (sent.applied_calls == 0) {
        pthread_cond_wait(&sent.changed, &sent.lock);
    }
    pthread_mutex_unlock(&sent.lock);
    assert_int_equal(sent.logged_calls, 1);
    assert_int_equal(sent.applied_calls, 1);
    assert_int_equal(sent.logged, sent.result.code);
    if (sent.result.code != STATUS_OK) {
        assert_non_null(strstr(sent.result.error.message, "restarted"));
        assert_int_equal(sent.result.index, 0);
    }
    return sent.result.code;
}

/* Command `number` writes a batch of points of its own. */
static enum status propose_batch(struct node *node, uint64_t number)
{
    struct arena *arena = arena_create(0);
    struct Sagitta__PointsOperation *operations[BATCH];
    for (uint64_t i = 0; i < BATCH; i++) {
        float vector[DIM] = {(float)number, (float)i};
        operations[i] = operation_upsert(arena, number * BATCH + i, vector, DIM, "{\"a\":1}");
    }
    enum status status = propose(node, command_points(arena, 1, operations, BATCH));
    arena_destroy(arena);
    return status;
}

/* How many of the batch's points are visible: all or none. */
static bool is_there(struct node *node, uint64_t number)
{
    struct arena *arena = arena_create(0);
    struct view view;
    assert_int_equal(engine_pin(node->engine, "c", arena, &view, NULL), STATUS_OK);
    size_t found = 0;
    for (uint64_t i = 0; i < BATCH; i++) {
        struct found point;
        float vector[DIM];
        if (view_locate(&view, point_id_number(number * BATCH + i), &point)) {
            assert_true(view_vector(&view, &point, 0, vector));
            assert_true(vector[0] == (float)number && vector[1] == (float)i);
            found++;
        }
    }
    arena_destroy(arena);
    assert_true(found == 0 || found == BATCH);
    return found == BATCH;
}

static void open_node(struct node *node, uint64_t seed)
{
    (void)snprintf(node->path, sizeof(node->path), "/tmp/sagitta-fault-XXXXXX");
    assert_non_null(mkdtemp(node->path));
    node->fault = fault_fs_create(seed);
    start(node);
    struct arena *arena = arena_create(0);
    assert_int_equal(propose(node, command_create(arena, "c", DIM, 0)), STATUS_OK);
    arena_destroy(arena);
}

static void close_node(struct node *node)
{
    stop(node);
    fault_fs_destroy(node->fault);
    assert_int_equal(file_remove_tree(node->path, NULL), STATUS_OK);
}

/* Fails the nth call of a kind while batches are written, with or without a loss of power after it,
 * and returns whether it failed at all. */
static bool run(enum fault_call call, uint64_t nth, enum status kind, bool power_lost)
{
    struct node node = {.fault = NULL};
    bool told_ok[COMMANDS + 1] = {false};
    bool failed = false;
    open_node(&node, SEED + nth);
    fault_fs_fail(node.fault, call, nth, kind, false);
    for (uint64_t number = 1; number <= COMMANDS; number++) {
        enum status status = propose_batch(&node, number);
        assert_true(status == STATUS_OK || status == STATUS_IO);
        assert_false(failed && status == STATUS_OK);
        failed = failed || status != STATUS_OK;
        told_ok[number] = status == STATUS_OK;
        assert_int_equal(is_there(&node, number), told_ok[number]);
    }
    fault_fs_fail(node.fault, call, 0, kind, false);
    if (power_lost) {
        fault_fs_crash(node.fault, SEED + nth);
    }
    stop(&node);
    start(&node);
    bool first_refused = true;
    for (uint64_t number = 1; number <= COMMANDS; number++) {
        bool there = is_there(&node, number);
        if (told_ok[number]) {
            assert_true(there);
        } else if (!first_refused) {
            assert_false(there);
        } else { /* written, but not known to be durable: there or not, but wholly */
            first_refused = false;
        }
    }
    assert_int_equal(propose_batch(&node, COMMANDS + 1), STATUS_OK);
    assert_true(is_there(&node, COMMANDS + 1));
    close_node(&node);
    return failed;
}

/* A full or broken disk under the log, at every point of a write: the proposer is told once,
 * nothing of a refused command is visible, all later ones are refused, and after a restart every
 * command that was told OK is there, none is half there, and writing goes on. */
static void test_log_fails(void **state)
{
    (void)state;
    static const enum fault_call CALLS[] = {FAULT_APPEND, FAULT_SYNC, FAULT_OPEN, FAULT_SYNC_DIR};
    size_t failures = 0;
    for (size_t c = 0; c < sizeof(CALLS) / sizeof(CALLS[0]); c++) {
        for (uint64_t nth = 1; nth <= 4; nth++) {
            failures += run(CALLS[c], nth, nth % 2 ? STATUS_NO_SPACE : STATUS_IO, nth > 2);
        }
    }
    assert_true(failures >= 12);
}

/* A failed catalog command changes nothing either: no collection, and its number is not used. */
static void test_catalog_command_fails(void **state)
{
    (void)state;
    struct node node = {.fault = NULL};
    struct arena *arena = arena_create(0);
    open_node(&node, SEED);
    assert_int_equal(propose_batch(&node, 1), STATUS_OK);
    fault_fs_fail(node.fault, FAULT_APPEND, 1, STATUS_NO_SPACE, true);
    assert_int_equal(propose(&node, command_create(arena, "d", DIM, 0)), STATUS_IO);
    assert_int_equal(propose(&node, command_alias(arena, "alias", "c")), STATUS_IO);
    assert_int_equal(propose(&node, command_drop(arena, "c")), STATUS_IO);
    assert_false(engine_exists(node.engine, "d"));
    assert_false(engine_exists(node.engine, "alias"));
    assert_true(is_there(&node, 1));
    fault_fs_fail(node.fault, FAULT_APPEND, 0, STATUS_NO_SPACE, false);
    stop(&node);
    start(&node);
    assert_false(engine_exists(node.engine, "d"));
    assert_true(is_there(&node, 1));
    assert_int_equal(propose(&node, command_create(arena, "d", DIM, 0)), STATUS_OK);
    assert_true(engine_exists(node.engine, "d"));
    arena_destroy(arena);
    close_node(&node);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_log_fails),
        cmocka_unit_test(test_catalog_command_fails),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
