/* Training product codes.
 *
 * Each part has a k-means of its own with 16 codewords, started from rows at equal distances in the
 * order of the part's first dimension, so that no codeword starts without rows where the rows
 * differ. Parts are independent pieces of work. Nothing fails but by cancelling. */
#include "index/ivfpq/pq.h"

#include "index/cluster/cluster.h"
#include "storage/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { NARROW_DIM = 32, PASSES = 10 };

struct pq pq_shape(size_t dim)
{
    struct pq pq = {.dim = dim, .width = dim <= NARROW_DIM ? 1 : 2};
    while ((dim + pq.width - 1) / pq.width > FASTSCAN_SUBS_MAX - 1) {
        pq.width++;
    }
    pq.subs = (dim + pq.width - 1) / pq.width;
    pq.subs += pq.subs % 2;
    return pq;
}

struct training {
    const struct pq *pq;
    const struct fastscan *kernel;
    const float *rows;
    size_t count;
    float *words;
};

static int compare_floats(const void *a, const void *b)
{
    float x = *(const float *)a;
    float y = *(const float *)b;
    return (x > y) - (x < y);
}

/* The starting codewords: rows at the middle of sixteenths of the order by the first dimension. */
static void start(const struct training *t, size_t sub, float *words, float *sorted)
{
    size_t width = t->pq->width;
    size_t padded = pq_padded(t->pq);
    for (size_t i = 0; i < t->count; i++) { /* the value and, beside it, the row's number */
        sorted[2 * i] = t->rows[i * padded + sub * width];
        uint32_t number = (uint32_t)i;
        memcpy(&sorted[2 * i + 1], &number, sizeof number);
    }
    qsort(sorted, t->count, 2 * sizeof *sorted, compare_floats);
    for (size_t w = 0; w < FASTSCAN_WORDS; w++) {
        uint32_t number;
        size_t place = (2 * w + 1) * t->count / (2 * FASTSCAN_WORDS);
        memcpy(&number, &sorted[2 * place + 1], sizeof number);
        for (size_t d = 0; d < width; d++) {
            words[d * FASTSCAN_WORDS + w] = t->rows[number * padded + sub * width + d];
        }
    }
}

static void train_part(void *ctx, size_t sub)
{
    struct training *t = ctx;
    size_t width = t->pq->width;
    size_t padded = pq_padded(t->pq);
    float *words = t->words + sub * width * FASTSCAN_WORDS;
    float *sorted = mem_alloc(2 * t->count * sizeof *sorted);
    double *sums = mem_alloc(width * FASTSCAN_WORDS * sizeof *sums);
    start(t, sub, words, sorted);
    for (int pass = 0; pass < PASSES; pass++) {
        uint32_t sizes[FASTSCAN_WORDS] = {0};
        memset(sums, 0, width * FASTSCAN_WORDS * sizeof *sums);
        for (size_t i = 0; i < t->count; i++) {
            const float *x = t->rows + i * padded + sub * width;
            uint8_t code;
            t->kernel->encode(x, words, 1, width, &code);
            sizes[code]++;
            for (size_t d = 0; d < width; d++) {
                sums[d * FASTSCAN_WORDS + code] += (double)x[d];
            }
        }
        for (size_t i = 0; i < width * FASTSCAN_WORDS; i++) {
            uint32_t size = sizes[i % FASTSCAN_WORDS];
            words[i] = size > 0 ? (float)(sums[i] / size) : words[i];
        }
    }
    mem_free(sums);
    mem_free(sorted);
}

bool pq_train(const struct pq *pq, const float *rows, size_t count, uint32_t threads,
              const atomic_bool *cancelled, float *words)
{
    struct training training = {pq, fastscan_get(), rows, count, words};
    return parallel_for(threads, pq->subs, cancelled, train_part, &training);
}

void pq_decode(const struct pq *pq, const uint8_t *codes, float *out)
{
    for (size_t i = 0; i < pq->dim; i++) {
        size_t sub = i / pq->width;
        out[i] = pq->words[i * FASTSCAN_WORDS + codes[sub]];
    }
}
