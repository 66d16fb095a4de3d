/* The key-value store against a sorted array, over restarts and damage. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <cmocka.h> /* needs those above */
/* clang-format on */

#include "storage/base/arena.h"
#include "storage/base/buffer.h"
#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "storage/kv/keys.h"
#include "storage/kv/kv.h"

static const uint64_t SEED = 20260131;
static char folder[64];

static int setup(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/tmp/test_kv_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return (int)file_remove_tree(folder, NULL);
}

static struct kv_options options_at(const char *path)
{
    return (struct kv_options){.path = path, .cache_bytes = 8 << 20, .write_buffer_bytes = 1 << 20};
}

static struct kv *open_at(const char *path)
{
    struct kv_options options = options_at(path);
    struct kv *kv = NULL;
    struct error err;
    if (kv_open(&options, &kv, &err))
        fail_msg("%s", err.message);
    return kv;
}

static void commit(struct kv *kv, struct kv_batch *batch)
{
    struct error err;
    if (kv_commit(kv, batch, &err))
        fail_msg("%s", err.message);
    kv_batch_clear(batch);
}

static void put_text(struct kv *kv, enum kv_space space, const char *key, const char *value)
{
    struct kv_batch *batch = kv_batch_create();
    kv_put(batch, space, slice_text(key), slice_text(value));
    commit(kv, batch);
    kv_batch_destroy(batch);
}

static bool has_text(struct kv *kv, enum kv_space space, const char *key, const char *value)
{
    struct arena *arena = arena_create(0);
    struct slice got;
    struct error err;
    enum status status = kv_get(kv, space, slice_text(key), arena, &got, &err);
    assert_true(status == STATUS_OK || status == STATUS_NOT_FOUND);
    bool has = !status && slice_equal(got, slice_text(value));
    arena_destroy(arena);
    return has;
}

enum { MODEL_KEYS = 300 };
struct model {
    bool there[KV_SPACE_COUNT][MODEL_KEYS];
    uint64_t value[KV_SPACE_COUNT][MODEL_KEYS];
};

static void compare(struct kv *kv, const struct model *model)
{
    struct arena *arena = arena_create(0);
    for (int s = 1; s < KV_SPACE_COUNT; s++) {
        struct key keys[MODEL_KEYS];
        struct slice slices[MODEL_KEYS], values[MODEL_KEYS];
        for (uint32_t k = 0; k < MODEL_KEYS; k++) {
            keys[k] = key_point(7, k);
            slices[k] = key_slice(&keys[k]);
        }
        assert_int_equal(kv_get_many(kv, (enum kv_space)s, slices, MODEL_KEYS, arena, values, NULL),
                         STATUS_OK);
        struct kv_cursor *cursor =
            kv_cursor_open(kv, (enum kv_space)s, (struct slice){0}, (struct slice){0});
        for (uint32_t k = 0; k < MODEL_KEYS; k++) {
            struct slice expect = slice_of(&model->value[s][k], 8);
            assert_int_equal(values[k].data != NULL, model->there[s][k]);
            if (!model->there[s][k])
                continue;
            assert_true(slice_equal(values[k], expect));
            assert_true(kv_cursor_valid(cursor));
            assert_true(slice_equal(kv_cursor_key(cursor), slices[k]));
            assert_true(slice_equal(kv_cursor_value(cursor), expect));
            kv_cursor_next(cursor);
        }
        assert_false(kv_cursor_valid(cursor));
        assert_int_equal(kv_cursor_status(cursor, NULL), STATUS_OK);
        kv_cursor_close(cursor);
    }
    arena_destroy(arena);
}

static void change(struct random *random, struct kv_batch *batch, struct model *model)
{
    enum kv_space space = (enum kv_space)(1 + random_below(random, KV_SPACE_COUNT - 1));
    uint32_t at = (uint32_t)random_below(random, MODEL_KEYS);
    struct key key = key_point(7, at);
    uint64_t kind = random_below(random, 20);
    if (kind < 14) {
        uint64_t value = random_u64(random);
        model->there[space][at] = true;
        model->value[space][at] = value;
        kv_put(batch, space, key_slice(&key), slice_of(&value, 8));
    } else if (kind < 19) {
        model->there[space][at] = false;
        kv_delete(batch, space, key_slice(&key));
    } else {
        uint32_t end = at + (uint32_t)random_below(random, 20);
        struct key to = key_point(7, end);
        for (uint32_t k = at; k < end && k < MODEL_KEYS; k++)
            model->there[space][k] = false;
        kv_delete_range(batch, space, key_slice(&key), key_slice(&to));
    }
}

/* Proves that random batches, flushes and restarts give what a plain array gives, and that a
 * restart gives exactly the state of the last flush, in all spaces. */
static void test_model(void **state)
{
    (void)state;
    printf("seed %llu\n", (unsigned long long)SEED);
    struct random random;
    random_init(&random, SEED);
    struct model *now = mem_zalloc(sizeof(*now)), *flushed = mem_zalloc(sizeof(*flushed));
    struct kv *kv = open_at(folder);
    struct kv_batch *batch = kv_batch_create();
    for (int round = 0; round < 60; round++) {
        for (uint64_t n = random_below(&random, 100); n-- > 0;)
            change(&random, batch, now);
        commit(kv, batch);
        uint64_t what = random_below(&random, 4);
        if (what == 0) {
            assert_int_equal(kv_flush(kv, NULL), STATUS_OK);
            *flushed = *now;
        } else if (what == 1 && round % 3 == 0) {
            kv_close(kv);
            kv = open_at(folder);
            *now = *flushed;
        }
        compare(kv, now);
    }
    kv_batch_destroy(batch);
    kv_close(kv);
    mem_free(now);
    mem_free(flushed);
}

/* Proves that a batch is all or nothing also when write buffers fill and are flushed in the
 * background: after a restart without kv_flush every space stands at one same batch. */
static void test_atomic(void **state)
{
    (void)state;
    struct kv *kv = open_at(folder);
    struct kv_batch *batch = kv_batch_create();
    uint8_t *big = mem_zalloc(20000);
    for (uint32_t i = 1; i <= 400; i++) {
        for (int s = 1; s < KV_SPACE_COUNT; s++) {
            struct key key = key_point(1, 0), fill = key_point(2, i);
            kv_put(batch, (enum kv_space)s, key_slice(&key), slice_of(&i, 4));
            if (s == KV_VECTORS) /* only this space fills its buffer */
                kv_put(batch, KV_VECTORS, key_slice(&fill), slice_of(big, 20000));
        }
        commit(kv, batch);
    }
    kv_close(kv);
    kv = open_at(folder);
    struct arena *arena = arena_create(0);
    uint32_t seen = 0;
    for (int s = 1; s < KV_SPACE_COUNT; s++) {
        struct key key = key_point(1, 0);
        struct slice value;
        uint32_t number;
        assert_int_equal(kv_get(kv, (enum kv_space)s, key_slice(&key), arena, &value, NULL),
                         STATUS_OK);
        memcpy(&number, value.data, 4);
        assert_true(s == 1 || number == seen);
        seen = number;
    }
    assert_true(seen > 0 && seen <= 400);
    arena_destroy(arena);
    kv_batch_destroy(batch);
    kv_close(kv);
    mem_free(big);
}

/* Proves that a cursor keeps to its range and to the moment it was opened, and that odd ranges are
 * empty. */
static void test_cursor(void **state)
{
    (void)state;
    struct kv *kv = open_at(folder);
    put_text(kv, KV_IDS, "a", "1");
    put_text(kv, KV_IDS, "b", "2");
    put_text(kv, KV_IDS, "c", "");
    struct kv_cursor *cursor = kv_cursor_open(kv, KV_IDS, slice_text("b"), slice_text("c\1"));
    put_text(kv, KV_IDS, "bb", "late");
    assert_true(slice_equal(kv_cursor_key(cursor), slice_text("b")));
    kv_cursor_next(cursor);
    assert_true(slice_equal(kv_cursor_key(cursor), slice_text("c")));
    assert_int_equal(kv_cursor_value(cursor).size, 0);
    kv_cursor_next(cursor);
    assert_false(kv_cursor_valid(cursor));
    kv_cursor_close(cursor);
    static const char *const ODD[][2] = {{"c", "b"}, {"b", "b"}, {"x", "y"}, {"b", "a"}};
    for (size_t i = 0; i < 4; i++) {
        cursor = kv_cursor_open(kv, KV_IDS, slice_text(ODD[i][0]), slice_text(ODD[i][1]));
        assert_false(kv_cursor_valid(cursor));
        assert_int_equal(kv_cursor_status(cursor, NULL), STATUS_OK);
        kv_cursor_close(cursor);
    }
    kv_close(kv);
}

/* Proves the edges of reading: missing is not empty, the arena's limit is an error, and many keys
 * in one call may repeat and miss. */
static void test_get(void **state)
{
    (void)state;
    struct kv *kv = open_at(folder);
    put_text(kv, KV_PAYLOAD, "empty", "");
    put_text(kv, KV_PAYLOAD, "large", "0123456789012345678901234567890123456789");
    struct arena *arena = arena_create(0), *small = arena_create(16);
    struct slice got = {0}, many[4];
    struct error err = {.code = STATUS_COUNT};
    assert_int_equal(kv_get(kv, KV_PAYLOAD, slice_text("none"), arena, &got, &err),
                     STATUS_NOT_FOUND);
    assert_int_equal(err.code, STATUS_COUNT);
    assert_int_equal(kv_get(kv, KV_PAYLOAD, slice_text("empty"), arena, &got, &err), STATUS_OK);
    assert_non_null(got.data);
    assert_int_equal(got.size, 0);
    assert_int_equal(kv_get(kv, KV_PAYLOAD, slice_text("large"), small, &got, &err),
                     STATUS_TOO_LARGE);
    struct slice keys[4] = {slice_text("large"), slice_text("none"), slice_text("empty"),
                            slice_text("large")};
    assert_int_equal(kv_get_many(kv, KV_PAYLOAD, keys, 4, small, many, &err), STATUS_TOO_LARGE);
    assert_int_equal(kv_get_many(kv, KV_PAYLOAD, keys, 4, arena, many, &err), STATUS_OK);
    assert_int_equal(many[0].size, 40);
    assert_null(many[1].data);
    assert_true(many[2].data != NULL && many[2].size == 0);
    assert_true(slice_equal(many[0], many[3]));
    arena_destroy(arena);
    arena_destroy(small);
    uint64_t memory, disk;
    kv_usage(kv, &memory, &disk);
    assert_true(memory > 0 && disk > 0);
    kv_close(kv);
}

/* Proves that a batch can be committed twice, cleared, and tells its size. */
static void test_batch(void **state)
{
    (void)state;
    struct kv *kv = open_at(folder);
    struct kv_batch *batch = kv_batch_create();
    assert_int_equal(kv_batch_bytes(batch), 0);
    assert_int_equal(kv_commit(kv, batch, NULL), STATUS_OK);
    kv_put(batch, KV_IDS, slice_text("k"), slice_text("v"));
    assert_true(kv_batch_bytes(batch) >= 2);
    assert_int_equal(kv_commit(kv, batch, NULL), STATUS_OK);
    struct kv_batch *other = kv_batch_create();
    kv_delete(other, KV_IDS, slice_text("k"));
    commit(kv, other);
    assert_false(has_text(kv, KV_IDS, "k", "v"));
    assert_int_equal(kv_commit(kv, batch, NULL), STATUS_OK);
    assert_true(has_text(kv, KV_IDS, "k", "v"));
    kv_batch_clear(batch);
    assert_int_equal(kv_batch_bytes(batch), 0);
    kv_batch_destroy(batch);
    kv_batch_destroy(other);
    kv_close(kv);
}

/* Proves that a checkpoint holds what was committed before it, unflushed too, and nothing later. */
static void test_checkpoint(void **state)
{
    (void)state;
    char path[128];
    snprintf(path, sizeof(path), "%s/copy", folder);
    char live[128];
    snprintf(live, sizeof(live), "%s/live/deep", folder);
    struct kv *kv = open_at(live);
    put_text(kv, KV_PAYLOAD, "before", "1");
    put_text(kv, KV_VECTORS, "before", "2");
    struct error err;
    assert_int_equal(kv_checkpoint(kv, path, &err), STATUS_OK);
    put_text(kv, KV_PAYLOAD, "after", "1");
    assert_int_equal(kv_checkpoint(kv, path, &err), STATUS_ALREADY_EXISTS);
    kv_close(kv);
    kv = open_at(path);
    assert_true(has_text(kv, KV_PAYLOAD, "before", "1"));
    assert_true(has_text(kv, KV_VECTORS, "before", "2"));
    assert_false(has_text(kv, KV_PAYLOAD, "after", "1"));
    kv_close(kv);
}

static void set_format(const char *bytes, size_t size)
{
    struct kv *kv = open_at(folder);
    struct kv_batch *batch = kv_batch_create();
    struct key key = key_format();
    if (bytes)
        kv_put(batch, KV_META, key_slice(&key), slice_of(bytes, size));
    else
        kv_delete(batch, KV_META, key_slice(&key));
    kv_put(batch, KV_IDS, slice_text("x"), slice_text("y"));
    commit(kv, batch);
    assert_int_equal(kv_flush(kv, NULL), STATUS_OK);
    kv_batch_destroy(batch);
    kv_close(kv);
}

static void refuses(const char *text)
{
    struct kv_options options = options_at(folder);
    struct kv *kv = NULL;
    struct error err;
    assert_int_equal(kv_open(&options, &kv, &err), STATUS_CORRUPT);
    assert_non_null(strstr(err.message, text));
    assert_null(kv);
}

/* Proves that a store of a newer format is refused with a clear text. */
static void test_format_newer(void **state)
{
    (void)state;
    set_format("\2\0\0\0", 4);
    refuses("newer version");
}

/* Proves that a store whose format version is damaged is refused. */
static void test_format_damaged(void **state)
{
    (void)state;
    set_format("\1\0", 2);
    refuses("damaged");
}

/* Proves that data without a format version is refused, not taken for a new store. */
static void test_format_missing(void **state)
{
    (void)state;
    set_format(NULL, 0);
    refuses("missing");
}

/* Proves that an open with too little room on the disk is refused with numbers. */
static void test_no_room(void **state)
{
    (void)state;
    struct kv_options options = options_at(folder);
    options.free_bytes_min = UINT64_MAX;
    struct kv *kv = NULL;
    struct error err;
    assert_int_equal(kv_open(&options, &kv, &err), STATUS_NO_SPACE);
    assert_non_null(strstr(err.message, "bytes are free"));
    assert_null(kv);
    options.free_bytes_min = 1;
    assert_int_equal(kv_open(&options, &kv, &err), STATUS_OK);
    kv_close(kv);
}

/* Proves that a second open says that the store is in use. */
static void test_locked(void **state)
{
    (void)state;
    struct kv *kv = open_at(folder), *second = NULL;
    struct kv_options options = options_at(folder);
    struct error err;
    assert_int_equal(kv_open(&options, &second, &err), STATUS_ALREADY_EXISTS);
    kv_close(kv);
    options.path = "/proc/none";
    assert_int_not_equal(kv_open(&options, &second, &err), STATUS_OK);
    assert_null(second);
}

struct damage {
    const struct file_system *fs;
    int count;
};

static void damage_table(void *ctx, const char *name)
{
    struct damage *damage = ctx;
    size_t size = strlen(name);
    if (size < 4 || strcmp(name + size - 4, ".sst") != 0)
        return;
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *file = fopen(path, "r+");
    assert_non_null(file);
    for (long at = 0; at < 200; at += 7) {
        assert_int_equal(fseek(file, at, SEEK_SET), 0);
        assert_int_equal(fputc(0x5a, file), 0x5a);
    }
    fclose(file);
    damage->count++;
}

/* Proves that damaged data is reported as CORRUPT by get and by a cursor, and never returned. */
static void test_damage(void **state)
{
    (void)state;
    struct kv *kv = open_at(folder);
    struct kv_batch *batch = kv_batch_create();
    for (uint32_t i = 0; i < 2000; i++) {
        struct key key = key_payload(1, i);
        kv_put(batch, KV_PAYLOAD, key_slice(&key),
               slice_text("{\"a\":\"some text of a payload\"}"));
    }
    commit(kv, batch);
    assert_int_equal(kv_flush(kv, NULL), STATUS_OK);
    kv_batch_destroy(batch);
    kv_close(kv);
    struct damage damage = {.fs = file_system_real()};
    assert_int_equal(damage.fs->list(damage.fs, folder, damage_table, &damage, NULL), STATUS_OK);
    assert_true(damage.count > 0);
    struct kv_options options = options_at(folder);
    struct error err;
    enum status status = kv_open(&options, &kv, &err);
    if (!status) {
        struct arena *arena = arena_create(0);
        struct key key = key_payload(1, 0);
        struct slice got;
        status = kv_get(kv, KV_PAYLOAD, key_slice(&key), arena, &got, &err);
        assert_int_equal(status, STATUS_CORRUPT);
        struct kv_cursor *cursor =
            kv_cursor_open(kv, KV_PAYLOAD, (struct slice){0}, (struct slice){0});
        while (kv_cursor_valid(cursor))
            kv_cursor_next(cursor);
        assert_int_equal(kv_cursor_status(cursor, &err), STATUS_CORRUPT);
        kv_cursor_close(cursor);
        arena_destroy(arena);
        kv_close(kv);
    }
    assert_int_equal(status, STATUS_CORRUPT);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_model),        TEST(test_atomic),         TEST(test_cursor),
        TEST(test_get),          TEST(test_batch),          TEST(test_checkpoint),
        TEST(test_format_newer), TEST(test_format_damaged), TEST(test_format_missing),
        TEST(test_locked),       TEST(test_damage),         TEST(test_no_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
