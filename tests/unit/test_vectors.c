/* Rows that never move, and vectors that readers see while the writer appends. */
#include "index/vectors.h"

/* cmocka needs these before it. */
/* clang-format off */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

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

/* Rows are padded to what the kernels like: 32 bytes, 64 from 512 up. */
static void test_strides(void **state)
{
    (void)state;
    static const struct {
        enum element element;
        size_t dim, stride;
    } cases[] = {{ELEMENT_F32, 1, 32},        {ELEMENT_F32, 100, 416}, {ELEMENT_F32, 128, 512},
                 {ELEMENT_F32, 129, 576},     {ELEMENT_F16, 17, 64},   {ELEMENT_U8, 33, 64},
                 {ELEMENT_F32, 65536, 262144}};
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

int main(void)
{
    kernel_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_blocks_do_not_move), cmocka_unit_test(test_blocks_limit),
        cmocka_unit_test(test_presence),           cmocka_unit_test(test_strides),
        cmocka_unit_test(test_read_beside_write),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
