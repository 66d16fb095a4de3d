/* Taking deleted points out of the graph: recall through long churn, chains of copies, the entry,
 * everything dead, threads, cancelling, searches beside. */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/bitmap.h"
#include "storage/base/buffer.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

enum { DIM = 12, LIMIT = 10, QUERIES = 150, OFFSETS = 20000 };
static const uint64_t SEED = 271828;
static const struct vindex_params PARAMS = {.m = 8, .ef_construct = 64, .seed = 3};

struct world {
    struct vectors vectors;
    struct hnsw *hnsw;
    struct random random;
    struct bitmap dead;
};

static void world_init(struct world *world)
{
    assert_int_equal(vectors_init(&world->vectors, DISTANCE_EUCLID, ELEMENT_F32, DIM, NULL),
                     STATUS_OK);
    struct vindex *index;
    assert_int_equal(vindex_hnsw.open(&world->vectors, &PARAMS, (struct slice){0}, &index, NULL),
                     STATUS_OK);
    world->hnsw = (struct hnsw *)index;
    random_init(&world->random, SEED);
    bitmap_init(&world->dead);
    assert_true(bitmap_resize(&world->dead, OFFSETS));
}

static void world_deinit(struct world *world)
{
    vindex_hnsw.close(&world->hnsw->base);
    vectors_deinit(&world->vectors);
    bitmap_deinit(&world->dead);
}

static bool is_dead(const void *ctx, point_offset point)
{
    return bitmap_get(ctx, point);
}

static bool is_alive(const void *ctx, point_offset point)
{
    return !bitmap_get(ctx, point);
}

static void random_row(struct random *random, float *row)
{
    for (size_t i = 0; i < DIM; i++) {
        row[i] = (float)random_double(random);
    }
}

static void put(struct world *world, const float *row)
{
    point_offset next = (point_offset)vectors_count(&world->vectors);
    assert_true(next < OFFSETS);
    assert_int_equal(vectors_put(&world->vectors, next, row, NULL), STATUS_OK);
}

static void add_random(struct world *world, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        float row[DIM];
        random_row(&world->random, row);
        put(world, row);
    }
}

static struct build_job job_of(const struct world *world, uint32_t threads)
{
    return (struct build_job){.threads = threads,
                              .skip = is_dead,
                              .ctx = &world->dead,
                              .until = (point_offset)vectors_count(&world->vectors)};
}

static void build(struct world *world, uint32_t threads)
{
    struct build_job job = job_of(world, threads);
    assert_int_equal(vindex_hnsw.build(&world->hnsw->base, &job, NULL), STATUS_OK);
}

static void vacuum(struct world *world, uint32_t threads)
{
    struct build_job job = job_of(world, threads);
    assert_int_equal(vindex_hnsw.vacuum(&world->hnsw->base, &job, NULL), STATUS_OK);
}

/* Marks about one live point in `part`. */
static void kill_some(struct world *world, uint64_t part)
{
    for (size_t i = 0; i < vectors_count(&world->vectors); i++) {
        if (!bitmap_get(&world->dead, i) && random_below(&world->random, part) == 0) {
            bitmap_set(&world->dead, i);
        }
    }
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

/* Over the live points, without the help of an accept. */
static double recall(struct world *world, uint32_t effort)
{
    struct random random;
    random_init(&random, SEED + 1);
    size_t hits = 0;
    for (int q = 0; q < QUERIES; q++) {
        float query[DIM];
        random_row(&random, query);
        struct scored exact[LIMIT];
        struct topk top;
        topk_init(&top, exact, LIMIT, NULL);
        for (point_offset i = 0; i < vectors_count(&world->vectors); i++) {
            if (!bitmap_get(&world->dead, i)) {
                const void *row = vectors_at(&world->vectors, i);
                topk_push(&top, world->vectors.kernel->one(query, row, DIM), i);
            }
        }
        struct scored found[LIMIT];
        size_t count = search(world, query, effort, LIMIT, found);
        for (size_t i = 0; i < count; i++) {
            assert_false(bitmap_get(&world->dead, found[i].point));
            hits += found[i].distance <= topk_bound(&top);
        }
    }
    return (double)hits / (QUERIES * LIMIT);
}

/* No live row leads to a dead node, the entry is alive, and counts agree. */
static void check_graph(const struct world *world)
{
    const struct hnsw *hnsw = world->hnsw;
    size_t live = 0;
    for (point_offset i = 0; i < vectors_count(&world->vectors); i++) {
        if (bitmap_get(&world->dead, i)) {
            assert_int_not_equal(node_state_of(hnsw, i), NODE_LINKED);
            continue;
        }
        live++;
        assert_int_equal(node_state_of(hnsw, i), NODE_LINKED);
        for (uint32_t level = 0; level <= level_of(hnsw, i); level++) {
            point_offset id;
            uint32_t capacity = row_capacity(hnsw, level);
            for (uint32_t k = 0; k < capacity && row_get(row_at(hnsw, i, level), k, &id); k++) {
                assert_true(id != i && !bitmap_get(&world->dead, id));
            }
        }
    }
    uint64_t entry = atomic_load(&hnsw->entry);
    assert_true(live == 0 ? entry == NO_ENTRY
                          : !bitmap_get(&world->dead, (point_offset)entry) &&
                                level_of(hnsw, (point_offset)entry) == entry >> 32);
    assert_int_equal(atomic_load(&hnsw->in_graph), live);
}

static size_t self_misses(const struct world *world)
{
    size_t misses = 0;
    for (point_offset i = 0; i < vectors_count(&world->vectors); i++) {
        if (!bitmap_get(&world->dead, i)) {
            struct scored found;
            search(world, vectors_at(&world->vectors, i), 32, 1, &found);
            misses += found.point != i;
        }
    }
    return misses;
}

/* After 50 rounds of deleting and adding a tenth, recall is that of a fresh graph. */
static void test_churn(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    add_random(&world, 2000);
    build(&world, 2);
    for (int round = 0; round < 50; round++) {
        size_t before = bitmap_count(&world.dead);
        kill_some(&world, 10);
        vacuum(&world, 1 + (uint32_t)round % 3);
        check_graph(&world);
        add_random(&world, bitmap_count(&world.dead) - before);
        build(&world, 2);
    }
    check_graph(&world);
    double churned = recall(&world, 24);
    size_t missed = self_misses(&world);

    struct vindex *old = &world.hnsw->base;
    struct vindex *index;
    assert_int_equal(vindex_hnsw.open(&world.vectors, &PARAMS, (struct slice){0}, &index, NULL),
                     STATUS_OK);
    world.hnsw = (struct hnsw *)index;
    build(&world, 2);
    double fresh = recall(&world, 24);
    print_message("recall %.4f, of a fresh graph %.4f; missed themselves %zu and %zu\n", churned,
                  fresh, missed, self_misses(&world));
    assert_true(churned >= fresh - 0.01);
    assert_true(missed <= 2);
    vindex_hnsw.close(old);
    world_deinit(&world);
}

/* Half of a crowd of copies goes, first and last ones too: all others are still found. */
static void test_copies_survive(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    float copy[DIM];
    random_row(&world.random, copy);
    for (int i = 0; i < 1500; i++) {
        float row[DIM];
        random_row(&world.random, row);
        put(&world, i % 2 ? copy : row);
        if (i == 1199) {
            build(&world, 2); /* the rest comes in batches */
        }
    }
    build(&world, 2);
    kill_some(&world, 2);
    bitmap_set(&world.dead, 1);
    bitmap_set(&world.dead, 1499);
    vacuum(&world, 2);
    check_graph(&world);
    size_t copies = 0;
    for (size_t i = 1; i < 1500; i += 2) {
        copies += !bitmap_get(&world.dead, i);
    }
    struct scored *items = mem_alloc(1500 * sizeof *items);
    assert_int_equal(search(&world, copy, 1500, (uint32_t)copies, items), copies);
    for (size_t i = 0; i < copies; i++) {
        assert_true(items[i].distance == 0.0f);
    }
    mem_free(items);
    assert_true(recall(&world, 800) > 0.95);
    world_deinit(&world);
}

/* The entry dies, again and again, then everything; then the graph begins anew. */
static void test_entry_and_everything(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    vacuum(&world, 2); /* of nothing */
    add_random(&world, 600);
    build(&world, 2);
    vacuum(&world, 2); /* nothing is dead */
    check_graph(&world);
    for (int i = 0; i < 20; i++) {
        bitmap_set(&world.dead, (point_offset)atomic_load(&world.hnsw->entry));
        vacuum(&world, 2);
        check_graph(&world);
    }
    assert_true(recall(&world, 64) > 0.95);
    for (size_t i = 0; i < 599; i++) {
        bitmap_set(&world.dead, i);
    }
    vacuum(&world, 2);
    check_graph(&world);
    bitmap_set(&world.dead, 599);
    vacuum(&world, 2);
    check_graph(&world);
    add_random(&world, 700);
    build(&world, 2);
    check_graph(&world);
    assert_true(recall(&world, 64) > 0.95);
    world_deinit(&world);
}

/* A whole region dies at once, so that neighbours of the dead are dead for several steps. */
static void test_region(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    add_random(&world, 4000);
    build(&world, 2);
    for (point_offset i = 0; i < 4000; i++) {
        const float *row = vectors_at(&world.vectors, i);
        if (row[0] > 0.15f) {
            bitmap_set(&world.dead, i);
        }
    }
    vacuum(&world, 2);
    check_graph(&world);
    double found = recall(&world, 48);
    print_message("recall %.4f\n", found);
    assert_true(found > 0.95);
    world_deinit(&world);
}

/* One, two and three threads leave the same bytes. */
static void test_same_for_any_threads(void **state)
{
    (void)state;
    struct buffer images[3];
    for (uint32_t threads = 1; threads <= 3; threads++) {
        struct world world;
        world_init(&world);
        add_random(&world, 3000);
        build(&world, 2);
        kill_some(&world, 4);
        vacuum(&world, threads);
        buffer_init(&images[threads - 1], 0);
        assert_int_equal(vindex_hnsw.save(&world.hnsw->base, &images[threads - 1], NULL),
                         STATUS_OK);
        world_deinit(&world);
    }
    for (int i = 1; i < 3; i++) {
        assert_true(slice_equal(buffer_slice(&images[0]), buffer_slice(&images[i])));
    }
    for (int i = 0; i < 3; i++) {
        buffer_deinit(&images[i]);
    }
}

/* A cancelled vacuum leaves all points in the graph, the live ones as easy to find as before. */
static void test_cancelled(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    add_random(&world, 2000);
    build(&world, 2);
    kill_some(&world, 5);
    atomic_bool cancelled = true;
    struct build_job job = job_of(&world, 2);
    job.cancelled = &cancelled;
    assert_int_equal(vindex_hnsw.vacuum(&world.hnsw->base, &job, NULL), STATUS_CANCELLED);
    assert_int_equal(atomic_load(&world.hnsw->in_graph), 2000);
    atomic_store(&cancelled, false);
    atomic_uint progress = 0;
    job.progress = &progress;
    assert_int_equal(vindex_hnsw.vacuum(&world.hnsw->base, &job, NULL), STATUS_OK);
    assert_int_equal(atomic_load(&progress), bitmap_count(&world.dead));
    check_graph(&world);
    assert_true(recall(&world, 48) > 0.95);
    world_deinit(&world);
}

struct searching {
    const struct world *world;
    const struct bitmap *dead;
    atomic_bool stop;
};

static void *search_on(void *arg)
{
    struct searching *searching = arg;
    const struct world *world = searching->world;
    struct accept accept = {.test = is_alive, .ctx = searching->dead, .selectivity = 0.8};
    for (point_offset i = 0; !atomic_load(&searching->stop); i = (i + 11) % 2000) {
        struct search_args args = {.query = vectors_at(&world->vectors, i),
                                   .limit = LIMIT,
                                   .effort = 40,
                                   .accept = i % 2 ? &accept : NULL,
                                   .count = UINT32_MAX};
        struct scored items[LIMIT];
        struct topk out;
        topk_init(&out, items, LIMIT, NULL);
        assert_int_equal(vindex_hnsw.search(&world->hnsw->base, &args, &out, NULL), STATUS_OK);
        for (size_t k = 0; k < out.count && args.accept; k++) {
            assert_false(bitmap_get(searching->dead, out.items[k].point));
        }
    }
    return NULL;
}

/* Searches run beside vacuums; with their accept they never see a dead point. */
static void test_searches_beside(void **state)
{
    (void)state;
    struct world world;
    world_init(&world);
    add_random(&world, 2000);
    build(&world, 2);
    for (int round = 0; round < 5; round++) {
        kill_some(&world, 8); /* before the searches that rely on it */
        struct searching searching = {.world = &world, .dead = &world.dead};
        pthread_t thread;
        assert_int_equal(pthread_create(&thread, NULL, search_on, &searching), 0);
        vacuum(&world, 2);
        add_random(&world, 200);
        build(&world, 2);
        atomic_store(&searching.stop, true);
        pthread_join(thread, NULL);
        check_graph(&world);
    }
    assert_true(recall(&world, 48) > 0.95);
    world_deinit(&world);
}

int main(void)
{
    kernel_init();
    printf("seed %llu\n", (unsigned long long)SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_churn),
        cmocka_unit_test(test_copies_survive),
        cmocka_unit_test(test_entry_and_everything),
        cmocka_unit_test(test_region),
        cmocka_unit_test(test_same_for_any_threads),
        cmocka_unit_test(test_cancelled),
        cmocka_unit_test(test_searches_beside),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
