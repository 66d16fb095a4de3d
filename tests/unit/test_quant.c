/* Quantizers of all kinds: how good their estimates are, and that training, codes and images hold
 * what quantizer.h promises. */
#include "tests/unit/quant_data.h"

#include <pthread.h>
#include <stdio.h>

static const uint64_t SEED = 20241126;
enum { ROWS = 900, WANTED = 10, FETCHED = 40 };

/* A kind with parameters, and the least part of the ten nearest that must be among the FETCHED
 * first, for 64 and 100 dimensions. */
struct quant_case {
    struct quant_params params;
    double recall;
    double correlation; /* the least between estimates and distances */
};
static const struct quant_case cases[] = {
    {{.kind = QUANT_SCALAR}, 0.99, 0.995},
    {{.kind = QUANT_SCALAR, .quantile = 1.0f}, 0.99, 0.999},
    {{.kind = QUANT_PRODUCT, .compression = 4}, 0.99, 0.999},
    {{.kind = QUANT_PRODUCT, .compression = 8}, 0.78, 0.985},
    {{.kind = QUANT_PRODUCT, .compression = 16}, 0.48, 0.93},
    {{.kind = QUANT_PRODUCT, .compression = 32}, 0.38, 0.88},
    {{.kind = QUANT_PRODUCT, .compression = 64}, 0.36, 0.88},
    {{.kind = QUANT_BINARY, .half_bits = 2}, 0.54, 0.91},
    {{.kind = QUANT_BINARY, .half_bits = 3}, 0.62, 0.93},
    {{.kind = QUANT_BINARY, .half_bits = 4}, 0.77, 0.97},
    {{.kind = QUANT_BINARY, .half_bits = 2, .query_encoding = QUERY_ENCODING_BINARY}, 0.48, 0.88},
    {{.kind = QUANT_BINARY, .half_bits = 2, .query_encoding = QUERY_ENCODING_SCALAR4}, 0.54, 0.91},
    {{.kind = QUANT_BINARY, .half_bits = 2, .query_encoding = QUERY_ENCODING_SCALAR8}, 0.54, 0.91},
    {{.kind = QUANT_ROTATED, .half_bits = 2}, 0.54, 0.91},
    {{.kind = QUANT_ROTATED, .half_bits = 3}, 0.62, 0.93},
    {{.kind = QUANT_ROTATED, .half_bits = 4}, 0.77, 0.97},
    {{.kind = QUANT_ROTATED, .half_bits = 8}, 0.98, 0.996},
    {{.kind = QUANT_ROTATED, .half_bits = 10}, 0.99, 0.998},
    {{.kind = QUANT_ROTATED, .half_bits = 12}, 0.99, 0.999},
    {{.kind = QUANT_ROTATED, .half_bits = 14}, 0.99, 0.999},
    {{.kind = QUANT_ROTATED, .half_bits = 16}, 0.99, 0.999},
};
enum { CASES = sizeof cases / sizeof cases[0] };

static const char *describe(const struct quant_params *p, const struct quant_data *data)
{
    static char text[200];
    snprintf(text, sizeof text,
             "kind %d, %u half bits, x%u, quantile %.2f, query %d; %s, element "
             "%d, %zu dimensions",
             (int)p->kind, p->half_bits, p->compression, (double)p->quantile,
             (int)p->query_encoding, distance_name(data->distance), (int)data->element, data->dim);
    return text;
}

struct quality {
    size_t found, inside, pairs;
    double x, y, xx, yy, xy;
};

static void add_pairs(struct quality *quality, const struct quant_codes *codes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        double x = (double)codes->exact[i];
        double y = (double)codes->estimates[i];
        assert_true(isfinite(codes->estimates[i]) && codes->errors[i] >= 0.0f);
        quality->inside += fabs(x - y) <= (double)codes->errors[i];
        quality->x += x;
        quality->y += y;
        quality->xx += x * x;
        quality->yy += y * y;
        quality->xy += x * y;
    }
    quality->pairs += count;
}

static double correlation(const struct quality *q)
{
    double n = (double)q->pairs;
    double vx = q->xx / n - q->x / n * (q->x / n);
    double vy = q->yy / n - q->y / n * (q->y / n);
    return (q->xy / n - q->x / n * (q->y / n)) / sqrt(vx * vy);
}

static void check_quality(const struct quant_case *c, const struct quant_data *data)
{
    struct quantizer *quantizer = quant_data_train(data, &c->params, 1);
    struct quant_codes codes;
    quant_codes_init(&codes, data, quantizer);
    const struct kernel *kernel = kernel_get(data->distance, data->element);
    struct quality quality = {0};
    for (size_t q = 0; q < data->queries_count; q++) {
        quantizer_query(quantizer, data->queries[q], codes.state);
        quantizer_bounds(quantizer, codes.state, codes.codes, data->count, codes.estimates,
                         codes.errors);
        kernel->many(data->queries[q], data->rows, data->count, data->dim, codes.exact);
        add_pairs(&quality, &codes, data->count);
        quality.found += quant_codes_found(&codes, data->count, WANTED, FETCHED);
    }
    double recall = (double)quality.found / (double)(WANTED * data->queries_count);
    double inside = (double)quality.inside / (double)quality.pairs;
    double related = correlation(&quality);
    if (recall < c->recall || inside < 0.99 || related < c->correlation) {
        print_error("%s: recall %.3f, inside %.4f, correlation %.4f\n", describe(&c->params, data),
                    recall, inside, related);
    }
    assert_true(inside >= 0.99);
    assert_true(recall >= c->recall);
    assert_true(related >= c->correlation);
    quant_codes_deinit(&codes);
    quantizer_free(quantizer);
}

/* For every kind, distance and element: the nearest are among the first by estimate, estimates go
 * with distances, and at least 99 of 100 distances are within the bounds. */
static void test_quality(void **state)
{
    (void)state;
    for (int distance = 0; distance < DISTANCE_COUNT; distance++) {
        for (int element = ELEMENT_F32; element <= ELEMENT_U8; element++) {
            struct quant_data data;
            size_t dim = (distance + element) % 2 == 0 ? 64 : 100;
            quant_data_init(&data, (enum distance)distance, (enum element)element, dim, ROWS, SEED);
            for (size_t c = 0; c < CASES; c++) {
                check_quality(&cases[c], &data);
            }
            quant_data_deinit(&data);
        }
    }
}

static void save(const struct quantizer *quantizer, struct buffer *image)
{
    buffer_init(image, 0);
    quantizer_save(quantizer, image);
}

/* Estimates of all codes for one query, from a quantizer and from its image. */
static void compare(const struct quantizer *a, const struct quantizer *b,
                    const struct quant_data *data)
{
    struct quant_codes one;
    struct quant_codes other;
    quant_codes_init(&one, data, a);
    quant_codes_init(&other, data, b);
    assert_int_equal(quantizer_code_bytes(a), quantizer_code_bytes(b));
    assert_memory_equal(one.bytes, other.bytes, data->count * quantizer_code_bytes(a));
    quantizer_query(a, data->queries[0], one.state);
    quantizer_query(b, data->queries[0], other.state);
    quantizer_bounds(a, one.state, one.codes, data->count, one.estimates, one.errors);
    quantizer_bounds(b, other.state, other.codes, data->count, other.estimates, other.errors);
    assert_memory_equal(one.estimates, other.estimates, data->count * sizeof(float));
    assert_memory_equal(one.errors, other.errors, data->count * sizeof(float));
    quant_codes_deinit(&one);
    quant_codes_deinit(&other);
}

/* An image gives back a quantizer that does all the same; one of other vectors, a shorter or a
 * longer one, or one with a changed byte is CORRUPT. */
static void test_images(void **state)
{
    (void)state;
    for (size_t c = 0; c < CASES; c++) {
        struct quant_data data;
        enum distance distance = (enum distance)(c % DISTANCE_COUNT);
        quant_data_init(&data, distance, ELEMENT_F32, 37, 300, SEED + c);
        struct quantizer *quantizer = quant_data_train(&data, &cases[c].params, 1);
        struct buffer image;
        save(quantizer, &image);
        struct quantizer *loaded = NULL;
        struct slice bytes = buffer_slice(&image);
        assert_int_equal(quantizer_load(bytes, distance, ELEMENT_F32, 37, &loaded, NULL),
                         STATUS_OK);
        assert_true(quant_params_equal(quantizer_params(loaded), &cases[c].params));
        assert_int_equal(quantizer_memory(loaded), quantizer_memory(quantizer));
        compare(quantizer, loaded, &data);
        quantizer_free(loaded);
        loaded = NULL;
        enum distance other = distance == DISTANCE_DOT ? DISTANCE_EUCLID : DISTANCE_DOT;
        assert_int_equal(quantizer_load(bytes, other, ELEMENT_F32, 37, &loaded, NULL),
                         STATUS_CORRUPT);
        assert_int_equal(quantizer_load(bytes, distance, ELEMENT_F32, 38, &loaded, NULL),
                         STATUS_CORRUPT);
        for (size_t size = 0; size < bytes.size; size += 1 + size / 9) {
            assert_int_equal(quantizer_load(slice_of(bytes.data, size), distance, ELEMENT_F32, 37,
                                            &loaded, NULL),
                             STATUS_CORRUPT);
        }
        image.data[bytes.size / 2] ^= 1;
        assert_int_equal(quantizer_load(bytes, distance, ELEMENT_F32, 37, &loaded, NULL),
                         STATUS_CORRUPT);
        assert_null(loaded);
        buffer_deinit(&image);
        quantizer_free(quantizer);
        quant_data_deinit(&data);
    }
}

/* The same sample and seed give the same bytes, whatever the number of threads. */
static void test_deterministic(void **state)
{
    (void)state;
    struct quant_data data;
    quant_data_init(&data, DISTANCE_EUCLID, ELEMENT_F32, 48, 700, SEED);
    for (size_t c = 0; c < CASES; c++) {
        struct buffer images[3];
        for (uint32_t i = 0; i < 3; i++) {
            struct quantizer *quantizer = quant_data_train(&data, &cases[c].params, 1 + 2 * i);
            save(quantizer, &images[i]);
            quantizer_free(quantizer);
        }
        assert_true(slice_equal(buffer_slice(&images[0]), buffer_slice(&images[1])));
        assert_true(slice_equal(buffer_slice(&images[0]), buffer_slice(&images[2])));
        for (int i = 0; i < 3; i++) {
            buffer_deinit(&images[i]);
        }
    }
    quant_data_deinit(&data);
}

/* Codes have the sizes that the parameters promise. */
static void test_sizes(void **state)
{
    (void)state;
    static const struct {
        struct quant_params params;
        enum distance distance;
        size_t bytes;
    } sizes[] = {
        {{.kind = QUANT_SCALAR}, DISTANCE_COSINE, 4 + 100},
        {{.kind = QUANT_SCALAR}, DISTANCE_EUCLID, 100},
        {{.kind = QUANT_PRODUCT, .compression = 4}, DISTANCE_DOT, 100},
        {{.kind = QUANT_PRODUCT, .compression = 64}, DISTANCE_DOT, 8},
        {{.kind = QUANT_ROTATED, .half_bits = 2}, DISTANCE_DOT, 12 + 16},
        {{.kind = QUANT_ROTATED, .half_bits = 3}, DISTANCE_DOT, 12 + 24},
        {{.kind = QUANT_ROTATED, .half_bits = 4}, DISTANCE_DOT, 12 + 32},
        {{.kind = QUANT_ROTATED, .half_bits = 8}, DISTANCE_DOT, 12 + 52},
        {{.kind = QUANT_ROTATED, .half_bits = 16}, DISTANCE_DOT, 12 + 100},
        {{.kind = QUANT_ROTATED, .half_bits = 8}, DISTANCE_MANHATTAN, 52},
        {{.kind = QUANT_BINARY, .half_bits = 2}, DISTANCE_COSINE, 12 + 16},
    };
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct quant_data data;
        quant_data_init(&data, sizes[i].distance, ELEMENT_F32, 100, 40, SEED);
        struct quantizer *quantizer = quant_data_train(&data, &sizes[i].params, 1);
        assert_int_equal(quantizer_code_bytes(quantizer), sizes[i].bytes);
        assert_true(quantizer_memory(quantizer) > 0);
        assert_true(quantizer_oversampling(quantizer) >= 1.0);
        assert_non_null(strchr(quantizer_kernel_name(quantizer), '/'));
        quantizer_free(quantizer);
        quant_data_deinit(&data);
    }
}

static double decoded_error(const struct quant_params *params, const struct quant_data *data)
{
    struct quantizer *quantizer = quant_data_train(data, params, 1);
    struct quant_codes codes;
    quant_codes_init(&codes, data, quantizer);
    float *decoded = malloc(2 * data->dim * sizeof *decoded);
    float *row = decoded + data->dim;
    double error = 0.0;
    for (size_t i = 0; i < data->count; i++) {
        quantizer_decode(quantizer, codes.codes[i], decoded);
        vector_restore(data->distance, data->element, data->rows[i], data->dim, row);
        for (size_t d = 0; d < data->dim; d++) {
            error += pow((double)row[d] - (double)decoded[d], 2.0);
        }
    }
    free(decoded);
    quant_codes_deinit(&codes);
    quantizer_free(quantizer);
    return sqrt(error / (double)(data->count * data->dim));
}

/* A decoded vector is near the row, the nearer the more bits; values have deviation 1.17. */
static void test_decode(void **state)
{
    (void)state;
    for (int distance = DISTANCE_DOT; distance < DISTANCE_COUNT; distance++) {
        struct quant_data data;
        quant_data_init(&data, (enum distance)distance, ELEMENT_F32, 64, 400, SEED);
        struct quant_params scalar = {.kind = QUANT_SCALAR, .quantile = 1.0f};
        assert_true(decoded_error(&scalar, &data) < 0.03);
        double before = 1.2;
        for (uint32_t half_bits = 2; half_bits <= 16; half_bits += 2) {
            struct quant_params params = {.kind = QUANT_ROTATED, .half_bits = half_bits};
            if (half_bits == 6) {
                continue;
            }
            double error = decoded_error(&params, &data);
            assert_true(error < before);
            before = error;
        }
        assert_true(before < 0.03);
        struct quant_params product = {.kind = QUANT_PRODUCT, .compression = 8};
        assert_true(decoded_error(&product, &data) < 0.3);
        quant_data_deinit(&data);
    }
}

/* Parameters that do not fit are refused, training can be cancelled. */
static void test_refusals(void **state)
{
    (void)state;
    static const struct quant_params wrong[] = {
        {.kind = QUANT_NONE},
        {.kind = (enum quant_kind)99},
        {.kind = QUANT_SCALAR, .quantile = 0.4f},
        {.kind = QUANT_SCALAR, .quantile = 1.1f},
        {.kind = QUANT_SCALAR, .quantile = NAN},
        {.kind = QUANT_PRODUCT},
        {.kind = QUANT_PRODUCT, .compression = 128},
        {.kind = QUANT_BINARY, .half_bits = 8},
        {.kind = QUANT_BINARY, .half_bits = 2, .query_encoding = (enum query_encoding)9},
        {.kind = QUANT_ROTATED, .half_bits = 0},
        {.kind = QUANT_ROTATED, .half_bits = 6},
        {.kind = QUANT_ROTATED, .half_bits = 9},
        {.kind = QUANT_ROTATED, .half_bits = 18},
    };
    struct quant_data data;
    quant_data_init(&data, DISTANCE_DOT, ELEMENT_F32, 16, 50, SEED);
    struct quant_training training = {.distance = DISTANCE_DOT,
                                      .element = ELEMENT_F32,
                                      .dim = 16,
                                      .rows = data.rows,
                                      .count = 50,
                                      .threads = 2};
    struct quantizer *quantizer = NULL;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct error err = {0};
        assert_int_equal(quantizer_train(&wrong[i], &training, &quantizer, &err), STATUS_BAD_INPUT);
        assert_true(err.message[0] != '\0');
    }
    atomic_bool cancelled = true;
    training.cancelled = &cancelled;
    for (size_t c = 0; c < CASES; c++) {
        assert_int_equal(quantizer_train(&cases[c].params, &training, &quantizer, NULL),
                         STATUS_CANCELLED);
    }
    assert_null(quantizer);
    quant_data_deinit(&data);
}

/* Rows that are all the same, all zero, one alone, huge or tiny: nothing breaks, and what is finite
 * stays finite. */
static void test_degenerate(void **state)
{
    (void)state;
    static const float values[] = {0.0f, 1.0f, -3.0f, 1e-38f, 1e-20f, 1e15f};
    for (size_t v = 0; v < sizeof values / sizeof values[0]; v++) {
        for (size_t c = 0; c < CASES * DISTANCE_COUNT; c++) {
            enum distance distance = (enum distance)(c % DISTANCE_COUNT);
            struct quant_data data;
            quant_data_init(&data, distance, ELEMENT_F32, 1 + c % 9, 1 + c % 3, SEED);
            float *row = (float *)(void *)data.stored;
            for (size_t i = 0; i < (data.count + 1) * data.dim; i++) {
                row[i] = values[v] * (i % 2 == 0 || v < 3 ? 1.0f : -1.0f);
            }
            struct quantizer *quantizer =
                quant_data_train(&data, &cases[c / DISTANCE_COUNT].params, 1);
            struct quant_codes codes;
            quant_codes_init(&codes, &data, quantizer);
            quantizer_query(quantizer, data.queries[0], codes.state);
            quantizer_bounds(quantizer, codes.state, codes.codes, data.count, codes.estimates,
                             codes.errors);
            for (size_t i = 0; i < data.count; i++) {
                assert_true(isfinite(codes.estimates[i]) && isfinite(codes.errors[i]));
            }
            quant_codes_deinit(&codes);
            quantizer_free(quantizer);
            quant_data_deinit(&data);
        }
    }
}

struct reader_thread {
    const struct quantizer *quantizer;
    const struct quant_data *data;
    const struct quant_codes *codes;
    float estimates[400];
};

static void *read_codes(void *ctx)
{
    struct reader_thread *thread = ctx;
    void *query = aligned_alloc(64, quantizer_state_bytes(thread->quantizer));
    for (int round = 0; round < 3; round++) {
        quantizer_query(thread->quantizer, thread->data->queries[1], query);
        quantizer_many(thread->quantizer, query, thread->codes->codes, thread->data->count,
                       thread->estimates);
    }
    free(query);
    return NULL;
}

/* Any number of threads may ask one quantizer at once and get the same answers. */
static void test_threads(void **state)
{
    (void)state;
    struct quant_data data;
    quant_data_init(&data, DISTANCE_COSINE, ELEMENT_F16, 40, 400, SEED);
    for (size_t c = 0; c < CASES; c += 3) {
        struct quantizer *quantizer = quant_data_train(&data, &cases[c].params, 2);
        struct quant_codes codes;
        quant_codes_init(&codes, &data, quantizer);
        struct reader_thread readers[3];
        pthread_t threads[3];
        for (int t = 0; t < 3; t++) {
            readers[t] = (struct reader_thread){quantizer, &data, &codes, {0}};
            assert_int_equal(pthread_create(&threads[t], NULL, read_codes, &readers[t]), 0);
        }
        for (int t = 0; t < 3; t++) {
            pthread_join(threads[t], NULL);
        }
        for (int t = 1; t < 3; t++) {
            assert_memory_equal(readers[0].estimates, readers[t].estimates,
                                sizeof readers[t].estimates);
        }
        quant_codes_deinit(&codes);
        quantizer_free(quantizer);
    }
    quant_data_deinit(&data);
}

int main(void)
{
    kernel_init();
    printf("seed %llu\n", (unsigned long long)SEED);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_quality),       cmocka_unit_test(test_images),
        cmocka_unit_test(test_deterministic), cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_decode),        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_degenerate),    cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
