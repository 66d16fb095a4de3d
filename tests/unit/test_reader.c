/* Reader: reads back what a buffer wrote, and never past the end. */
#include "storage/base/buffer.h"
#include "storage/base/mem.h"
#include "storage/base/reader.h"
#include "tests/lib/unit.h"

#include <string.h>

static void read_all(struct reader *reader)
{
    (void)reader_u8(reader);
    (void)reader_u32(reader);
    (void)reader_u64(reader);
    (void)reader_bytes(reader, 5);
}

static void test_reads_what_was_written(void **state)
{
    /* Proves that reader and buffer agree, and that all bytes are used. */
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    buffer_append_byte(&buffer, 0xfe);
    buffer_append_u32(&buffer, 0xfedcba98);
    buffer_append_u64(&buffer, 0xfedcba9876543210);
    buffer_append_text(&buffer, "bytes");
    struct reader reader;
    reader_init(&reader, buffer_slice(&buffer));
    assert_int_equal(reader_left(&reader), 18);
    assert_int_equal(reader_u8(&reader), 0xfe);
    assert_int_equal(reader_u32(&reader), 0xfedcba98);
    assert_true(reader_u64(&reader) == 0xfedcba9876543210);
    assert_true(slice_equal(reader_bytes(&reader, 5), SLICE_LITERAL("bytes")));
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader.failed);
    (void)reader_bytes(&reader, 0);
    assert_false(reader.failed);
    buffer_deinit(&buffer);
}

static void test_every_cut(void **state)
{
    /* Proves that each shorter input fails, without a read outside of it (exact heap blocks: the
     * sanitizer looks). */
    (void)state;
    for (size_t size = 0; size < 18; size++) {
        uint8_t *data = mem_alloc(size);
        memset(data, 0xff, size);
        struct reader reader;
        reader_init(&reader, slice_of(data, size));
        read_all(&reader);
        assert_true(reader.failed);
        assert_int_equal(reader_left(&reader), 0);
        assert_int_equal(reader_u8(&reader), 0);
        assert_int_equal(reader_u32(&reader), 0);
        assert_int_equal(reader_bytes(&reader, 0).size, 0);
        mem_free(data);
    }
}

static void test_failure_stays(void **state)
{
    /* Proves that after a miss even bytes that were there read as zeros. */
    (void)state;
    struct reader reader;
    reader_init(&reader, SLICE_LITERAL("abc"));
    assert_int_equal(reader_u64(&reader), 0);
    assert_true(reader.failed);
    assert_int_equal(reader_u8(&reader), 0);
    reader_init(&reader, SLICE_LITERAL("abc"));
    assert_null(reader_bytes(&reader, SIZE_MAX).data);
    assert_true(reader.failed);
}

static void test_empty(void **state)
{
    /* Proves that no bytes at all are a fine input. */
    (void)state;
    struct reader reader;
    reader_init(&reader, slice_of(NULL, 0));
    assert_int_equal(reader_left(&reader), 0);
    assert_false(reader.failed);
    assert_int_equal(reader_u8(&reader), 0);
    assert_true(reader.failed);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reads_what_was_written),
        cmocka_unit_test(test_every_cut),
        cmocka_unit_test(test_failure_stays),
        cmocka_unit_test(test_empty),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
