/* The distance kernels against the scalar reference, and the way vectors are stored. */
#include "index/kernel/half.h"
#include "index/kernel/kernel.h"
#include "storage/base/random.h"

/* cmocka needs these before it. */
/* clang-format off */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

enum { DIM_MAX = 65536, MANY = 9 };
static const uint64_t SEED = 20240101;

/* Fills one row with values of a family: 0 random, 1 mixed magnitudes, 2 the extremes that stay
 * finite in sums. */
static void fill(struct random *random, enum element element, int family, size_t dim, void *out)
{
    for (size_t i = 0; i < dim; i++) {
        double unit = 2.0 * random_double(random) - 1.0;
        if (element == ELEMENT_U8) {
            uint8_t value = (uint8_t)random_below(random, 256);
            ((uint8_t *)out)[i] = family == 2 ? (random_below(random, 8) ? 255 : 0) : value;
            continue;
        }
        double value = family == 0   ? unit
                       : family == 1 ? ldexp(unit, (int)random_below(random, 20) - 10)
                                     : (unit < 0 ? -1.0 : 1.0) * 60000.0;
        if (element == ELEMENT_F16) {
            ((uint16_t *)out)[i] = half_from_float((float)value);
        } else {
            ((float *)out)[i] = (float)value;
        }
    }
}

/* The sum of the magnitudes of the terms: what rounding errors are relative to. */
static double magnitude(enum distance distance, enum element element, const void *a, const void *b,
                        size_t dim)
{
    double sum = 0.0;
    for (size_t i = 0; i < dim; i++) {
        float x;
        float y;
        vector_restore(element, (const uint8_t *)a + i * element_size(element), 1, &x);
        vector_restore(element, (const uint8_t *)b + i * element_size(element), 1, &y);
        double difference = (double)x - (double)y;
        sum += distance == DISTANCE_EUCLID      ? difference * difference
               : distance == DISTANCE_MANHATTAN ? fabs(difference)
                                                : fabs((double)x * (double)y);
    }
    return sum;
}

struct rows {
    uint8_t *data[MANY + 1];
    size_t bytes;
};

/* Rows of exactly the size needed, at odd places, so the sanitizer finds a read past an end. */
static void rows_alloc(struct rows *rows, size_t bytes)
{
    rows->bytes = bytes;
    for (int i = 0; i <= MANY; i++) {
        rows->data[i] = malloc(bytes + 1);
        assert_non_null(rows->data[i]);
    }
}

static void rows_free(struct rows *rows)
{
    for (int i = 0; i <= MANY; i++) {
        free(rows->data[i]);
    }
}

static void check_cell(const struct kernel *kernel, enum distance distance, enum element element,
                       size_t dim, int family)
{
    struct random random;
    random_init(&random, SEED + dim);
    struct rows rows;
    rows_alloc(&rows, dim * element_size(element));
    for (int i = 0; i <= MANY; i++) {
        fill(&random, element, family, dim, rows.data[i]);
    }
    const void *vectors[MANY];
    float many[MANY];
    for (int i = 0; i < MANY; i++) {
        vectors[i] = rows.data[i + 1];
    }
    kernel->many(rows.data[0], vectors, MANY, dim, many);
    const struct kernel *reference = kernel_scalar(distance, element);
    for (int i = 0; i < MANY; i++) {
        float one = kernel->one(rows.data[0], vectors[i], dim);
        float expected = reference->one(rows.data[0], vectors[i], dim);
        assert_memory_equal(&one, &many[i], sizeof one);
        /* Equal terms all round the same way, so their errors add up; others partly cancel. */
        double steps = family == 2 ? (double)dim / 2.0 : sqrt((double)dim);
        double sum = magnitude(distance, element, rows.data[0], vectors[i], dim);
        double allowed = element == ELEMENT_U8 ? 0.0 : sum * (double)FLT_EPSILON * (4.0 + steps);
        if (!(fabs((double)one - (double)expected) <= allowed)) {
            fail_msg("%s dim %zu family %d: %.9g, expected %.9g", kernel->name, dim, family,
                     (double)one, (double)expected);
        }
    }
    rows_free(&rows);
}

/* Every cell that this CPU runs agrees with the scalar one on all tail lengths and some large ones;
 * many equals one. */
static void test_cells_agree(void **state)
{
    (void)state;
    static const size_t large[] = {256, 768, 1000, 1536, 4099};
    enum distance distance;
    enum element element;
    const struct kernel *kernel;
    size_t cells = 0;
    for (; kernel_cell(cells, &distance, &element, &kernel); cells++) {
        for (int family = 0; family < 3; family++) {
            for (size_t dim = 0; dim <= 130; dim++) {
                check_cell(kernel, distance, element, dim, family);
            }
            for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
                check_cell(kernel, distance, element, large[i], family);
            }
        }
    }
    assert_true(cells >= (size_t)DISTANCE_COUNT * ELEMENT_COUNT);
    printf("%zu cells, best set: %s, seed %llu\n", cells, kernel_isa(), (unsigned long long)SEED);
}

/* Byte sums stay exact at the largest dimension with the largest values, where 32 bits are nearly
 * full, and beyond. */
static void test_bytes_exact_at_limits(void **state)
{
    (void)state;
    size_t dims[] = {DIM_MAX, DIM_MAX + 17, 3 * DIM_MAX};
    uint8_t *full = malloc(3 * DIM_MAX);
    uint8_t *zero = calloc(3 * DIM_MAX, 1);
    assert_true(full != NULL && zero != NULL);
    memset(full, 255, 3 * DIM_MAX);
    enum distance distance;
    enum element element;
    const struct kernel *kernel;
    for (size_t cell = 0; kernel_cell(cell, &distance, &element, &kernel); cell++) {
        for (size_t i = 0; element == ELEMENT_U8 && i < 3; i++) {
            double squares = 65025.0 * (double)dims[i];
            float far = kernel->one(full, zero, dims[i]);
            float same = kernel->one(full, full, dims[i]);
            float expected_far = distance == DISTANCE_EUCLID      ? (float)squares
                                 : distance == DISTANCE_MANHATTAN ? (float)(255 * dims[i])
                                                                  : 0.0f;
            float expected_same = distance == DISTANCE_COSINE ? -1.0f
                                  : distance == DISTANCE_DOT  ? (float)-squares
                                                              : 0.0f;
            assert_true(far == expected_far);
            assert_true(same == expected_same);
        }
    }
    free(full);
    free(zero);
}

/* The reference itself gives hand-computed distances, so that agreement with it means something. */
static void test_known_distances(void **state)
{
    (void)state;
    const float a[] = {1, 2, 3};
    const float b[] = {-1, 0.5f, 4};
    assert_true(kernel_get(DISTANCE_DOT, ELEMENT_F32)->one(a, b, 3) == -12.0f);
    assert_true(kernel_get(DISTANCE_EUCLID, ELEMENT_F32)->one(a, b, 3) == 7.25f);
    assert_true(kernel_get(DISTANCE_MANHATTAN, ELEMENT_F32)->one(a, b, 3) == 4.5f);
    const uint8_t x[] = {3, 0, 4};
    const uint8_t y[] = {0, 0, 10};
    const uint8_t none[] = {0, 0, 0};
    assert_true(kernel_get(DISTANCE_COSINE, ELEMENT_U8)->one(x, y, 3) == -0.8f);
    assert_true(kernel_get(DISTANCE_COSINE, ELEMENT_U8)->one(x, none, 3) == 0.0f);
    assert_true(kernel_get(DISTANCE_EUCLID, ELEMENT_U8)->one(x, y, 3) == 45.0f);
    assert_true(kernel_get(DISTANCE_MANHATTAN, ELEMENT_U8)->one(x, y, 3) == 9.0f);
}

/* Cosine rows of any magnitude become exact unit vectors; the zero vector stays zero. */
static void test_prepare_normalises(void **state)
{
    (void)state;
    const float tiny[] = {2e-5f, 0};
    const float huge[] = {1e30f, 1e30f};
    const float zero[] = {0, 0};
    const float smallest[] = {0, FLT_TRUE_MIN};
    float out[2];
    assert_true(vector_prepare(DISTANCE_COSINE, ELEMENT_F32, tiny, 2, out));
    assert_true(out[0] == 1.0f && out[1] == 0.0f);
    assert_true(vector_prepare(DISTANCE_COSINE, ELEMENT_F32, huge, 2, out));
    assert_true(out[0] == (float)sqrt(0.5) && out[1] == out[0]);
    assert_true(vector_prepare(DISTANCE_COSINE, ELEMENT_F32, zero, 2, out));
    assert_true(out[0] == 0.0f && out[1] == 0.0f);
    assert_true(vector_prepare(DISTANCE_COSINE, ELEMENT_F32, smallest, 2, out));
    assert_true(out[0] == 0.0f && out[1] == 1.0f);
    assert_true(vector_prepare(DISTANCE_DOT, ELEMENT_F32, huge, 2, out));
    assert_true(out[0] == 1e30f);
    uint16_t half[2];
    assert_true(vector_prepare(DISTANCE_COSINE, ELEMENT_F16, huge, 2, half));
    assert_int_equal(half[0], 0x39a8);
}

/* What is not finite or does not fit the element is refused; bytes are truncated and clamped. */
static void test_prepare_limits(void **state)
{
    (void)state;
    const float bad[] = {0, NAN};
    const float endless[] = {-INFINITY, 0};
    float wide[2];
    uint16_t half[2];
    uint8_t bytes[6];
    for (int element = 0; element < ELEMENT_COUNT; element++) {
        assert_false(vector_prepare(DISTANCE_COSINE, (enum element)element, bad, 2, wide));
        assert_false(vector_prepare(DISTANCE_DOT, (enum element)element, endless, 2, wide));
    }
    const float fits[] = {65504.0f, -65519.0f}; /* the second rounds to the largest half */
    const float too_large[] = {0, 65520.0f};
    assert_true(vector_prepare(DISTANCE_DOT, ELEMENT_F16, fits, 2, half));
    assert_int_equal(half[0], 0x7bff);
    assert_int_equal(half[1], 0xfbff);
    assert_false(vector_prepare(DISTANCE_DOT, ELEMENT_F16, too_large, 2, half));
    const float any[] = {-3.5f, 0.99f, 1.5f, 254.99f, 255.0f, 1e9f};
    const uint8_t expected[] = {0, 0, 1, 254, 255, 255};
    assert_true(vector_prepare(DISTANCE_COSINE, ELEMENT_U8, any, 6, bytes));
    assert_memory_equal(bytes, expected, sizeof expected);
}

/* Every half survives the way to float32 and back; rounding is to nearest even. */
static void test_half_conversion(void **state)
{
    (void)state;
    for (uint32_t half = 0; half < 0x10000; half++) {
        bool nan = (half & 0x7c00u) == 0x7c00u && (half & 0x3ffu) != 0;
        if (!nan) {
            assert_int_equal(half_from_float(half_to_float((uint16_t)half)), half);
        }
    }
    assert_int_equal(half_from_float(1.0f + 0x1p-11f), 0x3c00);            /* tie: to even */
    assert_int_equal(half_from_float(1.0f + 0x1p-10f + 0x1p-11f), 0x3c02); /* tie: to even */
    assert_int_equal(half_from_float(1.0f + 0x1.01p-11f), 0x3c01);
    assert_int_equal(half_from_float(0x1p-25f), 0); /* half the smallest: to even */
    assert_int_equal(half_from_float(0x1.8p-25f), 1);
    assert_true(half_to_float(1) == 0x1p-24f);
}

/* Scores go to raw distances and back; zero is never minus zero. */
static void test_scores(void **state)
{
    (void)state;
    for (int distance = 0; distance < DISTANCE_COUNT; distance++) {
        enum distance d = (enum distance)distance;
        float score = distance_score(d, distance_larger_is_better(d) ? -0.25f : 0.25f);
        assert_true(fabsf(distance_raw(d, score)) == 0.25f);
        assert_false(signbit(distance_score(d, 0.0f)));
        assert_non_null(distance_name(d));
    }
    assert_true(distance_score(DISTANCE_EUCLID, 9.0f) == 3.0f);
    assert_true(distance_raw(DISTANCE_EUCLID, -1.0f) < 0.0f);
    assert_string_equal(distance_name(DISTANCE_MANHATTAN), "Manhattan");
}

int main(void)
{
    kernel_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cells_agree),     cmocka_unit_test(test_bytes_exact_at_limits),
        cmocka_unit_test(test_known_distances), cmocka_unit_test(test_prepare_normalises),
        cmocka_unit_test(test_prepare_limits),  cmocka_unit_test(test_half_conversion),
        cmocka_unit_test(test_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
