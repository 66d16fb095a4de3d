/* Inside the graph index: reachability, crowds of copies, determinism, cancelled builds. */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/bitmap.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIM = 8 };
static const uint64_t SEED = 99;
static const struct vindex_params PARAMS = {.m = 4, .ef_construct = 32, .seed = 5};

static void open_with(struct vectors *vectors, enum distance distance, struct hnsw **out)
{
    assert_int_equal(vectors_init(vectors, distance, ELEMENT_F32, DIM, NULL), STATUS_OK);
    struct vindex *index;
    assert_int_equal(vindex_hnsw.open(vectors, &PARAMS, (struct slice){0}, &index, NULL),
                     STATUS_OK);
    *out = (struct hnsw *)index;
}

static void put(struct vectors *vectors, const float *row)
{
    assert_int_equal(vectors_put(vectors, (point_offset)vectors_count(vectors), row, NULL),
                     STATUS_OK);
}

static void random_row(struct random *random, float *row)
{
    for (size_t i = 0; i < DIM; i++) {
        row[i] = (float)(2.0 * random_double(random) - 1.0);
    }
}

static void build(struct hnsw *hnsw, uint32_t threads)
{
    struct build_job job = {.threads = threads,
                            .until = (point_offset)vectors_count(hnsw->vectors)};
    assert_int_equal(vindex_hnsw.build(&hnsw->base, &job, NULL), STATUS_OK);
}

/* Walks level 0 from the entry, and checks every row on the way. */
static size_t reachable(const struct hnsw *hnsw)
{
    uint64_t entry = atomic_load(&hnsw->entry);
    if (entry == NO_ENTRY) {
        return 0;
    }
    size_t nodes = atomic_load(&hnsw->planned);
    struct bitmap seen;
    bitmap_init(&seen);
    assert_true(bitmap_resize(&seen, nodes));
    point_offset *queue = mem_alloc(nodes * sizeof *queue);
    size_t count = 0;
    queue[count++] = (point_offset)entry;
    bitmap_set(&seen, (point_offset)entry);
    for (size_t at = 0; at < count; at++) {
        point_offset id;
        for (uint32_t i = 0; i < hnsw->m0 && row_get(row_at(hnsw, queue[at], 0), i, &id); i++) {
            assert_true(id < nodes && id != queue[at]);
            assert_int_equal(node_state_of(hnsw, id), NODE_LINKED);
            if (!bitmap_get(&seen, id)) {
                bitmap_set(&seen, id);
                queue[count++] = id;
            }
        }
    }
    mem_free(queue);
    bitmap_deinit(&seen);
    return count;
}

static size_t search(const struct hnsw *hnsw, const float *query, uint32_t limit,
                     struct scored *items)
{
    struct search_args args = {.query = query, .limit = limit, .count = UINT32_MAX};
    struct topk out;
    topk_init(&out, items, limit, NULL);
    assert_int_equal(vindex_hnsw.search(&hnsw->base, &args, &out, NULL), STATUS_OK);
    topk_sort(&out);
    return out.count;
}

static void close_all(struct hnsw *hnsw, struct vectors *vectors)
{
    vindex_hnsw.close(&hnsw->base);
    vectors_deinit(vectors);
}

/* After many small and large build passes every node can be reached, under all distances, with skew
 * that invites pruning (norms over three magnitudes). */
static void test_all_reachable(void **state)
{
    (void)state;
    for (int distance = 0; distance < DISTANCE_COUNT; distance++) {
        struct vectors vectors;
        struct hnsw *hnsw;
        struct random random;
        random_init(&random, SEED);
        open_with(&vectors, (enum distance)distance, &hnsw);
        for (int pass = 0; pass < 12; pass++) {
            for (int i = 0; i < 200; i++) {
                float row[DIM];
                random_row(&random, row);
                float scale = (float)pow(10.0, (double)random_below(&random, 4) - 2.0);
                for (size_t d = 0; d < DIM; d++) {
                    row[d] *= scale;
                }
                assert_true(vector_prepare((enum distance)distance, ELEMENT_F32, row, DIM, row));
                put(&vectors, row);
            }
            build(hnsw, 1 + (uint32_t)pass % 3);
            assert_int_equal(reachable(hnsw), vectors_count(&vectors));
        }
        close_all(hnsw, &vectors);
    }
}

/* 3,000 copies of one vector among 2,000 others: all reachable, all copies found, the others still
 * found. */
static void test_crowd_of_copies(void **state)
{
    (void)state;
    struct vectors vectors;
    struct hnsw *hnsw;
    struct random random;
    random_init(&random, SEED);
    open_with(&vectors, DISTANCE_EUCLID, &hnsw);
    float copy[DIM];
    float row[DIM];
    random_row(&random, copy);
    for (int i = 0; i < 5000; i++) {
        random_row(&random, row);
        put(&vectors, i % 5 < 3 ? copy : row);
    }
    build(hnsw, 1);
    assert_int_equal(reachable(hnsw), 5000);
    struct scored *items = mem_alloc(3000 * sizeof *items);
    assert_int_equal(search(hnsw, copy, 3000, items), 3000);
    for (int i = 0; i < 3000; i++) {
        assert_true(items[i].distance == 0.0f);
    }
    size_t lost = 0;
    for (point_offset i = 0; i < 5000; i++) {
        if (i % 5 >= 3) {
            search(hnsw, vectors_at(&vectors, i), 1, items);
            lost += items[0].point != i;
        }
    }
    assert_true(lost <= 4);
    mem_free(items);
    close_all(hnsw, &vectors);
}

static void save(const struct hnsw *hnsw, struct buffer *out)
{
    buffer_init(out, 0);
    assert_int_equal(vindex_hnsw.save(&hnsw->base, out, NULL), STATUS_OK);
}

static void fill_random(struct vectors *vectors, size_t count)
{
    struct random random;
    random_init(&random, SEED);
    for (size_t i = 0; i < count; i++) {
        float row[DIM];
        random_row(&random, row);
        put(vectors, row);
    }
}

/* One thread, the same vectors and parameters: the same bytes. */
static void test_deterministic(void **state)
{
    (void)state;
    struct buffer images[2];
    for (int i = 0; i < 2; i++) {
        struct vectors vectors;
        struct hnsw *hnsw;
        open_with(&vectors, DISTANCE_EUCLID, &hnsw);
        fill_random(&vectors, 1500);
        build(hnsw, 1);
        save(hnsw, &images[i]);
        close_all(hnsw, &vectors);
    }
    assert_true(slice_equal(buffer_slice(&images[0]), buffer_slice(&images[1])));
    buffer_deinit(&images[0]);
    buffer_deinit(&images[1]);
}

/* About one node in m reaches level 1, one in m^2 level 2. */
static void test_levels(void **state)
{
    (void)state;
    struct vectors vectors;
    struct hnsw *hnsw;
    open_with(&vectors, DISTANCE_EUCLID, &hnsw);
    size_t at_least[3] = {0};
    for (point_offset i = 0; i < 160000; i++) {
        uint32_t level = level_of(hnsw, i);
        assert_true(level <= LEVEL_MAX);
        at_least[1] += level >= 1;
        at_least[2] += level >= 2;
    }
    assert_in_range(at_least[1], 39000, 41000);
    assert_in_range(at_least[2], 9500, 10500);
    close_all(hnsw, &vectors);
}

static bool skip_thirds(const void *ctx, point_offset point)
{
    (void)ctx;
    return point % 3 == 0;
}

/* A cancelled build leaves a shorter, whole index; the next build goes on. Skipped points never
 * enter. */
static void test_cancel_and_skip(void **state)
{
    (void)state;
    struct vectors vectors;
    struct hnsw *hnsw;
    open_with(&vectors, DISTANCE_EUCLID, &hnsw);
    fill_random(&vectors, 900);
    atomic_bool cancelled = true;
    atomic_uint progress = 0;
    struct build_job job = {.threads = 2,
                            .cancelled = &cancelled,
                            .skip = skip_thirds,
                            .until = 900,
                            .progress = &progress};
    assert_int_equal(vindex_hnsw.build(&hnsw->base, &job, NULL), STATUS_CANCELLED);
    assert_int_equal(vindex_hnsw.linked(&hnsw->base), 0);
    job.until = 500;
    atomic_store(&cancelled, false);
    assert_int_equal(vindex_hnsw.build(&hnsw->base, &job, NULL), STATUS_OK);
    assert_int_equal(atomic_load(&progress), 500);
    job.until = 900;
    atomic_store(&cancelled, true);
    assert_int_equal(vindex_hnsw.build(&hnsw->base, &job, NULL), STATUS_CANCELLED);
    assert_int_equal(vindex_hnsw.linked(&hnsw->base), 500);
    struct scored items[900];
    assert_int_equal(search(hnsw, vectors_at(&vectors, 1), 900, items), 333);
    atomic_store(&cancelled, false);
    assert_int_equal(vindex_hnsw.build(&hnsw->base, &job, NULL), STATUS_OK);
    assert_int_equal(search(hnsw, vectors_at(&vectors, 1), 900, items), 600);
    for (int i = 0; i < 600; i++) {
        assert_true(items[i].point % 3 != 0);
    }
    assert_int_equal(reachable(hnsw), 600);
    close_all(hnsw, &vectors);
}

int main(void)
{
    kernel_init();
    printf("seed %llu\n", (unsigned long long)SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_reachable),   cmocka_unit_test(test_crowd_of_copies),
        cmocka_unit_test(test_deterministic),   cmocka_unit_test(test_levels),
        cmocka_unit_test(test_cancel_and_skip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
