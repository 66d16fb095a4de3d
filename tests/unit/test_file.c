/* Files: the same story on the real and on the fake file system, whole files under every fault and
 * crash, the lock. */
#include "storage/base/file.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/fault_fs.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[64];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(folder, sizeof(folder), "/tmp/test_file_XXXXXX");
    return mkdtemp(folder) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    struct error err;
    return file_remove_tree(folder, &err) == STATUS_OK ? 0 : -1;
}

/* The path of a name in the test's folder; four results may be in use at once. */
static const char *in(const char *name)
{
    static char paths[4][128];
    static unsigned turn;
    char *out = paths[turn++ % 4];
    (void)snprintf(out, sizeof(paths[0]), "%s/%s", folder, name);
    return out;
}

static void join_name(void *ctx, const char *name)
{
    char *text = ctx;
    size_t size = strlen(text);
    (void)snprintf(text + size, 256 - size, "%s ", name);
}

static void put_text(const struct file_system *fs, const char *path, const char *text)
{
    struct error err;
    struct file *file;
    assert_int_equal(fs->open(fs, path, FILE_WRITE_NEW, &file, &err), STATUS_OK);
    assert_int_equal(fs->append(file, slice_text(text), &err), STATUS_OK);
    assert_int_equal(fs->sync(file, &err), STATUS_OK);
    fs->close(file);
}

static void check_text(const struct file_system *fs, const char *path, const char *text)
{
    struct error err;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    assert_int_equal(file_read_whole(fs, path, &buffer, &err), STATUS_OK);
    assert_true(slice_equal(buffer_slice(&buffer), slice_text(text)));
    buffer_deinit(&buffer);
}

static void tell_story(const struct file_system *fs)
{
    struct error err;
    struct file *file;
    char names[256] = "";
    char data[16];
    size_t read;
    uint64_t size;
    assert_int_equal(fs->make_dirs(fs, in("a/b/c"), &err), STATUS_OK);
    assert_int_equal(fs->make_dirs(fs, in("a//b/c/"), &err), STATUS_OK);
    put_text(fs, in("a/two"), "hello");
    assert_int_equal(fs->open(fs, in("a/two"), FILE_APPEND, &file, &err), STATUS_OK);
    assert_int_equal(fs->append(file, SLICE_LITERAL(" world"), &err), STATUS_OK);
    assert_int_equal(fs->size(file, &size, &err), STATUS_OK);
    assert_int_equal(size, 11);
    assert_int_equal(fs->read_at(file, 6, data, sizeof(data), &read, &err), STATUS_OK);
    assert_int_equal(read, 5);
    assert_memory_equal(data, "world", 5);
    assert_int_equal(fs->read_at(file, 100, data, sizeof(data), &read, &err), STATUS_OK);
    assert_int_equal(read, 0);
    assert_int_equal(fs->truncate(file, 4, &err), STATUS_OK);
    assert_int_equal(fs->append(file, SLICE_LITERAL("!"), &err), STATUS_OK);
    fs->close(file);
    check_text(fs, in("a/two"), "hell!");

    put_text(fs, in("a/one"), "");
    assert_int_equal(fs->rename(fs, in("a/one"), in("a/b/three"), &err), STATUS_OK);
    put_text(fs, in("a/zero"), "0");
    assert_int_equal(fs->rename(fs, in("a/zero"), in("a/two"), &err), STATUS_OK);
    check_text(fs, in("a/two"), "0");
    assert_int_equal(fs->list(fs, in("a"), join_name, names, &err), STATUS_OK);
    assert_string_equal(names, "b two ");
    assert_int_equal(fs->sync_dir(fs, in("a"), &err), STATUS_OK);
    assert_int_equal(fs->remove(fs, in("a/two"), &err), STATUS_OK);
    assert_int_equal(fs->remove(fs, in("a/two"), &err), STATUS_OK);

    assert_int_equal(fs->open(fs, in("a/two"), FILE_READ, &file, &err), STATUS_NOT_FOUND);
    assert_non_null(strstr(err.message, in("a/two")));
    assert_int_equal(fs->open(fs, in("no/two"), FILE_APPEND, &file, &err), STATUS_NOT_FOUND);
    assert_int_equal(fs->rename(fs, in("no"), in("yes"), &err), STATUS_NOT_FOUND);
    assert_int_equal(fs->list(fs, in("no"), join_name, names, &err), STATUS_NOT_FOUND);
    assert_int_equal(fs->sync_dir(fs, in("no"), &err), STATUS_NOT_FOUND);
    assert_int_equal(fs->make_dirs(fs, in("a/b/three/four"), &err), STATUS_IO);
}

static void test_real_story(void **state)
{
    /* Proves every call of the real file system, and the statuses of what is missing. */
    (void)state;
    tell_story(file_system_real());
}

static void test_fake_story(void **state)
{
    /* Proves that the fake answers the same story as the real one. */
    (void)state;
    struct fault_fs *fault = fault_fs_create(1);
    struct error err;
    const struct file_system *fs = fault_fs_system(fault);
    assert_int_equal(fs->make_dirs(fs, folder, &err), STATUS_OK);
    tell_story(fs);
    fault_fs_destroy(fault);
}

static void test_full_disk(void **state)
{
    /* Proves that a full disk is told apart from a broken one. */
    (void)state;
    const struct file_system *fs = file_system_real();
    struct error err;
    struct file *file;
    if (fs->open(fs, "/dev/full", FILE_APPEND, &file, &err)) {
        skip(); /* no such device in this sandbox */
    }
    assert_int_equal(fs->append(file, SLICE_LITERAL("x"), &err), STATUS_NO_SPACE);
    assert_non_null(strstr(err.message, "/dev/full"));
    fs->close(file);
}

static void test_read_limit(void **state)
{
    /* Proves that a file larger than the buffer's limit is refused and the buffer gets nothing. */
    (void)state;
    const struct file_system *fs = file_system_real();
    struct error err;
    struct buffer buffer;
    put_text(fs, in("large"), "0123456789");
    buffer_init(&buffer, 9);
    assert_int_equal(file_read_whole(fs, in("large"), &buffer, &err), STATUS_TOO_LARGE);
    assert_int_equal(buffer.size, 0);
    buffer_deinit(&buffer);
    buffer_init(&buffer, 10);
    assert_int_equal(file_read_whole(fs, in("large"), &buffer, &err), STATUS_OK);
    assert_int_equal(buffer.size, 10);
    buffer_deinit(&buffer);
}

static void test_atomic_write(void **state)
{
    /* Proves that the real file is replaced and nothing stays beside it. */
    (void)state;
    const struct file_system *fs = file_system_real();
    struct error err;
    char names[256] = "";
    assert_int_equal(fs->make_dirs(fs, in("atomic"), &err), STATUS_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(file_write_atomic(fs, in("atomic/f"), SLICE_LITERAL("new"), &err),
                         STATUS_OK);
        check_text(fs, in("atomic/f"), "new");
    }
    assert_int_equal(fs->list(fs, in("atomic"), join_name, names, &err), STATUS_OK);
    assert_string_equal(names, "f ");
    assert_int_equal(file_write_atomic(fs, in("none/f"), SLICE_LITERAL("x"), &err),
                     STATUS_NOT_FOUND);
    char *longest = mem_zalloc(5000);
    memset(longest, 'p', 4999);
    assert_int_equal(file_write_atomic(fs, longest, SLICE_LITERAL("x"), &err), STATUS_IO);
    mem_free(longest);
}

/* A fake with "d/f" holding "old", durable. */
static struct fault_fs *fake_with_old(uint64_t seed)
{
    struct fault_fs *fault = fault_fs_create(seed);
    const struct file_system *fs = fault_fs_system(fault);
    struct error err;
    assert_int_equal(fs->make_dirs(fs, "d", &err), STATUS_OK);
    fault_fs_put(fault, "d/f", SLICE_LITERAL("old"));
    return fault;
}

static void check_old_or_new(struct fault_fs *fault, bool only_new)
{
    struct slice data = fault_fs_data(fault, "d/f");
    bool is_new = slice_equal(data, SLICE_LITERAL("brand new"));
    assert_true(is_new || (!only_new && slice_equal(data, SLICE_LITERAL("old"))));
}

static void test_atomic_write_under_faults(void **state)
{
    /* Proves that whichever call fails, before and after a crash the file is whole, and new when
     * the write said OK. */
    (void)state;
    uint64_t nth = 0;
    enum status status;
    do {
        nth++;
        for (uint64_t seed = 0; seed < 20; seed++) {
            struct fault_fs *fault = fake_with_old(seed);
            const struct file_system *fs = fault_fs_system(fault);
            struct error err;
            fault_fs_fail(fault, FAULT_ANY, nth, STATUS_NO_SPACE, seed % 2);
            status = file_write_atomic(fs, "d/f", SLICE_LITERAL("brand new"), &err);
            assert_int_equal(status, fault_fs_failures(fault) ? STATUS_NO_SPACE : STATUS_OK);
            check_old_or_new(fault, status == STATUS_OK);
            if (seed % 2 == 0) {
                assert_false(fault_fs_exists(fault, "d/f.tmp"));
            }
            fault_fs_crash(fault, seed);
            check_old_or_new(fault, status == STATUS_OK);
            fault_fs_destroy(fault);
        }
    } while (status);
    assert_int_equal(nth, 6); /* open, append, sync, rename, sync_dir; then no fault fires */
}

static void test_read_under_faults(void **state)
{
    /* Proves that whichever call of reading a whole file fails, its status comes back and the
     * buffer stays empty. */
    (void)state;
    uint64_t nth = 0;
    enum status status;
    do {
        struct fault_fs *fault = fake_with_old(1);
        struct error err;
        struct buffer buffer;
        buffer_init(&buffer, 0);
        fault_fs_fail(fault, FAULT_ANY, ++nth, STATUS_IO, false);
        status = file_read_whole(fault_fs_system(fault), "d/f", &buffer, &err);
        assert_int_equal(buffer.size, status ? 0 : 3);
        buffer_deinit(&buffer);
        fault_fs_destroy(fault);
    } while (status);
    assert_int_equal(nth, 4); /* open, size, read_at */
}

static void test_crash_model(void **state)
{
    /* Proves that a crash keeps what was synced, and over many seeds shows each outcome it may
     * have. */
    (void)state;
    unsigned shorter = 0;
    unsigned whole = 0;
    unsigned garbled = 0;
    unsigned lost = 0;
    for (uint64_t seed = 0; seed < 300; seed++) {
        struct fault_fs *fault = fake_with_old(seed);
        const struct file_system *fs = fault_fs_system(fault);
        struct error err;
        struct file *file;
        struct file *other;
        assert_int_equal(fs->open(fs, "d/f", FILE_APPEND, &file, &err), STATUS_OK);
        assert_int_equal(fs->append(file, SLICE_LITERAL("+synced"), &err), STATUS_OK);
        assert_int_equal(fs->sync(file, &err), STATUS_OK);
        assert_int_equal(fs->append(file, SLICE_LITERAL("+tail"), &err), STATUS_OK);
        assert_int_equal(fs->open(fs, "d/new", FILE_WRITE_NEW, &other, &err), STATUS_OK);
        fault_fs_crash(fault, seed);
        assert_int_equal(fs->append(file, SLICE_LITERAL("x"), &err), STATUS_IO);
        assert_int_equal(fs->sync(file, &err), STATUS_IO);
        fs->close(file);
        fs->close(other);
        struct slice data = fault_fs_data(fault, "d/f");
        struct slice full = SLICE_LITERAL("old+synced+tail");
        assert_true(data.size >= 10 && data.size <= full.size);
        assert_memory_equal(data.data, full.data, 10);
        shorter += data.size < full.size;
        whole += slice_equal(data, full);
        garbled += memcmp(data.data, full.data, data.size) != 0;
        lost += !fault_fs_exists(fault, "d/new");
        fault_fs_destroy(fault);
    }
    assert_true(shorter > 100 && whole > 10 && garbled > 10);
    assert_in_range(lost, 100, 200);
}

static void test_sync_dir_keeps_names(void **state)
{
    /* Proves that renames and removals outlast every crash once their folder is synced. */
    (void)state;
    for (uint64_t seed = 0; seed < 50; seed++) {
        struct fault_fs *fault = fake_with_old(seed);
        const struct file_system *fs = fault_fs_system(fault);
        struct error err;
        put_text(fs, "d/g", "g");
        put_text(fs, "d/gone", "x");
        assert_int_equal(fs->rename(fs, "d/g", "d/h", &err), STATUS_OK);
        assert_int_equal(fs->remove(fs, "d/gone", &err), STATUS_OK);
        assert_int_equal(fs->sync_dir(fs, "./d/", &err), STATUS_OK);
        fault_fs_crash(fault, seed);
        check_text(fs, "d/h", "g");
        assert_false(fault_fs_exists(fault, "d/g"));
        assert_false(fault_fs_exists(fault, "d/gone"));
        fault_fs_destroy(fault);
    }
}

static void test_remove_tree(void **state)
{
    /* Proves that a tree goes with all in it, that links are not followed, and that a missing tree
     * is fine. */
    (void)state;
    const struct file_system *fs = file_system_real();
    struct error err;
    struct stat facts;
    put_text(fs, in("kept"), "kept");
    assert_int_equal(fs->make_dirs(fs, in("tree/x/y"), &err), STATUS_OK);
    put_text(fs, in("tree/x/f"), "f");
    assert_int_equal(symlink(folder, in("tree/x/y/link")), 0);
    assert_int_equal(file_remove_tree(in("tree"), &err), STATUS_OK);
    assert_int_equal(stat(in("tree"), &facts), -1);
    check_text(fs, in("kept"), "kept");
    assert_int_equal(file_remove_tree(in("tree"), &err), STATUS_OK);
    assert_int_equal(file_remove_tree(in("kept"), &err), STATUS_OK);
    assert_int_equal(stat(in("kept"), &facts), -1);
}

static void test_lock(void **state)
{
    /* Proves that a second taker is refused with the holder's number, and that release and death
     * free the lock. */
    (void)state;
    struct error err;
    struct file_lock *lock;
    struct file_lock *second;
    char want[256];
    assert_int_equal(file_lock_take(in(".lock"), &lock, &err), STATUS_OK);
    (void)snprintf(want, sizeof(want), "data folder lock %s is held by process %ld", in(".lock"),
                   (long)getpid());
    assert_int_equal(file_lock_take(in(".lock"), &second, &err), STATUS_ALREADY_EXISTS);
    assert_string_equal(err.message, want);
    file_lock_release(lock);

    pid_t child = fork();
    if (child == 0) {
        _exit(file_lock_take(in(".lock"), &lock, NULL) == STATUS_OK ? 0 : 1); /* never released */
    }
    int exit_status;
    assert_int_equal(waitpid(child, &exit_status, 0), child);
    assert_int_equal(exit_status, 0);
    assert_int_equal(file_lock_take(in(".lock"), &lock, &err), STATUS_OK);
    file_lock_release(lock);
    assert_int_equal(file_lock_take(in("no/.lock"), &lock, &err), STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_real_story),
        cmocka_unit_test(test_fake_story),
        cmocka_unit_test(test_full_disk),
        cmocka_unit_test(test_read_limit),
        cmocka_unit_test(test_atomic_write),
        cmocka_unit_test(test_atomic_write_under_faults),
        cmocka_unit_test(test_read_under_faults),
        cmocka_unit_test(test_crash_model),
        cmocka_unit_test(test_sync_dir_keeps_names),
        cmocka_unit_test(test_remove_tree),
        cmocka_unit_test(test_lock),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
