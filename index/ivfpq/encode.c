/* Codes and rests of points, and codes of centroids. Nothing fails; pieces are independent. */
#include "index/ivfpq/ivfpq_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <math.h>
#include <string.h>

void ivfpq_row(const struct ivfpq *ivfpq, const struct model *model, const void *stored, float *out)
{
    cluster_row(ivfpq->vectors, stored, out);
    if (model->space != SPACE_INNER) {
        for (size_t d = 0; d < model->dim; d++) {
            out[d] -= model->mean[d];
        }
    }
}

static uint8_t addend_code(const struct addends *addends, float value)
{
    float code = (value - addends->low) / addends->step + 0.5f;
    return code >= 0 ? (uint8_t)(code < UINT8_MAX ? code : UINT8_MAX) : 0;
}

/* One point's parts while it is encoded. */
struct encoding {
    const struct model *model;
    float *row; /* padded: the difference to the centroid; what the codes leave of it */
    float *decoded;
    uint8_t *codes;
};

static void put_codes(const struct encoding *e, const struct pq *pq, uint8_t *blocks, size_t place,
                      size_t block_bytes)
{
    uint8_t *block = blocks + place / FASTSCAN_BLOCK * block_bytes;
    fastscan_get()->encode(e->row, pq->words, pq->subs, pq->width, e->codes);
    for (size_t s = 0; s < pq->subs; s++) {
        fastscan_put(block, place % FASTSCAN_BLOCK, s, e->codes[s]);
    }
    pq_decode(pq, e->codes, e->decoded);
}

/* 2 c.r + |r|^2 */
static float addend_of(const float *centroid, const float *r, size_t dim)
{
    float sum = 0;
    for (size_t d = 0; d < dim; d++) {
        sum += (2 * centroid[d] + r[d]) * r[d];
    }
    return sum;
}

/* Writes the rest's nibbles and adds what they stand for to e->decoded. */
static void put_rest(const struct encoding *e, uint8_t *row)
{
    const struct model *model = e->model;
    for (size_t d = 0; d < model->dim; d++) {
        float step = model->rest_step[d];
        float word = (e->row[d] - e->decoded[d]) / step + 8;
        word = word >= 0 ? word : 0;
        uint8_t nibble = (uint8_t)(word < REST_WORDS ? (uint8_t)word : REST_WORDS - 1);
        row[d / 2] |= (uint8_t)(nibble << (d % 2 * 4));
        e->decoded[d] += ((float)nibble - 7.5f) * step;
    }
}

/* A row of zeros has cosine 0 to any query: as far as a row of length 1 at a right angle, |q - x|^2
 * = 2, and not 1. */
static float zero_addend(const struct vectors *vectors, const void *stored)
{
    return vectors->distance == DISTANCE_COSINE &&
                   vectors->kernel->one(stored, stored, vectors->dim) > -0.5f
               ? 1
               : 0;
}

void list_encode(const struct ivfpq *ivfpq, const struct table *table, size_t number,
                 struct list *list, uint32_t from)
{
    const struct model *model = &table->model;
    const struct pq *pq = &model->fine;
    bool square = model->space == SPACE_SQUARE;
    size_t block_bytes = fastscan_block_bytes(pq->subs / 2, square);
    size_t rest_bytes = (model->dim + 1) / 2;
    const float *centroid = table->coarse.centroids + number * model->dim;
    float *floats = mem_zalloc(2 * pq_padded(pq) * sizeof *floats + pq->subs);
    struct encoding e = {.model = model,
                         .row = floats,
                         .decoded = floats + pq_padded(pq),
                         .codes = (uint8_t *)(floats + 2 * pq_padded(pq))};
    uint8_t *blocks = (uint8_t *)list->blocks;
    for (uint32_t place = from; place < list->count; place++) {
        const void *stored = vectors_at(ivfpq->vectors, list->points[place]);
        float extra = zero_addend(ivfpq->vectors, stored);
        ivfpq_row(ivfpq, model, stored, e.row);
        for (size_t d = 0; d < model->dim && model->space != SPACE_ABSOLUTE; d++) {
            e.row[d] -= centroid[d];
        }
        put_codes(&e, pq, blocks, place, block_bytes);
        if (square) {
            blocks[(place / FASTSCAN_BLOCK + 1) * block_bytes - FASTSCAN_BLOCK +
                   place % FASTSCAN_BLOCK] =
                addend_code(&model->head.addends,
                            addend_of(centroid, e.decoded, model->dim) + extra);
        }
        put_rest(&e, (uint8_t *)list->rests + place * rest_bytes);
        if (square) {
            ((float *)list->addends)[place] = addend_of(centroid, e.decoded, model->dim) + extra;
        }
    }
    mem_free(floats);
}

float list_spread(const struct ivfpq *ivfpq, const struct model *model, const struct list *list,
                  const float *centroid)
{
    float *row = mem_alloc(model->dim * sizeof *row);
    double sum = 0;
    for (uint32_t i = 0; i < list->count; i++) {
        ivfpq_row(ivfpq, model, vectors_at(ivfpq->vectors, list->points[i]), row);
        float square = 0;
        for (size_t d = 0; d < model->dim; d++) {
            square += (row[d] - centroid[d]) * (row[d] - centroid[d]);
        }
        sum += (double)square;
    }
    mem_free(row);
    float spread = list->count > 0 ? (float)sqrt(sum / list->count) : 0;
    return isfinite(spread) ? spread : 0;
}

float coarse_addend(const struct model *model, const float *centroid, float spread)
{
    if (model->space == SPACE_INNER) {
        return -spread;
    }
    float norm = 0;
    for (size_t d = 0; d < model->dim; d++) {
        norm += centroid[d] * centroid[d];
    }
    return norm + spread * (spread - 2 * model->head.reach * model->head.usual_distance);
}

void coarse_encode(const struct coarse *coarse, const struct model *model)
{
    const struct pq *pq = &model->coarse;
    bool addends = coarse_has_addends(model);
    size_t block_bytes = fastscan_block_bytes(pq->subs / 2, addends);
    float *floats = mem_zalloc(2 * pq_padded(pq) * sizeof *floats + pq->subs);
    struct encoding e = {.model = model,
                         .row = floats,
                         .decoded = floats + pq_padded(pq),
                         .codes = (uint8_t *)(floats + 2 * pq_padded(pq))};
    uint8_t *blocks = (uint8_t *)coarse->blocks;
    for (size_t i = 0; i < coarse->count; i++) {
        memcpy(e.row, coarse->centroids + i * model->dim, model->dim * sizeof *e.row);
        put_codes(&e, pq, blocks, i, block_bytes);
        if (addends) {
            blocks[(i / FASTSCAN_BLOCK + 1) * block_bytes - FASTSCAN_BLOCK + i % FASTSCAN_BLOCK] =
                addend_code(&model->head.coarse_addends,
                            coarse_addend(model, e.decoded, coarse->spreads[i]));
        }
    }
    mem_free(floats);
}
