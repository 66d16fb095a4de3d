/* The clustering: determinism, nearest centroids, balance, points that are few or equal. */
#include "index/cluster/cluster.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <string.h>

enum { DIM = 12, POINTS = 9000 };
static const uint64_t SEED = 1234;

struct fixture {
    struct vectors vectors;
    point_offset points[POINTS];
};

/* Points around 50 centres. */
static void setup(struct fixture *fixture, size_t count)
{
    kernel_init();
    struct random random;
    random_init(&random, SEED);
    print_message("seed %llu\n", (unsigned long long)SEED);
    assert_int_equal(vectors_init(&fixture->vectors, DISTANCE_EUCLID, ELEMENT_F32, DIM, NULL),
                     STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        struct random centre;
        random_init(&centre, 1 + random_below(&random, 50));
        float row[DIM];
        for (size_t d = 0; d < DIM; d++) {
            row[d] = (float)(4 * random_double(&centre) + random_double(&random));
        }
        assert_int_equal(vectors_put(&fixture->vectors, (point_offset)i, row, NULL), STATUS_OK);
        fixture->points[i] = (point_offset)i;
    }
}

static struct clustering train(struct fixture *fixture, size_t count, size_t clusters,
                               uint32_t threads)
{
    const struct cluster_job job = {.vectors = &fixture->vectors,
                                    .points = fixture->points,
                                    .count = count,
                                    .clusters = clusters,
                                    .seed = SEED,
                                    .threads = threads};
    struct clustering clustering;
    assert_int_equal(cluster_train(&job, &clustering, NULL), STATUS_OK);
    return clustering;
}

static float square(const float *a, const float *b)
{
    float sum = 0;
    for (size_t d = 0; d < DIM; d++) {
        sum += (a[d] - b[d]) * (a[d] - b[d]);
    }
    return sum;
}

/* The same clusters come out for any number of threads, with and without groups. */
static void test_deterministic(void **state)
{
    (void)state;
    static struct fixture fixture;
    setup(&fixture, POINTS);
    static const size_t wanted[] = {40, 300};
    for (size_t i = 0; i < 2; i++) {
        struct clustering one = train(&fixture, POINTS, wanted[i], 1);
        for (uint32_t threads = 2; threads <= 3; threads++) {
            struct clustering more = train(&fixture, POINTS, wanted[i], threads);
            assert_int_equal(one.clusters, more.clusters);
            assert_memory_equal(one.centroids, more.centroids, one.clusters * DIM * sizeof(float));
            assert_memory_equal(one.assignment, more.assignment, POINTS * sizeof(uint32_t));
            clustering_deinit(&more);
        }
        clustering_deinit(&one);
    }
    vectors_deinit(&fixture.vectors);
}

/* Every cluster has points, groups cover all, and points have nearly always their nearest centroid.
 */
static void test_assignment(void **state)
{
    (void)state;
    static struct fixture fixture;
    setup(&fixture, POINTS);
    struct clustering c = train(&fixture, POINTS, 300, 2);
    assert_true(c.groups > 1 && c.group_first[0] == 0 && c.group_first[c.groups] == c.clusters);
    uint32_t sizes[300] = {0};
    size_t wrong = 0;
    double error = 0;
    for (size_t i = 0; i < POINTS; i++) {
        const float *row = vectors_at(&fixture.vectors, (point_offset)i);
        assert_true(c.assignment[i] < c.clusters);
        sizes[c.assignment[i]]++;
        float own = square(row, c.centroids + c.assignment[i] * DIM);
        float best = INFINITY;
        for (size_t k = 0; k < c.clusters; k++) {
            best = fminf(best, square(row, c.centroids + k * DIM));
        }
        wrong += own > best * 1.0001f + 1e-6f;
        error += (double)own;
    }
    for (size_t k = 0; k < c.clusters; k++) {
        assert_true(sizes[k] > 0 && sizes[k] < 12 * POINTS / 300);
        float norm = square(c.centroids + k * DIM, (const float[DIM]){0});
        assert_true(fabsf(c.half_norms[k] - norm / 2) <= 1e-4f * norm);
    }
    assert_true(wrong < POINTS / 50);
    /* The noise around a centre has a square of DIM / 12 on average; six clusters a centre. */
    assert_true(error / POINTS < 0.9 * DIM / 12);
    clustering_deinit(&c);
    vectors_deinit(&fixture.vectors);
}

/* Most of the variance lies in few directions that all clusters share: groups cut along these. A
 * thorough job notices, does without, and gets smaller clusters; the same for any threads. */
static void test_thorough(void **state)
{
    (void)state;
    enum { ROWS = 8000, WIDE = 192, SHARED = 64 };
    struct vectors vectors;
    struct random random;
    random_init(&random, SEED);
    static float centres[300][WIDE];
    static float directions[SHARED][WIDE];
    static point_offset points[ROWS];
    for (size_t i = 0; i < 300 * WIDE; i++) {
        centres[i / WIDE][i % WIDE] = (float)random_double(&random) - 0.5f;
    }
    for (size_t i = 0; i < SHARED * WIDE; i++) {
        directions[i / WIDE][i % WIDE] = (float)random_double(&random) - 0.5f;
    }
    assert_int_equal(vectors_init(&vectors, DISTANCE_EUCLID, ELEMENT_F32, WIDE, NULL), STATUS_OK);
    for (size_t i = 0; i < ROWS; i++) {
        float row[WIDE];
        memcpy(row, centres[random_below(&random, 300)], sizeof row);
        for (size_t s = 0; s < SHARED; s++) {
            float part = 0.6f * ((float)random_double(&random) - 0.5f);
            for (size_t d = 0; d < WIDE; d++) {
                row[d] += part * directions[s][d];
            }
        }
        assert_int_equal(vectors_put(&vectors, (point_offset)i, row, NULL), STATUS_OK);
        points[i] = (point_offset)i;
    }
    double errors[3];
    struct clustering results[3];
    for (uint32_t run = 0; run < 3; run++) {
        const struct cluster_job job = {.vectors = &vectors,
                                        .points = points,
                                        .count = ROWS,
                                        .clusters = 800,
                                        .thorough = run > 0,
                                        .seed = SEED,
                                        .threads = 1 + run};
        assert_int_equal(cluster_train(&job, &results[run], NULL), STATUS_OK);
        errors[run] = 0;
        for (size_t i = 0; i < ROWS; i++) {
            const float *row = vectors_at(&vectors, (point_offset)i);
            const float *centroid = results[run].centroids + results[run].assignment[i] * WIDE;
            for (size_t d = 0; d < WIDE; d++) {
                errors[run] += (double)((row[d] - centroid[d]) * (row[d] - centroid[d]));
            }
        }
    }
    assert_true(results[0].groups > 1);
    assert_int_equal(results[1].groups, 1);
    assert_true(errors[1] < 0.97 * errors[0]);
    assert_memory_equal(results[1].assignment, results[2].assignment, ROWS * sizeof(uint32_t));
    for (uint32_t run = 0; run < 3; run++) {
        clustering_deinit(&results[run]);
    }
    vectors_deinit(&vectors);
}

/* cluster_nearest is exact, in order, and says where there are too few clusters. */
static void test_nearest(void **state)
{
    (void)state;
    static struct fixture fixture;
    setup(&fixture, 2000);
    struct clustering c = train(&fixture, 2000, 300, 2);
    enum { ROWS = 200, WIDTH = 5 };
    float rows[ROWS * DIM];
    for (size_t i = 0; i < ROWS; i++) {
        cluster_row(&fixture.vectors, vectors_at(&fixture.vectors, (point_offset)(i * 7)),
                    rows + i * DIM);
    }
    uint32_t near[ROWS * WIDTH];
    float distances[ROWS * WIDTH];
    assert_int_equal(cluster_nearest(&c, rows, ROWS, WIDTH, 2, near, distances, NULL), STATUS_OK);
    for (size_t i = 0; i < ROWS; i++) {
        size_t nearer = 0;
        float last = square(rows + i * DIM, c.centroids + near[i * WIDTH + WIDTH - 1] * DIM);
        for (size_t k = 0; k < c.clusters; k++) {
            nearer += square(rows + i * DIM, c.centroids + k * DIM) < last * 0.9999f - 1e-4f;
        }
        assert_true(nearer < WIDTH);
        for (size_t w = 0; w < WIDTH; w++) {
            float exact = square(rows + i * DIM, c.centroids + near[i * WIDTH + w] * DIM);
            assert_true(fabsf(exact - distances[i * WIDTH + w]) < 1e-3f + 1e-3f * exact);
            assert_true(w == 0 || distances[i * WIDTH + w] >= distances[i * WIDTH + w - 1]);
        }
    }
    uint32_t *wide = mem_alloc((c.clusters + 1) * sizeof *wide);
    assert_int_equal(cluster_nearest(&c, rows, 1, c.clusters + 1, 1, wide, NULL, NULL), STATUS_OK);
    assert_true(wide[c.clusters] == UINT32_MAX && wide[c.clusters - 1] < c.clusters);
    mem_free(wide);
    clustering_deinit(&c);
    vectors_deinit(&fixture.vectors);
}

/* Fewer points than clusters, one point, and equal points give fewer clusters, none empty. */
static void test_few_and_equal(void **state)
{
    (void)state;
    static struct fixture fixture;
    setup(&fixture, 30);
    struct clustering few = train(&fixture, 30, 100, 2);
    assert_true(few.clusters <= 30 && few.clusters > 20);
    clustering_deinit(&few);
    struct clustering one = train(&fixture, 1, 10, 2);
    assert_int_equal(one.clusters, 1);
    assert_true(square(one.centroids, vectors_at(&fixture.vectors, 0)) < 1e-9f);
    clustering_deinit(&one);
    vectors_deinit(&fixture.vectors);

    assert_int_equal(vectors_init(&fixture.vectors, DISTANCE_EUCLID, ELEMENT_F32, DIM, NULL),
                     STATUS_OK);
    for (point_offset i = 0; i < 4000; i++) {
        const float row[DIM] = {1, 2, i % 2 == 0 ? 3 : -3};
        assert_int_equal(vectors_put(&fixture.vectors, i, row, NULL), STATUS_OK);
        fixture.points[i] = i;
    }
    struct clustering equal = train(&fixture, 4000, 250, 2);
    assert_true(equal.clusters >= 2 && equal.clusters <= 250);
    for (size_t i = 0; i < 4000; i++) {
        assert_true(square(vectors_at(&fixture.vectors, (point_offset)i),
                           equal.centroids + equal.assignment[i] * DIM) < 0.1f);
    }
    clustering_deinit(&equal);
    vectors_deinit(&fixture.vectors);
}

/* A cancelled job says so and leaves nothing behind. */
static void test_cancelled(void **state)
{
    (void)state;
    static struct fixture fixture;
    setup(&fixture, 1000);
    atomic_bool cancelled = true;
    const struct cluster_job job = {.vectors = &fixture.vectors,
                                    .points = fixture.points,
                                    .count = 1000,
                                    .clusters = 300,
                                    .threads = 2,
                                    .cancelled = &cancelled};
    struct clustering clustering;
    assert_int_equal(cluster_train(&job, &clustering, NULL), STATUS_CANCELLED);
    vectors_deinit(&fixture.vectors);
}

static void count_up(void *ctx, size_t i)
{
    atomic_uint *counts = ctx;
    atomic_fetch_add(&counts[i], 1);
}

/* Every piece runs once, however many threads there are. */
static void test_parallel(void **state)
{
    (void)state;
    for (uint32_t threads = 0; threads < 5; threads++) {
        atomic_uint counts[1000] = {0};
        assert_true(parallel_for(threads, 1000, NULL, count_up, counts));
        for (size_t i = 0; i < 1000; i++) {
            assert_int_equal(counts[i], 1);
        }
    }
    assert_true(parallel_for(3, 0, NULL, count_up, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_deterministic), cmocka_unit_test(test_assignment),
        cmocka_unit_test(test_nearest),       cmocka_unit_test(test_few_and_equal),
        cmocka_unit_test(test_cancelled),     cmocka_unit_test(test_parallel),
        cmocka_unit_test(test_thorough),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
