/* Nanoseconds a distance: every kernel cell and every quantizer, in cache and out of it.
 *
 * Usage: bench_kernel [MILLISECONDS a measurement]
 * `cache_ns`: rows that together fit the second level cache; `random_ns`: rows picked at random out
 * of RANDOM_BYTES, more than the last level holds of one process on most machines, as a graph walk
 * picks them. A call compares a query with CALL rows, as the indexes do. Prints a JSON line for
 * each kernel and number of dimensions. One thread; rows are Gaussian, from a fixed seed.
 */
#include "index/quant/quantizer.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "tests/bench/set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

enum {
    CALL = 32,
    BURSTS = 10,
    HUGE_PAGE = 2 << 20,
    DRAWN = 1024, /* different rows; the table repeats them */
    CACHE_BYTES = 128 << 10,
    RANDOM_BYTES = 256 << 20,
    ORDER = 1 << 20, /* rows in the order in which they are asked for */
};

/* What computes distances to rows of one size. */
struct subject {
    const char *name;
    size_t dim, stride;
    const void *query;
    const struct kernel *kernel;       /* or: */
    const struct quantizer *quantizer; /* the query is its state */
};

static uint64_t next_random(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 33;
}

/* The sum of four uniform draws is near enough to Gaussian. */
static void random_row(uint64_t *state, size_t dim, float *out)
{
    for (size_t i = 0; i < dim; i++) {
        float sum = 0;
        for (int draw = 0; draw < 4; draw++) {
            sum += (float)(next_random(state) & 0xffff) / 65536.0f - 0.5f;
        }
        out[i] = sum;
    }
}

static void compare(const struct subject *subject, const void *const *rows, float *out)
{
    if (subject->quantizer != NULL) {
        quantizer_many(subject->quantizer, subject->query, rows, CALL, out);
    } else {
        subject->kernel->many(subject->query, rows, CALL, subject->dim, out);
    }
}

/* Over the rows of `order` from *cursor on, and again from its start, for the time given. */
static double ns_burst(const struct subject *subject, const void *const *order, size_t *cursor,
                       double seconds)
{
    float out[CALL];
    volatile float sink = 0;
    size_t done = 0;
    uint64_t start = clock_monotonic_ns();
    uint64_t stop = start + (uint64_t)(seconds * 1e9);
    uint64_t now = start;
    while (now < stop) {
        for (int i = 0; i < 16; i++) {
            compare(subject, order + *cursor, out);
            *cursor = (*cursor + CALL) % ORDER;
            sink += out[0];
            done += CALL;
        }
        now = clock_monotonic_ns();
    }
    return (double)(now - start) / (double)done;
}

/* The best of BURSTS: whatever else runs only ever adds. They go on where the last one ended, so
 * that rows met once are not in the caches again. */
static double ns_best(const struct subject *subject, const void *const *order, double seconds)
{
    size_t cursor = 0;
    double best = ns_burst(subject, order, &cursor, seconds / 4);
    for (int i = 0; i < BURSTS; i++) {
        double now = ns_burst(subject, order, &cursor, seconds / BURSTS);
        best = now < best ? now : best;
    }
    return best;
}

/* `samples`: DRAWN rows of subject->stride. `table` has RANDOM_BYTES. */
static void measure(const struct subject *subject, const uint8_t *samples, uint8_t *table,
                    double seconds)
{
    size_t stride = (subject->stride + 31) / 32 * 32;
    size_t rows = RANDOM_BYTES / stride;
    for (size_t i = 0; i < rows; i++) {
        memcpy(table + i * stride, samples + i % DRAWN * subject->stride, subject->stride);
    }
    const void **order = mem_alloc(ORDER * sizeof *order);
    size_t near = CACHE_BYTES / stride;
    for (size_t i = 0; i < ORDER; i++) {
        order[i] = table + i % near * stride;
    }
    double cache = ns_best(subject, order, seconds);
    uint64_t state = 7;
    for (size_t i = 0; i < ORDER; i++) {
        order[i] = table + next_random(&state) % rows * stride;
    }
    double far = ns_best(subject, order, seconds);
    printf("{\"kernel\":\"%s\",\"dim\":%zu,\"bytes\":%zu,\"cache_ns\":%.2f,\"random_ns\":%.2f}\n",
           subject->name, subject->dim, subject->stride, cache, far);
    fflush(stdout);
    mem_free(order);
}

static void measure_kernels(size_t dim, uint8_t *table, double seconds)
{
    enum distance distance;
    enum element element;
    const struct kernel *kernel;
    float *row = mem_alloc(dim * sizeof *row);
    for (size_t cell = 0; kernel_cell(cell, &distance, &element, &kernel); cell++) {
        struct subject subject = {.name = kernel->name, .dim = dim, .kernel = kernel};
        subject.stride = row_bytes(element, dim);
        uint8_t *samples = mem_alloc(DRAWN * subject.stride);
        uint64_t state = 42;
        for (size_t i = 0; i < DRAWN; i++) {
            random_row(&state, dim, row);
            for (size_t j = 0; element == ELEMENT_U8 && j < dim; j++) {
                row[j] = row[j] * 60 + 128;
            }
            if (!vector_prepare(distance, element, row, dim, samples + i * subject.stride)) {
                die("a row cannot be stored");
            }
        }
        subject.query = samples;
        measure(&subject, samples, table, seconds);
        mem_free(samples);
    }
    mem_free(row);
}

static const struct {
    const char *name;
    struct quant_params params;
} quants[] = {
    {"scalar", {.kind = QUANT_SCALAR}},
    {"product16", {.kind = QUANT_PRODUCT, .compression = 16}},
    {"binary1", {.kind = QUANT_BINARY, .half_bits = 2}},
    {"rotated1", {.kind = QUANT_ROTATED, .half_bits = 2}},
    {"rotated2", {.kind = QUANT_ROTATED, .half_bits = 4}},
    {"rotated4", {.kind = QUANT_ROTATED, .half_bits = 8}},
    {"rotated8", {.kind = QUANT_ROTATED, .half_bits = 16}},
};

/* Trains on `rows`, DRAWN normalised rows, and measures. */
static void measure_quantizer(size_t at, size_t dim, const float *rows, uint8_t *table,
                              double seconds)
{
    const void *sample[DRAWN];
    for (size_t i = 0; i < DRAWN; i++) {
        sample[i] = rows + i * dim;
    }
    struct quant_training training = {.distance = DISTANCE_COSINE,
                                      .element = ELEMENT_F32,
                                      .dim = dim,
                                      .rows = sample,
                                      .count = DRAWN,
                                      .seed = 42,
                                      .threads = 1};
    struct error err;
    struct quantizer *quantizer;
    check(quantizer_train(&quants[at].params, &training, &quantizer, &err), &err);
    struct subject subject = {.dim = dim, .quantizer = quantizer};
    subject.stride = quantizer_code_bytes(quantizer);
    uint8_t *codes = mem_zalloc(DRAWN * subject.stride);
    for (size_t i = 0; i < DRAWN; i++) {
        quantizer_encode(quantizer, sample[i], codes + i * subject.stride);
    }
    size_t size = (quantizer_state_bytes(quantizer) + 63) / 64 * 64;
    void *state = aligned_alloc(64, size > 0 ? size : 64);
    if (state == NULL) {
        die("no memory");
    }
    quantizer_query(quantizer, sample[0], state);
    char name[128];
    snprintf(name, sizeof name, "codes %s: %s", quants[at].name, quantizer_kernel_name(quantizer));
    subject.name = name;
    subject.query = state;
    measure(&subject, codes, table, seconds);
    free(state);
    mem_free(codes);
    quantizer_free(quantizer);
}

static void measure_quantizers(size_t dim, uint8_t *table, double seconds)
{
    float *rows = mem_alloc(DRAWN * dim * sizeof *rows);
    uint64_t state = 42;
    for (size_t i = 0; i < DRAWN; i++) {
        random_row(&state, dim, rows + i * dim);
        vector_prepare(DISTANCE_COSINE, ELEMENT_F32, rows + i * dim, dim, rows + i * dim);
    }
    for (size_t at = 0; at < sizeof quants / sizeof quants[0]; at++) {
        measure_quantizer(at, dim, rows, table, seconds);
    }
    mem_free(rows);
}

int main(int argc, char **argv)
{
    static const size_t dims[] = {100, 384, 768};
    double seconds = (argc > 1 ? strtod(argv[1], NULL) : 20) * 1e-3;
    if (!(seconds > 0 && seconds < 60)) {
        die("usage: bench_kernel [MILLISECONDS]");
    }
    kernel_init();
    uint8_t *table = aligned_alloc(HUGE_PAGE, RANDOM_BYTES);
    if (table == NULL) {
        die("no memory");
    }
    /* As the engine asks for its rows; where the system has none, addresses cost more. */
    madvise(table, RANDOM_BYTES, MADV_HUGEPAGE);
    for (size_t i = 0; i < sizeof dims / sizeof dims[0]; i++) {
        measure_kernels(dims[i], table, seconds);
        measure_quantizers(dims[i], table, seconds);
    }
    free(table);
    return 0;
}
