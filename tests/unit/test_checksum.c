/* Checksums: the published values of XXH3, chaining, and sensitivity to each bit. */
#include "storage/base/checksum.h"
#include "tests/lib/unit.h"

static void test_known_values(void **state)
{
    /* Proves that files written today can be read by every later build: the function is XXH3 with
     * 64 bits. */
    (void)state;
    assert_true(checksum64(slice_of(NULL, 0)) == 0x2d06800538d394c2U);
    assert_true(checksum64_seeded(slice_of(NULL, 0), 0) == 0x2d06800538d394c2U);
    assert_true(checksum64(SLICE_LITERAL("abc")) == checksum64_seeded(SLICE_LITERAL("abc"), 0));
}

static void test_each_bit_counts(void **state)
{
    /* Proves that no single flipped bit goes unnoticed, in short and long input, and that the seed
     * counts. */
    (void)state;
    static uint8_t data[300];
    for (size_t size = 1; size <= sizeof(data); size += 23) {
        uint64_t right = checksum64(slice_of(data, size));
        assert_true(right != checksum64_seeded(slice_of(data, size), 1));
        assert_true(right != checksum64(slice_of(data, size - 1)));
        for (size_t bit = 0; bit < size * 8; bit++) {
            data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
            assert_true(checksum64(slice_of(data, size)) != right);
            data[bit / 8] ^= (uint8_t)(1U << (bit % 8));
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_each_bit_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
