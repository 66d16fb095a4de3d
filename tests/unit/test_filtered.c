/* Filtered search from the set of matches to the answer: recall at every selectivity, correlation
 * with the query and kind of index, each way that a plan has, and what becomes of steps that fail.
 */
#include "index/segment/segment_run.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdlib.h>
#include <string.h>

enum { DIM = 24, POINTS = 5000, GROUPS = 60, QUERIES = 12, LIMIT = 10, SEEDS = 2 };
static const uint64_t SEED = 4711;
static const double FLOOR = 0.95;

static const struct index_case {
    const char *name;
    const struct vindex_kind *kind; /* NULL: no index */
    struct quant_params quant;
    uint32_t effort; /* 0: the default */
} INDEXES[] = {
    {"none", NULL, {0}, 0},
    {"hnsw", &vindex_hnsw, {0}, 0},
    {"hnsw, 4 bits", &vindex_hnsw, {.kind = QUANT_ROTATED, .half_bits = 8}, 0},
    {"hnsw, scalar", &vindex_hnsw, {.kind = QUANT_SCALAR}, 0},
    /* Lists are calibrated for a recall of 0.97 without a filter, not far from the floor. */
    {"ivfpq", &vindex_ivfpq, {0}, 320},
};
enum { INDEXES_COUNT = sizeof INDEXES / sizeof INDEXES[0] };

struct fixture {
    const struct index_case *of;
    struct vectors vectors;
    struct vindex *index;
    float centres[GROUPS][DIM];
    uint8_t group[POINTS];
    point_offset shuffled[POINTS];
    point_offset by_group[POINTS]; /* group after group */
    uint32_t group_start[GROUPS + 1];
    struct random random;
};

static void draw_near(struct fixture *fixture, size_t group, float *out)
{
    for (size_t d = 0; d < DIM; d++) {
        double noise = random_double(&fixture->random) + random_double(&fixture->random) - 1;
        out[d] = fixture->centres[group][d] + (float)(0.7 * noise);
    }
}

static void sort_groups(struct fixture *fixture)
{
    uint32_t at = 0;
    for (point_offset i = 0; i < POINTS; i++) {
        size_t place = random_below(&fixture->random, i + 1);
        fixture->shuffled[i] = fixture->shuffled[place];
        fixture->shuffled[place] = i;
    }
    for (size_t g = 0; g < GROUPS; g++) {
        fixture->group_start[g] = at;
        for (size_t i = 0; i < POINTS; i++) {
            if (fixture->group[fixture->shuffled[i]] == g) {
                fixture->by_group[at++] = fixture->shuffled[i];
            }
        }
    }
    fixture->group_start[GROUPS] = at;
}

static void open_fixture(struct fixture *fixture, const struct index_case *of, uint64_t seed)
{
    memset(fixture, 0, sizeof *fixture);
    fixture->of = of;
    random_init(&fixture->random, seed);
    kernel_init();
    assert_int_equal(vectors_init(&fixture->vectors, DISTANCE_EUCLID, ELEMENT_F32, DIM, NULL),
                     STATUS_OK);
    for (size_t i = 0; i < GROUPS * DIM; i++) {
        fixture->centres[i / DIM][i % DIM] = (float)random_double(&fixture->random);
    }
    for (point_offset i = 0; i < POINTS; i++) {
        float row[DIM];
        fixture->group[i] = (uint8_t)random_below(&fixture->random, GROUPS);
        draw_near(fixture, fixture->group[i], row);
        assert_int_equal(vectors_put(&fixture->vectors, i, row, NULL), STATUS_OK);
    }
    sort_groups(fixture);
    if (of->kind != NULL) {
        struct vindex_params params = {
            .m = 16, .ef_construct = 100, .seed = seed, .quant = of->quant};
        struct build_job job = {.threads = 2, .until = POINTS};
        assert_int_equal(
            of->kind->open(&fixture->vectors, &params, (struct slice){0}, &fixture->index, NULL),
            STATUS_OK);
        assert_int_equal(of->kind->build(fixture->index, &job, NULL), STATUS_OK);
    }
}

static void close_fixture(struct fixture *fixture)
{
    if (fixture->index != NULL) {
        fixture->of->kind->close(fixture->index);
    }
    vectors_deinit(&fixture->vectors);
}

/* ---- sets of matches ---- */

enum correlation { INDEPENDENT, CATEGORIES, ALIGNED, OPPOSED, CORRELATIONS };
static const char *const CORRELATION_NAMES[] = {"independent", "categories", "aligned", "opposed"};

struct ranked {
    double key;
    size_t group;
};

static int compare_ranked(const void *a, const void *b)
{
    double x = ((const struct ranked *)a)->key;
    double y = ((const struct ranked *)b)->key;
    return (x > y) - (x < y);
}

/* The `wanted` first points in the order that the correlation gives. */
static void draw_matches(struct fixture *fixture, enum correlation correlation, const float *query,
                         size_t wanted, struct bitmap *out)
{
    struct ranked ranked[GROUPS];
    bitmap_init(out);
    assert_true(bitmap_resize(out, POINTS));
    if (correlation == INDEPENDENT) {
        size_t from = random_below(&fixture->random, POINTS);
        for (size_t i = 0; i < wanted; i++) {
            bitmap_set(out, fixture->shuffled[(from + i) % POINTS]);
        }
        return;
    }
    for (size_t g = 0; g < GROUPS; g++) {
        double distance = (double)fixture->vectors.kernel->one(query, fixture->centres[g], DIM);
        ranked[g].group = g;
        ranked[g].key = correlation == CATEGORIES ? random_double(&fixture->random)
                        : correlation == ALIGNED  ? distance
                                                  : -distance;
    }
    qsort(ranked, GROUPS, sizeof *ranked, compare_ranked);
    for (size_t g = 0; g < GROUPS; g++) {
        size_t group = ranked[g].group;
        for (uint32_t i = fixture->group_start[group];
             i < fixture->group_start[group + 1] && wanted > 0; i++, wanted--) {
            bitmap_set(out, fixture->by_group[i]);
        }
    }
}

/* What filters do with two sets: one of them, AND, OR, AND NOT. */
enum shape { SINGLE, AND, OR, NOT, SHAPES };

static void draw_shape(struct fixture *fixture, enum shape shape, enum correlation correlation,
                       const float *query, double part, struct bitmap *out)
{
    static const double parts[SHAPES] = {1, 1.4, 0.6, 1.4};
    double wanted = part * parts[shape] * POINTS;
    size_t count = wanted < 1 ? 1 : wanted < POINTS ? (size_t)wanted : POINTS;
    draw_matches(fixture, correlation, query, count, out);
    if (shape == SINGLE || part >= 1) {
        return;
    }
    struct bitmap other;
    size_t of_other = shape == AND ? POINTS * 7 / 10 : shape == OR ? count : POINTS * 3 / 10;
    draw_matches(fixture, INDEPENDENT, query, of_other, &other);
    if (shape == OR) {
        bitmap_or(out, &other);
    } else {
        if (shape == NOT) {
            bitmap_not(&other);
        }
        bitmap_and(out, &other);
    }
    bitmap_deinit(&other);
}

/* ---- searching ---- */

static bool is_there(const void *ctx, point_offset point)
{
    return vectors_has(ctx, point);
}

struct answer {
    struct scored items[LIMIT];
    size_t count;
    struct search_report report;
};

static struct searching searching_of(struct fixture *fixture, const float *query,
                                     struct match_set *matches, struct topk *top,
                                     struct search_report *report)
{
    bool graph = fixture->of->kind == &vindex_hnsw;
    return (struct searching){
        .vectors = &fixture->vectors,
        .index = fixture->index,
        .links = graph ? 32 : 0,
        .args = {.query = query, .limit = LIMIT, .count = POINTS, .effort = fixture->of->effort},
        .test = is_there,
        .ctx = &fixture->vectors,
        .filtered = true,
        .matches = matches,
        .present = POINTS,
        .top = top,
        .report = report};
}

enum { PLANNED = -1 };

/* `first`: an operator, or PLANNED. `bits` stay the caller's. */
static void search(struct fixture *fixture, const float *query, const struct bitmap *bits,
                   int first, struct answer *out)
{
    struct topk top;
    struct match_set matches;
    bool unfinished;
    memset(out, 0, sizeof *out);
    topk_init(&top, out->items, LIMIT, NULL);
    match_set_init(&matches);
    matches.words = bits->words;
    matches.bits = bits->bits;
    matches.count = bitmap_count(bits);
    struct searching s = searching_of(fixture, query, &matches, &top, &out->report);
    s.forced = first != PLANNED;
    s.first = s.forced ? (enum search_operator)first : SEARCH_SCAN;
    assert_int_equal(search_run(&s, &unfinished, NULL), STATUS_OK);
    assert_false(unfinished);
    topk_sort(&top);
    out->count = top.count;
}

/* The same by looking at every point. */
static void search_all(const struct fixture *fixture, const float *query, const struct bitmap *bits,
                       struct answer *out)
{
    struct topk top;
    topk_init(&top, out->items, LIMIT, NULL);
    const struct vectors *vectors = &fixture->vectors;
    for (point_offset i = 0; i < POINTS; i++) {
        if (bitmap_get(bits, i) && vectors_has(vectors, i)) {
            topk_push(&top, vectors->kernel->one(query, vectors_at(vectors, i), DIM), i);
        }
    }
    topk_sort(&top);
    out->count = top.count;
}

/* Hits; everything returned matches, has its exact distance, and nothing is missing. */
static size_t check_answer(const struct fixture *fixture, const float *query,
                           const struct bitmap *bits, const struct answer *found,
                           const struct answer *exact)
{
    const struct vectors *vectors = &fixture->vectors;
    size_t hits = 0;
    assert_int_equal(found->count, exact->count);
    for (size_t i = 0; i < found->count; i++) {
        point_offset point = found->items[i].point;
        assert_true(bitmap_get(bits, point) && vectors_has(vectors, point));
        float distance = vectors->kernel->one(query, vectors_at(vectors, point), DIM);
        assert_memory_equal(&distance, &found->items[i].distance, sizeof distance);
        assert_true(i == 0 || found->items[i - 1].distance <= distance);
        assert_true(i == 0 || found->items[i - 1].point != point);
        hits += distance <= exact->items[exact->count - 1].distance;
    }
    return hits;
}

static bool can_do(const struct fixture *fixture, int operator)
{
    switch (operator) {
    case SEARCH_SCAN_CODES:
        return fixture->index != NULL && fixture->of->quant.kind != QUANT_NONE;
    case SEARCH_HOPS:
        return fixture->of->kind == &vindex_hnsw;
    case SEARCH_INDEX:
        return fixture->index != NULL;
    default:
        return true;
    }
}

enum { WAYS = SEARCH_OPERATORS + 1 }; /* PLANNED comes first */

/* Adds to `hits` what each way finds. */
static size_t search_all_ways(struct fixture *fixture, const float *query,
                              const struct bitmap *bits, size_t hits[WAYS])
{
    struct answer exact;
    search_all(fixture, query, bits, &exact);
    for (int first = PLANNED; first < SEARCH_OPERATORS; first++) {
        struct answer found;
        if (can_do(fixture, first)) {
            search(fixture, query, bits, first, &found);
            hits[first + 1] += check_answer(fixture, query, bits, &found, &exact);
        }
    }
    return exact.count;
}

static void check_recall(struct fixture *fixture, double part, enum correlation correlation)
{
    size_t hits[WAYS] = {0};
    size_t wanted = 0;
    for (size_t q = 0; q < QUERIES; q++) {
        float query[DIM];
        struct bitmap bits;
        draw_near(fixture, random_below(&fixture->random, GROUPS), query);
        draw_shape(fixture, (enum shape)(q % SHAPES), correlation, query, part, &bits);
        wanted += search_all_ways(fixture, query, &bits, hits);
        bitmap_deinit(&bits);
    }
    for (int first = PLANNED; first < SEARCH_OPERATORS; first++) {
        if (can_do(fixture, first) && (double)hits[first + 1] < FLOOR * (double)wanted) {
            fail_msg("%s, way %d, %s, %g of the points: %zu of %zu", fixture->of->name, first,
                     CORRELATION_NAMES[correlation], part, hits[first + 1], wanted);
        }
    }
}

static void check_recalls(struct fixture *fixture)
{
    static const double parts[] = {0.0001, 0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1};
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (int c = 0; c < CORRELATIONS; c++) {
            check_recall(fixture, parts[i], (enum correlation)c);
        }
    }
}

/* Proves that recall is at least the floor for every index, way, selectivity, correlation and shape
 * of the set, that answers are never short, and that all of this still holds when a third of the
 * points has gone. */
static void test_recall(void **state)
{
    (void)state;
    static struct fixture fixture;
    for (uint64_t seed = SEED; seed < SEED + SEEDS; seed++) {
        print_message("seed %llu\n", (unsigned long long)seed);
        for (size_t i = 0; i < INDEXES_COUNT; i++) {
            open_fixture(&fixture, &INDEXES[i], seed);
            check_recalls(&fixture);
            for (point_offset point = 0; point < POINTS; point += 3) {
                vectors_remove(&fixture.vectors, point);
            }
            check_recalls(&fixture);
            close_fixture(&fixture);
        }
    }
}

/* Proves that the same search gives the same answer and does the same work, whatever was searched
 * before. */
static void test_same_again(void **state)
{
    (void)state;
    static struct fixture fixture;
    for (size_t i = 0; i < INDEXES_COUNT; i++) {
        open_fixture(&fixture, &INDEXES[i], SEED);
        for (int first = PLANNED; first < SEARCH_OPERATORS; first++) {
            float query[DIM];
            struct bitmap bits;
            struct answer answers[3];
            if (!can_do(&fixture, first)) {
                continue;
            }
            draw_near(&fixture, 3, query);
            draw_matches(&fixture, CATEGORIES, query, POINTS / 4, &bits);
            search(&fixture, query, &bits, first, &answers[0]);
            search(&fixture, fixture.centres[7], &bits, first, &answers[2]);
            search(&fixture, query, &bits, first, &answers[1]);
            assert_int_equal(answers[0].count, answers[1].count);
            assert_memory_equal(answers[0].items, answers[1].items, sizeof answers[0].items);
            assert_int_equal(answers[0].report.steps_count, answers[1].report.steps_count);
            for (size_t step = 0; step < answers[0].report.steps_count; step++) {
                assert_memory_equal(&answers[0].report.steps[step].trace,
                                    &answers[1].report.steps[step].trace,
                                    sizeof(struct search_trace));
            }
            bitmap_deinit(&bits);
        }
        close_fixture(&fixture);
    }
}

/* ---- the plan ---- */

static enum search_operator choice(const struct fixture *fixture, uint64_t matches,
                                   enum hops_use hops, enum codes_use codes)
{
    struct search_args args = {.limit = LIMIT, .count = 1000000, .codes = codes};
    struct accept accept = {.selectivity = (double)matches / 1e6};
    struct plan_query query = {.index = fixture->index,
                               .args = &args,
                               .vectors = &fixture->vectors,
                               .links = fixture->of->kind == &vindex_hnsw ? 32 : 0,
                               .matches = matches,
                               .points = 1000000,
                               .hops = hops,
                               .hops_part = 0.4};
    struct plan plan;
    args.accept = &accept;
    plan_make(&query, &plan);
    for (int i = 0; i < SEARCH_OPERATORS; i++) {
        assert_true(hops != HOPS_PLANNED || plan.cost_ns[i] >= plan.cost_ns[plan.chosen]);
    }
    assert_true(plan_scan(&plan) == SEARCH_SCAN || plan_scan(&plan) == SEARCH_SCAN_CODES);
    return plan.chosen;
}

/* Proves what is chosen for a million points as ever more of them match, and that clients can
 * forbid walks over matches or have them below a part. */
static void test_choice(void **state)
{
    (void)state;
    static struct fixture fixture;
    open_fixture(&fixture, &INDEXES[0], SEED);
    assert_int_equal(choice(&fixture, 10, HOPS_PLANNED, CODES_RESCORED), SEARCH_SCAN);
    assert_int_equal(choice(&fixture, 1000000, HOPS_PLANNED, CODES_RESCORED), SEARCH_SCAN);
    close_fixture(&fixture);
    open_fixture(&fixture, &INDEXES[2], SEED);
    assert_int_equal(choice(&fixture, 0, HOPS_PLANNED, CODES_RESCORED), SEARCH_SCAN);
    assert_int_equal(choice(&fixture, 100, HOPS_PLANNED, CODES_RESCORED), SEARCH_SCAN);
    assert_int_equal(choice(&fixture, 3000, HOPS_PLANNED, CODES_RESCORED), SEARCH_SCAN_CODES);
    assert_int_equal(choice(&fixture, 200000, HOPS_PLANNED, CODES_RESCORED), SEARCH_INDEX);
    assert_int_equal(choice(&fixture, 1000000, HOPS_PLANNED, CODES_RESCORED), SEARCH_INDEX);
    assert_int_equal(choice(&fixture, 200000, HOPS_NEVER, CODES_RESCORED), SEARCH_INDEX);
    assert_int_equal(choice(&fixture, 390000, HOPS_BELOW, CODES_RESCORED), SEARCH_HOPS);
    assert_int_equal(choice(&fixture, 410000, HOPS_BELOW, CODES_RESCORED), SEARCH_INDEX);
    close_fixture(&fixture);
    open_fixture(&fixture, &INDEXES[1], SEED);
    assert_int_equal(choice(&fixture, 3000, HOPS_PLANNED, CODES_RESCORED), SEARCH_SCAN);
    assert_int_equal(choice(&fixture, 200000, HOPS_BELOW, CODES_IGNORED), SEARCH_HOPS);
    close_fixture(&fixture);
    open_fixture(&fixture, &INDEXES[4], SEED);
    assert_int_equal(choice(&fixture, 100, HOPS_PLANNED, CODES_RESCORED), SEARCH_SCAN);
    assert_int_equal(choice(&fixture, 900000, HOPS_PLANNED, CODES_RESCORED), SEARCH_INDEX);
    close_fixture(&fixture);
}

/* Proves that walks among refused points give up at once, that another way is taken then, and that
 * the report says so. */
static void test_opposed(void **state)
{
    (void)state;
    static struct fixture fixture;
    size_t opposed = 0;
    open_fixture(&fixture, &INDEXES[2], SEED);
    for (size_t q = 0; q < GROUPS; q++) {
        float query[DIM];
        struct bitmap bits;
        struct answer answer;
        draw_near(&fixture, q, query);
        draw_matches(&fixture, OPPOSED, query, POINTS / 4, &bits);
        search(&fixture, query, &bits, SEARCH_HOPS, &answer);
        const struct search_step *first = &answer.report.steps[0];
        const struct search_step *last = &answer.report.steps[answer.report.steps_count - 1];
        assert_int_equal(first->operator, SEARCH_HOPS);
        assert_int_equal(last->trace.gave_up, GAVE_UP_NOT);
        assert_int_equal(answer.count, LIMIT);
        if (first->trace.gave_up == GAVE_UP_OPPOSED) {
            opposed++;
            assert_true(last != first && last->operator!= SEARCH_HOPS);
            assert_true(first->trace.compared < POINTS / 10);
        }
        bitmap_deinit(&bits);
    }
    print_message("%zu of %d walks gave up at once\n", opposed, GROUPS);
    assert_true(opposed > 0);
    assert_string_equal(gave_up_name(GAVE_UP_OPPOSED), "opposed");
    close_fixture(&fixture);
}

/* Proves that a walk that meets hardly a match stops when its budget is spent. */
static void test_budget(void **state)
{
    (void)state;
    static struct fixture fixture;
    float query[DIM];
    struct bitmap bits;
    struct answer answer;
    for (size_t i = 1; i < INDEXES_COUNT; i++) {
        open_fixture(&fixture, &INDEXES[i], SEED);
        draw_near(&fixture, 5, query);
        struct accept accept = {.selectivity = 0.01};
        struct search_trace trace = {.gave_up = GAVE_UP_NOT};
        struct search_args args = {.query = query,
                                   .limit = LIMIT,
                                   .count = POINTS,
                                   .accept = &accept,
                                   .work_max = 100,
                                   .trace = &trace};
        struct topk top;
        draw_matches(&fixture, OPPOSED, query, POINTS / 100, &bits);
        accept.bits = bits.words;
        accept.bits_count = bits.bits;
        topk_init(&top, answer.items, LIMIT, NULL);
        assert_int_equal(fixture.index->kind->search(fixture.index, &args, &top, NULL), STATUS_OK);
        assert_int_equal(trace.gave_up, GAVE_UP_BUDGET);
        assert_true(trace.compared < POINTS / 4);
        for (size_t k = 0; k < top.count; k++) {
            assert_true(bitmap_get(&bits, top.items[k].point));
        }
        bitmap_deinit(&bits);
        close_fixture(&fixture);
    }
}

/* Proves that a filter whose matches were not collected is left to the caller when the index found
 * too few, and that the second run completes the answer. */
static bool every_500th(const void *ctx, point_offset point)
{
    return point % 500 == 0 && vectors_has(ctx, point);
}

static void test_not_collected(void **state)
{
    (void)state;
    static struct fixture fixture;
    float query[DIM];
    bool unfinished;
    struct topk top;
    struct answer answer = {.count = 0};
    struct match_set matches;
    open_fixture(&fixture, &INDEXES[2], SEED);
    draw_near(&fixture, 5, query);
    topk_init(&top, answer.items, LIMIT, NULL);
    struct searching s = searching_of(&fixture, query, NULL, &top, &answer.report);
    s.test = every_500th;
    s.selectivity = 0.5; /* a bad guess */
    assert_int_equal(search_run(&s, &unfinished, NULL), STATUS_OK);
    assert_true(unfinished && answer.report.sampled);
    assert_int_equal(answer.report.steps[0].operator, SEARCH_INDEX);
    roaring_bitmap_t *points = roaring_bitmap_create();
    for (uint32_t i = 0; i < POINTS; i += 500) {
        roaring_bitmap_add(points, i);
    }
    match_set_init(&matches);
    match_set_take_compressed(&matches, points);
    s.matches = &matches;
    s.test = is_there;
    assert_int_equal(search_run(&s, &unfinished, NULL), STATUS_OK);
    assert_false(unfinished || answer.report.sampled);
    assert_int_equal(answer.report.estimated_matches, POINTS / 500);
    assert_int_equal(top.count, LIMIT);
    assert_null(matches.words); /* a few points are not spread out */
    match_set_deinit(&matches);
    close_fixture(&fixture);
}

/* Proves that each way stops when it is told to. */
static void test_cancelled(void **state)
{
    (void)state;
    static struct fixture fixture;
    atomic_bool cancelled = true;
    for (size_t i = 0; i < INDEXES_COUNT; i++) {
        open_fixture(&fixture, &INDEXES[i], SEED);
        for (int first = 0; first < SEARCH_OPERATORS; first++) {
            struct bitmap bits;
            struct topk top;
            struct match_set matches;
            struct answer answer = {.count = 0};
            bool unfinished;
            float query[DIM];
            if (!can_do(&fixture, first)) {
                continue;
            }
            draw_near(&fixture, 1, query);
            draw_matches(&fixture, INDEPENDENT, query, POINTS / 2, &bits);
            match_set_init(&matches);
            match_set_take_bits(&matches, &bits);
            topk_init(&top, answer.items, LIMIT, NULL);
            struct searching s = searching_of(&fixture, query, &matches, &top, &answer.report);
            s.args.cancelled = &cancelled;
            s.forced = true;
            s.first = (enum search_operator)first;
            assert_int_equal(search_run(&s, &unfinished, NULL), STATUS_CANCELLED);
            match_set_deinit(&matches);
        }
        close_fixture(&fixture);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall),    cmocka_unit_test(test_same_again),
        cmocka_unit_test(test_choice),    cmocka_unit_test(test_opposed),
        cmocka_unit_test(test_budget),    cmocka_unit_test(test_not_collected),
        cmocka_unit_test(test_cancelled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
