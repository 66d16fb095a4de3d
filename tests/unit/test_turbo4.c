/* Stored vectors of four bits a dimension: what they lose, that distances are those of the vectors
 * that they stand for, queries that are finer, limits. Agreement of the kernels' sets among rows is
 * in test_kernel.c. */
#include "index/kernel/rotation.h"
#include "index/kernel/turbo4.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { TAILS = 200, ROWS = 9 };
static const uint64_t SEED = 404;

static double gauss(struct random *random)
{
    double u = random_double(random) + 1e-12;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * random_double(random));
}

static double dot(const float *a, const float *b, size_t dim)
{
    double sum = 0.0;
    for (size_t i = 0; i < dim; i++) {
        sum += (double)a[i] * (double)b[i];
    }
    return sum;
}

/* Raw distance of plain vectors. */
static double plain_distance(enum distance distance, const float *a, const float *b, size_t dim)
{
    double sum = 0.0;
    for (size_t i = 0; i < dim; i++) {
        double difference = (double)a[i] - (double)b[i];
        sum += distance == DISTANCE_EUCLID      ? difference * difference
               : distance == DISTANCE_MANHATTAN ? fabs(difference)
                                                : -(double)a[i] * (double)b[i];
    }
    return sum;
}

static void *prepared(enum distance distance, const float *values, size_t dim, bool query)
{
    size_t bytes = query ? query_bytes(ELEMENT_TURBO4, dim) : row_bytes(ELEMENT_TURBO4, dim);
    void *out = malloc(bytes); /* exactly: a sanitizer sees what goes past it */
    assert_non_null(out);
    assert_true(query ? vector_prepare_query(distance, ELEMENT_TURBO4, values, dim, out)
                      : vector_prepare(distance, ELEMENT_TURBO4, values, dim, out));
    return out;
}

static void normals(struct random *random, double mean, size_t dim, float *out)
{
    for (size_t i = 0; i < dim; i++) {
        out[i] = (float)(mean + gauss(random));
    }
}

/* Half a byte a dimension and eight bytes: a seventh to an eighth of float32. */
static void test_size(void **state)
{
    (void)state;
    assert_int_equal(row_bytes(ELEMENT_TURBO4, 64), 40);
    assert_int_equal(row_bytes(ELEMENT_TURBO4, 1), 9);
    assert_int_equal(row_bytes(ELEMENT_TURBO4, 767), 392);
    assert_int_equal(row_bytes(ELEMENT_TURBO4, 65536), 32776);
    for (int element = 0; element < ELEMENT_COUNT; element++) {
        for (size_t dim = 1; dim < 100; dim++) {
            assert_true(query_bytes((enum element)element, dim) >=
                        row_bytes((enum element)element, dim));
        }
    }
}

/* A rotation without a table keeps lengths and angles, is undone by its inverse, and mixes: one
 * coordinate is spread over all. */
static void test_rotation(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    for (size_t dim = 1; dim <= 300; dim += dim < 40 ? 1 : 37) {
        float a[300], b[300], ra[300], rb[300];
        normals(&random, 0.0, dim, a);
        normals(&random, 0.0, dim, b);
        memcpy(ra, a, sizeof a);
        memcpy(rb, b, sizeof b);
        struct rotation rotation = rotation_of(dim, SEED);
        rotation_apply(&rotation, ra);
        rotation_apply(&rotation, rb);
        double length = sqrt(dot(a, a, dim) * dot(b, b, dim));
        assert_true(fabs(dot(ra, rb, dim) - dot(a, b, dim)) <= 1e-5 * length);
        rotation_revert(&rotation, ra);
        for (size_t i = 0; i < dim; i++) {
            assert_true(fabsf(ra[i] - a[i]) <= 1e-5f * (1.0f + fabsf(a[i])));
        }
        float axis[300] = {1.0f};
        rotation_apply(&rotation, axis);
        for (size_t i = 0; i < dim && dim >= 64; i++) {
            assert_true(fabsf(axis[i]) < 0.75f);
        }
    }
}

/* The part of a vector's square that its code gets wrong, in the mean of some. */
static double error_of(enum distance distance, double mean, size_t dim, bool query)
{
    struct random random;
    random_init(&random, SEED + dim);
    float *values = mem_alloc(2 * dim * sizeof *values);
    float *restored = values + dim;
    double sum = 0.0;
    for (int turn = 0; turn < 40; turn++) {
        normals(&random, mean, dim, values);
        void *stored = prepared(distance, values, dim, query);
        vector_restore(distance, ELEMENT_TURBO4, stored, dim, restored);
        double length = distance == DISTANCE_COSINE ? sqrt(dot(values, values, dim)) : 1.0;
        double error = 0.0;
        double square = 0.0;
        for (size_t i = 0; i < dim; i++) {
            double value = (double)values[i] / length;
            error += (value - (double)restored[i]) * (value - (double)restored[i]);
            square += value * value;
        }
        sum += error / square;
        free(stored);
    }
    mem_free(values);
    return sum / 40.0;
}

/* A row loses a hundredth of its square, as sixteen levels must; a query nothing to speak of. A
 * mean that all coordinates share costs nothing. */
static void test_losses(void **state)
{
    (void)state;
    static const size_t dims[] = {16, 63, 64, 100, 768, 1536, 4097};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++) {
        for (int distance = 0; distance < DISTANCE_COUNT; distance++) {
            enum distance d = (enum distance)distance;
            double row = error_of(d, 0.0, dims[i], false);
            double query = error_of(d, 0.0, dims[i], true);
            double shifted = error_of(d, 10.0, dims[i], false);
            printf("%-9s %4zu: %.5f of the square, of a query %.7f, with a mean %.7f\n",
                   distance_name(d), dims[i], row, query, shifted);
            assert_true(row < (d == DISTANCE_MANHATTAN ? 0.0145 : 0.0098));
            assert_true(query < 0.0002);
            assert_true(shifted < 0.00016);
        }
    }
}

/* Lengths stay for Cosine (one), Dot and Euclid. */
static void test_lengths(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    for (size_t dim = 1; dim <= TAILS; dim++) {
        for (int distance = DISTANCE_COSINE; distance <= DISTANCE_EUCLID; distance++) {
            float values[TAILS], restored[TAILS];
            normals(&random, 0.5, dim, values);
            void *stored = prepared((enum distance)distance, values, dim, false);
            vector_restore((enum distance)distance, ELEMENT_TURBO4, stored, dim, restored);
            double length = distance == DISTANCE_COSINE ? 1.0 : sqrt(dot(values, values, dim));
            double got = sqrt(dot(restored, restored, dim));
            assert_true(fabs(got - length) <= 1e-5 * length);
            free(stored);
        }
    }
}

/* Distances are those between the vectors that restoring gives, for a stored vector and for a query
 * as the first one. */
static void test_distances_of_restored(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    for (size_t dim = 1; dim <= TAILS; dim++) {
        for (size_t cell = 0; cell < (size_t)DISTANCE_COUNT * 2; cell++) {
            enum distance distance = (enum distance)(cell / 2);
            float a[TAILS], b[TAILS];
            normals(&random, 0.3, dim, a);
            normals(&random, 0.3, dim, b);
            void *first = prepared(distance, a, dim, cell % 2 != 0);
            void *second = prepared(distance, b, dim, false);
            vector_restore(distance, ELEMENT_TURBO4, first, dim, a);
            vector_restore(distance, ELEMENT_TURBO4, second, dim, b);
            double expected = plain_distance(distance, a, b, dim);
            float got = kernel_get(distance, ELEMENT_TURBO4)->one(first, second, dim);
            double terms =
                distance == DISTANCE_MANHATTAN ? (double)dim : dot(a, a, dim) + dot(b, b, dim);
            if (fabs((double)got - expected) > 1e-5 * (terms + 1.0)) {
                fail_msg("%s dim %zu query %zu: %.9g, restored vectors %.9g (seed %llu)",
                         distance_name(distance), dim, cell % 2, (double)got, expected,
                         (unsigned long long)SEED);
            }
            free(first);
            free(second);
        }
    }
}

/* A stored vector is at no distance from itself, and as near as can be by Cosine; no distance is
 * negative, whatever is a little apart. */
static void test_self(void **state)
{
    (void)state;
    struct random random;
    random_init(&random, SEED);
    for (size_t dim = 1; dim <= TAILS; dim++) {
        float values[TAILS];
        normals(&random, 0.3, dim, values);
        for (int distance = 0; distance < DISTANCE_COUNT; distance++) {
            enum distance d = (enum distance)distance;
            void *row = prepared(d, values, dim, false);
            float self = kernel_get(d, ELEMENT_TURBO4)->one(row, row, dim);
            assert_true(d == DISTANCE_DOT || d == DISTANCE_COSINE ? self < 0.0f : self == 0.0f);
            assert_true(d != DISTANCE_COSINE || fabsf(self + 1.0f) < 1e-6f);
            values[0] *= 1.0f + FLT_EPSILON;
            void *near = prepared(d, values, dim, true);
            float apart = kernel_get(d, ELEMENT_TURBO4)->one(near, row, dim);
            assert_true(d == DISTANCE_DOT || d == DISTANCE_COSINE || apart >= 0.0f);
            free(row);
            free(near);
        }
    }
}

/* A query before rows gives the same in every set, bit for bit but for Manhattan, alone and among
 * others; it is read up to its last byte and not further. */
static void test_queries_agree(void **state)
{
    (void)state;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    uint8_t *base =
        mmap(NULL, 2 * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    assert_true(base != MAP_FAILED);
    assert_int_equal(mprotect(base + page, page, PROT_NONE), 0);
    enum distance distance;
    enum element element;
    const struct kernel *kernel;
    size_t cells = 0;
    for (size_t cell = 0; kernel_cell(cell, &distance, &element, &kernel); cell++) {
        struct random random;
        random_init(&random, SEED);
        for (size_t dim = 1; element == ELEMENT_TURBO4 && dim <= TAILS; dim++) {
            float values[TAILS];
            void *rows[ROWS];
            float many[ROWS];
            normals(&random, 0.3, dim, values);
            void *query = base + page - query_bytes(element, dim);
            assert_true(vector_prepare_query(distance, element, values, dim, query));
            for (size_t i = 0; i < ROWS; i++) {
                normals(&random, 0.3, dim, values);
                rows[i] = prepared(distance, values, dim, false);
            }
            kernel->many(query, (const void *const *)rows, ROWS, dim, many);
            for (size_t i = 0; i < ROWS; i++) {
                float one = kernel->one(query, rows[i], dim);
                float expected = kernel_scalar(distance, element)->one(query, rows[i], dim);
                assert_memory_equal(&one, &many[i], sizeof one);
                assert_true(distance == DISTANCE_MANHATTAN
                                ? fabsf(one - expected) <= 1e-5f * (float)dim
                                : one == expected);
                free(rows[i]);
            }
            cells++;
        }
    }
    assert_true(cells >= (size_t)DISTANCE_COUNT * TAILS);
    munmap(base, 2 * page);
}

/* Sums stay exact at the largest dimension with the largest levels. */
static void test_exact_at_limits(void **state)
{
    (void)state;
    enum { DIM = 65536 };
    uint8_t *row = malloc(row_bytes(ELEMENT_TURBO4, DIM));
    uint8_t *query = malloc(query_bytes(ELEMENT_TURBO4, DIM));
    assert_true(row != NULL && query != NULL);
    memset(row, 0xff, row_bytes(ELEMENT_TURBO4, DIM));
    float factors[] = {1.0f, 0.0f, -1.0f};
    int32_t sums[] = {-127 * (DIM - 1), 127 * 127 * (DIM - 1)};
    memcpy(row, factors, 8);
    memset(query, 0, query_bytes(ELEMENT_TURBO4, DIM));
    memset(query + TURBO4_QUERY_HEAD, -127, DIM - 1);
    memcpy(query, factors + 2, 4);
    memcpy(query + TURBO4_HEAD, sums, sizeof sums);
    enum distance distance;
    enum element element;
    const struct kernel *kernel;
    for (size_t cell = 0; kernel_cell(cell, &distance, &element, &kernel); cell++) {
        if (element == ELEMENT_TURBO4 && distance != DISTANCE_MANHATTAN) {
            bool euclid = distance == DISTANCE_EUCLID;
            double count = DIM - 1;
            assert_true(kernel->one(query, row, DIM) ==
                        (float)(count * (euclid ? 191.0 * 191.0 : 127.0 * 64.0)));
            assert_true(kernel->one(row, row, DIM) == (euclid ? 0.0f : (float)(-4096.0 * count)));
        }
    }
    free(row);
    free(query);
}

/* Tiny and huge vectors keep their digits; what is beyond the limit is refused, but not for Cosine;
 * zero and equal values are exact. */
static void test_magnitudes(void **state)
{
    (void)state;
    enum { DIM = 33 };
    struct random random;
    random_init(&random, SEED);
    float values[DIM], scaled[DIM], restored[DIM], plain[DIM];
    uint8_t stored[TURBO4_QUERY_HEAD + DIM + 1];
    normals(&random, 0.0, DIM, values);
    for (int distance = 0; distance < DISTANCE_COUNT; distance++) {
        enum distance d = (enum distance)distance;
        assert_true(vector_prepare(d, ELEMENT_TURBO4, values, DIM, stored));
        vector_restore(d, ELEMENT_TURBO4, stored, DIM, plain);
        static const int exponents[] = {-110, -60, 60, 105};
        for (size_t e = 0; e < 4; e++) {
            int exponent = d == DISTANCE_COSINE ? 0 : exponents[e];
            for (size_t i = 0; i < DIM; i++) {
                scaled[i] = ldexpf(values[i], exponents[e]);
            }
            assert_true(vector_prepare(d, ELEMENT_TURBO4, scaled, DIM, stored));
            vector_restore(d, ELEMENT_TURBO4, stored, DIM, restored);
            for (size_t i = 0; i < DIM; i++) {
                assert_true(fabsf(ldexpf(restored[i], -exponent) - plain[i]) < 1e-5f);
            }
        }
        scaled[7] = 0x1p112f;
        assert_int_equal(vector_prepare(d, ELEMENT_TURBO4, scaled, DIM, stored),
                         d == DISTANCE_COSINE);
        assert_int_equal(vector_prepare_query(d, ELEMENT_TURBO4, scaled, DIM, stored),
                         d == DISTANCE_COSINE);
        for (int query = 0; query < 4; query++) {
            float equal = d == DISTANCE_COSINE ? 1.0f / sqrtf(DIM) : 0.3f;
            for (size_t i = 0; i < DIM; i++) {
                scaled[i] = query < 2 ? 0.0f : equal;
            }
            assert_true((query % 2 != 0 ? vector_prepare_query
                                        : vector_prepare)(d, ELEMENT_TURBO4, scaled, DIM, stored));
            vector_restore(d, ELEMENT_TURBO4, stored, DIM, restored);
            for (size_t i = 0; i < DIM; i++) {
                assert_true(fabsf(restored[i] - scaled[i]) <= 1e-6f);
            }
        }
    }
}

/* The way it is stored does not change, nor does the rotation: files hold what they give. */
static void test_format(void **state)
{
    (void)state;
    const float values[] = {1, 2, 3, -4, 5};
    static const struct {
        float scale, base;
        uint8_t codes[3];
    } expected[DISTANCE_COUNT] = {
        [DISTANCE_COSINE] = {0.0180623f, 0.4221159f, {0xd3, 0x75}},
        [DISTANCE_DOT] = {0.1339538f, 3.1304951f, {0xd3, 0x75}},
        [DISTANCE_EUCLID] = {0.1339538f, 3.1304951f, {0xd3, 0x75}},
        [DISTANCE_MANHATTAN] = {0.59375f, -3.94375f, {0x08, 0xfa, 0x0c}},
    };
    for (int distance = 0; distance < DISTANCE_COUNT; distance++) {
        uint8_t stored[TURBO4_HEAD + 3];
        float head[2];
        assert_int_equal(row_bytes(ELEMENT_TURBO4, 5), sizeof stored);
        assert_true(vector_prepare((enum distance)distance, ELEMENT_TURBO4, values, 5, stored));
        memcpy(head, stored, sizeof head);
        assert_true(fabsf(head[0] - expected[distance].scale) < 1e-6f);
        assert_true(fabsf(head[1] - expected[distance].base) < 1e-6f);
        assert_memory_equal(stored + TURBO4_HEAD, expected[distance].codes, 3);
    }
    float axis[100] = {1.0f};
    struct rotation rotation = rotation_of(100, 1);
    rotation_apply(&rotation, axis);
    static const size_t places[] = {0, 31, 32, 63, 64, 99};
    static const float turned[] = {-0.0556641f, -0.1130371f, -0.1176758f,
                                   0.0168457f,  0.1455078f,  0.2436523f};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        assert_true(fabsf(axis[places[i]] - turned[i]) < 1e-6f);
    }
}

int main(void)
{
    kernel_init();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_lengths),
        cmocka_unit_test(test_distances_of_restored),
        cmocka_unit_test(test_self),
        cmocka_unit_test(test_queries_agree),
        cmocka_unit_test(test_exact_at_limits),
        cmocka_unit_test(test_magnitudes),
        cmocka_unit_test(test_format),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
