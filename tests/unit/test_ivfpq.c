/* Inside the partition index: recall by distance and element, filters, growth, splits and vacuum
 * beside searches, determinism, forged images. */
#include "index/ivfpq/ivfpq_int.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DIM = 40, POINTS = 6000, QUERIES = 40, LIMIT = 10, LIMIT_MAX = 200 };
static const uint64_t SEED = 31;
static const struct vindex_params PARAMS = {.seed = 9};

struct fixture {
    struct vectors vectors;
    struct vindex *index;
    struct random random;
};

static const struct table *table_of(const struct fixture *f)
{
    return ((const struct ivfpq *)f->index)->current;
}

/* Points around 120 centres, which overlap: what word or sentence vectors look like. */
static void draw(struct fixture *f, void *stored)
{
    struct random centre;
    random_init(&centre, 1 + random_below(&f->random, 120));
    float values[DIM];
    bool bytes = f->vectors.element == ELEMENT_U8;
    for (size_t i = 0; i < DIM; i++) {
        double value = random_double(&centre) + 1.2 * random_double(&f->random) - 1.1;
        values[i] = (float)(bytes ? 128 + 100 * value : value);
    }
    assert_true(vector_prepare(f->vectors.distance, f->vectors.element, values, DIM, stored));
}

static void put(struct fixture *f, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float stored[DIM];
        draw(f, stored);
        assert_int_equal(
            vectors_put(&f->vectors, (point_offset)vectors_count(&f->vectors), stored, NULL),
            STATUS_OK);
    }
}

static void open_with(struct fixture *f, enum distance distance, enum element element,
                      const struct vindex_params *params)
{
    kernel_init();
    *f = (struct fixture){0};
    random_init(&f->random, SEED);
    assert_int_equal(vectors_init(&f->vectors, distance, element, DIM, NULL), STATUS_OK);
    assert_int_equal(vindex_ivfpq.open(&f->vectors, params, (struct slice){0}, &f->index, NULL),
                     STATUS_OK);
}

static void open_empty(struct fixture *f, enum distance distance, enum element element)
{
    open_with(f, distance, element, &PARAMS);
}

static void build(struct fixture *f, uint32_t threads)
{
    struct build_job job = {.threads = threads, .until = (point_offset)vectors_count(&f->vectors)};
    assert_int_equal(vindex_ivfpq.build(f->index, &job, NULL), STATUS_OK);
    assert_int_equal(vindex_ivfpq.linked(f->index), job.until);
}

static void close_all(struct fixture *f)
{
    vindex_ivfpq.close(f->index);
    vectors_deinit(&f->vectors);
}

static size_t search_all(const struct fixture *f, const void *query, const struct accept *accept,
                         size_t limit, struct scored *items)
{
    struct topk out;
    topk_init(&out, items, limit, NULL);
    for (point_offset i = 0; i < vectors_count(&f->vectors); i++) {
        if (vectors_has(&f->vectors, i) && (accept == NULL || accept->test(accept->ctx, i))) {
            topk_push(&out, f->vectors.kernel->one(query, vectors_at(&f->vectors, i), DIM), i);
        }
    }
    topk_sort(&out);
    return out.count;
}

/* args: limit, effort, accept and codes are given. */
static double recall(struct fixture *f, const struct search_args *given)
{
    size_t hits = 0;
    size_t wanted = 0;
    for (int q = 0; q < QUERIES; q++) {
        float query[DIM];
        draw(f, query);
        struct search_args args = *given;
        args.query = query;
        args.count = UINT32_MAX;
        struct scored found[LIMIT_MAX];
        struct scored exact[LIMIT_MAX];
        struct topk out;
        topk_init(&out, found, args.limit, NULL);
        assert_int_equal(vindex_ivfpq.search(f->index, &args, &out, NULL), STATUS_OK);
        topk_sort(&out);
        size_t count = search_all(f, query, args.accept, args.limit, exact);
        assert_int_equal(out.count, count);
        wanted += count;
        for (size_t i = 0; i < out.count; i++) {
            assert_true(args.accept == NULL || args.accept->test(args.accept->ctx, found[i].point));
            float distance =
                f->vectors.kernel->one(query, vectors_at(&f->vectors, found[i].point), DIM);
            assert_true(args.codes == CODES_ONLY || distance == found[i].distance);
            hits += distance <= exact[count - 1].distance;
        }
    }
    return wanted == 0 ? 1.0 : (double)hits / (double)wanted;
}

static void at_least(const struct fixture *f, const char *what, double value, double floor)
{
    if (value < floor) {
        fail_msg("%s/%d: %s is %.3f, below %.3f (seed %llu)", distance_name(f->vectors.distance),
                 f->vectors.element, what, value, floor, (unsigned long long)SEED);
    }
}

/* Recall by default, with effort, for many results, and of the estimates alone, in every distance
 * and element. */
static void test_recall(void **state)
{
    (void)state;
    print_message("seed %llu\n", (unsigned long long)SEED);
    for (int cell = 0; cell < DISTANCE_COUNT * ELEMENT_COUNT; cell++) {
        struct fixture f;
        open_empty(&f, (enum distance)(cell / ELEMENT_COUNT), (enum element)(cell % ELEMENT_COUNT));
        put(&f, POINTS);
        build(&f, 2);
        assert_true(table_of(&f)->lists_count > 50);
        struct search_args args = {.limit = LIMIT};
        at_least(&f, "recall", recall(&f, &args), 0.94);
        args.effort = 1600;
        at_least(&f, "recall with effort", recall(&f, &args), 0.995);
        args = (struct search_args){.limit = LIMIT_MAX};
        at_least(&f, "recall of many", recall(&f, &args), 0.92);
        args = (struct search_args){.limit = LIMIT, .codes = CODES_ONLY};
        at_least(&f, "recall of codes", recall(&f, &args), 0.88);
        args = (struct search_args){.limit = LIMIT, .codes = CODES_IGNORED};
        at_least(&f, "recall without codes", recall(&f, &args), 0.94);
        args = (struct search_args){.limit = LIMIT, .oversampling = 3.0};
        at_least(&f, "recall with oversampling", recall(&f, &args), 0.92);
        close_all(&f);
    }
}

struct rule {
    uint32_t of, below; /* accepted: hash of the offset modulo `of` is below */
};
static bool accept_rule(const void *ctx, point_offset point)
{
    const struct rule *rule = ctx;
    return (point * 2654435761u >> 7) % rule->of < rule->below;
}

/* Rows of zeros have cosine 0 to all: many of them do not crowd out points that are near, and a
 * query of zeros is as far from all. */
static void test_zero_rows(void **state)
{
    (void)state;
    struct fixture f;
    open_empty(&f, DISTANCE_COSINE, ELEMENT_F32);
    float zero[DIM] = {0};
    for (size_t i = 0; i < POINTS / 2; i++) {
        put(&f, 1);
        assert_int_equal(vectors_put(&f.vectors, (point_offset)(2 * i + 1), zero, NULL), STATUS_OK);
    }
    build(&f, 2);
    const struct search_args args = {.limit = LIMIT};
    assert_true(recall(&f, &args) >= 0.95);
    struct scored found[LIMIT];
    struct topk out;
    topk_init(&out, found, LIMIT, NULL);
    const struct search_args codes = {
        .query = zero, .limit = LIMIT, .count = UINT32_MAX, .codes = CODES_ONLY};
    assert_int_equal(vindex_ivfpq.search(f.index, &codes, &out, NULL), STATUS_OK);
    assert_int_equal(out.count, LIMIT);
    for (size_t i = 0; i < LIMIT; i++) {
        assert_true(fabsf(out.items[i].distance) < 0.6f);
    }
    close_all(&f);
}

/* Filters from one point in a thousand to all of them, with a right and with a wrong estimate. */
static void test_filters(void **state)
{
    (void)state;
    static const enum distance distances[] = {DISTANCE_COSINE, DISTANCE_EUCLID};
    static const struct rule rules[] = {{1000, 0},   {1000, 1},   {1000, 10},
                                        {1000, 100}, {1000, 500}, {1000, 1000}};
    for (size_t d = 0; d < 2; d++) {
        struct fixture f;
        open_empty(&f, distances[d], ELEMENT_F32);
        put(&f, POINTS);
        build(&f, 2);
        for (size_t r = 0; r < sizeof rules / sizeof rules[0]; r++) {
            struct accept accept = {.test = accept_rule,
                                    .ctx = &rules[r],
                                    .selectivity = rules[r].below / (double)rules[r].of};
            const struct search_args args = {.limit = LIMIT, .accept = &accept};
            at_least(&f, "filtered recall", recall(&f, &args), 0.94);
            accept.selectivity = 1;
            at_least(&f, "filtered recall, wrong estimate", recall(&f, &args), 0.85);
        }
        close_all(&f);
    }
}

/* The image does not depend on the number of threads, in training and in appending. */
static void test_deterministic(void **state)
{
    (void)state;
    struct buffer first;
    buffer_init(&first, 0);
    for (uint32_t threads = 1; threads <= 3; threads++) {
        struct fixture f;
        open_empty(&f, DISTANCE_EUCLID, ELEMENT_F32);
        put(&f, POINTS / 2);
        build(&f, threads);
        put(&f, POINTS / 2);
        build(&f, threads);
        struct buffer image;
        buffer_init(&image, 0);
        assert_int_equal(vindex_ivfpq.save(f.index, &image, NULL), STATUS_OK);
        if (threads == 1) {
            buffer_append_slice(&first, buffer_slice(&image));
        }
        assert_true(slice_equal(buffer_slice(&image), buffer_slice(&first)));
        buffer_deinit(&image);
        close_all(&f);
    }
    buffer_deinit(&first);
}

/* All entries stand in one list each, and in no list twice. */
static void check_lists(const struct fixture *f)
{
    const struct table *table = table_of(f);
    uint8_t *seen = mem_zalloc(table->linked);
    size_t entries = 0;
    uint32_t list_max = 0;
    assert_int_equal(table->coarse.count, table->lists_count);
    for (size_t l = 0; l < table->lists_count; l++) {
        const struct list *list = &table->lists[l];
        for (uint32_t i = 0; i < list->count; i++) {
            assert_true(list->points[i] < table->linked && seen[list->points[i]] == 0);
            seen[list->points[i]] = 1;
        }
        entries += list->count;
        list_max = list->count > list_max ? list->count : list_max;
    }
    assert_int_equal(entries, table->entries);
    assert_int_equal(list_max, table->list_max);
    mem_free(seen);
}

/* Appending keeps recall, long lists are split, and fourfold growth trains anew. */
static void test_growth(void **state)
{
    (void)state;
    struct fixture f;
    open_empty(&f, DISTANCE_COSINE, ELEMENT_F32);
    put(&f, POINTS / 3);
    build(&f, 2);
    uint32_t trained = table_of(&f)->model.head.trained_count;
    size_t lists = table_of(&f)->lists_count;
    assert_int_equal(trained, POINTS / 3);
    for (int i = 0; i < 4; i++) {
        put(&f, POINTS / 6 + 1);
        build(&f, 2);
        check_lists(&f);
    }
    assert_int_equal(table_of(&f)->model.head.trained_count, trained);
    const struct search_args args = {.limit = LIMIT};
    at_least(&f, "recall after appending", recall(&f, &args), 0.93);
    /* Many points in one place. */
    float one[DIM];
    draw(&f, one);
    for (int i = 0; i < 1500; i++) {
        float near[DIM];
        for (size_t d = 0; d < DIM; d++) {
            near[d] = one[d] + 0.05f * (float)random_double(&f.random);
        }
        assert_true(vector_prepare(DISTANCE_COSINE, ELEMENT_F32, near, DIM, near));
        assert_int_equal(
            vectors_put(&f.vectors, (point_offset)vectors_count(&f.vectors), near, NULL),
            STATUS_OK);
        if (i % 300 == 299) {
            build(&f, 2);
        }
    }
    check_lists(&f);
    assert_true(table_of(&f)->lists_count > lists);
    at_least(&f, "recall after splits", recall(&f, &args), 0.93);
    while (table_of(&f)->model.head.trained_count == trained) {
        put(&f, POINTS / 3);
        build(&f, 2);
        assert_true(vectors_count(&f.vectors) <= 5 * (size_t)trained);
    }
    check_lists(&f);
    at_least(&f, "recall after training anew", recall(&f, &args), 0.93);
    close_all(&f);
}

static bool skip_odd(const void *ctx, point_offset point)
{
    (void)ctx;
    return point % 2 == 1;
}

/* Vacuum takes dead points out, makes the index smaller, and needs no rows for it. */
static void test_vacuum(void **state)
{
    (void)state;
    static const enum distance distances[] = {DISTANCE_COSINE, DISTANCE_EUCLID};
    for (size_t d = 0; d < 2; d++) {
        struct fixture f;
        open_empty(&f, distances[d], ELEMENT_F32);
        put(&f, POINTS / 2);
        build(&f, 2);
        put(&f, POINTS / 2);
        build(&f, 2);
        size_t before = vindex_ivfpq.memory(f.index);
        for (point_offset i = 1; i < POINTS; i += 2) {
            vectors_remove(&f.vectors, i);
        }
        struct build_job job = {.threads = 2, .skip = skip_odd};
        assert_int_equal(vindex_ivfpq.vacuum(f.index, &job, NULL), STATUS_OK);
        check_lists(&f);
        assert_int_equal(table_of(&f)->entries, POINTS / 2);
        assert_true(vindex_ivfpq.memory(f.index) < before * 7 / 10);
        const struct search_args args = {.limit = LIMIT};
        at_least(&f, "recall after vacuum", recall(&f, &args), 0.93);
        const struct table *table = table_of(&f);
        assert_int_equal(vindex_ivfpq.vacuum(f.index, &job, NULL), STATUS_OK);
        assert_ptr_equal(table_of(&f), table); /* nothing to do */
        close_all(&f);
    }
}

/* A cancelled build leaves the index as it was. */
static void test_cancelled(void **state)
{
    (void)state;
    struct fixture f;
    open_empty(&f, DISTANCE_COSINE, ELEMENT_F32);
    put(&f, 2000);
    atomic_bool cancelled = true;
    struct build_job job = {.threads = 2, .until = 2000, .cancelled = &cancelled};
    assert_int_equal(vindex_ivfpq.build(f.index, &job, NULL), STATUS_CANCELLED);
    assert_int_equal(vindex_ivfpq.linked(f.index), 0);
    build(&f, 2);
    put(&f, 100);
    job.until = 2100;
    assert_int_equal(vindex_ivfpq.build(f.index, &job, NULL), STATUS_CANCELLED);
    assert_int_equal(vindex_ivfpq.linked(f.index), 2000);
    build(&f, 1);
    check_lists(&f);
    close_all(&f);
}

static void reseal(struct buffer *image)
{
    enum { PAGE = 4096, BODY_SUM_AT = 40, HEAD_SUM_AT = PAGE - 8 };
    uint64_t sum = checksum64(slice_of(image->data + PAGE, image->size - PAGE));
    memcpy(image->data + BODY_SUM_AT, &sum, sizeof sum);
    sum = checksum64(slice_of(image->data, HEAD_SUM_AT));
    memcpy(image->data + HEAD_SUM_AT, &sum, sizeof sum);
}

/* Bytes changed at random under right checksums are refused or give an index that can be used. */
static void test_forged(void **state)
{
    (void)state;
    struct fixture f;
    open_empty(&f, DISTANCE_EUCLID, ELEMENT_F32);
    put(&f, 600);
    build(&f, 1);
    struct buffer image;
    buffer_init(&image, 0);
    assert_int_equal(vindex_ivfpq.save(f.index, &image, NULL), STATUS_OK);
    struct buffer forged;
    buffer_init(&forged, 0);
    size_t opened_count = 0;
    for (int i = 0; i < 300; i++) {
        buffer_clear(&forged);
        buffer_append_slice(&forged, buffer_slice(&image));
        /* Half of the changes go to the head and the model. */
        size_t reach = i % 2 == 0 ? 4600 : image.size;
        forged.data[random_below(&f.random, reach)] = (uint8_t)random_below(&f.random, 256);
        reseal(&forged);
        struct vindex *opened;
        enum status status =
            vindex_ivfpq.open(&f.vectors, &PARAMS, buffer_slice(&forged), &opened, NULL);
        assert_true(status == STATUS_OK || status == STATUS_CORRUPT);
        if (status != STATUS_OK) {
            continue;
        }
        opened_count++;
        float query[DIM];
        draw(&f, query);
        struct scored items[LIMIT];
        struct topk out;
        topk_init(&out, items, LIMIT, NULL);
        const struct search_args args = {.query = query, .limit = LIMIT, .count = UINT32_MAX};
        assert_int_equal(vindex_ivfpq.search(opened, &args, &out, NULL), STATUS_OK);
        vindex_ivfpq.close(opened);
    }
    assert_true(opened_count > 50 && opened_count < 300);
    buffer_deinit(&forged);
    buffer_deinit(&image);
    close_all(&f);
}

struct searcher {
    struct fixture *fixture;
    atomic_bool stop;
    atomic_uint searches;
};

static void *search_on(void *arg)
{
    struct searcher *searcher = arg;
    const struct fixture *f = searcher->fixture;
    for (point_offset i = 0; !atomic_load(&searcher->stop); i++) {
        struct scored items[LIMIT];
        struct topk out;
        topk_init(&out, items, LIMIT, NULL);
        const struct search_args args = {
            .query = vectors_at(&f->vectors, i % 500 * 2), .limit = LIMIT, .count = UINT32_MAX};
        assert_int_equal(vindex_ivfpq.search(f->index, &args, &out, NULL), STATUS_OK);
        topk_sort(&out);
        assert_true(out.count == LIMIT && items[0].distance < 1e-3f);
        atomic_fetch_add(&searcher->searches, 1);
    }
    return NULL;
}

/* Searches beside appends, splits, training anew and vacuum always find what is there. */
static void test_beside(void **state)
{
    (void)state;
    struct fixture f;
    open_empty(&f, DISTANCE_EUCLID, ELEMENT_F32);
    put(&f, 1000);
    build(&f, 1);
    struct searcher searcher = {.fixture = &f};
    pthread_t threads[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, search_on, &searcher), 0);
    }
    for (int pass = 0; pass < 4; pass++) {
        put(&f, 900);
        build(&f, 2);
    }
    struct build_job job = {.threads = 2, .skip = skip_odd};
    assert_int_equal(vindex_ivfpq.vacuum(f.index, &job, NULL), STATUS_OK);
    put(&f, 300);
    build(&f, 2);
    unsigned target = atomic_load(&searcher.searches) + 10;
    while (atomic_load(&searcher.searches) < target) {
        sched_yield();
    }
    atomic_store(&searcher.stop, true);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    check_lists(&f);
    close_all(&f);
}

/* Lists in a file without a name: searches find what they should, through growth and compaction,
 * and nothing is left in the folder; without the folder the build says that there is no memory. */
static void test_cold(void **state)
{
    (void)state;
    struct fixture f;
    char folder[] = "/tmp/sagitta-lists-XXXXXX";
    assert_non_null(mkdtemp(folder));
    const struct vindex_params params = {.seed = 9, .cold = true, .folder = folder};
    open_with(&f, DISTANCE_EUCLID, ELEMENT_F32, &params);
    put(&f, POINTS);
    build(&f, 2);
    assert_true(table_of(&f)->region->mapped);
    const struct search_args args = {.limit = LIMIT, .effort = 200};
    assert_true(recall(&f, &args) > 0.9);
    put(&f, POINTS);
    build(&f, 2);
    assert_true(recall(&f, &args) > 0.9);
    assert_int_equal(rmdir(folder), 0); /* empty, while the index is in use */
    close_all(&f);
    open_with(&f, DISTANCE_EUCLID, ELEMENT_F32, &params);
    put(&f, POINTS);
    struct build_job job = {.threads = 1, .until = POINTS};
    assert_int_equal(vindex_ivfpq.build(f.index, &job, NULL), STATUS_TOO_LARGE);
    close_all(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recall),        cmocka_unit_test(test_zero_rows),
        cmocka_unit_test(test_filters),       cmocka_unit_test(test_growth),
        cmocka_unit_test(test_deterministic), cmocka_unit_test(test_vacuum),
        cmocka_unit_test(test_cancelled),     cmocka_unit_test(test_forged),
        cmocka_unit_test(test_beside),        cmocka_unit_test(test_cold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
