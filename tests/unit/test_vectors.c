/* Rows that never move, vectors that readers see while the writer appends, and files of rows that
 * outlive their process, whatever happens to them. */
#include "index/vectors.h"
#include "index/vectors_file.h"
#include "storage/base/file.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* Rows keep their address and their bytes while blocks are added, across block borders; new rows
 * are zero. */
static void test_blocks_do_not_move(void **state)
{
    (void)state;
    struct blocks blocks;
    assert_int_equal(blocks_init(&blocks, 1 << 20, NULL), STATUS_OK);
    assert_int_equal(blocks_grow(&blocks, 1, NULL), STATUS_OK);
    uint8_t *first = blocks_at(&blocks, 0);
    memset(first, 1, 1 << 20);
    size_t rows_a_block = (size_t)1 << blocks.shift;
    for (size_t rows = 2; rows <= 2 * rows_a_block + 1; rows++) {
        assert_int_equal(blocks_grow(&blocks, rows, NULL), STATUS_OK);
        uint8_t *row = blocks_at(&blocks, rows - 1);
        assert_int_equal(row[0], 0);
        assert_int_equal(row[(1 << 20) - 1], 0);
        row[0] = (uint8_t)rows;
    }
    assert_ptr_equal(blocks_at(&blocks, 0), first);
    assert_int_equal(first[(1 << 20) - 1], 1);
    uint8_t *border = blocks_at(&blocks, rows_a_block);
    assert_int_equal(border[0], (uint8_t)(rows_a_block + 1));
    blocks_deinit(&blocks);
}

/* A table that is full says so and stays as it is. */
static void test_blocks_limit(void **state)
{
    (void)state;
    struct blocks blocks;
    assert_int_equal(blocks_init(&blocks, 64 << 20, NULL), STATUS_OK);
    assert_int_equal(blocks.shift, 0);
    struct error err;
    assert_int_equal(blocks_grow(&blocks, (size_t)BLOCKS_MAX + 1, &err), STATUS_TOO_LARGE);
    assert_int_equal(blocks.blocks_count, 0);
    blocks_deinit(&blocks);
}

/* Put, gap, absent, remove: presence is exactly what was put and not removed; bytes come back. */
static void test_presence(void **state)
{
    (void)state;
    struct vectors vectors;
    assert_int_equal(vectors_init(&vectors, DISTANCE_EUCLID, ELEMENT_F32, 3, NULL), STATUS_OK);
    assert_false(vectors_has(&vectors, 0));
    const float a[] = {1, 2, 3};
    assert_int_equal(vectors_put(&vectors, 0, a, NULL), STATUS_OK);
    assert_int_equal(vectors_put(&vectors, 1, NULL, NULL), STATUS_OK);
    assert_int_equal(vectors_put(&vectors, 70000, a, NULL), STATUS_OK);
    assert_int_equal(vectors_count(&vectors), 70001);
    assert_true(vectors_has(&vectors, 0));
    assert_false(vectors_has(&vectors, 1));
    assert_false(vectors_has(&vectors, 69999));
    assert_true(vectors_has(&vectors, 70000));
    assert_false(vectors_has(&vectors, 70001));
    assert_memory_equal(vectors_at(&vectors, 70000), a, sizeof a);
    vectors_remove(&vectors, 70000);
    assert_false(vectors_has(&vectors, 70000));
    assert_memory_equal(vectors_at(&vectors, 70000), a, sizeof a);
    assert_true(vectors_memory(&vectors) >= 70001 * 32);
    vectors_deinit(&vectors);
}

/* Rows are padded to what the kernels like: 32 bytes, 64 from 512 up; 8 where they are short to
 * save room. */
static void test_strides(void **state)
{
    (void)state;
    static const struct {
        enum element element;
        size_t dim, stride;
    } cases[] = {
        {ELEMENT_F32, 1, 32},         {ELEMENT_F32, 100, 416},  {ELEMENT_F32, 128, 512},
        {ELEMENT_F32, 129, 576},      {ELEMENT_F16, 17, 64},    {ELEMENT_U8, 33, 64},
        {ELEMENT_F32, 65536, 262144}, {ELEMENT_TURBO4, 64, 40}, {ELEMENT_TURBO4, 1537, 784}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vectors vectors;
        assert_int_equal(vectors_init(&vectors, DISTANCE_DOT, cases[i].element, cases[i].dim, NULL),
                         STATUS_OK);
        assert_int_equal(vectors.rows.stride, cases[i].stride);
        vectors_deinit(&vectors);
    }
}

enum { ROWS = 200000 };

static void *read_rows(void *arg)
{
    struct vectors *vectors = arg;
    size_t checked = 0;
    while (checked < ROWS) {
        size_t count = vectors_count(vectors);
        for (; checked < count; checked++) {
            if (checked % 3 == 0) {
                continue;
            }
            const uint32_t *row = vectors_at(vectors, (point_offset)checked);
            assert_int_equal(row[0], checked);
            assert_int_equal(row[3], ~checked & 0xffffffff);
        }
    }
    return NULL;
}

/* Readers see every published row whole while the writer goes on (meaningful under the thread
 * sanitizer). */
static void test_read_beside_write(void **state)
{
    (void)state;
    struct vectors vectors;
    assert_int_equal(vectors_init(&vectors, DISTANCE_EUCLID, ELEMENT_F32, 4, NULL), STATUS_OK);
    pthread_t readers[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, read_rows, &vectors), 0);
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        const uint32_t row[] = {i, 0, 0, ~i};
        assert_int_equal(vectors_put(&vectors, i, i % 3 == 0 ? NULL : row, NULL), STATUS_OK);
        if (i % 7 == 1) {
            vectors_remove(&vectors, i / 2);
        }
    }
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(readers[i], NULL), 0);
    }
    vectors_deinit(&vectors);
}

/* ---- files ---- */

enum { FILE_DIM = 256, FILE_ROWS = 10000 }; /* three pieces */

struct folder {
    char path[64];
    char base[80];
    char rows[96];
    char seal[96];
};

static void folder_make(struct folder *folder)
{
    (void)snprintf(folder->path, sizeof(folder->path), "/tmp/sagitta-vectors-XXXXXX");
    assert_non_null(mkdtemp(folder->path));
    (void)snprintf(folder->base, sizeof(folder->base), "%s/0", folder->path);
    (void)snprintf(folder->rows, sizeof(folder->rows), "%s.rows", folder->base);
    (void)snprintf(folder->seal, sizeof(folder->seal), "%s.seal", folder->base);
}

static void folder_remove(const struct folder *folder)
{
    assert_int_equal(file_remove_tree(folder->path, NULL), STATUS_OK);
}

static void open_file(const struct folder *folder, const struct blocks_system *system,
                      enum placement placement, struct vectors *out)
{
    struct vectors_file_options options = {
        .base = folder->base, .placement = placement, .count_max = FILE_ROWS, .system = system};
    struct error err = {0};
    if (vectors_open(out, DISTANCE_EUCLID, ELEMENT_F32, FILE_DIM, &options, &err) != STATUS_OK) {
        fail_msg("vectors_open: %s", err.message);
    }
}

/* What row i holds; every fifth is absent. */
static bool make_row(point_offset i, float row[FILE_DIM])
{
    for (size_t d = 0; d < FILE_DIM; d++) {
        row[d] = (float)(i * 3 + d);
    }
    return i % 5 != 4;
}

static void put_rows(struct vectors *vectors, point_offset end)
{
    for (point_offset i = (point_offset)vectors_count(vectors); i < end; i++) {
        float row[FILE_DIM];
        bool present = make_row(i, row);
        assert_int_equal(vectors_put(vectors, i, present ? row : NULL, NULL), STATUS_OK);
    }
}

static void check_rows(struct vectors *vectors, point_offset end)
{
    assert_int_equal(vectors_count(vectors), end);
    for (point_offset i = 0; i < end; i++) {
        float row[FILE_DIM];
        bool present = make_row(i, row);
        assert_int_equal(vectors_is_filled(vectors, i), present);
        if (present) {
            assert_memory_equal(vectors_at(vectors, i), row, sizeof(row));
        }
    }
}

static enum status verify_all(struct vectors *vectors, point_offset *first, uint32_t *count)
{
    bool more = true;
    enum status status = STATUS_OK;
    while (more && status == STATUS_OK) {
        status = vectors_verify(vectors, &more, first, count, NULL);
    }
    return status;
}

static uint64_t file_blocks(const char *path)
{
    struct stat facts;
    assert_int_equal(stat(path, &facts), 0);
    return (uint64_t)facts.st_blocks * 512;
}

/* What was sealed is there at the next opening, whole and verified; what was put after the seal is
 * not; each placement does the same. */
static void test_file_survives(void **state)
{
    (void)state;
    for (enum placement placement = PLACEMENT_CACHED; placement <= PLACEMENT_PINNED; placement++) {
        struct folder folder;
        struct vectors vectors;
        folder_make(&folder);
        open_file(&folder, NULL, placement, &vectors);
        assert_int_equal(vectors_count(&vectors), 0);
        put_rows(&vectors, 6001);
        assert_int_equal(vectors_seal(&vectors, 5001, NULL), STATUS_OK);
        assert_int_equal(vectors_sealed(&vectors), 5001);
        assert_int_equal(vectors_seal(&vectors, FILE_ROWS, NULL), STATUS_OK);
        assert_int_equal(vectors_sealed(&vectors), 6001);
        put_rows(&vectors, FILE_ROWS);
        check_rows(&vectors, FILE_ROWS);
        struct vectors_usage usage = vectors_usage(&vectors);
        assert_int_equal(usage.mapped, FILE_ROWS * FILE_DIM * 4);
        assert_int_equal(usage.anonymous, FILE_ROWS);
        vectors_deinit(&vectors);
        for (int i = 0; i < 3; i++) { /* as it was, and again beside rows put anew */
            open_file(&folder, NULL, placement, &vectors);
            check_rows(&vectors, 6001);
            assert_false(vectors_has(&vectors, 0));
            assert_true(vectors_revive(&vectors, 0));
            assert_true(vectors_has(&vectors, 0));
            assert_false(vectors_revive(&vectors, 4));
            assert_int_equal(verify_all(&vectors, NULL, NULL), STATUS_OK);
            put_rows(&vectors, FILE_ROWS);
            check_rows(&vectors, FILE_ROWS);
            vectors_deinit(&vectors);
        }
        folder_remove(&folder);
    }
}

static void flip(const char *path, off_t offset)
{
    int fd = open(path, O_RDWR);
    uint8_t byte;
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, offset), 1);
    byte ^= 0x40;
    assert_int_equal(pwrite(fd, &byte, 1, offset), 1);
    close(fd);
}

/* A record that is damaged, cut, missing, of other vectors or of more rows than there may be, and a
 * file that is missing or too short: no rows, and all can be put again. */
static void test_file_of_no_use(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, 20261125);
    for (int what = 0; what < 12; what++) {
        struct folder folder;
        struct vectors vectors;
        folder_make(&folder);
        open_file(&folder, NULL, PLACEMENT_CACHED, &vectors);
        put_rows(&vectors, FILE_ROWS);
        assert_int_equal(vectors_seal(&vectors, FILE_ROWS, NULL), STATUS_OK);
        vectors_deinit(&vectors);
        struct stat record;
        assert_int_equal(stat(folder.seal, &record), 0);
        struct vectors_file_options options = {.base = folder.base, .count_max = FILE_ROWS};
        size_t dim = FILE_DIM;
        switch (what) {
        case 0:
            assert_int_equal(unlink(folder.seal), 0);
            break;
        case 1:
            assert_int_equal(unlink(folder.rows), 0);
            break;
        case 2:
            assert_int_equal(truncate(folder.rows, (FILE_ROWS - 1) * FILE_DIM * 4), 0);
            break;
        case 3:
            assert_int_equal(truncate(folder.seal, record.st_size - 1), 0);
            break;
        case 4:
            options.count_max = FILE_ROWS - 1;
            break;
        case 5:
            dim = FILE_DIM - 1;
            break;
        case 6:
            assert_int_equal(truncate(folder.seal, 0), 0);
            break;
        default:
            flip(folder.seal, (off_t)random_below(&random, (uint64_t)record.st_size));
            break;
        }
        assert_int_equal(vectors_open(&vectors, DISTANCE_EUCLID, ELEMENT_F32, dim, &options, NULL),
                         STATUS_OK);
        assert_int_equal(vectors_count(&vectors), 0);
        assert_int_equal(vectors_sealed(&vectors), 0);
        if (dim == FILE_DIM) {
            put_rows(&vectors, FILE_ROWS);
            check_rows(&vectors, FILE_ROWS);
            assert_int_equal(vectors_seal(&vectors, FILE_ROWS, NULL), STATUS_OK);
        }
        vectors_deinit(&vectors);
        folder_remove(&folder);
    }
}

/* Any damaged row is found, in its piece; rewritten and mended, the next opening finds all well. */
static void test_damaged_rows(void **state)
{
    (void)state;
    struct folder folder;
    struct vectors vectors;
    struct random random;
    random_init(&random, 20261126);
    folder_make(&folder);
    open_file(&folder, NULL, PLACEMENT_CACHED, &vectors);
    put_rows(&vectors, FILE_ROWS);
    assert_int_equal(vectors_seal(&vectors, FILE_ROWS, NULL), STATUS_OK);
    vectors_deinit(&vectors);
    for (int round = 0; round < 10; round++) {
        point_offset first = 0;
        uint32_t count = 0;
        point_offset row = (point_offset)random_below(&random, FILE_ROWS) / 5 * 5;
        float right[FILE_DIM];
        flip(folder.rows, (off_t)row * FILE_DIM * 4 + (off_t)random_below(&random, FILE_DIM * 4));
        open_file(&folder, NULL, PLACEMENT_CACHED, &vectors);
        assert_int_equal(verify_all(&vectors, &first, &count), STATUS_CORRUPT);
        assert_true(row >= first && row < first + count && first + count <= FILE_ROWS);
        assert_true(make_row(row, right));
        vectors_rewrite(&vectors, row, right);
        assert_int_equal(vectors_mend(&vectors, first, NULL), STATUS_OK);
        assert_int_equal(verify_all(&vectors, &first, &count), STATUS_OK);
        vectors_deinit(&vectors);
        open_file(&folder, NULL, PLACEMENT_CACHED, &vectors);
        assert_int_equal(verify_all(&vectors, &first, &count), STATUS_OK);
        vectors_deinit(&vectors);
    }
    folder_remove(&folder);
}

static size_t anonymous_kb(void)
{
    char text[4096];
    FILE *file = fopen("/proc/self/status", "r");
    assert_non_null(file);
    text[fread(text, 1, sizeof(text) - 1, file)] = 0;
    (void)fclose(file);
    const char *line = strstr(text, "RssAnon:");
    assert_non_null(line);
    return strtoul(line + strlen("RssAnon:"), NULL, 10);
}

/* Rows of a file cost the process no memory of its own, whatever their placement: the system can
 * always write them out. */
static void test_file_memory(void **state)
{
    (void)state;
    struct folder folder;
    struct vectors vectors;
    const size_t file_kb = (size_t)FILE_ROWS * 4 * FILE_DIM * 4 / 1024;
    folder_make(&folder);
    open_file(&folder, NULL, PLACEMENT_COLD, &vectors);
    size_t before_kb = anonymous_kb();
    float row[FILE_DIM] = {1};
    for (point_offset i = 0; i < FILE_ROWS * 4; i++) {
        assert_int_equal(vectors_put(&vectors, i, row, NULL), STATUS_OK);
    }
    assert_int_equal(vectors_seal(&vectors, FILE_ROWS * 4, NULL), STATUS_OK);
#ifdef __SANITIZE_THREAD__ /* has memory of its own for every byte touched */
    (void)before_kb;
    (void)file_kb;
#else
    assert_true(anonymous_kb() < before_kb + file_kb / 4);
#endif
    vectors_deinit(&vectors);
    folder_remove(&folder);
}

static uint64_t room_left = UINT64_MAX;
static bool sync_fails, punch_fails;

static int failing_allocate(int fd, uint64_t offset, uint64_t size)
{
    if (size > room_left) {
        return ENOSPC;
    }
    room_left -= size;
    return blocks_system_real()->allocate(fd, offset, size);
}

static int failing_sync(int fd)
{
    return sync_fails ? EIO : blocks_system_real()->sync(fd);
}

static int failing_punch(int fd, uint64_t offset, uint64_t size)
{
    return punch_fails ? EIO : blocks_system_real()->punch(fd, offset, size);
}

static const struct blocks_system failing = {
    .allocate = failing_allocate, .sync = failing_sync, .punch = failing_punch};

/* A disk that fills up refuses the row that has no room, at the last page that there is, keeps all
 * others, and takes the row when there is room again. */
static void test_disk_full(void **state)
{
    (void)state;
    struct folder folder;
    struct vectors vectors;
    float row[FILE_DIM];
    folder_make(&folder);
    room_left = 1 << 20;
    open_file(&folder, &failing, PLACEMENT_CACHED, &vectors);
    point_offset count = 0;
    enum status status = STATUS_OK;
    while (status == STATUS_OK) {
        (void)make_row(count, row);
        status = vectors_put(&vectors, count, row, NULL);
        count += status == STATUS_OK;
    }
    assert_int_equal(status, STATUS_NO_SPACE);
    assert_int_equal(count, (1 << 20) / sizeof(row));
    assert_int_equal(vectors_count(&vectors), count);
    assert_int_equal(vectors_reserve(&vectors, count + 7, NULL), STATUS_NO_SPACE);
    room_left = UINT64_MAX;
    assert_int_equal(vectors_put(&vectors, count, row, NULL), STATUS_OK);
    for (point_offset i = 0; i < count; i++) {
        (void)make_row(i, row);
        assert_memory_equal(vectors_at(&vectors, i), row, sizeof(row));
    }
    vectors_deinit(&vectors);
    folder_remove(&folder);
}

/* A failed sync seals nothing, now or later; the rows stay readable; the next opening has what was
 * sealed before. */
static void test_failed_sync(void **state)
{
    (void)state;
    struct folder folder;
    struct vectors vectors;
    folder_make(&folder);
    open_file(&folder, &failing, PLACEMENT_CACHED, &vectors);
    put_rows(&vectors, 1000);
    assert_int_equal(vectors_seal(&vectors, 1000, NULL), STATUS_OK);
    put_rows(&vectors, 2000);
    sync_fails = true;
    assert_int_equal(vectors_seal(&vectors, 2000, NULL), STATUS_IO);
    sync_fails = false;
    assert_int_equal(vectors_seal(&vectors, 2000, NULL), STATUS_IO);
    assert_int_equal(vectors_sealed(&vectors), 1000);
    check_rows(&vectors, 2000);
    vectors_deinit(&vectors);
    open_file(&folder, &failing, PLACEMENT_CACHED, &vectors);
    check_rows(&vectors, 1000);
    vectors_deinit(&vectors);
    folder_remove(&folder);
}

/* Rows that are dead and not referred to go: the file and memory shrink, neighbours stay, the
 * record agrees with the file before and after, also when the disk refuses to take room back. */
static void test_release(void **state)
{
    (void)state;
    struct folder folder;
    struct vectors vectors;
    size_t released = 0;
    folder_make(&folder);
    open_file(&folder, &failing, PLACEMENT_CACHED, &vectors);
    put_rows(&vectors, FILE_ROWS);
    assert_int_equal(vectors_seal(&vectors, FILE_ROWS, NULL), STATUS_OK);
    uint64_t full = file_blocks(folder.rows);
    assert_true(full >= (uint64_t)FILE_ROWS * FILE_DIM * 4);
    for (point_offset i = 0; i < FILE_ROWS; i++) {
        if (i % 1000 >= 100 && vectors_has(&vectors, i)) {
            vectors_retire(&vectors, i);
            vectors_unrefer(&vectors, i);
        }
    }
    assert_int_equal(vectors_release(&vectors, &released, NULL), STATUS_OK);
    assert_int_equal(released, 0); /* readers may still come */
    for (point_offset i = 0; i < FILE_ROWS; i++) {
        vectors_bury(&vectors, i);
        assert_int_equal(vectors_had(&vectors, i), i % 1000 < 100 && i % 5 != 4);
    }
    punch_fails = true;
    assert_int_equal(vectors_release(&vectors, &released, NULL), STATUS_IO);
    assert_int_equal(released, 0);
    punch_fails = false;
    assert_int_equal(vectors_release(&vectors, &released, NULL), STATUS_OK);
    assert_int_equal(released, 7200); /* the last row is absent from the start */
    assert_true(file_blocks(folder.rows) < full / 6);
    assert_true(vectors_usage(&vectors).mapped < full / 6);
    for (int round = 0; round < 2; round++) {
        float row[FILE_DIM];
        for (point_offset i = 0; i < FILE_ROWS; i++) {
            bool stays = make_row(i, row) && i % 1000 < 100;
            assert_int_equal(vectors_is_filled(&vectors, i), stays);
            if (stays) {
                assert_memory_equal(vectors_at(&vectors, i), row, sizeof(row));
            }
        }
        vectors_deinit(&vectors);
        open_file(&folder, &failing, PLACEMENT_CACHED, &vectors);
        assert_int_equal(verify_all(&vectors, NULL, NULL), STATUS_OK);
    }
    vectors_deinit(&vectors);
    folder_remove(&folder);
}

/* The same in anonymous memory; pages that were given back read as zeros. */
static void test_release_memory(void **state)
{
    (void)state;
    struct vectors vectors;
    size_t released = 0;
    float row[FILE_DIM];
    assert_int_equal(vectors_init(&vectors, DISTANCE_EUCLID, ELEMENT_F32, FILE_DIM, NULL),
                     STATUS_OK);
    put_rows(&vectors, FILE_ROWS);
    for (point_offset i = 64; i < FILE_ROWS - 64; i++) {
        if (vectors_has(&vectors, i)) {
            vectors_remove(&vectors, i);
            vectors_unrefer(&vectors, i);
        }
    }
    size_t before = vectors_memory(&vectors);
    assert_int_equal(vectors_release(&vectors, &released, NULL), STATUS_OK);
    assert_true(released > 7000);
    assert_true(vectors_memory(&vectors) < before / 20);
    assert_int_equal(*(const float *)vectors_at(&vectors, 5000), 0);
    assert_true(make_row(60, row));
    assert_memory_equal(vectors_at(&vectors, 60), row, sizeof(row));
    vectors_deinit(&vectors);
}

static void *read_file_rows(void *arg)
{
    struct vectors *vectors = arg;
    size_t checked = 0;
    while (checked < FILE_ROWS) {
        size_t count = vectors_count(vectors);
        for (; checked < count; checked++) {
            float row[FILE_DIM];
            if (make_row((point_offset)checked, row)) {
                assert_memory_equal(vectors_at(vectors, (point_offset)checked), row, sizeof(row));
            }
        }
    }
    return NULL;
}

static void *seal_rows(void *arg)
{
    struct vectors *vectors = arg;
    while (vectors_sealed(vectors) < FILE_ROWS) {
        size_t released = 0;
        assert_int_equal(vectors_seal(vectors, (point_offset)vectors_count(vectors), NULL),
                         STATUS_OK);
        assert_int_equal(vectors_release(vectors, &released, NULL), STATUS_OK);
    }
    return NULL;
}

/* A reader and a thread that seals beside the writer: all rows are seen whole, and all are sealed
 * as they are (meaningful under the thread sanitizer). */
static void test_seal_beside_write(void **state)
{
    (void)state;
    struct folder folder;
    struct vectors vectors;
    pthread_t reader;
    pthread_t sealer;
    folder_make(&folder);
    open_file(&folder, NULL, PLACEMENT_COLD, &vectors);
    assert_int_equal(pthread_create(&reader, NULL, read_file_rows, &vectors), 0);
    assert_int_equal(pthread_create(&sealer, NULL, seal_rows, &vectors), 0);
    put_rows(&vectors, FILE_ROWS);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(pthread_join(sealer, NULL), 0);
    vectors_deinit(&vectors);
    open_file(&folder, NULL, PLACEMENT_COLD, &vectors);
    check_rows(&vectors, FILE_ROWS);
    assert_int_equal(verify_all(&vectors, NULL, NULL), STATUS_OK);
    vectors_deinit(&vectors);
    folder_remove(&folder);
}

int main(void)
{
    kernel_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_do_not_move), cmocka_unit_test(test_blocks_limit),
        cmocka_unit_test(test_presence),           cmocka_unit_test(test_strides),
        cmocka_unit_test(test_read_beside_write),  cmocka_unit_test(test_file_survives),
        cmocka_unit_test(test_file_of_no_use),     cmocka_unit_test(test_damaged_rows),
        cmocka_unit_test(test_file_memory),        cmocka_unit_test(test_disk_full),
        cmocka_unit_test(test_failed_sync),        cmocka_unit_test(test_release),
        cmocka_unit_test(test_release_memory),     cmocka_unit_test(test_seal_beside_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
