/* The distance kernels against the scalar reference, and the way vectors are stored. */
#include "index/kernel/half.h"
#include "index/kernel/kernel.h"
#include "index/kernel/turbo4.h"
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
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>
/* clang-format on */

enum { DIM_MAX = 65536, MANY = 9, TAILS = 300 };
static const uint64_t SEED = 20240101;

/* What values a row has: random, of mixed magnitudes, the largest that stay finite in sums, and the
 * extremes of the element among zeros. */
enum family { RANDOM, MIXED, LARGE, EXTREME, FAMILIES };

static float extreme(struct random *random, enum element element)
{
    float most = element == ELEMENT_F16    ? 65504.0f
                 : element == ELEMENT_BF16 ? 0x1.fep127f
                                           : FLT_MAX;
    float least = element == ELEMENT_F16    ? 0x1p-24f
                  : element == ELEMENT_BF16 ? 0x1p-133f
                                            : 0x1p-149f;
    float normal = element == ELEMENT_F16 ? 0x1p-14f : FLT_MIN;
    const float values[] = {0.0f, most, least, normal - least, normal, 1.0f};
    float value = values[random_below(random, 6)];
    return random_below(random, 2) ? value : -value;
}

static float value_of(struct random *random, enum element element, enum family family)
{
    float unit = (float)(2.0 * random_double(random) - 1.0);
    switch (family) {
    case RANDOM:
        return unit;
    case MIXED:
        return ldexpf(unit, (int)random_below(random, 20) - 10);
    case LARGE:
        return unit < 0 ? -60000.0f : 60000.0f;
    default:
        return extreme(random, element);
    }
}

/* Any bytes are a row when the factors are finite; those of a large one have the largest levels. */
static void fill_turbo4(struct random *random, enum distance distance, enum family family,
                        size_t dim, void *out)
{
    float values[4100];
    float scales[] = {0.0f, 0x1p-140f, 1.0f, 0x1p100f};
    assert_true(dim <= sizeof values / sizeof *values);
    for (size_t i = 0; i < dim; i++) {
        values[i] = value_of(random, ELEMENT_F16, family);
    }
    assert_true(vector_prepare(distance, ELEMENT_TURBO4, values, dim, out));
    if (family < LARGE) {
        return;
    }
    float scale = family == LARGE ? 1.0f : scales[random_below(random, 4)];
    memcpy(out, &scale, sizeof scale);
    for (size_t i = TURBO4_HEAD; i < row_bytes(ELEMENT_TURBO4, dim); i++) {
        static const uint8_t ends[] = {0x00, 0x0f, 0xf0, 0xff};
        ((uint8_t *)out)[i] =
            family == LARGE ? ends[random_below(random, 4)] : (uint8_t)random_below(random, 256);
    }
}

static void fill(struct random *random, enum distance distance, enum element element,
                 enum family family, size_t dim, void *out)
{
    if (element == ELEMENT_TURBO4) {
        fill_turbo4(random, distance, family, dim, out);
        return;
    }
    for (size_t i = 0; i < dim; i++) {
        if (element == ELEMENT_U8) {
            uint64_t mostly = random_below(random, 8) != 0;
            ((uint8_t *)out)[i] = (uint8_t)(family == LARGE     ? 255
                                            : family == EXTREME ? 255 * mostly
                                                                : random_below(random, 256));
            continue;
        }
        float value = value_of(random, element, family);
        if (element == ELEMENT_F32) {
            ((float *)out)[i] = value;
        } else {
            ((uint16_t *)out)[i] =
                element == ELEMENT_F16 ? half_from_float(value) : bfloat_from_float(value);
        }
    }
}

/* The sum of the magnitudes of the terms: what rounding errors are relative to; and of those terms
 * of a product that have a subnormal side: the AVX-512 instruction for bfloat16 leaves them out. */
struct magnitudes {
    double all, subnormal;
};

static bool is_subnormal(float value)
{
    return value != 0.0f && fabsf(value) < FLT_MIN;
}

static struct magnitudes magnitudes(enum distance distance, const float *a, const float *b,
                                    size_t dim)
{
    struct magnitudes sums = {0};
    for (size_t i = 0; i < dim; i++) {
        double difference = (double)a[i] - (double)b[i];
        double product = fabs((double)a[i] * (double)b[i]);
        sums.all += distance == DISTANCE_EUCLID      ? difference * difference
                    : distance == DISTANCE_MANHATTAN ? fabs(difference)
                                                     : product;
        sums.subnormal += is_subnormal(a[i]) || is_subnormal(b[i]) ? product : 0.0;
    }
    return sums;
}

/* Rows of exactly the size needed, so the sanitizer finds a read past an end, that begin where only
 * single elements are aligned. Row 0 is the query. */
struct rows {
    uint8_t *blocks[MANY + 1];
    void *at[MANY + 1];
    float *plain[MANY + 1]; /* as float32 */
};

static void rows_fill(struct rows *rows, struct random *random, enum distance distance,
                      enum element element, enum family family, size_t dim)
{
    size_t size = row_bytes(element, dim);
    size_t unit = row_bytes(element, 1);
    for (size_t i = 0; i <= MANY; i++) {
        size_t skip = i % 4 * unit;
        rows->blocks[i] = malloc(skip + size + (size == 0));
        rows->plain[i] = malloc((dim + 1) * sizeof(float));
        assert_true(rows->blocks[i] != NULL && rows->plain[i] != NULL);
        rows->at[i] = rows->blocks[i] + skip;
        fill(random, distance, element, family, dim, rows->at[i]);
        vector_restore(distance, element, rows->at[i], dim, rows->plain[i]);
    }
}

static void rows_free(struct rows *rows)
{
    for (size_t i = 0; i <= MANY; i++) {
        free(rows->blocks[i]);
        free(rows->plain[i]);
    }
}

/* Bytes are exact, and products of levels. The terms of floats may be added in any order, and
 * products rounded or not. A sum of products that leaves float32 on its way has no value to agree
 * on. */
static void check_value(const struct kernel *kernel, enum distance distance, enum element element,
                        const struct rows *rows, size_t row, size_t dim, enum family family,
                        float value)
{
    float expected = kernel_scalar(distance, element)->one(rows->at[0], rows->at[row], dim);
    bool levels = element == ELEMENT_TURBO4;
    if (element == ELEMENT_U8 || (levels && distance != DISTANCE_MANHATTAN)) {
        assert_memory_equal(&value, &expected, sizeof value);
        return;
    }
    struct magnitudes sums = magnitudes(distance, rows->plain[0], rows->plain[row], dim);
    /* Equal terms all round the same way, so their errors add up; others partly cancel. */
    double steps = family >= LARGE || levels ? (double)dim / 2.0 : sqrt((double)dim);
    double allowed = sums.all * (double)FLT_EPSILON * (4.0 + steps) + (double)dim * 0x1p-149;
    if (strstr(kernel->name, "avx512bf16") != NULL) {
        allowed += sums.subnormal + 2.0 * (double)dim * (double)FLT_MIN;
    }
    if (levels) { /* values are decoded with rounding, which is relative to the largest */
        float most = 0.0f;
        for (size_t i = 0; i < dim; i++) {
            most = fmaxf(most, fmaxf(fabsf(rows->plain[0][i]), fabsf(rows->plain[row][i])));
        }
        allowed += 4.0 * (double)dim * (double)most * (double)FLT_EPSILON;
    }
    bool sums_up = distance == DISTANCE_EUCLID || distance == DISTANCE_MANHATTAN;
    bool agrees = sums.all > (double)FLT_MAX / 2.0
                      ? !sums_up || value == expected || (double)value > (double)FLT_MAX / 4.0
                      : fabs((double)value - (double)expected) <= allowed;
    if (!agrees) {
        fail_msg("%s dim %zu family %d: %.9g, expected %.9g within %.3g", kernel->name, dim,
                 (int)family, (double)value, (double)expected, allowed);
    }
}

static void check_cell(const struct kernel *kernel, enum distance distance, enum element element,
                       size_t dim, enum family family)
{
    struct random random;
    random_init(&random, SEED + dim);
    struct rows rows;
    rows_fill(&rows, &random, distance, element, family, dim);
    const void *vectors[MANY];
    for (size_t i = 0; i < MANY; i++) {
        vectors[i] = rows.at[i + 1];
    }
    /* Every remainder of the number of rows that a set takes at once, none at all included. */
    size_t count = MANY - dim % (MANY + 1);
    float many[MANY + 1];
    memset(many, 0x5a, sizeof many);
    const float untouched = many[MANY];
    kernel->many(rows.at[0], vectors, count, dim, many);
    for (size_t i = 0; i < count; i++) {
        float one = kernel->one(rows.at[0], vectors[i], dim);
        assert_memory_equal(&one, &many[i], sizeof one);
        check_value(kernel, distance, element, &rows, i + 1, dim, family, one);
    }
    for (size_t i = count; i <= MANY; i++) {
        assert_memory_equal(&untouched, &many[i], sizeof untouched);
    }
    rows_free(&rows);
}

/* Every cell that this CPU runs agrees with the scalar one on all tail lengths and some large ones,
 * for ordinary and extreme values; many gives the bits of one and writes nothing else. */
static void test_cells_agree(void **state)
{
    (void)state;
    static const size_t large[] = {768, 1000, 1536, 4096, 4099};
    enum distance distance;
    enum element element;
    const struct kernel *kernel;
    size_t cells = 0;
    for (; kernel_cell(cells, &distance, &element, &kernel); cells++) {
        for (int family = 0; family < FAMILIES; family++) {
            for (size_t dim = 0; dim <= TAILS; dim++) {
                check_cell(kernel, distance, element, dim, (enum family)family);
            }
            for (size_t i = 0; i < sizeof large / sizeof *large; i++) {
                check_cell(kernel, distance, element, large[i], (enum family)family);
            }
        }
    }
    assert_true(cells >= (size_t)DISTANCE_COUNT * ELEMENT_COUNT);
    printf("%zu cells, best set: %s, seed %llu\n", cells, kernel_isa(), (unsigned long long)SEED);
}

/* A page between two that cannot be read. */
static uint8_t *guarded_page(size_t page)
{
    uint8_t *base = mmap(NULL, 3 * page, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(mprotect(base + page, page, PROT_READ | PROT_WRITE), 0);
    return base + page;
}

/* Kernels read no byte before or after a vector, and prefetching past a page's end does no harm. */
static void test_reads_stay_inside(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *pages[2] = {guarded_page(page), guarded_page(page)};
    memset(pages[0], 1, page);
    memset(pages[1], 2, page);
    enum distance distance;
    enum element element;
    const struct kernel *kernel;
    for (size_t cell = 0; kernel_cell(cell, &distance, &element, &kernel); cell++) {
        for (size_t dim = 1; dim <= TAILS; dim++) {
            size_t last = page - row_bytes(element, dim);
            const void *vectors[MANY];
            float out[MANY];
            for (size_t i = 0; i < MANY; i++) {
                vectors[i] = pages[i % 2] + (i % 3 == 0 ? 0 : last);
            }
            kernel->many(pages[0], vectors, MANY, dim, out);
            float first = out[1];
            kernel->many(pages[0] + last, vectors, MANY, dim, out);
            assert_memory_equal(&first, &out[1], sizeof first);
        }
    }
    munmap(pages[0] - page, 3 * page);
    munmap(pages[1] - page, 3 * page);
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
    assert_true(vector_prepare(DISTANCE_COSINE, ELEMENT_BF16, huge, 2, half));
    assert_int_equal(half[0], 0x3f35);
}

/* What is not finite or does not fit the element is refused; bytes are truncated and clamped. */
static void test_prepare_limits(void **state)
{
    (void)state;
    const float bad[] = {0, NAN};
    const float endless[] = {-INFINITY, 0};
    float wide[4];
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
    const float fits_bfloat[] = {0x1.fep127f, -0x1.fefffep127f}; /* the second rounds down */
    const float past_bfloat[] = {0, 0x1.ffp127f};
    assert_true(vector_prepare(DISTANCE_DOT, ELEMENT_BF16, fits_bfloat, 2, half));
    assert_int_equal(half[0], 0x7f7f);
    assert_int_equal(half[1], 0xff7f);
    assert_false(vector_prepare(DISTANCE_DOT, ELEMENT_BF16, past_bfloat, 2, half));
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

/* Every bfloat16 survives the way to float32 and back; rounding is to nearest even; NaN stays. */
static void test_bfloat_conversion(void **state)
{
    (void)state;
    for (uint32_t bits = 0; bits < 0x10000; bits++) {
        bool nan = (bits & 0x7f80u) == 0x7f80u && (bits & 0x7fu) != 0;
        if (!nan) {
            assert_int_equal(bfloat_from_float(bfloat_to_float((uint16_t)bits)), bits);
        }
    }
    assert_int_equal(bfloat_from_float(1.0f + 0x1p-8f), 0x3f80);           /* tie: to even */
    assert_int_equal(bfloat_from_float(1.0f + 0x1p-7f + 0x1p-8f), 0x3f82); /* tie: to even */
    assert_int_equal(bfloat_from_float(1.0f + 0x1.01p-8f), 0x3f81);
    assert_int_equal(bfloat_from_float(FLT_MAX), 0x7f80);
    assert_true(isnan(bfloat_to_float(bfloat_from_float(NAN))));
    float wide[2];
    const uint16_t stored[] = {0x3fc0, 0xc000};
    vector_restore(DISTANCE_DOT, ELEMENT_BF16, stored, 2, wide);
    assert_true(wide[0] == 1.5f && wide[1] == -2.0f);
}

/* The sets go from the reference to the one in use. */
static void test_sets(void **state)
{
    (void)state;
    assert_string_equal(kernel_set_usable(0), "scalar");
    size_t count = 0;
    while (kernel_set_usable(count) != NULL) {
        count++;
    }
    assert_string_equal(kernel_set_usable(count - 1), kernel_isa());
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
        cmocka_unit_test(test_cells_agree),
        cmocka_unit_test(test_reads_stay_inside),
        cmocka_unit_test(test_bytes_exact_at_limits),
        cmocka_unit_test(test_known_distances),
        cmocka_unit_test(test_prepare_normalises),
        cmocka_unit_test(test_prepare_limits),
        cmocka_unit_test(test_half_conversion),
        cmocka_unit_test(test_bfloat_conversion),
        cmocka_unit_test(test_sets),
        cmocka_unit_test(test_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
