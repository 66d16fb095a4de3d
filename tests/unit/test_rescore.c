/* Rescoring: the same nearest as comparing all, exact distances, and few rows read. */
#include "index/rescore.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DIM = 12, POINTS = 1000, LIMIT = 10 };
static const uint64_t SEED = 31;

struct fixture {
    struct vectors vectors;
    struct random random;
    float query[DIM];
    struct scored candidates[POINTS];
    float errors[POINTS];
};

static void random_row(struct random *random, float *row)
{
    for (size_t i = 0; i < DIM; i++) {
        row[i] = (float)random_double(random);
    }
}

static int by_distance(const void *a, const void *b)
{
    const struct scored *x = a;
    const struct scored *y = b;
    return x->distance < y->distance ? -1 : x->distance > y->distance;
}

/* Every point with an estimate that is off by at most `error`, nearest first. */
static void make(struct fixture *fixture, float error)
{
    random_init(&fixture->random, SEED);
    assert_int_equal(vectors_init(&fixture->vectors, DISTANCE_EUCLID, ELEMENT_F32, DIM, NULL),
                     STATUS_OK);
    random_row(&fixture->random, fixture->query);
    for (point_offset i = 0; i < POINTS; i++) {
        float row[DIM];
        random_row(&fixture->random, row);
        assert_int_equal(vectors_put(&fixture->vectors, i, row, NULL), STATUS_OK);
        float exact = fixture->vectors.kernel->one(fixture->query, row, DIM);
        float off = (float)(2.0 * random_double(&fixture->random) - 1.0) * error;
        fixture->candidates[i] = (struct scored){.distance = exact + off, .point = i};
        fixture->errors[i] = error;
    }
    qsort(fixture->candidates, POINTS, sizeof *fixture->candidates, by_distance);
}

static size_t run(const struct fixture *fixture, bool with_errors, bool cold, struct topk *out,
                  struct scored *items)
{
    struct rescore_job job = {.vectors = &fixture->vectors,
                              .query = fixture->query,
                              .candidates = fixture->candidates,
                              .errors = with_errors ? fixture->errors : NULL,
                              .count = POINTS,
                              .cold = cold};
    topk_init(out, items, LIMIT, NULL);
    size_t read = rescore(&job, out);
    topk_sort(out);
    return read;
}

static void check(const struct fixture *fixture, const struct topk *out)
{
    struct scored items[LIMIT];
    struct topk exact;
    topk_init(&exact, items, LIMIT, NULL);
    for (point_offset i = 0; i < POINTS; i++) {
        const void *row = vectors_at(&fixture->vectors, i);
        topk_push(&exact, fixture->vectors.kernel->one(fixture->query, row, DIM), i);
    }
    topk_sort(&exact);
    assert_int_equal(out->count, LIMIT);
    assert_memory_equal(out->items, exact.items, sizeof items);
}

/* With true errors nothing is lost, warm or cold; the smaller they are the fewer rows are read. */
static void test_bounds(void **state)
{
    (void)state;
    static const float errors[3] = {0.0f, 0.05f, 0.3f};
    size_t before = 0;
    for (int i = 0; i < 3; i++) {
        struct fixture *fixture = mem_alloc(sizeof *fixture);
        make(fixture, errors[i]);
        struct scored items[LIMIT];
        struct topk out;
        size_t warm = run(fixture, true, false, &out, items);
        check(fixture, &out);
        assert_int_equal(run(fixture, true, true, &out, items), warm);
        check(fixture, &out);
        assert_true(warm >= LIMIT && warm > before && warm < POINTS);
        before = warm;
        assert_int_equal(run(fixture, false, false, &out, items), POINTS);
        check(fixture, &out);
        vectors_deinit(&fixture->vectors);
        mem_free(fixture);
    }
}

/* What `out` already holds keeps farther candidates from being read. */
static void test_joins_results(void **state)
{
    (void)state;
    struct fixture *fixture = mem_alloc(sizeof *fixture);
    make(fixture, 0.0f);
    struct scored items[LIMIT];
    struct topk out;
    topk_init(&out, items, LIMIT, NULL);
    for (point_offset i = 0; i < LIMIT; i++) {
        topk_push(&out, -1.0f, POINTS + i);
    }
    struct rescore_job job = {.vectors = &fixture->vectors,
                              .query = fixture->query,
                              .candidates = fixture->candidates,
                              .errors = fixture->errors,
                              .count = POINTS};
    assert_int_equal(rescore(&job, &out), 0);
    topk_sort(&out);
    assert_true(out.items[LIMIT - 1].point >= POINTS);
    topk_init(&out, items, 0, NULL);
    assert_int_equal(rescore(&job, &out), 0);
    job.count = 0;
    topk_init(&out, items, LIMIT, NULL);
    assert_int_equal(rescore(&job, &out), 0);
    assert_int_equal(out.count, 0);
    vectors_deinit(&fixture->vectors);
    mem_free(fixture);
}

/* Errors that are no numbers leave nobody out. */
static void test_not_a_number(void **state)
{
    (void)state;
    struct fixture *fixture = mem_alloc(sizeof *fixture);
    make(fixture, 0.1f);
    for (size_t i = 0; i < POINTS; i++) {
        fixture->errors[i] = i % 2 == 0 ? NAN : INFINITY;
    }
    struct scored items[LIMIT];
    struct topk out;
    assert_int_equal(run(fixture, true, true, &out, items), POINTS);
    check(fixture, &out);
    vectors_deinit(&fixture->vectors);
    mem_free(fixture);
}

int main(void)
{
    kernel_init();
    printf("seed %llu\n", (unsigned long long)SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bounds),
        cmocka_unit_test(test_joins_results),
        cmocka_unit_test(test_not_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
