/* Buffer: bytes equal a plain array, the limit, taking the memory. */
#include "storage/base/buffer.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

enum { SEED = 7 };

static void test_appends_like_an_array(void **state)
{
    /* Proves that all ways to append give the bytes a plain array would have. */
    (void)state;
    static uint8_t model[200000];
    size_t size = 0;
    struct random random;
    random_init(&random, SEED);
    print_message("seed %d\n", SEED);
    struct buffer buffer;
    buffer_init(&buffer, 0);
    while (size < sizeof(model) - 2000) {
        uint64_t value = random_u64(&random);
        uint8_t piece[1000];
        size_t piece_size = random_below(&random, sizeof(piece));
        char text[32];
        uint8_t *room;
        switch (random_below(&random, 5)) {
        case 0:
            memset(piece, (int)(value & 0xff), piece_size);
            buffer_append(&buffer, piece, piece_size);
            memcpy(model + size, piece, piece_size);
            size += piece_size;
            break;
        case 1:
            buffer_append_byte(&buffer, (uint8_t)value);
            model[size++] = (uint8_t)value;
            break;
        case 2:
            buffer_printf(&buffer, "%llu", (unsigned long long)value);
            size += (size_t)snprintf((char *)model + size, 32, "%llu", (unsigned long long)value);
            break;
        case 3:
            (void)snprintf(text, sizeof(text), "t%u", (unsigned)value);
            buffer_append_text(&buffer, text);
            memcpy(model + size, text, strlen(text));
            size += strlen(text);
            break;
        default:
            room = buffer_reserve(&buffer, 100);
            memset(room, 'r', 50);
            buffer_commit(&buffer, 50);
            memset(model + size, 'r', 50);
            size += 50;
        }
    }
    assert_false(buffer.failed);
    assert_true(slice_equal(buffer_slice(&buffer), slice_of(model, size)));
    buffer_deinit(&buffer);
}

static void test_limit(void **state)
{
    /* Proves that the limit is exact, that failing sticks, and that clearing takes it back. */
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 10);
    buffer_append_text(&buffer, "0123456789");
    assert_false(buffer.failed);
    buffer_append_byte(&buffer, 'x');
    assert_true(buffer.failed);
    assert_int_equal(buffer.size, 10);
    buffer_clear(&buffer);
    buffer_printf(&buffer, "%s", "0123456789");
    assert_false(buffer.failed);
    buffer_printf(&buffer, "%s", "");
    assert_false(buffer.failed);
    buffer_printf(&buffer, "y");
    assert_true(buffer.failed);
    buffer_clear(&buffer);
    assert_null(buffer_reserve(&buffer, SIZE_MAX));
    assert_true(buffer.failed);
    buffer_append_byte(&buffer, 'z');
    assert_int_equal(buffer.size, 0);
    buffer_deinit(&buffer);
    assert_int_equal(buffer.bytes_max, 10);
}

static void test_take(void **state)
{
    /* Proves that the memory changes hands and the buffer can be used on. */
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 100);
    buffer_append_text(&buffer, "hello");
    size_t size;
    uint8_t *data = buffer_take(&buffer, &size);
    assert_int_equal(size, 5);
    assert_memory_equal(data, "hello", 5);
    assert_int_equal(buffer.size, 0);
    assert_int_equal(buffer.bytes_max, 100);
    buffer_append_text(&buffer, "again");
    assert_true(slice_equal(buffer_slice(&buffer), SLICE_LITERAL("again")));
    mem_free(data);
    buffer_deinit(&buffer);
}

static void test_integers(void **state)
{
    /* Proves the byte order of integers in file formats. */
    (void)state;
    struct buffer buffer;
    buffer_init(&buffer, 0);
    buffer_append_u32(&buffer, 0x01020304);
    buffer_append_u64(&buffer, 0x0102030405060708);
    static const uint8_t want[] = {4, 3, 2, 1, 8, 7, 6, 5, 4, 3, 2, 1};
    assert_true(slice_equal(buffer_slice(&buffer), slice_of(want, sizeof(want))));
    buffer_deinit(&buffer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_appends_like_an_array),
        cmocka_unit_test(test_limit),
        cmocka_unit_test(test_take),
        cmocka_unit_test(test_integers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
