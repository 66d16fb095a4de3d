/* What every vector index kind must do, walked over kinds.def x distances x elements. */
#include "index/vindex.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

/* cmocka needs these before it. */
/* clang-format off */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

enum { DIM = 20, POINTS = 600, QUERIES = 20, LIMIT = 10 };
static const uint64_t SEED = 4711;
static const struct vindex_params PARAMS = {.m = 8, .ef_construct = 64, .seed = 1};

static const struct vindex_kind *const kinds[] = {
#define X(kind) &vindex_##kind,
#include "index/kinds.def"
#undef X
};
enum { KINDS_COUNT = sizeof kinds / sizeof kinds[0] };

struct fixture {
    const struct vindex_kind *kind;
    enum distance distance;
    enum element element;
    struct vectors vectors;
    struct vindex *index;
    struct random random;
};

/* Points around forty centres: near neighbours mean something. */
static void draw(struct fixture *fixture, void *stored)
{
    struct random centre;
    random_init(&centre, 1 + random_below(&fixture->random, 40));
    float values[DIM];
    bool bytes = fixture->element == ELEMENT_U8;
    for (size_t i = 0; i < DIM; i++) {
        double value = 2.0 * random_double(&centre) - 1.0 + 0.5 * random_double(&fixture->random);
        values[i] = (float)(bytes ? 100.0 + 60.0 * value : value);
    }
    assert_true(vector_prepare(fixture->distance, fixture->element, values, DIM, stored));
}

static void open_empty(struct fixture *fixture, size_t cell)
{
    *fixture = (struct fixture){
        .kind = kinds[cell / (DISTANCE_COUNT * ELEMENT_COUNT)],
        .distance = (enum distance)(cell / ELEMENT_COUNT % DISTANCE_COUNT),
        .element = (enum element)(cell % ELEMENT_COUNT),
    };
    random_init(&fixture->random, SEED);
    assert_int_equal(
        vectors_init(&fixture->vectors, fixture->distance, fixture->element, DIM, NULL), STATUS_OK);
    assert_int_equal(
        fixture->kind->open(&fixture->vectors, &PARAMS, (struct slice){0}, &fixture->index, NULL),
        STATUS_OK);
}

static void close_all(struct fixture *fixture)
{
    fixture->kind->close(fixture->index);
    vectors_deinit(&fixture->vectors);
}

/* Every fifth offset has no vector. */
static void put_points(struct fixture *fixture, point_offset count)
{
    for (point_offset i = 0; i < count; i++) {
        float stored[DIM];
        draw(fixture, stored);
        assert_int_equal(vectors_put(&fixture->vectors,
                                     (point_offset)vectors_count(&fixture->vectors),
                                     i % 5 == 4 ? NULL : stored, NULL),
                         STATUS_OK);
    }
}

static void build(struct fixture *fixture, uint32_t threads)
{
    struct build_job job = {.threads = threads,
                            .until = (point_offset)vectors_count(&fixture->vectors)};
    assert_int_equal(fixture->kind->build(fixture->index, &job, NULL), STATUS_OK);
    assert_int_equal(fixture->kind->linked(fixture->index), job.until);
}

static size_t search(const struct vindex *index, const void *query, const struct accept *accept,
                     size_t limit, struct scored *items)
{
    struct search_args args = {
        .query = query, .limit = (uint32_t)limit, .accept = accept, .count = UINT32_MAX};
    struct topk out;
    topk_init(&out, items, limit, NULL);
    assert_int_equal(index->kind->search(index, &args, &out, NULL), STATUS_OK);
    topk_sort(&out);
    return out.count;
}

/* The same by looking at every point. */
static size_t search_all(const struct fixture *fixture, const void *query,
                         const struct accept *accept, size_t limit, struct scored *items)
{
    const struct vectors *vectors = &fixture->vectors;
    struct topk out;
    topk_init(&out, items, limit, NULL);
    for (point_offset i = 0; i < vectors_count(vectors); i++) {
        if (vectors_has(vectors, i) && (accept == NULL || accept->test(accept->ctx, i))) {
            topk_push(&out, vectors->kernel->one(query, vectors_at(vectors, i), DIM), i);
        }
    }
    topk_sort(&out);
    return out.count;
}

static double recall(struct fixture *fixture, const struct accept *accept)
{
    size_t hits = 0;
    size_t wanted = 0;
    for (int q = 0; q < QUERIES; q++) {
        float query[DIM];
        draw(fixture, query);
        struct scored found[LIMIT];
        struct scored exact[LIMIT];
        size_t found_count = search(fixture->index, query, accept, LIMIT, found);
        size_t exact_count = search_all(fixture, query, accept, LIMIT, exact);
        assert_int_equal(found_count, exact_count);
        wanted += exact_count;
        for (size_t i = 0; i < found_count; i++) {
            assert_true(vectors_has(&fixture->vectors, found[i].point));
            assert_true(accept == NULL || accept->test(accept->ctx, found[i].point));
            /* As near as the last exact one: equal distances count. */
            hits += found[i].distance <= exact[exact_count - 1].distance;
        }
    }
    return wanted == 0 ? 1.0 : (double)hits / (double)wanted;
}

static bool accept_even(const void *ctx, point_offset point)
{
    (void)ctx;
    return point % 2 == 0;
}
static bool accept_few(const void *ctx, point_offset point)
{
    (void)ctx;
    return point % 97 == 0;
}
static bool accept_none(const void *ctx, point_offset point)
{
    (void)ctx;
    (void)point;
    return false;
}

static void each_cell(void (*run)(size_t cell))
{
    for (size_t cell = 0; cell < KINDS_COUNT * DISTANCE_COUNT * ELEMENT_COUNT; cell++) {
        run(cell);
    }
}

/* The kind is found by its name, and by no other. */
static void test_lookup(void **state)
{
    (void)state;
    for (size_t i = 0; i < KINDS_COUNT; i++) {
        assert_ptr_equal(vindex_kind_find(kinds[i]->name), kinds[i]);
    }
    assert_null(vindex_kind_find(""));
    assert_null(vindex_kind_find("hnsw2"));
}

static void run_small(size_t cell)
{
    struct fixture fixture;
    open_empty(&fixture, cell);
    float row[DIM];
    struct scored items[LIMIT];
    draw(&fixture, row);
    assert_int_equal(search(fixture.index, row, NULL, LIMIT, items), 0);
    build(&fixture, 2);
    assert_int_equal(search(fixture.index, row, NULL, LIMIT, items), 0);
    assert_int_equal(vectors_put(&fixture.vectors, 0, NULL, NULL), STATUS_OK);
    assert_int_equal(vectors_put(&fixture.vectors, 1, row, NULL), STATUS_OK);
    build(&fixture, 1);
    assert_int_equal(search(fixture.index, row, NULL, LIMIT, items), 1);
    assert_int_equal(items[0].point, 1);
    assert_int_equal(search(fixture.index, row, NULL, 0, items), 0);
    close_all(&fixture);
}

/* Empty and one-point indexes answer; a limit of zero gives nothing. */
static void test_small(void **state)
{
    (void)state;
    each_cell(run_small);
}

static void run_recall(size_t cell)
{
    struct fixture fixture;
    open_empty(&fixture, cell);
    put_points(&fixture, POINTS / 2);
    build(&fixture, 1);
    put_points(&fixture, POINTS / 2);
    build(&fixture, 2);
    const struct accept even = {.test = accept_even, .selectivity = 0.5};
    const struct accept few = {.test = accept_few, .selectivity = 0.01};
    const struct accept none = {.test = accept_none, .selectivity = 0.0};
    double floor = strcmp(fixture.kind->name, "flat") == 0 ? 1.0 : 0.97;
    double all = recall(&fixture, NULL);
    double half = recall(&fixture, &even);
    if (all < floor || half < floor || recall(&fixture, &few) < floor) {
        fail_msg("%s/%s/%d: recall %.3f, half %.3f (seed %llu)", fixture.kind->name,
                 distance_name(fixture.distance), fixture.element, all, half,
                 (unsigned long long)SEED);
    }
    assert_true(recall(&fixture, &none) >= 1.0); /* and found nothing, as checked inside */
    assert_true(fixture.kind->memory(fixture.index) > 0);
    close_all(&fixture);
}

/* Recall against looking at every point: plain, filtered by half, by 1 %, by everything; absent
 * vectors never appear. */
static void test_recall(void **state)
{
    (void)state;
    each_cell(run_recall);
}

static void run_duplicates(size_t cell)
{
    struct fixture fixture;
    open_empty(&fixture, cell);
    float row[DIM];
    draw(&fixture, row);
    for (point_offset i = 0; i < 300; i++) {
        assert_int_equal(vectors_put(&fixture.vectors, i, row, NULL), STATUS_OK);
    }
    put_points(&fixture, 200);
    build(&fixture, 2);
    struct scored items[350];
    size_t found = search(fixture.index, row, NULL, 350, items);
    assert_int_equal(found, 350);
    float best = fixture.vectors.kernel->one(row, row, DIM);
    size_t same = 0;
    for (size_t i = 0; i < found; i++) {
        same += items[i].distance == best && items[i].point < 300;
    }
    /* Under Dot and byte Cosine others may be as near. */
    assert_true(fixture.distance == DISTANCE_DOT || same == 300);
    const struct accept few = {.test = accept_few, .selectivity = 0.01};
    assert_int_equal(search(fixture.index, row, &few, 4, items), 4);
    close_all(&fixture);
}

/* Hundreds of equal vectors are all found, also through a filter, and do not hide the others. */
static void test_duplicates(void **state)
{
    (void)state;
    each_cell(run_duplicates);
}

static void run_count_and_cancel(size_t cell)
{
    struct fixture fixture;
    open_empty(&fixture, cell);
    put_points(&fixture, POINTS);
    build(&fixture, 1);
    float query[DIM];
    draw(&fixture, query);
    struct scored items[LIMIT];
    atomic_bool cancelled = false;
    struct search_args args = {
        .query = query, .limit = LIMIT, .cancelled = &cancelled, .count = 120};
    struct topk out;
    for (args.count = 0; args.count < POINTS; args.count += 40) {
        topk_init(&out, items, LIMIT, NULL);
        assert_int_equal(fixture.kind->search(fixture.index, &args, &out, NULL), STATUS_OK);
        assert_int_equal(out.count, args.count == 0 ? 0 : LIMIT);
        for (size_t i = 0; i < out.count; i++) {
            assert_true(items[i].point < args.count);
        }
    }
    args.limit = LIMIT;
    double cost = fixture.kind->cost(fixture.index, &args);
    assert_true(cost > 0.0 && cost <= POINTS);
    args.effort = 1000;
    assert_true(fixture.kind->cost(fixture.index, &args) >= cost);
    atomic_store(&cancelled, true);
    topk_init(&out, items, LIMIT, NULL);
    struct error err;
    assert_int_equal(fixture.kind->search(fixture.index, &args, &out, &err), STATUS_CANCELLED);
    close_all(&fixture);
}

/* Points at or above `count` are not returned, and enough below it are; a cancelled search says so.
 */
static void test_count_and_cancel(void **state)
{
    (void)state;
    each_cell(run_count_and_cancel);
}

static void check_damaged(struct fixture *fixture, struct slice image)
{
    uint8_t *copy = mem_alloc(image.size + 1);
    struct vindex *opened;
    for (size_t i = 0; i < 80; i++) {
        memcpy(copy, image.data, image.size);
        copy[image.size] = 0;
        size_t size = image.size;
        if (i == 0) {
            size++; /* a byte more */
        } else if (i < 20) {
            size = (size_t)random_below(&fixture->random, image.size - 1) + 1; /* cut off */
        } else {
            copy[random_below(&fixture->random, image.size)] ^=
                (uint8_t)(1u << random_below(&fixture->random, 8));
        }
        assert_int_equal(
            fixture->kind->open(&fixture->vectors, &PARAMS, slice_of(copy, size), &opened, NULL),
            STATUS_CORRUPT);
    }
    mem_free(copy);
}

static void run_image(size_t cell)
{
    struct fixture fixture;
    open_empty(&fixture, cell);
    put_points(&fixture, POINTS);
    build(&fixture, 1);
    struct buffer image;
    buffer_init(&image, 0);
    assert_int_equal(fixture.kind->save(fixture.index, &image, NULL), STATUS_OK);
    struct vindex *again;
    assert_int_equal(
        fixture.kind->open(&fixture.vectors, &PARAMS, buffer_slice(&image), &again, NULL),
        STATUS_OK);
    assert_int_equal(again->kind->linked(again), POINTS);
    for (int q = 0; q < QUERIES; q++) {
        float query[DIM];
        draw(&fixture, query);
        struct scored first[LIMIT];
        struct scored second[LIMIT];
        assert_int_equal(search(fixture.index, query, NULL, LIMIT, first), LIMIT);
        assert_int_equal(search(again, query, NULL, LIMIT, second), LIMIT);
        for (size_t i = 0; i < LIMIT; i++) {
            assert_int_equal(first[i].point, second[i].point);
            assert_true(first[i].distance == second[i].distance);
        }
    }
    struct buffer twice;
    buffer_init(&twice, 0);
    assert_int_equal(again->kind->save(again, &twice, NULL), STATUS_OK);
    assert_true(slice_equal(buffer_slice(&image), buffer_slice(&twice)));
    check_damaged(&fixture, buffer_slice(&image));
    again->kind->close(again);
    buffer_deinit(&image);
    buffer_deinit(&twice);
    close_all(&fixture);
}

/* An opened image answers as the index that was saved and saves to the same bytes; any damage is
 * refused. */
static void test_image(void **state)
{
    (void)state;
    each_cell(run_image);
}

struct searcher {
    struct fixture *fixture;
    atomic_bool stop;
    atomic_uint searches;
};

static void *search_on(void *arg)
{
    struct searcher *searcher = arg;
    const struct fixture *fixture = searcher->fixture;
    const struct accept even = {.test = accept_even, .selectivity = 0.5};
    for (uint32_t i = 0; !atomic_load(&searcher->stop); i++) {
        point_offset count = fixture->kind->linked(fixture->index);
        struct scored items[LIMIT];
        struct topk out;
        topk_init(&out, items, LIMIT, NULL);
        struct search_args args = {.query = vectors_at(&fixture->vectors, i % 100),
                                   .limit = LIMIT,
                                   .accept = i % 2 ? &even : NULL,
                                   .count = count};
        assert_int_equal(fixture->kind->search(fixture->index, &args, &out, NULL), STATUS_OK);
        for (size_t k = 0; k < out.count; k++) {
            assert_true(items[k].point < count);
        }
        atomic_fetch_add(&searcher->searches, 1);
    }
    return NULL;
}

static void run_concurrent(size_t cell)
{
    if (cell % ELEMENT_COUNT != ELEMENT_F32 || cell / ELEMENT_COUNT % DISTANCE_COUNT > 1) {
        return; /* threads do not care about the other cells */
    }
    struct fixture fixture;
    open_empty(&fixture, cell);
    put_points(&fixture, POINTS);
    struct searcher searcher = {.fixture = &fixture};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, search_on, &searcher), 0);
    }
    for (int pass = 0; pass < 3; pass++) {
        build(&fixture, 2);
        put_points(&fixture, POINTS / 3); /* the writer appends beside the searches */
    }
    build(&fixture, 2);
    while (atomic_load(&searcher.searches) < 10) {
        sched_yield();
    }
    atomic_store(&searcher.stop, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_true(recall(&fixture, NULL) >= 0.97);
    close_all(&fixture);
}

/* Searches beside build and beside the vectors' writer are safe and never return points past their
 * count. */
static void test_concurrent(void **state)
{
    (void)state;
    each_cell(run_concurrent);
}

static void run_deletes(size_t cell)
{
    struct fixture fixture;
    open_empty(&fixture, cell);
    put_points(&fixture, POINTS);
    build(&fixture, 1);
    const struct accept even = {.test = accept_even, .selectivity = 0.5};
    size_t lost = 0;
    for (point_offset i = 0; i < POINTS; i += 2) {
        if (!vectors_has(&fixture.vectors, i)) {
            continue;
        }
        const void *row = vectors_at(&fixture.vectors, i);
        struct scored items[1];
        assert_int_equal(search(fixture.index, row, &even, 1, items), 1);
        struct scored exact[1];
        search_all(&fixture, row, &even, 1, exact);
        lost += items[0].distance != exact[0].distance;
    }
    if (lost != 0) {
        fail_msg("%s/%s/%d: %zu live points lost", fixture.kind->name,
                 distance_name(fixture.distance), fixture.element, lost);
    }
    close_all(&fixture);
}

/* With half of the points deleted, the nearest live point to every live point is still found. */
static void test_deletes(void **state)
{
    (void)state;
    each_cell(run_deletes);
}

int main(void)
{
    kernel_init();
    printf("seed %llu\n", (unsigned long long)SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookup),           cmocka_unit_test(test_small),
        cmocka_unit_test(test_recall),           cmocka_unit_test(test_duplicates),
        cmocka_unit_test(test_count_and_cancel), cmocka_unit_test(test_image),
        cmocka_unit_test(test_concurrent),       cmocka_unit_test(test_deletes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
