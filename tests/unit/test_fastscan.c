/* The fast scan of 4-bit codes: the set in use against the reference. */
#include "index/kernel/fastscan.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { COUNT_MAX = 200, PAIRS_MAX = FASTSCAN_SUBS_MAX / 2, BLOCKS = 7 };
static const uint64_t SEED = 20241126;

/* Codes are of vectors that lie in memory of exactly their size; `large` takes the largest values
 * of tables and addends. */
static void check_sums(size_t pairs, bool has_addends, size_t count, bool large)
{
    struct random random;
    random_init(&random, SEED + pairs * 1000 + count);
    uint8_t *tables = aligned_alloc(32, pairs * 32);
    size_t bytes = (count + 31) / 32 * fastscan_block_bytes(pairs, has_addends);
    uint8_t *blocks = malloc(bytes + (bytes == 0));
    assert_true(tables != NULL && blocks != NULL);
    for (size_t i = 0; i < pairs * 32; i++) {
        tables[i] = large ? FASTSCAN_VALUE_MAX : (uint8_t)random_below(&random, 64);
    }
    for (size_t i = 0; i < bytes; i++) {
        blocks[i] = large ? 255 : (uint8_t)random_below(&random, 256);
    }
    struct fastscan_query query = {tables, pairs, has_addends,
                                   large ? UINT16_MAX : (uint16_t)random_below(&random, 3000)};
    uint16_t expected[BLOCKS * FASTSCAN_BLOCK];
    uint16_t sums[BLOCKS * FASTSCAN_BLOCK];
    fastscan_scalar.sums(&query, blocks, count, expected);
    fastscan_get()->sums(&query, blocks, count, sums);
    assert_memory_equal(sums, expected, count * sizeof *sums);
    static const uint16_t bounds[] = {0, 1, 32, UINT16_MAX};
    for (size_t b = 0; b < 4; b++) {
        uint16_t bound = b == 1 && count > 0 ? expected[count / 2] : bounds[b];
        uint32_t positions[2][COUNT_MAX];
        uint16_t found[2][COUNT_MAX];
        size_t have = fastscan_scalar.below(&query, blocks, count, bound, positions[0], found[0]);
        assert_int_equal(
            fastscan_get()->below(&query, blocks, count, bound, positions[1], found[1]), have);
        assert_memory_equal(positions[0], positions[1], have * sizeof **positions);
        assert_memory_equal(found[0], found[1], have * sizeof **found);
    }
    free(tables);
    free(blocks);
}

/* Sums, and which of them are below a bound, are those of the reference, for every rest of a block
 * and for the largest sums. */
static void test_sums(void **state)
{
    (void)state;
    printf("%s, seed %llu\n", fastscan_get()->name, (unsigned long long)SEED);
    for (size_t count = 0; count <= COUNT_MAX; count++) {
        check_sums(1 + count % 13, count % 2 == 0, count, false);
    }
    for (size_t pairs = 1; pairs <= 40; pairs++) {
        check_sums(pairs, pairs % 3 == 0, 70, pairs % 4 == 0);
    }
    check_sums(PAIRS_MAX, false, 65, true);
    check_sums(PAIRS_MAX, true, 65, true);
}

/* The weighted sum over a row of nibbles is that of the reference. */
static void test_rest(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    for (size_t bytes = 32; bytes <= 300; bytes++) {
        size_t steps = (bytes + 31) / 32;
        uint8_t *row = malloc(bytes);
        int8_t *weights = malloc(steps * 64);
        assert_true(row != NULL && weights != NULL);
        for (size_t i = 0; i < bytes; i++) {
            row[i] = bytes % 3 == 0 ? 255 : (uint8_t)random_below(&random, 256);
        }
        for (size_t i = 0; i < steps * 64; i++) {
            weights[i] = bytes % 3 == 0 ? -128 : (int8_t)((int)random_below(&random, 256) - 128);
        }
        assert_int_equal(fastscan_get()->rest(row, bytes, weights),
                         fastscan_scalar.rest(row, bytes, weights));
        free(row);
        free(weights);
    }
}

/* Tables and nearest codewords are those of the reference up to rounding; a table's bytes stay
 * within half a step of its floats. */
static void test_tables(void **state)
{
    (void)state;
    enum { SUBS = 10, WIDTH = 3, WORDS = SUBS * WIDTH * FASTSCAN_WORDS };
    struct random random;
    random_init(&random, SEED);
    float q[SUBS * WIDTH];
    float words[WORDS];
    for (size_t i = 0; i < SUBS * WIDTH; i++) {
        q[i] = (float)random_double(&random) - 0.5f;
    }
    for (size_t i = 0; i < WORDS; i++) {
        words[i] = (float)random_double(&random) - 0.5f;
    }
    for (int absolute = 0; absolute < 2; absolute++) {
        float expected[SUBS * FASTSCAN_WORDS];
        float tables[SUBS * FASTSCAN_WORDS];
        uint8_t bytes[SUBS * FASTSCAN_WORDS];
        fastscan_scalar.tables(q, words, SUBS, WIDTH, -2.0f, absolute != 0, expected);
        fastscan_get()->tables(q, words, SUBS, WIDTH, -2.0f, absolute != 0, tables);
        struct fastscan_quantized all = fastscan_get()->quantize(tables, SUBS, 0.0f, bytes);
        float low = 0.0f;
        for (size_t s = 0; s < SUBS; s++) {
            float least = INFINITY;
            for (size_t w = s * FASTSCAN_WORDS; w < (s + 1) * FASTSCAN_WORDS; w++) {
                assert_true(fabsf(tables[w] - expected[w]) < 1e-5f);
                least = tables[w] < least ? tables[w] : least;
            }
            for (size_t w = s * FASTSCAN_WORDS; w < (s + 1) * FASTSCAN_WORDS; w++) {
                assert_true(bytes[w] <= FASTSCAN_VALUE_MAX);
                assert_true(fabsf((float)bytes[w] * all.step + least - tables[w]) <
                            0.501f * all.step);
            }
            low += least;
        }
        assert_true(fabsf(low - all.low) < 1e-4f);
    }
    uint8_t codes[2][SUBS];
    fastscan_scalar.encode(q, words, SUBS, WIDTH, codes[0]);
    fastscan_get()->encode(q, words, SUBS, WIDTH, codes[1]);
    assert_memory_equal(codes[0], codes[1], SUBS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_rest),
        cmocka_unit_test(test_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
