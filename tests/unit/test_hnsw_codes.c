/* The graph walked over codes, for every kind of quantization, distance and element: recall,
 * scores, filters, growth, cancelled and refused training, searches beside builds. */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { DIM = 64, POINTS = 1200, QUERIES = 20, LIMIT = 10 };
static const uint64_t SEED = 2718;

static const struct quant_case {
    const char *name;
    struct quant_params quant;
    double recall; /* at least, rescored, of every distance and element */
} QUANTS[] = {
    {"scalar", {.kind = QUANT_SCALAR}, 0.95},
    {"scalar, quantile", {.kind = QUANT_SCALAR, .quantile = 0.99f}, 0.95},
    {"product x4", {.kind = QUANT_PRODUCT, .compression = 4}, 0.9},
    {"product x16", {.kind = QUANT_PRODUCT, .compression = 16}, 0.8},
    {"binary 1 bit", {.kind = QUANT_BINARY, .half_bits = 2}, 0.6},
    {"binary 2 bits", {.kind = QUANT_BINARY, .half_bits = 4}, 0.7},
    {"rotated 1 bit", {.kind = QUANT_ROTATED, .half_bits = 2}, 0.7},
    {"rotated 4 bits", {.kind = QUANT_ROTATED, .half_bits = 8}, 0.95},
};
enum { QUANTS_COUNT = sizeof QUANTS / sizeof QUANTS[0] };

struct fixture {
    const struct quant_case *quant;
    struct vectors vectors;
    struct vindex *index;
    struct random random;
};

/* Points around forty centres. */
static void draw(struct fixture *fixture, void *stored)
{
    struct random centre;
    random_init(&centre, 1 + random_below(&fixture->random, 40));
    float values[DIM];
    bool bytes = fixture->vectors.element == ELEMENT_U8;
    for (size_t i = 0; i < DIM; i++) {
        double value = 2.0 * random_double(&centre) - 1.0 + random_double(&fixture->random);
        values[i] = (float)(bytes ? 100.0 + 50.0 * value : value);
    }
    assert_true(
        vector_prepare(fixture->vectors.distance, fixture->vectors.element, values, DIM, stored));
}

static void put_points(struct fixture *fixture, point_offset count)
{
    for (point_offset i = 0; i < count; i++) {
        float stored[DIM];
        draw(fixture, stored);
        point_offset next = (point_offset)vectors_count(&fixture->vectors);
        assert_int_equal(vectors_put(&fixture->vectors, next, i % 7 == 6 ? NULL : stored, NULL),
                         STATUS_OK);
    }
}

static void open_empty(struct fixture *fixture, const struct quant_case *quant,
                       enum distance distance, enum element element)
{
    *fixture = (struct fixture){.quant = quant};
    random_init(&fixture->random, SEED);
    struct vindex_params params = {.m = 16, .ef_construct = 64, .seed = 3, .quant = quant->quant};
    assert_int_equal(vectors_init(&fixture->vectors, distance, element, DIM, NULL), STATUS_OK);
    assert_int_equal(
        vindex_hnsw.open(&fixture->vectors, &params, (struct slice){0}, &fixture->index, NULL),
        STATUS_OK);
}

static void close_all(struct fixture *fixture)
{
    vindex_hnsw.close(fixture->index);
    vectors_deinit(&fixture->vectors);
}

static void build(struct fixture *fixture, uint32_t threads)
{
    struct build_job job = {.threads = threads,
                            .until = (point_offset)vectors_count(&fixture->vectors)};
    struct error err;
    assert_int_equal(vindex_hnsw.build(fixture->index, &job, &err), STATUS_OK);
}

static size_t search(const struct fixture *fixture, struct search_args args, struct scored *items)
{
    struct topk out;
    topk_init(&out, items, args.limit, NULL);
    args.count = UINT32_MAX;
    assert_int_equal(vindex_hnsw.search(fixture->index, &args, &out, NULL), STATUS_OK);
    topk_sort(&out);
    return out.count;
}

static size_t search_all(const struct fixture *fixture, const void *query,
                         const struct accept *accept, struct scored *items)
{
    const struct vectors *vectors = &fixture->vectors;
    struct topk out;
    topk_init(&out, items, LIMIT, NULL);
    for (point_offset i = 0; i < vectors_count(vectors); i++) {
        if (vectors_has(vectors, i) && (accept == NULL || accept->test(accept->ctx, i))) {
            topk_push(&out, vectors->kernel->one(query, vectors_at(vectors, i), DIM), i);
        }
    }
    topk_sort(&out);
    return out.count;
}

static double recall_of(struct fixture *fixture, struct search_args args)
{
    size_t hits = 0;
    size_t wanted = 0;
    for (int q = 0; q < QUERIES; q++) {
        float query[DIM];
        draw(fixture, query);
        args.query = query;
        args.limit = LIMIT;
        struct scored found[LIMIT];
        struct scored exact[LIMIT];
        size_t exact_count = search_all(fixture, query, args.accept, exact);
        assert_int_equal(search(fixture, args, found), exact_count);
        for (size_t i = 0; i < exact_count; i++) {
            /* Points as near as the worst are as good. */
            hits += found[i].distance <= exact[exact_count - 1].distance;
        }
        wanted += exact_count;
    }
    return (double)hits / (double)wanted;
}

static bool accept_fifths(const void *ctx, point_offset point)
{
    (void)ctx;
    return point % 5 == 0;
}
static const struct accept FIFTHS = {.test = accept_fifths, .selectivity = 0.2};

/* Rescored answers are exact: bit for bit what the kernel gives. */
static void check_exact_scores(struct fixture *fixture, const struct accept *accept)
{
    float query[DIM];
    struct scored found[LIMIT];
    draw(fixture, query);
    struct search_args args = {.query = query, .limit = LIMIT, .accept = accept};
    size_t count = search(fixture, args, found);
    assert_int_equal(count, LIMIT);
    for (size_t i = 0; i < count; i++) {
        const void *row = vectors_at(&fixture->vectors, found[i].point);
        float exact = fixture->vectors.kernel->one(query, row, DIM);
        assert_memory_equal(&found[i].distance, &exact, sizeof exact);
        assert_true(accept == NULL || accept->test(NULL, found[i].point));
    }
}

/* CODES_ONLY answers with the quantizer's estimates. */
static void check_estimates(struct fixture *fixture)
{
    const struct hnsw *hnsw = (const struct hnsw *)fixture->index;
    const struct quantizer *quantizer = hnsw_quantizer(hnsw);
    assert_non_null(quantizer);
    struct scratch *scratch = scratch_of_thread();
    float query[DIM];
    struct scored found[LIMIT];
    draw(fixture, query);
    struct search_args args = {.query = query, .limit = LIMIT, .codes = CODES_ONLY};
    assert_int_equal(search(fixture, args, found), LIMIT);
    assert_int_equal(scratch_reserve_state(scratch, quantizer_state_bytes(quantizer), NULL),
                     STATUS_OK);
    quantizer_query(quantizer, query, scratch->state);
    for (size_t i = 0; i < LIMIT; i++) {
        const void *code = blocks_at(&hnsw->codes, found[i].point);
        float estimate;
        quantizer_many(quantizer, scratch->state, &code, 1, &estimate);
        assert_float_equal(found[i].distance, estimate, 1e-4f * (1.0f + fabsf(estimate)));
    }
}

static void run_quant(const struct quant_case *quant, enum distance distance, enum element element)
{
    struct fixture fixture;
    open_empty(&fixture, quant, distance, element);
    put_points(&fixture, POINTS / 2);
    build(&fixture, 2);
    put_points(&fixture, POINTS / 2);
    build(&fixture, 1);
    double rescored = recall_of(&fixture, (struct search_args){.effort = 96});
    double filtered = recall_of(&fixture, (struct search_args){.effort = 96, .accept = &FIFTHS});
    double rows = recall_of(&fixture, (struct search_args){.effort = 96, .codes = CODES_IGNORED});
    if (rescored < quant->recall || filtered < quant->recall || rows < 0.95) {
        print_error("%s, %s, element %d: rescored %.3f, filtered %.3f, rows %.3f\n", quant->name,
                    distance_name(distance), element, rescored, filtered, rows);
        fail();
    }
    check_exact_scores(&fixture, NULL);
    check_exact_scores(&fixture, &FIFTHS);
    check_estimates(&fixture);
    close_all(&fixture);
}

/* Enough is found over codes, with and without a filter, and what is told of it is true. */
static void test_recall_and_scores(void **state)
{
    (void)state;
    for (size_t quant = 0; quant < QUANTS_COUNT; quant++) {
        for (int distance = 0; distance < DISTANCE_COUNT; distance++) {
            run_quant(&QUANTS[quant], (enum distance)distance,
                      (enum element)((quant + (size_t)distance) % ELEMENT_COUNT));
        }
    }
    for (int element = 0; element < ELEMENT_COUNT; element++) {
        run_quant(&QUANTS[0], DISTANCE_EUCLID, (enum element)element);
    }
}

/* More candidates to rescore give no worse answers, one for each result worse ones. */
static void test_oversampling(void **state)
{
    (void)state;
    struct fixture fixture;
    open_empty(&fixture, &QUANTS[6], DISTANCE_COSINE, ELEMENT_F32);
    put_points(&fixture, POINTS);
    build(&fixture, 1);
    double recalls[3];
    double oversampling[3] = {1.0, 3.0, 1e30};
    for (int i = 0; i < 3; i++) {
        random_init(&fixture.random, SEED + 1);
        recalls[i] = recall_of(
            &fixture, (struct search_args){.effort = LIMIT, .oversampling = oversampling[i]});
    }
    assert_true(recalls[0] < 0.9);
    assert_true(recalls[0] < recalls[1] && recalls[1] < recalls[2]);
    assert_true(recalls[2] == 1.0); /* all were rescored */
    close_all(&fixture);
}

/* A cancelled build leaves an index that the next one completes; one over no vectors waits for
 * vectors to learn from. */
static void test_late_training(void **state)
{
    (void)state;
    struct fixture fixture;
    open_empty(&fixture, &QUANTS[0], DISTANCE_DOT, ELEMENT_F32);
    for (point_offset i = 0; i < 10; i++) {
        assert_int_equal(vectors_put(&fixture.vectors, i, NULL, NULL), STATUS_OK);
    }
    build(&fixture, 1);
    assert_int_equal(vindex_hnsw.linked(fixture.index), 10);
    size_t empty = vindex_hnsw.memory(fixture.index);
    put_points(&fixture, POINTS);
    atomic_bool cancelled = true;
    struct build_job job = {.threads = 2, .cancelled = &cancelled, .until = POINTS};
    assert_int_equal(vindex_hnsw.build(fixture.index, &job, NULL), STATUS_CANCELLED);
    assert_int_equal(vindex_hnsw.linked(fixture.index), 10);
    build(&fixture, 2);
    assert_true(recall_of(&fixture, (struct search_args){.effort = 96}) > 0.95);
    size_t row_bytes = 2 * 16 * sizeof(uint32_t);
    assert_true(vindex_hnsw.memory(fixture.index) > empty + POINTS * (row_bytes + DIM));
    close_all(&fixture);
}

/* Parameters that do not fit the vectors are refused by the first build, and nothing is linked. */
static void test_refused(void **state)
{
    (void)state;
    static const struct quant_case odd = {"odd", {.kind = QUANT_PRODUCT, .compression = 7}, 0};
    struct fixture fixture;
    struct error err;
    open_empty(&fixture, &odd, DISTANCE_DOT, ELEMENT_F32);
    put_points(&fixture, 100);
    struct build_job job = {.threads = 1, .until = 100};
    assert_int_equal(vindex_hnsw.build(fixture.index, &job, &err), STATUS_BAD_INPUT);
    assert_int_equal(vindex_hnsw.linked(fixture.index), 0);
    close_all(&fixture);
}

/* Codes make a search cheaper, and more so the longer rows are beside them. */
static void test_cost(void **state)
{
    (void)state;
    struct fixture fixture;
    open_empty(&fixture, &QUANTS[0], DISTANCE_DOT, ELEMENT_F32);
    put_points(&fixture, POINTS);
    build(&fixture, 1);
    struct search_args args = {.limit = 10, .effort = 40, .count = POINTS};
    double codes = vindex_hnsw.cost(fixture.index, &args);
    args.codes = CODES_ONLY;
    double only = vindex_hnsw.cost(fixture.index, &args);
    args.codes = CODES_IGNORED;
    double rows = vindex_hnsw.cost(fixture.index, &args);
    assert_true(0 < only && only < codes && codes < rows && rows <= POINTS);
    args.effort = 100000;
    args.codes = CODES_RESCORED;
    assert_true(vindex_hnsw.cost(fixture.index, &args) <= POINTS);
    close_all(&fixture);
}

struct searcher {
    struct fixture *fixture;
    atomic_bool stop;
    float queries[QUERIES][DIM];
};

static void *search_until_stopped(void *arg)
{
    struct searcher *searcher = arg;
    for (int q = 0; !atomic_load(&searcher->stop); q = (q + 1) % QUERIES) {
        struct scored items[LIMIT];
        struct topk out;
        topk_init(&out, items, LIMIT, NULL);
        struct search_args args = {.query = searcher->queries[q],
                                   .limit = LIMIT,
                                   .count = UINT32_MAX,
                                   .codes = q % 2 == 0 ? CODES_RESCORED : CODES_ONLY};
        assert_int_equal(vindex_hnsw.search(searcher->fixture->index, &args, &out, NULL),
                         STATUS_OK);
    }
    return NULL;
}

/* Searches run from before the training on, while rows are encoded and linked by two threads. */
static void test_concurrent(void **state)
{
    (void)state;
    struct fixture fixture;
    open_empty(&fixture, &QUANTS[0], DISTANCE_COSINE, ELEMENT_F32);
    struct searcher searcher = {.fixture = &fixture};
    for (int q = 0; q < QUERIES; q++) {
        draw(&fixture, searcher.queries[q]);
    }
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, search_until_stopped, &searcher), 0);
    for (int pass = 0; pass < 4; pass++) {
        put_points(&fixture, 300);
        build(&fixture, 2);
    }
    atomic_store(&searcher.stop, true);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_true(recall_of(&fixture, (struct search_args){.effort = 96}) > 0.95);
    close_all(&fixture);
}

int main(void)
{
    kernel_init();
    printf("seed %llu\n", (unsigned long long)SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall_and_scores),
        cmocka_unit_test(test_oversampling),
        cmocka_unit_test(test_late_training),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_cost),
        cmocka_unit_test(test_concurrent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
