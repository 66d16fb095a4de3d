/* The log: appending, reading, rotation, truncation, limits, failures of the disk, many threads. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h> /* needs those above */
/* clang-format on */

#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/log/log.h"
#include "tests/lib/fault_fs.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static const uint64_t SEED = 20260131;

static struct log_options options_on(const struct file_system *fs)
{
    return (struct log_options){.fs = fs,
                                .path = "/data/wal",
                                .segment_bytes = 1 << 20,
                                .record_bytes_max = 100000,
                                .queue_bytes_max = 1 << 20};
}

static struct log *open_with(const struct log_options *options)
{
    struct log *log = NULL;
    struct error err;
    if (log_open(options, &log, &err))
        fail_msg("%s", err.message);
    return log;
}

/* An append that can be waited for. */
struct waiter {
    struct log_append append;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int calls;
    enum status status;
    struct error err;
};

static void waiter_init(struct waiter *waiter, const void *data, size_t size, uint64_t term)
{
    memset(waiter, 0, sizeof(*waiter));
    waiter->append.record = slice_of(data, size);
    waiter->append.term = term;
    pthread_mutex_init(&waiter->lock, NULL);
    pthread_cond_init(&waiter->changed, NULL);
}

static void waiter_deinit(struct waiter *waiter)
{
    pthread_mutex_destroy(&waiter->lock);
    pthread_cond_destroy(&waiter->changed);
}

static void waiter_done(struct log_append *append, enum status status, const struct error *err)
{
    struct waiter *waiter = (struct waiter *)append;
    pthread_mutex_lock(&waiter->lock);
    waiter->calls++;
    waiter->status = status;
    if (err)
        waiter->err = *err;
    pthread_cond_signal(&waiter->changed);
    pthread_mutex_unlock(&waiter->lock);
}

static enum status waiter_wait(struct waiter *waiter)
{
    pthread_mutex_lock(&waiter->lock);
    while (waiter->calls == 0)
        pthread_cond_wait(&waiter->changed, &waiter->lock);
    pthread_mutex_unlock(&waiter->lock);
    assert_int_equal(waiter->calls, 1);
    return waiter->status;
}

static enum status append_now(struct log *log, const void *data, size_t size, uint64_t term,
                              uint64_t *index, struct error *err)
{
    struct waiter waiter;
    waiter_init(&waiter, data, size, term);
    waiter.append.done = waiter_done;
    log_append(log, &waiter.append);
    enum status status = waiter_wait(&waiter);
    *index = waiter.append.index;
    if (status && err)
        *err = waiter.err;
    waiter_deinit(&waiter);
    return status;
}

/* The record of an index: its number and a length that varies. */
static size_t record_make(uint64_t index, uint8_t *out)
{
    size_t size = 8 + (size_t)(index * 7919 % 300);
    memset(out, (int)(index & 0xff), size);
    memcpy(out, &index, 8);
    return size;
}

static void append_range(struct log *log, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++) {
        uint8_t data[512];
        uint64_t index;
        assert_int_equal(append_now(log, data, record_make(i, data), i / 10, &index, NULL),
                         STATUS_OK);
        assert_int_equal(index, i);
    }
}

struct expect {
    uint64_t next, stop_at;
};

static bool check_record(void *ctx, uint64_t index, uint64_t term, struct slice record)
{
    struct expect *expect = ctx;
    uint8_t data[512];
    assert_int_equal(index, expect->next);
    assert_int_equal(term, index / 10);
    assert_true(slice_equal(record, slice_of(data, record_make(index, data))));
    expect->next++;
    return index != expect->stop_at;
}

static void check_range(struct log *log, uint64_t first, uint64_t last)
{
    struct expect expect = {.next = first};
    struct error err;
    if (log_read(log, first, check_record, &expect, &err))
        fail_msg("%s", err.message);
    assert_int_equal(expect.next, last + 1);
}

/* Proves the numbers of an empty log, before and after a restart. */
static void test_empty(void **state)
{
    (void)state;
    struct fault_fs *fault = fault_fs_create(SEED);
    struct log_options options = options_on(fault_fs_system(fault));
    for (int i = 0; i < 3; i++) {
        struct log *log = open_with(&options);
        assert_int_equal(log_first_index(log), 1);
        assert_int_equal(log_last_index(log), 0);
        check_range(log, 1, 0);
        log_close(log);
    }
    fault_fs_destroy(fault);
}

/* Proves that records come back in order with their terms, from any index, over rotations and
 * restarts, and that a reader can stop. */
static void test_append_and_read(void **state)
{
    (void)state;
    struct fault_fs *fault = fault_fs_create(SEED);
    struct log_options options = options_on(fault_fs_system(fault));
    options.segment_bytes = 2000;
    for (uint64_t round = 0; round < 4; round++) {
        struct log *log = open_with(&options);
        assert_int_equal(log_last_index(log), round * 50);
        append_range(log, round * 50 + 1, round * 50 + 50);
        uint64_t last = round * 50 + 50;
        assert_int_equal(log_last_index(log), last);
        for (uint64_t first = 1; first <= last + 1; first += 13)
            check_range(log, first, last);
        struct expect expect = {.next = 7, .stop_at = 19};
        assert_int_equal(log_read(log, 7, check_record, &expect, NULL), STATUS_OK);
        assert_int_equal(expect.next, 20);
        struct log_stats stats;
        log_stats(log, &stats);
        assert_int_equal(stats.appends, 50);
        assert_true(stats.syncs >= 1 && stats.syncs <= 50 && stats.segments > 1);
        assert_true(stats.disk_bytes >= stats.bytes && stats.sync_ns_max <= stats.sync_ns_sum);
        log_close(log);
    }
    fault_fs_destroy(fault);
}

/* Proves that truncation removes whole old segments only, keeps the newest, survives a restart, and
 * that reading what is gone says so. */
static void test_truncate(void **state)
{
    (void)state;
    struct fault_fs *fault = fault_fs_create(SEED);
    struct log_options options = options_on(fault_fs_system(fault));
    options.segment_bytes = 2000;
    struct log *log = open_with(&options);
    append_range(log, 1, 100);
    assert_int_equal(log_truncate_before(log, 1, NULL), STATUS_OK);
    assert_int_equal(log_first_index(log), 1);
    assert_int_equal(log_truncate_before(log, 60, NULL), STATUS_OK);
    uint64_t first = log_first_index(log);
    assert_true(first > 40 && first <= 60);
    check_range(log, first, 100);
    struct error err;
    struct expect expect = {.next = 1};
    assert_int_equal(log_read(log, 1, check_record, &expect, &err), STATUS_NOT_FOUND);
    assert_int_equal(log_truncate_before(log, UINT64_MAX, NULL), STATUS_OK);
    uint64_t newest = log_first_index(log);
    assert_true(newest > first && newest <= 100);
    log_close(log);
    log = open_with(&options);
    assert_int_equal(log_first_index(log), newest);
    append_range(log, 101, 110);
    check_range(log, newest, 110);
    log_close(log);
    fault_fs_destroy(fault);
}

/* Proves that a log can go on at a later index: the old records go, the new ones and their indexes
 * are there after a restart, and a failure half way leaves what recovery refuses or the new start.
 */
static void test_restart_later(void **state)
{
    (void)state;
    for (uint64_t nth = 0; nth <= 12; nth++) {
        struct fault_fs *fault = fault_fs_create(SEED + nth);
        struct log_options options = options_on(fault_fs_system(fault));
        options.segment_bytes = 2000;
        struct log *log = open_with(&options);
        append_range(log, 1, 40);
        log_close(log);
        log = open_with(&options);
        struct error err;
        fault_fs_fail(fault, FAULT_ANY, nth, STATUS_IO, true);
        enum status status = log_restart(log, 101, &err);
        bool failed = status != STATUS_OK;
        fault_fs_fail(fault, FAULT_ANY, 0, STATUS_IO, false);
        if (!failed) {
            assert_int_equal(log_first_index(log), 101);
            assert_int_equal(log_last_index(log), 100);
            append_range(log, 101, 120);
            check_range(log, 101, 120);
        }
        log_close(log);
        status = log_open(&options, &log, &err);
        if (failed && status == STATUS_CORRUPT) {
            options.drop_damaged_tail = true;
            log = open_with(&options);
        } else {
            assert_int_equal(status, STATUS_OK);
        }
        if (!failed) {
            check_range(log, 101, 120);
        } else {
            assert_int_equal(log_last_index(log), log_first_index(log) == 101 ? 100 : 40);
        }
        assert_true(failed || nth == 0 || nth > 8);
        log_close(log);
        fault_fs_destroy(fault);
    }
}

/* Proves that a record over the limit is refused alone, and that the largest allowed one is kept.
 */
static void test_too_large(void **state)
{
    (void)state;
    struct fault_fs *fault = fault_fs_create(SEED);
    struct log_options options = options_on(fault_fs_system(fault));
    options.queue_bytes_max = 10; /* less than any record: each goes in alone */
    struct log *log = open_with(&options);
    append_range(log, 1, 2);
    uint8_t *data = mem_zalloc(options.record_bytes_max + 1);
    uint64_t index;
    struct error err;
    assert_int_equal(append_now(log, data, options.record_bytes_max + 1, 0, &index, &err),
                     STATUS_TOO_LARGE);
    assert_int_equal(index, 0);
    append_range(log, 3, 3);
    assert_int_equal(append_now(log, data, options.record_bytes_max, 0, &index, NULL), STATUS_OK);
    assert_int_equal(index, 4);
    log_close(log);
    log = open_with(&options);
    assert_int_equal(log_last_index(log), 4);
    log_close(log);
    mem_free(data);
    fault_fs_destroy(fault);
}

/* Proves that after any failed write, sync, or making of a segment everything later gets IO,
 * nothing more is written, and a restart has every record that was reported durable, and no hole.
 */
static void test_disk_fails(void **state)
{
    (void)state;
    static const enum fault_call CALLS[] = {FAULT_APPEND, FAULT_SYNC, FAULT_OPEN, FAULT_SYNC_DIR};
    for (size_t c = 0; c < sizeof(CALLS) / sizeof(CALLS[0]); c++) {
        for (uint64_t nth = 1; nth <= 12; nth++) {
            struct fault_fs *fault = fault_fs_create(SEED + nth);
            struct log_options options = options_on(fault_fs_system(fault));
            options.segment_bytes = 700;
            struct log *log = open_with(&options);
            enum status kind = nth % 2 ? STATUS_IO : STATUS_NO_SPACE;
            fault_fs_fail(fault, CALLS[c], nth, kind, false);
            uint64_t durable = 0;
            bool failed = false;
            for (uint64_t i = 1; i <= 40; i++) {
                uint8_t data[512];
                uint64_t index;
                struct error err;
                enum status status =
                    append_now(log, data, record_make(i, data), i / 10, &index, &err);
                assert_true(status == STATUS_OK || status == STATUS_IO);
                assert_false(failed && status == STATUS_OK);
                failed = failed || status;
                if (!status)
                    durable = index;
            }
            assert_int_equal(fault_fs_failures(fault), failed ? 1 : 0);
            fault_fs_fail(fault, CALLS[c], 0, kind, false);
            assert_int_equal(log_last_index(log), durable);
            assert_int_equal(log_failed(log), failed);
            check_range(log, 1, durable);
            log_close(log);
            log = open_with(&options);
            assert_true(log_last_index(log) >= durable && log_last_index(log) <= durable + 1);
            uint64_t last = log_last_index(log);
            append_range(log, last + 1, last + 5);
            check_range(log, 1, last + 5);
            log_close(log);
            fault_fs_destroy(fault);
        }
    }
}

/* Proves that every failing call while the log is opened or truncated is reported, leaks nothing,
 * loses nothing, and that the next open works. */
static void test_open_fails(void **state)
{
    (void)state;
    bool failed = true;
    for (uint64_t nth = 1; failed; nth++) {
        struct fault_fs *fault = fault_fs_create(SEED + nth);
        struct log_options options = options_on(fault_fs_system(fault));
        options.segment_bytes = 700;
        struct log *log = NULL;
        struct error err;
        fault_fs_fail(fault, FAULT_ANY, nth, STATUS_IO, false);
        failed = log_open(&options, &log, &err) != STATUS_OK;
        assert_int_equal(failed, fault_fs_failures(fault) > 0);
        fault_fs_fail(fault, FAULT_ANY, 0, STATUS_IO, false);
        if (failed)
            log = open_with(&options);
        append_range(log, 1, 30);
        log_close(log);

        fault_fs_fail(fault, FAULT_ANY, nth, STATUS_IO, false);
        bool again = log_open(&options, &log, &err) != STATUS_OK;
        fault_fs_fail(fault, FAULT_ANY, 0, STATUS_IO, false);
        if (again)
            log = open_with(&options);
        failed = failed || again;
        check_range(log, 1, 30);

        fault_fs_fail(fault, FAULT_ANY, nth, STATUS_IO, false);
        failed = log_truncate_before(log, 20, &err) != STATUS_OK || failed;
        fault_fs_fail(fault, FAULT_ANY, 0, STATUS_IO, false);
        check_range(log, log_first_index(log), 30);
        log_close(log);
        log = open_with(&options);
        check_range(log, log_first_index(log), 30);
        assert_true(log_first_index(log) <= 20);
        log_close(log);
        fault_fs_destroy(fault);
        assert_true(nth < 200);
    }
}

struct chain {
    struct log_append append;
    struct log *log;
    uint64_t left, seen;
    uint8_t data[512];
    atomic_bool ended;
};

static void chain_done(struct log_append *append, enum status status, const struct error *err)
{
    (void)err;
    struct chain *chain = (struct chain *)append;
    chain->seen += status == STATUS_OK && append->index == chain->seen + 1;
    if (--chain->left == 0) {
        atomic_store(&chain->ended, true);
        return;
    }
    append->record = slice_of(chain->data, record_make(chain->seen + 1, chain->data));
    append->term = (chain->seen + 1) / 10;
    log_append(chain->log, append);
}

/* Proves that a done may append, even with a full queue: the log thread never waits for itself. */
static void test_append_in_done(void **state)
{
    (void)state;
    struct fault_fs *fault = fault_fs_create(SEED);
    struct log_options options = options_on(fault_fs_system(fault));
    options.queue_bytes_max = 1;
    struct chain chain = {.left = 100, .append.done = chain_done};
    chain.append.record = slice_of(chain.data, record_make(1, chain.data));
    chain.log = open_with(&options);
    log_append(chain.log, &chain.append);
    while (!atomic_load(&chain.ended))
        usleep(100);
    assert_int_equal(chain.seen, 100);
    check_range(chain.log, 1, 100);
    log_close(chain.log);
    fault_fs_destroy(fault);
}

enum { THREADS = 8, PER_THREAD = 200, BURST = 5 };
struct shared {
    struct log *log;
    pthread_mutex_t lock;
    uint64_t last_done; /* the order of dones */
    bool out_of_order;
    atomic_bool stop;
};
struct worker_append {
    struct log_append append;
    struct shared *shared;
    atomic_int *left;
    uint8_t data[64];
};

static void worker_done(struct log_append *append, enum status status, const struct error *err)
{
    (void)err;
    struct worker_append *mine = (struct worker_append *)append;
    struct shared *shared = mine->shared;
    pthread_mutex_lock(&shared->lock);
    if (status || append->index != shared->last_done + 1)
        shared->out_of_order = true;
    shared->last_done = append->index;
    pthread_mutex_unlock(&shared->lock);
    atomic_fetch_sub(mine->left, 1);
}

static void *worker(void *arg)
{
    struct shared *shared = arg;
    for (int i = 0; i < PER_THREAD / BURST; i++) {
        struct worker_append appends[BURST];
        atomic_int left = BURST;
        for (int k = 0; k < BURST; k++) {
            appends[k] = (struct worker_append){.shared = shared, .left = &left};
            memset(appends[k].data, i + k, sizeof(appends[k].data));
            appends[k].append.record = slice_of(appends[k].data, 1 + (size_t)(i + k) % 64);
            appends[k].append.done = worker_done;
            log_append(shared->log, &appends[k].append);
        }
        while (atomic_load(&left) > 0)
            usleep(20);
    }
    return NULL;
}

static bool count_record(void *ctx, uint64_t index, uint64_t term, struct slice record)
{
    (void)term;
    uint64_t *last = ctx;
    if (index != *last + 1 || record.size == 0 || record.size > 64)
        return false;
    for (size_t i = 1; i < record.size; i++)
        if (record.data[i] != record.data[0])
            return false;
    *last = index;
    return true;
}

static void *log_reader(void *arg)
{
    struct shared *shared = arg;
    while (!atomic_load(&shared->stop)) {
        uint64_t first = log_first_index(shared->log), last = first - 1;
        uint64_t at_least = log_last_index(shared->log);
        enum status status = log_read(shared->log, first, count_record, &last, NULL);
        /* What was truncated since is an honest answer; anything else must be whole. */
        if (status != STATUS_NOT_FOUND && (status || last < at_least))
            shared->out_of_order = true;
        if (last > 400 && log_truncate_before(shared->log, last - 300, NULL))
            shared->out_of_order = true;
        usleep(200);
    }
    return NULL;
}

/* Proves that eight threads append while another reads and truncates: no record is lost, dones come
 * in index order, one sync serves many, and a full queue only makes callers wait. */
static void test_threads(void **state)
{
    (void)state;
    struct fault_fs *fault = fault_fs_create(SEED);
    struct log_options options = options_on(fault_fs_system(fault));
    options.segment_bytes = 4000;
    options.queue_bytes_max = 500;
    struct shared shared = {.log = open_with(&options)};
    pthread_mutex_init(&shared.lock, NULL);
    pthread_t threads[THREADS], reader;
    assert_int_equal(pthread_create(&reader, NULL, log_reader, &shared), 0);
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, worker, &shared), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    atomic_store(&shared.stop, true);
    pthread_join(reader, NULL);
    assert_false(shared.out_of_order);
    assert_int_equal(shared.last_done, THREADS * PER_THREAD);
    struct log_stats stats;
    log_stats(shared.log, &stats);
    assert_int_equal(stats.appends, THREADS * PER_THREAD);
    assert_true(stats.syncs < stats.appends);
    log_close(shared.log);
    pthread_mutex_destroy(&shared.lock);
    fault_fs_destroy(fault);
}

/* Proves that closing first writes everything that was accepted. */
static void test_close_drains(void **state)
{
    (void)state;
    struct fault_fs *fault = fault_fs_create(SEED);
    struct log_options options = options_on(fault_fs_system(fault));
    struct log *log = open_with(&options);
    static struct waiter waiters[100];
    static uint8_t data[100][512];
    for (uint64_t i = 0; i < 100; i++) {
        waiter_init(&waiters[i], data[i], record_make(i + 1, data[i]), (i + 1) / 10);
        waiters[i].append.done = waiter_done;
        log_append(log, &waiters[i].append);
    }
    log_close(log);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(waiters[i].calls, 1);
        assert_int_equal(waiters[i].status, STATUS_OK);
        waiter_deinit(&waiters[i]);
    }
    log = open_with(&options);
    check_range(log, 1, 100);
    log_close(log);
    fault_fs_destroy(fault);
}

/* Proves that the log works on the real file system: names, restart, truncation, reading. */
static void test_real_disk(void **state)
{
    (void)state;
    char folder[] = "/tmp/test_log_XXXXXX", path[64];
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/wal", folder);
    struct log_options options = options_on(file_system_real());
    options.path = path;
    options.segment_bytes = 2000;
    struct log *log = open_with(&options);
    append_range(log, 1, 60);
    log_close(log);
    log = open_with(&options);
    append_range(log, 61, 80);
    check_range(log, 1, 80);
    assert_int_equal(log_truncate_before(log, 50, NULL), STATUS_OK);
    log_close(log);
    log = open_with(&options);
    assert_true(log_first_index(log) > 1);
    check_range(log, log_first_index(log), 80);
    log_close(log);
    assert_int_equal(file_remove_tree(folder, NULL), STATUS_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_empty),      cmocka_unit_test(test_append_and_read),
        cmocka_unit_test(test_truncate),   cmocka_unit_test(test_restart_later),
        cmocka_unit_test(test_too_large),  cmocka_unit_test(test_disk_fails),
        cmocka_unit_test(test_open_fails), cmocka_unit_test(test_append_in_done),
        cmocka_unit_test(test_threads),    cmocka_unit_test(test_close_drains),
        cmocka_unit_test(test_real_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
