/* Recovery of the log: every cut, every flipped byte, missing files, crashes. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h> /* needs those above */
/* clang-format on */

#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "storage/log/log.h"
#include "storage/log/record.h"
#include "tests/lib/fault_fs.h"

#include <inttypes.h>
#include <pthread.h>

static const uint64_t SEED = 20260131;
#define FOLDER "/data/wal"
enum { SMALL_RECORDS = 12 };

static struct log_options options_on(struct fault_fs *fault, uint64_t segment_bytes)
{
    return (struct log_options){.fs = fault_fs_system(fault),
                                .path = FOLDER,
                                .segment_bytes = segment_bytes,
                                .record_bytes_max = 100000,
                                .queue_bytes_max = 1 << 20};
}

static size_t record_make(uint64_t index, uint8_t out[128])
{
    size_t size = 1 + (size_t)(index * 7919 % 60);
    for (size_t i = 0; i < size; i++)
        out[i] = (uint8_t)(index * 31 + i * i);
    return size;
}

struct counted {
    struct log_append append;
    uint8_t data[128];
    enum status status;
    bool called;
};

static void counted_done(struct log_append *append, enum status status, const struct error *err)
{
    (void)err;
    struct counted *counted = (struct counted *)append;
    counted->status = status;
    counted->called = true;
}

/* Appends indexes from..to and closes; returns the last one reported durable. */
static uint64_t append_and_close(struct log *log, uint64_t from, uint64_t to)
{
    struct counted *all = mem_zalloc((to - from + 1) * sizeof(*all));
    for (uint64_t i = from; i <= to; i++) {
        struct counted *one = &all[i - from];
        one->append.record = slice_of(one->data, record_make(i, one->data));
        one->append.term = i / 3;
        one->append.done = counted_done;
        log_append(log, &one->append);
    }
    log_close(log);
    uint64_t durable = from - 1;
    for (uint64_t i = from; i <= to; i++) {
        assert_true(all[i - from].called);
        if (all[i - from].status == STATUS_OK)
            durable = i;
    }
    mem_free(all);
    return durable;
}

static struct fault_fs *make_small(uint64_t segment_bytes)
{
    struct fault_fs *fault = fault_fs_create(SEED);
    struct log_options options = options_on(fault, segment_bytes);
    struct log *log;
    assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
    assert_int_equal(append_and_close(log, 1, SMALL_RECORDS), SMALL_RECORDS);
    return fault;
}

static bool check_record(void *ctx, uint64_t index, uint64_t term, struct slice record)
{
    uint64_t *next = ctx;
    uint8_t data[128];
    assert_int_equal(index, *next);
    assert_int_equal(term, index / 3);
    assert_true(slice_equal(record, slice_of(data, record_make(index, data))));
    (*next)++;
    return true;
}

/* Checks every record of an open log, appends two more, restarts, checks again. Returns the last
 * index found. */
static uint64_t check_and_go_on(struct log *log, const struct log_options *options)
{
    uint64_t last = log_last_index(log), next = log_first_index(log);
    assert_int_equal(log_read(log, next, check_record, &next, NULL), STATUS_OK);
    assert_int_equal(next, last + 1);
    assert_int_equal(append_and_close(log, last + 1, last + 2), last + 2);
    assert_int_equal(log_open(options, &log, NULL), STATUS_OK);
    assert_int_equal(log_last_index(log), last + 2);
    next = log_first_index(log);
    assert_int_equal(log_read(log, next, check_record, &next, NULL), STATUS_OK);
    assert_int_equal(next, last + 3);
    log_close(log);
    return last;
}

static void segment_at(uint64_t first_index, char out[64])
{
    snprintf(out, 64, FOLDER "/%020" PRIu64 ".log", first_index);
}

/* First indexes of the segments of a small log. */
static size_t segments_of(struct fault_fs *fault, uint64_t out[SMALL_RECORDS + 1])
{
    size_t count = 0;
    for (uint64_t i = 1; i <= SMALL_RECORDS + 1; i++) {
        char path[64];
        segment_at(i, path);
        if (fault_fs_exists(fault, path))
            out[count++] = i;
    }
    return count;
}

static uint64_t size_of(struct fault_fs *fault, const char *path)
{
    return fault_fs_data(fault, path).size;
}

static const char *refusal(const struct log_options *options, struct error *err)
{
    struct log *log = NULL;
    assert_int_equal(log_open(options, &log, err), STATUS_CORRUPT);
    assert_null(log);
    assert_non_null(strstr(err->message, "drop_damaged_tail=true"));
    assert_non_null(strstr(err->message, FOLDER));
    return err->message;
}

/* Proves that a log cut at any byte opens with exactly the whole records before the cut. */
static void test_every_truncation(void **state)
{
    (void)state;
    struct fault_fs *fault = make_small(1 << 20);
    char path[64];
    segment_at(1, path);
    uint64_t size = size_of(fault, path);
    fault_fs_destroy(fault);
    for (uint64_t cut = 0; cut < size; cut++) {
        fault = make_small(1 << 20);
        fault_fs_cut(fault, path, cut);
        struct log_options options = options_on(fault, 1 << 20);
        struct log *log;
        assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
        uint64_t whole = 0, end = SEGMENT_HEADER_SIZE;
        uint8_t data[128];
        while (end + RECORD_HEADER_SIZE + record_make(whole + 1, data) <= cut)
            end += RECORD_HEADER_SIZE + record_make(++whole, data);
        assert_int_equal(check_and_go_on(log, &options), whole);
        fault_fs_destroy(fault);
    }
}

/* Opens a damaged small log, refusing or dropping; whatever happens, every record read is right. */
static void open_damaged(struct fault_fs *fault, uint64_t segment_bytes, bool may_be_torn)
{
    struct log_options options = options_on(fault, segment_bytes);
    struct log *log = NULL;
    struct error err;
    enum status status = log_open(&options, &log, &err);
    if (!status) {
        assert_true(may_be_torn);
        check_and_go_on(log, &options);
        return;
    }
    assert_int_equal(status, STATUS_CORRUPT);
    refusal(&options, &err); /* a refusal changed nothing: it is refused again */
    options.drop_damaged_tail = true;
    if (log_open(&options, &log, &err))
        fail_msg("%s", err.message);
    options.drop_damaged_tail = false;
    assert_true(check_and_go_on(log, &options) < SMALL_RECORDS);
}

/* Proves that after a flip of any byte of any segment the log is refused, or has an exact prefix,
 * the latter only if the last record (or the header of an empty file) was hit; and that dropping
 * the damaged tail leaves an exact prefix. */
static void test_every_flip(void **state)
{
    (void)state;
    static const uint64_t SEGMENT_BYTES[] = {1 << 20, 300};
    for (size_t s = 0; s < 2; s++) {
        struct fault_fs *fault = make_small(SEGMENT_BYTES[s]);
        uint64_t firsts[SMALL_RECORDS + 1];
        size_t count = segments_of(fault, firsts);
        assert_true(s == 0 ? count == 1 : count >= 3);
        fault_fs_destroy(fault);
        for (size_t i = 0; i < count; i++) {
            char path[64];
            segment_at(firsts[i], path);
            uint64_t size = SEGMENT_HEADER_SIZE;
            for (uint64_t at = 0; at < size; at++) {
                fault = make_small(SEGMENT_BYTES[s]);
                size = size_of(fault, path);
                fault_fs_flip(fault, path, at, (uint8_t)(1u << (at % 8)));
                uint8_t data[128];
                uint64_t last_record = RECORD_HEADER_SIZE + record_make(SMALL_RECORDS, data);
                bool last = i == count - 1 && at >= size - last_record;
                open_damaged(fault, SEGMENT_BYTES[s], last);
                fault_fs_destroy(fault);
            }
        }
    }
}

/* Proves that a missing segment and a short segment before the last are refused, with file, offset
 * and index; that dropping keeps what is before, and puts the rest aside without losing a byte. */
static void test_gaps(void **state)
{
    (void)state;
    for (int kind = 0; kind < 2; kind++) {
        struct fault_fs *fault = make_small(300);
        uint64_t firsts[SMALL_RECORDS + 1];
        size_t count = segments_of(fault, firsts);
        assert_true(count >= 3);
        struct log_options options = options_on(fault, 300);
        char path[64], last[64], aside[80];
        segment_at(firsts[1], path);
        segment_at(firsts[count - 1], last);
        uint64_t last_size = size_of(fault, last);
        if (kind == 0)
            assert_int_equal(options.fs->remove(options.fs, path, NULL), STATUS_OK);
        else
            fault_fs_cut(fault, path, size_of(fault, path) - 1);
        struct error err;
        const char *text = refusal(&options, &err);
        assert_non_null(strstr(text, kind == 0 ? "missing" : "offset"));
        options.drop_damaged_tail = true;
        struct log *log;
        assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
        uint64_t kept = check_and_go_on(log, &options);
        assert_true(kind == 0 ? kept == firsts[1] - 1 : kept >= firsts[1] - 1 && kept < firsts[2]);
        snprintf(aside, sizeof(aside), "%s.damaged", last);
        assert_int_equal(size_of(fault, aside), last_size);
        fault_fs_destroy(fault);
    }
}

/* Proves that putting aside never overwrites what was put aside before. */
static void test_put_aside_twice(void **state)
{
    (void)state;
    struct fault_fs *fault = make_small(1 << 20);
    struct log_options options = options_on(fault, 1 << 20);
    char path[64], aside[80];
    segment_at(1, path);
    options.drop_damaged_tail = true;
    for (int i = 1; i <= 3; i++) {
        fault_fs_flip(fault, path, 3, 0xff);
        struct log *log;
        assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
        assert_int_equal(log_last_index(log), 0);
        assert_int_equal(append_and_close(log, 1, 1), 1);
        if (i == 1)
            snprintf(aside, sizeof(aside), "%s.damaged", path);
        else
            snprintf(aside, sizeof(aside), "%s.%d.damaged", path, i);
        assert_true(fault_fs_exists(fault, aside));
    }
    fault_fs_destroy(fault);
}

/* Proves that a file that a crash left while a segment was being made is no damage, at any size. */
static void test_half_made_segment(void **state)
{
    (void)state;
    for (size_t size = 0; size <= SEGMENT_HEADER_SIZE; size++) {
        for (int garbled = 0; garbled < 2; garbled++) {
            struct fault_fs *fault = make_small(1 << 20);
            struct log_options options = options_on(fault, 1 << 20);
            char path[64];
            segment_at(SMALL_RECORDS + 1, path);
            uint8_t header[SEGMENT_HEADER_SIZE] = {0};
            if (!garbled)
                segment_header_encode(header, SMALL_RECORDS + 1, 99);
            fault_fs_put(fault, path, slice_of(header, size));
            struct log *log;
            assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
            assert_int_equal(check_and_go_on(log, &options), SMALL_RECORDS);
            fault_fs_destroy(fault);
        }
    }
}

/* Proves that a record that belongs elsewhere is refused: one with a wrong index or salt, although
 * its own bytes are whole, and bytes a client made to look like a later record do not make a torn
 * tail into damage. */
static void test_foreign_records(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        struct fault_fs *fault = make_small(1 << 20);
        struct log_options options = options_on(fault, 1 << 20);
        char path[64];
        segment_at(1, path);
        struct slice old = fault_fs_data(fault, path);
        uint64_t first, salt;
        assert_null(segment_header_decode(old, &first, &salt));
        struct buffer bytes;
        buffer_init(&bytes, 0);
        buffer_append_slice(&bytes, old);
        if (kind == 2) /* a half-written record before it */
            buffer_append_text(&bytes, "\40\0\0\0\0\0\0\0 half");
        uint64_t index = kind == 1 ? SMALL_RECORDS + 5 : SMALL_RECORDS + 1;
        struct record record = {index, 1, slice_text("payload")};
        uint8_t header[RECORD_HEADER_SIZE];
        record_header_encode(header, &record, kind == 1 ? salt : salt + 1);
        buffer_append(&bytes, header, sizeof(header));
        buffer_append_slice(&bytes, record.payload);
        fault_fs_put(fault, path, buffer_slice(&bytes));
        buffer_deinit(&bytes);
        struct log *log;
        struct error err;
        if (kind == 1) {
            assert_non_null(strstr(refusal(&options, &err), "index 17"));
        } else {
            assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
            assert_int_equal(check_and_go_on(log, &options), SMALL_RECORDS);
        }
        fault_fs_destroy(fault);
    }
}

/* Proves that a log larger than the present limits is still read whole. */
static void test_smaller_limits(void **state)
{
    (void)state;
    struct fault_fs *fault = make_small(1 << 20);
    struct log_options options = options_on(fault, 1);
    options.record_bytes_max = 1;
    struct log *log;
    assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
    uint64_t next = 1;
    assert_int_equal(log_read(log, 1, check_record, &next, NULL), STATUS_OK);
    assert_int_equal(next, SMALL_RECORDS + 1);
    log_close(log);
    fault_fs_destroy(fault);
}

/* Proves that damage that came after the log was opened is found by log_read. */
static void test_damage_while_open(void **state)
{
    (void)state;
    struct fault_fs *fault = make_small(1 << 20);
    struct log_options options = options_on(fault, 1 << 20);
    struct log *log;
    assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
    char path[64];
    segment_at(1, path);
    uint64_t size = size_of(fault, path);
    for (uint64_t at = 0; at < size; at += 5) {
        struct error err;
        uint64_t next = 1;
        fault_fs_flip(fault, path, at, 4);
        assert_int_equal(log_read(log, 1, check_record, &next, &err), STATUS_CORRUPT);
        assert_non_null(strstr(err.message, path));
        fault_fs_flip(fault, path, at, 4);
    }
    log_close(log);
    fault_fs_destroy(fault);
}

/* Proves, over random crashes and disk failures, that every record whose done said OK is there
 * after recovery, that nothing else but the records after it can be, and that the log never has to
 * be repaired by hand. */
static void test_crashes(void **state)
{
    (void)state;
    printf("seed %" PRIu64 "\n", SEED);
    for (uint64_t seed = SEED; seed < SEED + 200; seed++) {
        struct random random;
        random_init(&random, seed);
        struct fault_fs *fault = fault_fs_create(seed);
        struct log_options options = options_on(fault, 200 + random_below(&random, 1000));
        uint64_t durable = 0, appended = 0, truncated = 0;
        for (int life = 0; life < 6; life++) {
            struct log *log;
            struct error err;
            if (random_below(&random, 4) == 0)
                fault_fs_fail(fault, FAULT_ANY, 1 + random_below(&random, 40), STATUS_IO,
                              random_below(&random, 2));
            enum status status = log_open(&options, &log, &err);
            if (status && fault_fs_failures(fault) == 0)
                fail_msg("seed %" PRIu64 ": %s", seed, err.message);
            assert_int_not_equal(status, STATUS_CORRUPT);
            if (!status) {
                uint64_t last = log_last_index(log);
                if (last < durable || last > appended || log_first_index(log) > truncated + 1)
                    fail_msg("seed %" PRIu64 ": %" PRIu64 " of %" PRIu64 " records", seed, last,
                             durable);
                uint64_t next = log_first_index(log);
                status = log_read(log, next, check_record, &next, &err);
                assert_true(status == STATUS_IO || next == last + 1);
                truncated = last > 20 ? last - 20 : truncated;
                if (log_truncate_before(log, truncated, NULL) == STATUS_OK)
                    assert_true(log_first_index(log) <= truncated + 1);
                durable = last;
                appended = last + 1 + random_below(&random, 40);
                uint64_t reported = append_and_close(log, last + 1, appended);
                durable = reported > durable ? reported : durable;
            }
            fault_fs_fail(fault, FAULT_ANY, 0, STATUS_IO, false);
            fault_fs_crash(fault, random_u64(&random));
        }
        struct log *log;
        assert_int_equal(log_open(&options, &log, NULL), STATUS_OK);
        assert_true(check_and_go_on(log, &options) >= durable);
        fault_fs_destroy(fault);
    }
}

int main(void)
{
    logger_init(LOG_OFF, LOG_FORMAT_TEXT); /* thousands of warnings, all expected */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_every_flip),
        cmocka_unit_test(test_gaps),
        cmocka_unit_test(test_put_aside_twice),
        cmocka_unit_test(test_half_made_segment),
        cmocka_unit_test(test_foreign_records),
        cmocka_unit_test(test_smaller_limits),
        cmocka_unit_test(test_damage_while_open),
        cmocka_unit_test(test_crashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
