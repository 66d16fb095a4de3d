/* The race between kinds of index: who finds enough is timed, who does not gets no time, growth is
 * applied, and it ends early when told to. */
#include "index/segment/race.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { DIM = 16, POINTS = 30000, FEW = 1000 };
static const uint64_t SEED = 77;

static struct vectors vectors;

static void fill(size_t count)
{
    struct random random;
    random_init(&random, SEED);
    kernel_init();
    assert_int_equal(vectors_init(&vectors, DISTANCE_EUCLID, ELEMENT_F32, DIM, NULL), STATUS_OK);
    for (size_t i = 0; i < count; i++) {
        float row[DIM];
        for (size_t d = 0; d < DIM; d++) {
            row[d] = (float)random_double(&random);
        }
        assert_int_equal(vectors_put(&vectors, (point_offset)i, row, NULL), STATUS_OK);
    }
}

/* A kind that finds nothing, and one that finds all but takes its time. */
static enum status find_nothing(const struct vindex *index, const struct search_args *args,
                                struct topk *out, struct error *err)
{
    (void)index;
    (void)args;
    (void)out;
    (void)err;
    return STATUS_OK;
}

static enum status find_slowly(const struct vindex *index, const struct search_args *args,
                               struct topk *out, struct error *err)
{
    nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
    return vindex_ivfpq.search(index, args, out, err);
}

/* A kind that cannot reach the recall gets no time; one that is slower by a millisecond shows it;
 * the time grows with the number of points as the contender says. */
static void test_times(void **state)
{
    (void)state;
    fill(POINTS);
    struct vindex_kind blind = vindex_ivfpq;
    blind.search = find_nothing;
    struct vindex_kind slow = vindex_ivfpq;
    slow.search = find_slowly;
    struct contender contenders[] = {
        {.kind = &vindex_ivfpq, .params = {.seed = 1}},
        {.kind = &blind, .params = {.seed = 1}},
        {.kind = &slow, .params = {.seed = 1}},
        {.kind = &slow, .params = {.seed = 1}, .growth = 4},
    };
    struct race race = {.vectors = &vectors, .threads = 2, .contenders = contenders, .count = 4};
    assert_int_equal(race_run(&race, NULL), STATUS_OK);
    assert_true(contenders[0].time_us > 0);
    assert_true(contenders[1].time_us == 0);
    assert_true(contenders[2].time_us >= 1000 && contenders[2].time_us > contenders[0].time_us);
    /* The sample holds two thirds of the points: 1.5 to the fourth power is 5. */
    assert_true(contenders[3].time_us > 3 * contenders[2].time_us);
    vectors_deinit(&vectors);
}

/* Too few vectors are refused; a cancelled race says so. */
static void test_no_race(void **state)
{
    (void)state;
    struct contender contender = {.kind = &vindex_ivfpq, .params = {.seed = 1}};
    atomic_bool cancelled = true;
    struct race race = {.vectors = &vectors, .threads = 1, .contenders = &contender, .count = 1};
    fill(FEW);
    assert_int_equal(race_run(&race, NULL), STATUS_BAD_INPUT);
    vectors_deinit(&vectors);
    fill(POINTS);
    race.cancelled = &cancelled;
    assert_int_equal(race_run(&race, NULL), STATUS_CANCELLED);
    vectors_deinit(&vectors);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_times),
        cmocka_unit_test(test_no_race),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
