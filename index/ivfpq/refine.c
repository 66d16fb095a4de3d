/* From what the codes keep to the answer: estimates from the rests, then the stored rows.
 *
 * A rest adds q.e for the part e of the point that its codes leave: the query times the steps is
 * turned into bytes once, so a row is a product of nibbles and bytes. For Euclid the byte of the
 * addend is replaced by the exact number; for Manhattan the point is decoded.
 *
 * What the estimates leave open is known from training: the mean square error of a dimension. Only
 * candidates within that of the limit-th are compared exactly. Nothing fails. */
#include "index/ivfpq/searching.h"
#include "index/rescore.h"

#include <math.h>
#include <stdlib.h>

static const float DEVIATIONS = 2.5f; /* of the estimates' error that are covered */

/* Where the point's parts are. */
struct entry {
    const struct list *list;
    const uint8_t *block, *rest;
    size_t place; /* in the block */
};

static struct entry entry_of(const struct searching *s, const struct found *found)
{
    const struct model *model = &s->table->model;
    const struct list *list = &s->table->lists[found->list];
    size_t block_bytes = fastscan_block_bytes(s->fine.pairs, s->fine.has_addends);
    return (struct entry){
        .list = list,
        .block = list->blocks + found->place / FASTSCAN_BLOCK * block_bytes,
        .rest = list->rests + found->place * ((model->dim + 1) / 2),
        .place = found->place % FASTSCAN_BLOCK,
    };
}

static float estimate_absolute(const struct searching *s, const struct entry *entry)
{
    const struct model *model = &s->table->model;
    const struct pq *pq = &model->fine;
    const float *query = s->scratch->query;
    float sum = 0;
    for (size_t d = 0; d < model->dim; d++) {
        uint8_t code = fastscan_code(entry->block, entry->place, d / pq->width);
        uint8_t nibble = entry->rest[d / 2] >> (d % 2 * 4) & 15;
        float value =
            pq->words[d * FASTSCAN_WORDS + code] + ((float)nibble - 7.5f) * model->rest_step[d];
        sum += fabsf(query[d] - value);
    }
    return sum;
}

/* What the tables' rounding took off a point's distance. */
static float rounding_of(const struct searching *s, const struct entry *entry)
{
    size_t subs = s->table->model.fine.subs;
    float sum = 0;
    uint32_t units = 0;
    for (size_t sub = 0; sub < subs; sub++) {
        size_t at = sub * FASTSCAN_WORDS + fastscan_code(entry->block, entry->place, sub);
        sum += s->scratch->float_tables[at];
        units += s->scratch->tables[at];
    }
    return sum - (s->fine_units.low + s->fine_units.step * (float)units);
}

static float estimate(const struct searching *s, const struct found *found)
{
    struct entry entry = entry_of(s, found);
    const struct model *model = &s->table->model;
    if (model->space == SPACE_ABSOLUTE) {
        return estimate_absolute(s, &entry);
    }
    int32_t rest =
        s->kernel->rest(entry.rest, (model->dim + 1) / 2, s->scratch->rest_weights) - s->rest_bias;
    float distance = found->distance + (float)rest * s->rest_scale;
    if (s->precise) {
        distance += rounding_of(s, &entry);
    }
    if (s->fine.has_addends) {
        uint32_t code = entry.block[s->fine.pairs * FASTSCAN_BLOCK + entry.place];
        uint32_t units = code * s->fine.addend_scale >> 8;
        distance -= model->head.addends.low + (float)units * s->fine_units.step;
        distance += entry.list->addends[found->place];
    }
    return distance;
}

/* Without a filter it is for us to leave out points that are not there any more. */
static void drop_removed(struct searching *s)
{
    struct found *found = s->scratch->found;
    const struct vectors *vectors = s->ivfpq->vectors;
    size_t kept = 0;
    for (size_t i = 0; i < s->found_count && s->args->accept == NULL; i++) {
        found[kept] = found[i];
        kept += vectors_has(vectors, found[i].point);
    }
    s->found_count = s->args->accept == NULL ? kept : s->found_count;
}

void searching_refine(struct searching *s)
{
    struct found *found = s->scratch->found;
    size_t rest_bytes = (s->table->model.dim + 1) / 2;
    for (size_t i = 0; i < s->found_count; i++) {
        const uint8_t *rest = entry_of(s, &found[i]).rest;
        for (size_t at = 0; at < rest_bytes; at += 64) {
            __builtin_prefetch(rest + at);
        }
        __builtin_prefetch(rest + rest_bytes - 1);
        __builtin_prefetch(&s->table->lists[found[i].list].points[found[i].place]);
    }
    for (size_t i = 0; i < s->found_count; i++) {
        found[i].distance = estimate(s, &found[i]);
        found[i].point = s->table->lists[found[i].list].points[found[i].place];
        __builtin_prefetch(blocks_at(&s->ivfpq->vectors->present, found[i].point));
    }
    drop_removed(s);
}

/* How far an exact distance may be from an estimate of `distance`, nearly always. */
static float error_of(const struct searching *s, float distance)
{
    const struct model *model = &s->table->model;
    float dim = (float)model->dim;
    float square = model->head.rest_error;
    switch (model->space) {
    case SPACE_INNER:
        square *= s->query_norm * s->query_norm;
        break;
    case SPACE_SQUARE:
        square *= 4 * (distance > 0 ? distance : 0);
        break;
    case SPACE_ABSOLUTE:
        return DEVIATIONS * sqrtf(square * dim);
    }
    float rounding = s->precise ? 0 : s->fine_units.step;
    float units = rounding * rounding * (float)model->fine.subs / 12;
    return DEVIATIONS * sqrtf(square + units);
}

static int compare_scored(const void *a, const void *b)
{
    const struct scored *x = a;
    const struct scored *y = b;
    if (x->distance < y->distance || x->distance > y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    return (x->point > y->point) - (x->point < y->point);
}

/* Leaves in `found` those that may be among the limit nearest. */
static void cut_hopeless(struct searching *s)
{
    struct found *found = s->scratch->found;
    size_t limit = s->args->limit;
    if (s->args->oversampling > 0 && s->args->codes == CODES_RESCORED) {
        double wanted = s->args->oversampling * (double)limit;
        size_t keep = wanted < (double)s->found_count ? (size_t)wanted : s->found_count;
        keep = keep > limit ? keep : limit < s->found_count ? limit : s->found_count;
        found_select(found, s->found_count, keep);
        s->found_count = keep;
        return;
    }
    if (s->found_count <= limit || limit == 0) {
        return;
    }
    found_select(found, s->found_count, limit);
    float farthest = found[0].distance;
    for (size_t i = 1; i < limit; i++) {
        farthest = found[i].distance > farthest ? found[i].distance : farthest;
    }
    float reach = farthest + 2 * error_of(s, farthest);
    size_t kept = limit;
    for (size_t i = limit; i < s->found_count; i++) {
        if (!(found[i].distance > reach)) {
            found[kept++] = found[i];
        }
    }
    s->found_count = kept;
}

/* Cosine is looked for by Euclid among rows of length 1: -q.x = |q - x|^2 / 2 - 1, or 0 for a query
 * of zeros, where |q - x| = 1. (Rows of zeros: see list_encode.) */
static float square_base(const struct searching *s)
{
    const struct vectors *vectors = s->ivfpq->vectors;
    float own = vectors->kernel->one(s->args->query, s->args->query, vectors->dim);
    return own < -0.5f ? 2 : 1;
}

void searching_finish(struct searching *s, struct topk *out)
{
    struct scratch *scratch = s->scratch;
    if (s->args->codes != CODES_IGNORED) {
        cut_hopeless(s);
    }
    bool cosine = s->ivfpq->vectors->distance == DISTANCE_COSINE;
    float base = cosine ? square_base(s) : 0;
    float scale = cosine ? 0.5f : 1;
    for (size_t i = 0; i < s->found_count; i++) {
        scratch->scored[i] =
            (struct scored){(scratch->found[i].distance - base) * scale, scratch->found[i].point};
    }
    if (s->args->codes == CODES_ONLY) {
        for (size_t i = 0; i < s->found_count; i++) {
            topk_push(out, scratch->scored[i].distance, scratch->scored[i].point);
        }
        return;
    }
    qsort(scratch->scored, s->found_count, sizeof *scratch->scored, compare_scored);
    for (size_t i = 0; i < s->found_count; i++) {
        scratch->errors[i] = error_of(s, scratch->scored[i].distance / scale + base) * scale;
    }
    bool all = s->args->codes == CODES_IGNORED || s->args->oversampling > 0;
    const struct rescore_job job = {.vectors = s->ivfpq->vectors,
                                    .query = s->args->query,
                                    .candidates = scratch->scored,
                                    .errors = all ? NULL : scratch->errors,
                                    .count = s->found_count,
                                    .cold = s->ivfpq->cold};
    s->work.rescored += rescore(&job, out);
}
