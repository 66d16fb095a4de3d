/* Building the graph: the same for any number of threads, recall for every kind of vector and order
 * of arrival, crowds, clusters and tiny inputs, cancelled builds, searches beside. */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/buffer.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { DIM = 16, LIMIT = 10, QUERIES = 60 };
static const uint64_t SEED = 4711;
static const struct vindex_params PARAMS = {.m = 8, .ef_construct = 64, .seed = 7};

struct world {
    struct vectors vectors;
    struct hnsw *hnsw;
    struct random random;
    float *centres; /* of clusters; NULL: one cloud */
    size_t clusters;
    float spread;
};

static void world_init(struct world *world, enum distance distance, enum element element)
{
    memset(world, 0, sizeof *world);
    assert_int_equal(vectors_init(&world->vectors, distance, element, DIM, NULL), STATUS_OK);
    struct vindex *index;
    assert_int_equal(vindex_hnsw.open(&world->vectors, &PARAMS, (struct slice){0}, &index, NULL),
                     STATUS_OK);
    world->hnsw = (struct hnsw *)index;
    random_init(&world->random, SEED);
}

static void world_deinit(struct world *world)
{
    vindex_hnsw.close(&world->hnsw->base);
    vectors_deinit(&world->vectors);
    mem_free(world->centres);
}

static void make_clusters(struct world *world, size_t clusters, float spread)
{
    world->clusters = clusters;
    world->spread = spread;
    world->centres = mem_alloc(clusters * DIM * sizeof(float));
    for (size_t i = 0; i < clusters * DIM; i++) {
        world->centres[i] = (float)random_double(&world->random) * 200.0f;
    }
}

static void random_row(struct world *world, void *stored)
{
    float row[DIM];
    const float *centre = world->clusters > 0
                              ? world->centres + random_below(&world->random, world->clusters) * DIM
                              : NULL;
    for (size_t i = 0; i < DIM; i++) {
        float x = (float)random_double(&world->random) - 0.5f;
        row[i] = centre ? centre[i] + x * world->spread : x * 200.0f + 100.0f;
    }
    assert_true(vector_prepare(world->vectors.distance, world->vectors.element, row, DIM, stored));
}

static void put(struct world *world, const void *stored)
{
    point_offset next = (point_offset)vectors_count(&world->vectors);
    assert_int_equal(vectors_put(&world->vectors, next, stored, NULL), STATUS_OK);
}

static void add_random(struct world *world, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float row[DIM];
        random_row(world, row);
        put(world, row);
    }
}

static void build(struct world *world, uint32_t threads)
{
    struct build_job job = {.threads = threads,
                            .until = (point_offset)vectors_count(&world->vectors)};
    assert_int_equal(vindex_hnsw.build(&world->hnsw->base, &job, NULL), STATUS_OK);
    assert_int_equal(vindex_hnsw.linked(&world->hnsw->base), job.until);
}

static size_t search(const struct world *world, const void *query, uint32_t effort, uint32_t limit,
                     struct scored *items)
{
    struct search_args args = {
        .query = query, .limit = limit, .effort = effort, .count = UINT32_MAX};
    struct topk out;
    topk_init(&out, items, limit, NULL);
    assert_int_equal(vindex_hnsw.search(&world->hnsw->base, &args, &out, NULL), STATUS_OK);
    topk_sort(&out);
    return out.count;
}

/* How many of those found are as near as the true ones. */
static double recall(struct world *world, uint32_t effort)
{
    size_t hits = 0;
    size_t wanted = 0;
    for (int q = 0; q < QUERIES; q++) {
        float query[DIM];
        random_row(world, query);
        struct scored exact[LIMIT];
        struct topk top;
        topk_init(&top, exact, LIMIT, NULL);
        for (point_offset i = 0; i < vectors_count(&world->vectors); i++) {
            topk_push(&top, world->vectors.kernel->one(query, vectors_at(&world->vectors, i), DIM),
                      i);
        }
        float bound = topk_bound(&top);
        bound = top.count < LIMIT ? __builtin_inff() : bound;
        struct scored found[LIMIT];
        size_t count = search(world, query, effort, LIMIT, found);
        wanted += top.count;
        for (size_t i = 0; i < count; i++) {
            hits += found[i].distance <= bound;
        }
    }
    return wanted == 0 ? 1.0 : (double)hits / (double)wanted;
}

static void save(const struct world *world, struct buffer *out)
{
    buffer_init(out, 0);
    assert_int_equal(vindex_hnsw.save(&world->hnsw->base, out, NULL), STATUS_OK);
}

/* A bulk of several lists, a tail in batches and a bulk over it all give the same bytes with one,
 * two and three threads. */
static void test_same_for_any_threads(void **state)
{
    (void)state;
    struct buffer images[3];
    for (uint32_t threads = 1; threads <= 3; threads++) {
        struct world world;
        world_init(&world, DISTANCE_EUCLID, ELEMENT_F32);
        make_clusters(&world, 30, 60.0f);
        add_random(&world, 6000);
        build(&world, threads);
        add_random(&world, 700);
        build(&world, threads);
        add_random(&world, 2500);
        build(&world, threads);
        save(&world, &images[threads - 1]);
        assert_true(recall(&world, 48) > 0.95);
        world_deinit(&world);
    }
    for (int i = 1; i < 3; i++) {
        assert_true(slice_equal(buffer_slice(&images[0]), buffer_slice(&images[i])));
    }
    for (int i = 0; i < 3; i++) {
        buffer_deinit(&images[i]);
    }
}

/* Recall of every distance and element when points come at once, in small steps, and mixed. */
static void test_recall_of_all_kinds(void **state)
{
    (void)state;
    static const size_t STEPS[3] = {1800, 200, 1100};
    for (int distance = 0; distance < DISTANCE_COUNT; distance++) {
        for (int element = 0; element < ELEMENT_COUNT; element++) {
            for (int order = 0; order < 3; order++) {
                struct world world;
                world_init(&world, (enum distance)distance, (enum element)element);
                while (vectors_count(&world.vectors) < 1800) {
                    size_t left = 1800 - vectors_count(&world.vectors);
                    size_t step = left == 1800 || order < 2 ? STEPS[order] : 250;
                    add_random(&world, step < left ? step : left);
                    build(&world, 2);
                }
                double found = recall(&world, 64);
                if (found < 0.95) {
                    print_message("distance %d element %d order %d: %.3f\n", distance, element,
                                  order, found);
                }
                assert_true(found >= 0.95);
                world_deinit(&world);
            }
        }
    }
}

/* Clusters far smaller than the room between them can all be entered, in bulk and in steps. */
static void test_tight_clusters(void **state)
{
    (void)state;
    for (int steps = 0; steps < 2; steps++) {
        struct world world;
        world_init(&world, DISTANCE_EUCLID, ELEMENT_F32);
        make_clusters(&world, 50, 0.01f);
        for (size_t i = 0; i < 5000; i += steps ? 500 : 5000) {
            add_random(&world, steps ? 500 : 5000);
            build(&world, 2);
        }
        double found = recall(&world, 64);
        print_message("tight clusters: %.3f\n", found);
        assert_true(found >= 0.95);
        world_deinit(&world);
    }
}

/* Clusters of more points than an insertion has candidates: all neighbours lie in the own cluster,
 * and still every other one is found. */
static void test_clusters_beyond_candidates(void **state)
{
    (void)state;
    for (size_t clusters = 10; clusters <= 40; clusters += 10) {
        struct world world;
        world_init(&world, DISTANCE_COSINE, ELEMENT_F32);
        make_clusters(&world, clusters, 60.0f);
        add_random(&world, clusters * 100);
        build(&world, 2);
        double found = recall(&world, 160);
        print_message("%zu clusters of 100: %.3f\n", clusters, found);
        assert_true(found >= 0.995);
        world_deinit(&world);
    }
}

/* Zero vectors, crowds of copies and pairs do not hide each other or the rest. */
static void test_copies(void **state)
{
    (void)state;
    for (int order = 0; order < 3; order++) {
        struct world world;
        world_init(&world, order == 1 ? DISTANCE_COSINE : DISTANCE_EUCLID, ELEMENT_F32);
        float zero[DIM] = {0};
        float row[DIM];
        for (int i = 0; i < 3000; i++) {
            if (i % 3 != 1) {
                random_row(&world, row);
            }
            put(&world, i % 3 == 2 ? zero : row);
            if (order == 2 && i % 300 == 299) {
                build(&world, 2);
            }
        }
        build(&world, 2);
        size_t lost = 0;
        struct scored *items = mem_alloc(1000 * sizeof *items);
        for (point_offset i = 0; i < 3000; i++) {
            if (i % 3 != 2) {
                size_t count = search(&world, vectors_at(&world.vectors, i), 100, 2, items);
                lost += count < 2 || (items[0].point != i && items[1].point != i);
            }
        }
        print_message("lost of 2000: %zu\n", lost);
        assert_true(lost <= 20);
        if (order != 1) { /* all are as far from the zero vector by cosine */
            assert_int_equal(search(&world, zero, 1200, 1000, items), 1000);
            for (int i = 0; i < 1000; i++) {
                assert_true(items[i].distance == 0.0f);
            }
        }
        mem_free(items);
        world_deinit(&world);
    }
}

/* No points, one, two, a row full and one more: all are found. */
static void test_tiny(void **state)
{
    (void)state;
    const size_t counts[] = {0, 1, 2, 8, 17};
    for (size_t c = 0; c < sizeof counts / sizeof *counts; c++) {
        struct world world;
        world_init(&world, DISTANCE_DOT, ELEMENT_F32);
        add_random(&world, counts[c]);
        build(&world, 3);
        float query[DIM];
        random_row(&world, query);
        struct scored items[20];
        assert_int_equal(search(&world, query, 0, 20, items), counts[c]);
        world_deinit(&world);
    }
}

static void *cancel_soon(void *arg)
{
    usleep(3000);
    atomic_store((atomic_bool *)arg, true);
    return NULL;
}

/* Builds cancelled somewhere leave a valid shorter index; going on links all, as well as ever. */
static void test_cancelled_and_continued(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, DISTANCE_EUCLID, ELEMENT_F32);
    add_random(&world, 5000);
    enum status status = STATUS_CANCELLED;
    for (int tries = 0; tries < 3 && status != STATUS_OK; tries++) {
        atomic_bool cancelled = false;
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, cancel_soon, &cancelled), 0);
        atomic_uint progress = 0;
        struct build_job job = {.threads = 2,
                                .cancelled = &cancelled,
                                .until = tries == 0 ? 900 : 5000,
                                .progress = &progress};
        status = vindex_hnsw.build(&world.hnsw->base, &job, NULL);
        pthread_join(thread, NULL);
        assert_true(status == STATUS_OK || status == STATUS_CANCELLED);
        point_offset linked = vindex_hnsw.linked(&world.hnsw->base);
        assert_true(status != STATUS_OK || linked == job.until);
        assert_true(atomic_load(&progress) <= job.until);
        struct scored *items = mem_alloc(5000 * sizeof *items);
        assert_int_equal(search(&world, vectors_at(&world.vectors, 1), 5000, 5000, items), linked);
        mem_free(items);
    }
    build(&world, 2);
    assert_true(recall(&world, 64) > 0.95);
    world_deinit(&world);
}

struct searching {
    struct world *world;
    atomic_bool stop;
};

static void *search_on(void *arg)
{
    struct searching *searching = arg;
    const struct world *world = searching->world;
    for (point_offset i = 0; !atomic_load(&searching->stop); i = (i + 7) % 1000) {
        struct scored items[LIMIT];
        size_t count = search(world, vectors_at(&world->vectors, i), 40, LIMIT, items);
        for (size_t k = 0; k < count; k++) {
            assert_true(items[k].point < vectors_count(&world->vectors));
        }
    }
    return NULL;
}

/* Searches run beside bulks and batches. */
static void test_searches_beside(void **state)
{
    (void)state;
    struct world world;
    world_init(&world, DISTANCE_COSINE, ELEMENT_F32);
    add_random(&world, 1200);
    build(&world, 2);
    struct searching searching = {.world = &world};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, search_on, &searching), 0);
    for (int pass = 0; pass < 3; pass++) {
        add_random(&world, 150);
        build(&world, 2);
        add_random(&world, 1200);
        build(&world, 2);
    }
    atomic_store(&searching.stop, true);
    pthread_join(thread, NULL);
    assert_true(recall(&world, 64) > 0.95);
    world_deinit(&world);
}

int main(void)
{
    kernel_init();
    printf("seed %llu\n", (unsigned long long)SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_same_for_any_threads),
        cmocka_unit_test(test_recall_of_all_kinds),
        cmocka_unit_test(test_tight_clusters),
        cmocka_unit_test(test_clusters_beyond_candidates),
        cmocka_unit_test(test_copies),
        cmocka_unit_test(test_tiny),
        cmocka_unit_test(test_cancelled_and_continued),
        cmocka_unit_test(test_searches_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
