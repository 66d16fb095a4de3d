/* The fast scan: every instruction set against a plain loop. */
#include "index/kernel/fastscan.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { PAIRS_MAX = 21, VECTORS = 150, BLOCKS = 5, ROW_MAX = 300 };
static const uint64_t SEED = 77;

static const struct fastscan *set_at(size_t i)
{
    return i == 0 ? &fastscan_scalar : fastscan_get();
}

/* Codes kept plainly, and put into blocks. */
struct fixture {
    uint8_t codes[VECTORS][2 * PAIRS_MAX];
    uint8_t addends[VECTORS];
    uint8_t tables[2 * PAIRS_MAX * FASTSCAN_WORDS];
    uint8_t blocks[BLOCKS * (PAIRS_MAX + 1) * FASTSCAN_BLOCK];
};

static void draw(struct fixture *f, struct random *random, size_t pairs, bool has_addends)
{
    memset(f->blocks, 0, sizeof f->blocks);
    size_t block_bytes = fastscan_block_bytes(pairs, has_addends);
    for (size_t i = 0; i < sizeof f->tables; i++) {
        f->tables[i] = (uint8_t)random_below(random, FASTSCAN_VALUE_MAX + 1);
    }
    for (size_t v = 0; v < VECTORS; v++) {
        uint8_t *block = f->blocks + v / FASTSCAN_BLOCK * block_bytes;
        for (size_t s = 0; s < 2 * pairs; s++) {
            f->codes[v][s] = (uint8_t)random_below(random, 16);
            fastscan_put(block, v % FASTSCAN_BLOCK, s, f->codes[v][s]);
            assert_int_equal(fastscan_code(block, v % FASTSCAN_BLOCK, s), f->codes[v][s]);
        }
        f->addends[v] = (uint8_t)random_below(random, 256);
        if (has_addends) {
            block[pairs * FASTSCAN_BLOCK + v % FASTSCAN_BLOCK] = f->addends[v];
        }
    }
}

static uint32_t sum_of(const struct fixture *f, const struct fastscan_query *query, size_t v)
{
    uint32_t sum = 0;
    for (size_t s = 0; s < 2 * query->pairs; s++) {
        sum += f->tables[s * FASTSCAN_WORDS + f->codes[v][s]];
    }
    sum += query->has_addends ? (uint32_t)f->addends[v] * query->addend_scale / 256 : 0;
    return sum < UINT16_MAX ? sum : UINT16_MAX;
}

static void check_scan(const struct fixture *f, const struct fastscan_query *query, size_t count,
                       uint16_t bound)
{
    for (size_t set = 0; set < 2; set++) {
        uint16_t sums[BLOCKS * FASTSCAN_BLOCK];
        set_at(set)->sums(query, f->blocks, count, sums);
        uint32_t positions[VECTORS];
        uint16_t kept[VECTORS];
        size_t found = set_at(set)->below(query, f->blocks, count, bound, positions, kept);
        size_t at = 0;
        for (size_t v = 0; v < count; v++) {
            uint32_t sum = sum_of(f, query, v);
            assert_int_equal(sums[v], sum);
            if (sum <= bound) {
                assert_true(at < found && positions[at] == v && kept[at] == sum);
                at++;
            }
        }
        assert_int_equal(at, found);
    }
}

/* Sums, and what lies below a bound, for every number of pairs, counts that end inside blocks,
 * with and without addends, up to saturation. */
static void test_scan(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    print_message("seed %llu, %s\n", (unsigned long long)SEED, fastscan_get()->name);
    static struct fixture f;
    static const size_t counts[] = {1, 31, 32, 33, 64, 65, 96, 127, 150};
    static const uint16_t scales[] = {0, 1, 300, 65535};
    for (size_t pairs = 1; pairs <= PAIRS_MAX; pairs++) {
        for (size_t s = 0; s < 5; s++) {
            bool has_addends = s < 4;
            draw(&f, &random, pairs, has_addends);
            const struct fastscan_query query = {f.tables, pairs, has_addends,
                                                 (uint16_t)(has_addends ? scales[s] : 0)};
            for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
                uint16_t middle = (uint16_t)sum_of(&f, &query, 0);
                check_scan(&f, &query, counts[c], middle);
                check_scan(&f, &query, counts[c], 0);
                check_scan(&f, &query, counts[c], UINT16_MAX);
            }
        }
    }
}

/* The largest sums fit: as many parts as there may be, all at the largest value. */
static void test_limits(void **state)
{
    (void)state;
    static uint8_t tables[FASTSCAN_SUBS_MAX * FASTSCAN_WORDS];
    static uint8_t block[FASTSCAN_SUBS_MAX / 2 * FASTSCAN_BLOCK];
    memset(tables, FASTSCAN_VALUE_MAX, sizeof tables);
    const struct fastscan_query query = {tables, FASTSCAN_SUBS_MAX / 2, false, 0};
    for (size_t set = 0; set < 2; set++) {
        uint16_t sums[FASTSCAN_BLOCK];
        set_at(set)->sums(&query, block, FASTSCAN_BLOCK, sums);
        for (size_t i = 0; i < FASTSCAN_BLOCK; i++) {
            assert_int_equal(sums[i], FASTSCAN_SUBS_MAX * FASTSCAN_VALUE_MAX);
        }
    }
}

/* Rows of nibbles of every length against their weights. */
static void test_rest(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    uint8_t row[ROW_MAX + FASTSCAN_REST_STEP];
    int8_t weights[2 * (ROW_MAX + FASTSCAN_REST_STEP)];
    for (size_t bytes = 1; bytes <= ROW_MAX; bytes++) {
        for (size_t i = 0; i < sizeof row; i++) {
            row[i] = (uint8_t)random_below(&random, 256);
        }
        memset(weights, 0, sizeof weights);
        int32_t expected = 0;
        size_t steps = (bytes + FASTSCAN_REST_STEP - 1) / FASTSCAN_REST_STEP;
        for (size_t i = 0; i < bytes; i++) {
            size_t step = i / FASTSCAN_REST_STEP;
            size_t from = step * FASTSCAN_REST_STEP;
            if (step == steps - 1 && steps > 1) {
                from = bytes - FASTSCAN_REST_STEP;
            }
            int8_t low = (int8_t)((int)random_below(&random, 255) - 127);
            int8_t high = (int8_t)((int)random_below(&random, 255) - 127);
            weights[2 * step * FASTSCAN_REST_STEP + i - from] = low;
            weights[(2 * step + 1) * FASTSCAN_REST_STEP + i - from] = high;
            expected += (row[i] & 15) * low + (row[i] >> 4) * high;
        }
        assert_int_equal(fastscan_scalar.rest(row, bytes, weights), expected);
        assert_int_equal(fastscan_get()->rest(row, bytes, weights), expected);
    }
}

/* Tables are what they should be, rounded to within half a step, and the sets agree. */
static void test_tables(void **state)
{
    (void)state;
    enum { SUBS = 6, WIDTH = 3 };
    struct random random;
    random_init(&random, SEED);
    float q[SUBS * WIDTH];
    float words[SUBS * WIDTH * FASTSCAN_WORDS];
    for (size_t i = 0; i < SUBS * WIDTH; i++) {
        q[i] = (float)random_double(&random) - 0.5f;
    }
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
        words[i] = (float)random_double(&random) - 0.5f;
    }
    for (size_t set = 0; set < 4; set++) {
        bool absolute = set % 2 == 1;
        float tables[SUBS * FASTSCAN_WORDS];
        uint8_t bytes[SUBS * FASTSCAN_WORDS];
        set_at(set / 2)->tables(q, words, SUBS, WIDTH, -2, absolute, tables);
        struct fastscan_quantized units = set_at(set / 2)->quantize(tables, SUBS, 0, bytes);
        float low = 0;
        for (size_t s = 0; s < SUBS; s++) {
            float least = INFINITY;
            for (size_t w = 0; w < FASTSCAN_WORDS; w++) {
                float sum = 0;
                for (size_t d = 0; d < WIDTH; d++) {
                    float word = words[(s * WIDTH + d) * FASTSCAN_WORDS + w];
                    float x = q[s * WIDTH + d];
                    sum += absolute ? fabsf(x - word) : x * word;
                }
                assert_true(fabsf(tables[s * FASTSCAN_WORDS + w] + 2 * sum) < 1e-5f);
                least = fminf(least, tables[s * FASTSCAN_WORDS + w]);
            }
            for (size_t w = 0; w < FASTSCAN_WORDS; w++) {
                uint8_t byte = bytes[s * FASTSCAN_WORDS + w];
                float back = least + units.step * (float)byte;
                assert_true(byte <= FASTSCAN_VALUE_MAX);
                assert_true(fabsf(back - tables[s * FASTSCAN_WORDS + w]) <= 0.501f * units.step);
            }
            low += least;
        }
        assert_true(fabsf(low - units.low) < 1e-4f);
    }
}

/* Codes are the nearest codewords; equal tables and values that are no numbers do no harm. */
static void test_encode(void **state)
{
    (void)state;
    float words[2 * FASTSCAN_WORDS];
    for (size_t w = 0; w < FASTSCAN_WORDS; w++) {
        words[w] = (float)w;
        words[FASTSCAN_WORDS + w] = 100.0f - (float)w;
    }
    const float x[2] = {6.4f, 93.6f};
    for (size_t set = 0; set < 2; set++) {
        uint8_t codes[2];
        set_at(set)->encode(x, words, 2, 1, codes);
        assert_int_equal(codes[0], 6);
        assert_int_equal(codes[1], 6);
        const float strange[2] = {NAN, INFINITY};
        set_at(set)->encode(strange, words, 2, 1, codes);
        assert_true(codes[0] < 16 && codes[1] < 16);
        float tables[2 * FASTSCAN_WORDS] = {0};
        uint8_t bytes[2 * FASTSCAN_WORDS];
        struct fastscan_quantized units = set_at(set)->quantize(tables, 2, 0, bytes);
        assert_true(units.step > 0 && bytes[0] == 0 && bytes[31] == 0);
        tables[3] = NAN;
        tables[20] = INFINITY;
        set_at(set)->quantize(tables, 2, 0, bytes);
        for (size_t i = 0; i < sizeof bytes; i++) {
            assert_true(bytes[i] <= FASTSCAN_VALUE_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_scan),   cmocka_unit_test(test_limits), cmocka_unit_test(test_rest),
        cmocka_unit_test(test_tables), cmocka_unit_test(test_encode),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
