/* Recall floors: every index kind x distance x element x kind of codes, at fixed seeds, against an
 * exact scan. The data has structure as embeddings have it (clusters of uneven spread in a space of
 * lower dimension, with noise); queries are drawn the same way and are not in the index. A floor is
 * what a user may rely on with default settings: recall@10 of 0.95, or less where codes are not
 * rescored. */
#include "index/vindex.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { DIM = 64, LATENT = 24, POINTS = 6000, QUERIES = 60, LIMIT = 10, CENTRES = 40 };
static const uint64_t SEED = 20260;

struct set {
    float base[POINTS][DIM];
    float queries[QUERIES][DIM];
};
static struct set *set;

static double gauss(struct random *random)
{
    double u = random_double(random) + 1e-12;
    return sqrt(-2.0 * log(u)) * cos(6.283185307179586 * random_double(random));
}

struct model {
    double mix[LATENT][DIM];
    double centres[CENTRES][LATENT];
    double spread[CENTRES];
};

static void draw(const struct model *model, struct random *random, float *out)
{
    uint64_t centre = random_below(random, CENTRES);
    double latent[LATENT];
    for (size_t i = 0; i < LATENT; i++) {
        latent[i] = model->centres[centre][i] + model->spread[centre] * gauss(random);
    }
    for (size_t d = 0; d < DIM; d++) {
        double value = 0.3 * gauss(random);
        for (size_t i = 0; i < LATENT; i++) {
            value += latent[i] * model->mix[i][d];
        }
        /* Within a byte's range, so that one set serves all elements. */
        value = 128.0 + 16.0 * value;
        out[d] = (float)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
}

static int make_set(void **state)
{
    (void)state;
    kernel_init();
    struct random random;
    random_init(&random, SEED);
    struct model *model = mem_alloc(sizeof *model);
    set = mem_alloc(sizeof *set);
    for (size_t i = 0; i < LATENT; i++) {
        for (size_t d = 0; d < DIM; d++) {
            model->mix[i][d] = gauss(&random) / sqrt(LATENT);
        }
    }
    for (size_t c = 0; c < CENTRES; c++) {
        model->spread[c] = 0.4 + random_double(&random);
        for (size_t i = 0; i < LATENT; i++) {
            model->centres[c][i] = 1.5 * gauss(&random);
        }
    }
    for (size_t i = 0; i < POINTS; i++) {
        draw(model, &random, set->base[i]);
    }
    for (size_t i = 0; i < QUERIES; i++) {
        draw(model, &random, set->queries[i]);
    }
    mem_free(model);
    return 0;
}

static int drop_set(void **state)
{
    (void)state;
    mem_free(set);
    return 0;
}

struct case_row {
    const char *name;
    const struct vindex_kind *kind;
    struct quant_params quant;
    double floor;      /* recall@10, rescored, default effort */
    double floor_only; /* answers from codes alone; 0: exact anyway */
};
/* Codes alone are compared for their order: what a client gets that asks not to rescore. */
static const struct case_row rows[] = {
    {"flat", &vindex_flat, {.kind = QUANT_NONE}, 1.0, 0},
    {"hnsw", &vindex_hnsw, {.kind = QUANT_NONE}, 0.97, 0},
    {"hnsw scalar", &vindex_hnsw, {.kind = QUANT_SCALAR}, 0.97, 0.80},
    {"hnsw turbo 4", &vindex_hnsw, {.kind = QUANT_ROTATED, .half_bits = 8}, 0.97, 0.75},
    {"hnsw turbo 2", &vindex_hnsw, {.kind = QUANT_ROTATED, .half_bits = 4}, 0.95, 0.50},
    {"hnsw turbo 1", &vindex_hnsw, {.kind = QUANT_ROTATED, .half_bits = 2}, 0.85, 0.25},
    {"hnsw product x4", &vindex_hnsw, {.kind = QUANT_PRODUCT, .compression = 4}, 0.95, 0.70},
    {"hnsw product x16", &vindex_hnsw, {.kind = QUANT_PRODUCT, .compression = 16}, 0.90, 0.40},
    {"hnsw binary 1", &vindex_hnsw, {.kind = QUANT_BINARY, .half_bits = 2}, 0.80, 0.15},
    {"hnsw binary 2", &vindex_hnsw, {.kind = QUANT_BINARY, .half_bits = 4}, 0.85, 0.20},
    {"ivfpq", &vindex_ivfpq, {.kind = QUANT_NONE}, 0.95, 0.50},
};

struct cell {
    const struct case_row *row;
    enum distance distance;
    enum element element;
    struct vectors vectors;
    struct vindex *index;
};

static void build(struct cell *cell)
{
    struct error err = {0};
    uint8_t stored[DIM * sizeof(float)];
    assert_int_equal(vectors_init(&cell->vectors, cell->distance, cell->element, DIM, &err),
                     STATUS_OK);
    for (size_t i = 0; i < POINTS; i++) {
        assert_true(vector_prepare(cell->distance, cell->element, set->base[i], DIM, stored));
        assert_int_equal(vectors_put(&cell->vectors, (point_offset)i, stored, &err), STATUS_OK);
    }
    struct vindex_params params = {
        .m = 16, .ef_construct = 100, .seed = 1, .quant = cell->row->quant};
    struct build_job job = {.threads = 2, .until = POINTS};
    assert_int_equal(
        cell->row->kind->open(&cell->vectors, &params, slice_of(NULL, 0), &cell->index, &err),
        STATUS_OK);
    assert_int_equal(cell->row->kind->build(cell->index, &job, &err), STATUS_OK);
    assert_int_equal(cell->row->kind->linked(cell->index), POINTS);
}

static size_t search(const struct vindex *index, const void *query, enum codes_use codes,
                     struct scored *items)
{
    struct error err = {0};
    struct topk top;
    topk_init(&top, items, LIMIT, NULL);
    struct search_args args = {.query = query, .limit = LIMIT, .count = POINTS, .codes = codes};
    assert_int_equal(index->kind->search(index, &args, &top, &err), STATUS_OK);
    topk_sort(&top);
    return top.count;
}

/* Found points that are as near as the tenth nearest, which equal distances make more than ten. */
static size_t hits(const struct cell *cell, const void *query, const struct scored *exact,
                   const struct scored *found, size_t count)
{
    size_t hit = 0;
    for (size_t i = 0; i < count; i++) {
        float distance =
            cell->vectors.kernel->one(query, vectors_at(&cell->vectors, found[i].point), DIM);
        hit += distance <= exact[LIMIT - 1].distance;
    }
    return hit;
}

static void measure(const struct cell *cell, double *rescored, double *only)
{
    struct error err = {0};
    struct vindex *flat = NULL;
    struct vindex_params params = {.seed = 1};
    size_t good[2] = {0};
    uint8_t query[DIM * sizeof(float)];
    assert_int_equal(vindex_flat.open(&cell->vectors, &params, slice_of(NULL, 0), &flat, &err),
                     STATUS_OK);
    struct build_job job = {.threads = 1, .until = POINTS};
    assert_int_equal(vindex_flat.build(flat, &job, &err), STATUS_OK);
    for (size_t q = 0; q < QUERIES; q++) {
        struct scored exact[LIMIT];
        struct scored found[LIMIT];
        assert_true(
            vector_prepare_query(cell->distance, cell->element, set->queries[q], DIM, query));
        assert_int_equal(search(flat, query, CODES_RESCORED, exact), LIMIT);
        size_t count = search(cell->index, query, CODES_RESCORED, found);
        assert_int_equal(count, LIMIT);
        for (size_t i = 0; i < count; i++) { /* rescored distances are exact to the last bit */
            float distance =
                cell->vectors.kernel->one(query, vectors_at(&cell->vectors, found[i].point), DIM);
            assert_memory_equal(&distance, &found[i].distance, sizeof distance);
        }
        good[0] += hits(cell, query, exact, found, count);
        count = search(cell->index, query, CODES_ONLY, found);
        good[1] += hits(cell, query, exact, found, count);
    }
    flat->kind->close(flat);
    *rescored = (double)good[0] / (QUERIES * LIMIT);
    *only = (double)good[1] / (QUERIES * LIMIT);
}

static void check_row(const struct case_row *row)
{
    static const enum element elements[] = {ELEMENT_F32, ELEMENT_F16, ELEMENT_U8, ELEMENT_TURBO4};
    enum { ELEMENTS = sizeof elements / sizeof elements[0] };
    bool missed = false;
    for (size_t d = 0; d < DISTANCE_COUNT; d++) {
        for (size_t e = 0; e < ELEMENTS; e++) {
            struct cell cell = {.row = row, .distance = (enum distance)d, .element = elements[e]};
            double rescored = 0;
            double only = 0;
            build(&cell);
            measure(&cell, &rescored, &only);
            bool low = rescored < row->floor || only < row->floor_only;
            printf("%-18s %-10s %s: %.3f, codes alone %.3f%s\n", row->name,
                   distance_name(cell.distance), cell.vectors.kernel->name, rescored, only,
                   low ? "  BELOW ITS FLOOR" : "");
            missed |= low;
            cell.index->kind->close(cell.index);
            vectors_deinit(&cell.vectors);
        }
    }
    assert_false(missed);
}

/* Each row of the table holds its floors for every distance and element. */
static void test_row(void **state)
{
    check_row(*state);
}

/* The points nearest by float32 among those nearest by four bits: what storing only these loses.
 * (The table above compares with a scan of the same stored vectors.) */
static void test_turbo4_against_floats(void **state)
{
    (void)state;
    static const struct case_row row = {"flat", &vindex_flat, {.kind = QUANT_NONE}, 1.0, 0};
    for (size_t d = 0; d < DISTANCE_COUNT; d++) {
        struct cell floats = {.row = &row, .distance = (enum distance)d, .element = ELEMENT_F32};
        struct cell codes = {.row = &row, .distance = (enum distance)d, .element = ELEMENT_TURBO4};
        build(&floats);
        build(&codes);
        size_t good = 0;
        for (size_t q = 0; q < QUERIES; q++) {
            float query[DIM];
            uint8_t fine[4 * DIM];
            struct scored exact[LIMIT];
            struct scored found[LIMIT];
            assert_true(vector_prepare(floats.distance, ELEMENT_F32, set->queries[q], DIM, query));
            assert_true(
                vector_prepare_query(codes.distance, ELEMENT_TURBO4, set->queries[q], DIM, fine));
            assert_int_equal(search(floats.index, query, CODES_RESCORED, exact), LIMIT);
            size_t count = search(codes.index, fine, CODES_RESCORED, found);
            good += hits(&floats, query, exact, found, count);
        }
        double recall = (double)good / (QUERIES * LIMIT);
        printf("turbo4 beside float32, %s: %.3f\n", distance_name(codes.distance), recall);
        assert_true(recall >= 0.87);
        floats.index->kind->close(floats.index);
        codes.index->kind->close(codes.index);
        vectors_deinit(&floats.vectors);
        vectors_deinit(&codes.vectors);
    }
}

int main(void)
{
    enum { ROWS = sizeof rows / sizeof rows[0] };
    struct CMUnitTest tests[ROWS + 1] = {
        [ROWS] = cmocka_unit_test(test_turbo4_against_floats),
    };
    for (size_t i = 0; i < ROWS; i++) {
        tests[i] = (struct CMUnitTest){
            .name = rows[i].name, .test_func = test_row, .initial_state = (void *)&rows[i]};
    }
    return cmocka_run_group_tests(tests, make_set, drop_set);
}
