/* The integer kernels against their definitions, and the loops that encoding is made of. */
#include "index/kernel/codes.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM_MAX = 300, RECORDS = 11, OFFSET = 12 };
static const uint64_t SEED = 20241125;

/* Levels and query of one case, a value a dimension, and what they are packed into. */
struct sums_case {
    size_t dim;
    uint8_t levels[RECORDS][CODE_DIM_MAX];
    int32_t query[CODE_DIM_MAX];
    void *records[RECORDS]; /* of exactly the size, so that reading past an end is seen */
    uint8_t *state;
    struct code_shape shape;
    size_t half; /* CODE_BITS1_5: dimensions of the first half */
};
static struct sums_case the_case; /* too large for the stack */

static size_t words(size_t bits)
{
    return (bits + 31) / 32 * 4;
}

static void set_bit(uint8_t *bytes, size_t at, uint32_t bit)
{
    bytes[at / 8] = (uint8_t)(bytes[at / 8] | bit << at % 8);
}

static size_t place_of(enum code_sum sum, const struct sums_case *c, size_t d)
{
    if (sum != CODE_BITS1_5 || d < c->half) {
        return d;
    }
    return words(c->half) * 8 + d - c->half;
}

static size_t code_size(enum code_sum sum, const struct sums_case *c)
{
    switch (sum) {
    case CODE_DOT4:
        return (c->dim + 7) / 8 * 4;
    case CODE_BITS1:
        return words(c->dim);
    case CODE_BITS2:
        return 2 * words(c->dim);
    case CODE_BITS1_5:
        return 3 * words(c->half);
    default:
        return (c->dim + 3) / 4 * 4;
    }
}

static void pack(enum code_sum sum, const struct sums_case *c, const uint8_t *levels, uint8_t *out)
{
    size_t size = c->shape.bytes;
    for (size_t d = 0; d < c->dim; d++) {
        uint32_t level = levels[d];
        switch (sum) {
        case CODE_DOT4:
            out[d / 2] = (uint8_t)(out[d / 2] | level << d % 2 * 4);
            break;
        case CODE_BITS1:
            set_bit(out, d, level);
            break;
        case CODE_BITS2:
            set_bit(out, d, level >> 1);
            set_bit(out + size / 2, d, level & 1);
            break;
        case CODE_BITS1_5:
            set_bit(out, place_of(sum, c, d), level >> 1);
            if (d < c->half) {
                set_bit(out + size / 3 * 2, d, level == 0 || level == 3);
            }
            break;
        default:
            out[d] = levels[d];
            break;
        }
    }
}

static void pack_query(enum code_sum sum, struct sums_case *c)
{
    size_t padded = code_query_size(c->shape.bytes);
    size_t size = 2 * padded + code_planes_size(2 * c->dim + 128, CODE_PLANES_MAX);
    c->state = aligned_alloc(CODE_QUERY_ALIGN, size);
    memset(c->state, 0, size);
    for (size_t d = 0; d < c->dim; d++) {
        uint8_t value = (uint8_t)c->query[d];
        if (sum == CODE_DOT4) {
            c->state[(d % 2 == 0 ? 0 : padded) + d / 2] = value;
        } else if (sum < CODE_BITS1) {
            c->state[d] = value;
        } else {
            size_t at = place_of(sum, c, d);
            for (uint32_t p = 0; p < c->shape.planes; p++) {
                uint64_t *word = (uint64_t *)(void *)c->state + at / 64 * c->shape.planes + p;
                *word |= ((uint64_t)value >> p & 1u) << at % 64;
            }
        }
    }
}

static int64_t expected(enum code_sum sum, const struct sums_case *c, size_t record)
{
    int64_t total = 0;
    for (size_t d = 0; d < c->dim; d++) {
        int64_t level = c->levels[record][d];
        int64_t difference = c->query[d] - level;
        total += sum == CODE_EUCLID7     ? difference * difference
                 : sum == CODE_MANHATTAN ? llabs(difference)
                                         : c->query[d] * level;
    }
    return total;
}

/* Families: 0 random, 1 the largest of everything, 2 the largest against the smallest. */
static void fill(enum code_sum sum, struct sums_case *c, struct random *random, int family)
{
    static const uint32_t most_levels[CODE_SUM_COUNT] = {127, 127, 255, 255, 15, 1, 3, 3};
    uint32_t most = most_levels[sum];
    bool grid = sum == CODE_EUCLID7 || sum == CODE_MANHATTAN;
    int32_t top =
        grid ? (int32_t)most : (sum < CODE_BITS1 ? 127 : (1 << (c->shape.planes - 1)) - 1);
    int32_t bottom = grid ? 0 : -top;
    for (size_t d = 0; d < c->dim; d++) {
        int32_t any = bottom + (int32_t)random_below(random, (uint64_t)(top - bottom + 1));
        c->query[d] = family == 0 ? any : family == 1 ? top : bottom;
        for (size_t r = 0; r < RECORDS; r++) {
            c->levels[r][d] = (uint8_t)(family == 0 ? random_below(random, most + 1) : most);
        }
    }
    if (sum != CODE_BITS1_5) {
        return;
    }
    for (size_t d = c->half; d < c->dim; d++) {
        for (size_t r = 0; r < RECORDS; r++) {
            bool large = c->levels[r][d - c->half] % 3 == 0;
            uint32_t sign = c->levels[r][d] >> 1;
            c->levels[r][d] = (uint8_t)(2 * sign + (large ? 1 - sign : sign));
        }
    }
}

static void run_case(const struct code_kernel *kernel, enum code_sum sum, struct sums_case *c,
                     const char *what)
{
    c->shape.offset = OFFSET;
    c->shape.bytes = code_size(sum, c);
    c->shape.record_bytes = OFFSET + c->shape.bytes;
    for (size_t r = 0; r < RECORDS; r++) {
        c->records[r] = calloc(1, c->shape.record_bytes);
        pack(sum, c, c->levels[r], (uint8_t *)c->records[r] + OFFSET);
    }
    pack_query(sum, c);
    for (size_t count = RECORDS - 5; count <= RECORDS; count++) {
        int32_t out[RECORDS + 1];
        out[count] = 12345;
        kernel->many(&c->shape, c->state, (const void *const *)c->records, count, out);
        for (size_t r = 0; r < count; r++) {
            if (out[r] != expected(sum, c, r)) {
                print_error("%s: sum %d, %s, %zu dimensions, %u planes, record %zu\n", kernel->isa,
                            (int)sum, what, c->dim, c->shape.planes, r);
            }
            assert_int_equal(out[r], expected(sum, c, r));
        }
        assert_int_equal(out[count], 12345);
    }
    free(c->state);
    for (size_t r = 0; r < RECORDS; r++) {
        free(c->records[r]);
    }
}

/* Every cell gives the sum that its enum promises, for all lengths, extreme values and rests of
 * records. */
static void test_cells(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    enum code_sum sum;
    const struct code_kernel *kernel;
    for (size_t cell = 0; code_kernel_cell(cell, &sum, &kernel); cell++) {
        for (size_t dim = 1; dim <= DIM_MAX; dim++) {
            uint32_t planes = 2 + (uint32_t)(dim % 4) * 2;
            the_case.dim = dim;
            the_case.half = (dim + 1) / 2;
            the_case.shape.planes = planes;
            for (int family = 0; family < 3; family++) {
                fill(sum, &the_case, &random, family);
                run_case(kernel, sum, &the_case, "lengths");
            }
        }
    }
}

/* Nothing overflows at the largest number of dimensions. */
static void test_limits(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    enum code_sum sum;
    const struct code_kernel *kernel;
    for (size_t cell = 0; code_kernel_cell(cell, &sum, &kernel); cell++) {
        for (int family = 0; family < 3; family++) {
            the_case.dim = CODE_DIM_MAX;
            the_case.half = CODE_DIM_MAX / 2;
            the_case.shape.planes = 8;
            fill(sum, &the_case, &random, family);
            run_case(kernel, sum, &the_case, "limits");
        }
    }
}

/* There is a cell for every sum, and the reference is one. */
static void test_dispatch(void **state)
{
    (void)state;
    for (int sum = 0; sum < CODE_SUM_COUNT; sum++) {
        assert_non_null(code_kernel_get((enum code_sum)sum));
        assert_string_equal(code_kernel_scalar((enum code_sum)sum)->isa, "scalar");
    }
}

/* Levels are rounded to the nearest and cut; what is no number becomes a level all the same. */
static void test_levels(void **state)
{
    (void)state;
    const float in[] = {-1.0f, 0.0f, 0.24f, 0.26f, 63.6f, 64.0f, 1e30f, -1e30f, INFINITY, NAN};
    const uint8_t want[] = {0, 0, 0, 1, 127, 127, 127, 0, 127, 0};
    uint8_t out[10];
    code_levels(in, 10, 0.0f, 2.0f, 127, out);
    assert_memory_equal(out, want, sizeof want);
}

/* The Hadamard transform keeps lengths, is its own inverse and equals the matrix. */
static void test_hadamard(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    for (size_t count = 1; count <= 256; count *= 2) {
        float values[256];
        float before[256];
        for (size_t i = 0; i < count; i++) {
            before[i] = values[i] = (float)random_double(&random) - 0.5f;
        }
        code_hadamard(values, count);
        for (size_t i = 0; i < count; i++) {
            double sum = 0.0;
            for (size_t j = 0; j < count; j++) {
                sum += (__builtin_popcountll(i & j) % 2 == 0 ? 1.0 : -1.0) * (double)before[j];
            }
            assert_true(fabs(sum / sqrt((double)count) - (double)values[i]) < 1e-5);
        }
        code_hadamard(values, count);
        for (size_t i = 0; i < count; i++) {
            assert_true(fabsf(values[i] - before[i]) < 1e-5f);
        }
    }
}

/* The nearest codeword is that of the reference, also among equal ones, for all group sizes. */
static void test_nearest(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    float codebook[16 * CODEWORDS];
    for (size_t dims = 1; dims <= 16; dims++) {
        for (size_t i = 0; i < dims * CODEWORDS; i++) {
            codebook[i] = (float)random_below(&random, dims < 3 ? 40 : 5);
        }
        for (int round = 0; round < 200; round++) {
            float values[16];
            for (size_t d = 0; d < dims; d++) {
                values[d] = (float)random_below(&random, 40) / 8.0f;
            }
            float got;
            float want;
            uint32_t word = code_nearest_get()(values, dims, codebook, &got);
            assert_int_equal(word, code_nearest_scalar(values, dims, codebook, &want));
            assert_true(got == want);
        }
    }
}

/* Table sums add one entry a part, for any number of codes. */
static void test_table_sums(void **state)
{
    (void)state;
    enum { PARTS = 13, CODES = 9 };
    struct random random;
    random_init(&random, SEED);
    static float tables[PARTS * CODEWORDS];
    for (size_t i = 0; i < PARTS * CODEWORDS; i++) {
        tables[i] = (float)random_below(&random, 1000);
    }
    uint8_t codes[CODES][PARTS];
    const void *pointers[CODES];
    float want[CODES] = {0};
    for (size_t c = 0; c < CODES; c++) {
        pointers[c] = codes[c];
        for (size_t at = 0; at < PARTS; at++) {
            codes[c][at] = (uint8_t)random_below(&random, 256);
            want[c] += tables[at * CODEWORDS + codes[c][at]];
        }
    }
    for (size_t count = 1; count <= CODES; count++) {
        float out[CODES + 1] = {0};
        code_table_sums(tables, PARTS, pointers, count, out);
        assert_memory_equal(out, want, count * sizeof *out);
        assert_true(out[count] == 0.0f);
    }
}

/* Half bytes and bits are spread to one byte a dimension. */
static void test_spread(void **state)
{
    (void)state;
    const uint8_t code[] = {0x21, 0x43, 0xf5};
    uint8_t out[5];
    code_spread_halves(code, 5, out);
    assert_memory_equal(out, ((const uint8_t[]){1, 2, 3, 4, 5}), 5);
    code_spread_bits((const uint8_t[]){0x12}, 5, 4, out);
    assert_memory_equal(out, ((const uint8_t[]){1, 18, 3, 4, 21}), 5);
}

int main(void)
{
    printf("seed %llu\n", (unsigned long long)SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells),      cmocka_unit_test(test_limits),
        cmocka_unit_test(test_dispatch),   cmocka_unit_test(test_levels),
        cmocka_unit_test(test_hadamard),   cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_table_sums), cmocka_unit_test(test_spread),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
