/* Product codes of 4 bits: a vector in equal parts, for each one of 16 codewords. */
#pragma once
#include "index/kernel/fastscan.h"

#include <stdatomic.h>

struct pq {
    size_t dim, width;  /* dimensions, and how many one part has */
    size_t subs;        /* parts; even: the last ones may lie beyond dim and are zero */
    const float *words; /* subs x width x 16: the codewords by dimension */
};
/* The shape for vectors of `dim` dimensions; `words` is the caller's memory of pq_words() floats.
 */
struct pq pq_shape(size_t dim);
static inline size_t pq_words(const struct pq *pq)
{
    return pq->subs * pq->width * FASTSCAN_WORDS;
}
static inline size_t pq_padded(const struct pq *pq) /* floats of a row for encode and tables */
{
    return pq->subs * pq->width;
}
/* k-means in every part. `rows`: count x padded. Deterministic; false: cancelled. */
bool pq_train(const struct pq *pq, const float *rows, size_t count, uint32_t threads,
              const atomic_bool *cancelled, float *words);
/* The vector that codes stand for. */
void pq_decode(const struct pq *pq, const uint8_t *codes, float *out);
