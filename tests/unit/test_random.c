/* Random numbers: repeatable, bounded, without visible bias. */
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <string.h>

static void test_known_sequence(void **state)
{
    /* Proves that the generator is xoshiro256++: its first numbers from the state 1, 2, 3, 4,
     * worked out by hand. */
    (void)state;
    struct random random = {.state = {1, 2, 3, 4}};
    assert_true(random_u64(&random) == 41943041);
    assert_true(random_u64(&random) == 58720359);
}

static void test_seed_decides(void **state)
{
    /* Proves that equal seeds give equal numbers and that neighbouring seeds do not. */
    (void)state;
    struct random a;
    struct random b;
    struct random c;
    random_init(&a, 1);
    random_init(&b, 1);
    random_init(&c, 2);
    unsigned same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t value = random_u64(&a);
        assert_true(value == random_u64(&b));
        same += value == random_u64(&c);
    }
    assert_int_equal(same, 0);
}

static void test_bounds(void **state)
{
    /* Proves that bounded numbers stay inside and fill the range evenly. */
    (void)state;
    enum { BOUND = 10, ROUNDS = 100000 };
    struct random random;
    random_init(&random, 9);
    unsigned counts[BOUND] = {0};
    double sum = 0;
    for (int i = 0; i < ROUNDS; i++) {
        uint64_t value = random_below(&random, BOUND);
        assert_true(value < BOUND);
        counts[value]++;
        double real = random_double(&random);
        assert_true(real >= 0 && real < 1);
        sum += real;
        assert_int_equal(random_below(&random, 1), 0);
        assert_true(random_below(&random, UINT64_MAX) < UINT64_MAX);
    }
    for (size_t i = 0; i < BOUND; i++) {
        /* 10000 expected, standard deviation 95. */
        assert_in_range(counts[i], 9500, 10500);
    }
    assert_true(sum > ROUNDS * 0.495 && sum < ROUNDS * 0.505);
}

static void test_os_bytes(void **state)
{
    /* Proves that the operating system's bytes fill all of the room and differ. */
    (void)state;
    static uint8_t a[5000];
    static uint8_t b[5000];
    random_os_bytes(a, sizeof(a));
    random_os_bytes(b, sizeof(b));
    assert_memory_not_equal(a, b, sizeof(a));
    assert_memory_not_equal(a + sizeof(a) - 16, b + sizeof(b) - 16, 16);
    random_os_bytes(NULL, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_sequence),
        cmocka_unit_test(test_seed_decides),
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_os_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
