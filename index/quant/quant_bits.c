/* Codes of one to eight bits a dimension with unbiased estimates: training, codes, queries.
 *
 * A row x is taken relative to the centre c, the mean of the sample: r = x - c, rotated when the
 * kind says so. Its levels u stand for y = u - (2^bits - 1) / 2, a vector along r but for its
 * length. For any vector p the product <r, p> is estimated as F <y, p> with F = |r|^2 / <y, r>:
 * exact for p along r, and without bias over random rotations otherwise (RaBitQ, arXiv 2405.12497;
 * 2409.09913 for more bits). With p = q - c of the query, which is rounded to integers k of step s:
 *   dot, cosine  -<x, q> = -<c, q> - <r, c> - <r, p>
 *   Euclid       |x - q|^2 = |r|^2 + |p|^2 - 2 <r, p>
 * so a code has three floats: what is added, the factor of s (<u, k> - (2^bits - 1) / 2 sum(k)),
 * and how far the estimate is off, as a multiple of |p|: |r| sqrt((1 - a^2) / a^2 / (dim - 1)) with
 * a the cosine between y and r, and the query's own rounding beside it. The multiple of that which
 * holds nearly always is measured when the quantizer is trained.
 *
 * Manhattan distances are not kept by rotations: see quant_bits_manhattan.c.
 *
 * A code: f32 add, f32 factor, f32 error; the levels (quant_bits_layout.c). No threads; CORRUPT
 * when a saved one holds no finite numbers.
 */
#include "index/quant/quant_bits.h"

#include "storage/base/mem.h"

#include <float.h>
#include <math.h>
#include <string.h>

struct factors {
    float add, scale, error;
};
struct bits_state {
    struct query_state base;
    float add, step, offset, length;
    float pad[12];
    uint8_t query[]; /* for the main sum, then the planes for the high bits */
};

/* Rounding of a query with so many planes, as a part of its deviation: half a step of a range that
 * holds the values, over the square root of 3. */
static float query_error(uint32_t planes)
{
    static const float errors[] = {[2] = 0.60f, [4] = 0.13f, [6] = 0.035f, [8] = 0.01f};
    return errors[planes == 0 ? 8 : planes];
}

static size_t main_query_bytes(const struct bits *bits)
{
    const struct bits_layout *layout = &bits->layout;
    if (bits->query_planes > 0) {
        return code_planes_size(bits_places(layout), bits->query_planes);
    }
    return code_query_size(layout->main.bytes) * (layout->sum == CODE_DOT4 ? 2 : 1);
}

enum status bits_init(struct quantizer *quantizer, struct error *err)
{
    (void)err;
    struct bits *bits = (struct bits *)(void *)quantizer;
    bool manhattan = quantizer->distance == DISTANCE_MANHATTAN;
    size_t dim = quantizer->dim;
    bits_layout_init(&bits->layout, dim, quantizer->params.half_bits,
                     manhattan ? 0 : sizeof(struct factors));
    bits->layout.main.planes = bits->query_planes;
    bits->kernel = code_kernel_get(bits->layout.sum);
    bits->high_kernel = code_kernel_get(CODE_BITS1);
    bits->levels_kernel = code_kernel_get(CODE_MANHATTAN);
    bits->centre = mem_zalloc(dim * sizeof *bits->centre);
    quantizer->code_bytes = bits->layout.main.record_bytes;
    quantizer->memory = sizeof *bits + dim * sizeof *bits->centre;
    quantizer->shifts = manhattan;
    if (manhattan) {
        bits->rotated = false;
        quantizer->state_bytes = bits_manhattan_state_bytes(bits);
        return STATUS_OK;
    }
    size_t high = bits->layout.high_count > 0 ? code_planes_size(dim, 8) : 0;
    quantizer->state_bytes = sizeof(struct bits_state) + main_query_bytes(bits) + high;
    return STATUS_OK;
}

void bits_deinit(struct quantizer *quantizer)
{
    struct bits *bits = (struct bits *)(void *)quantizer;
    mem_free(bits->centre);
    if (bits->rotation.signs != NULL) {
        rotation_deinit(&bits->rotation);
    }
}

static void start_rotation(struct bits *bits)
{
    if (bits->rotated) {
        rotation_init(&bits->rotation, bits->base.dim, bits->seed);
        bits->base.memory += rotation_memory(&bits->rotation);
    }
}

enum status bits_train(struct quantizer *quantizer, const struct sample *sample, struct error *err)
{
    struct bits *bits = (struct bits *)(void *)quantizer;
    size_t dim = sample->dim;
    double *sums = mem_zalloc(dim * sizeof *sums);
    float *row = mem_alloc(dim * sizeof *row);
    bool cancelled = false;
    for (size_t i = 0; i < sample->count && !cancelled; i++) {
        sample_row(sample, i, row);
        for (size_t d = 0; d < dim; d++) {
            sums[d] += (double)row[d];
        }
        cancelled = sample_cancelled(sample);
    }
    for (size_t d = 0; d < dim; d++) {
        bits->centre[d] = (float)(sums[d] / (double)sample->count);
    }
    mem_free(row);
    mem_free(sums);
    if (cancelled) {
        return error_set(err, STATUS_CANCELLED, "training of a quantizer was cancelled");
    }
    bits->seed = sample->training->seed;
    start_rotation(bits);
    if (quantizer->distance == DISTANCE_MANHATTAN) {
        bits_manhattan_train(bits, sample);
    }
    return STATUS_OK;
}

/* The levels of a row of squared length `squares`. */
static struct code_levels_sums row_levels(const struct bits *bits, const float *row, float squares,
                                          uint8_t *levels)
{
    const struct bits_layout *layout = &bits->layout;
    float deviation = sqrtf(squares / (float)layout->dim);
    bits_levels(layout, row, deviation * bits_normal_step(layout->bits), levels);
    return code_levels_dots(row, levels, layout->dim);
}

void bits_encode(const struct quantizer *quantizer, const float *row, void *code)
{
    const struct bits *bits = bits_of(quantizer);
    if (quantizer->distance == DISTANCE_MANHATTAN) {
        bits_manhattan_encode(bits, row, code);
        return;
    }
    size_t dim = quantizer->dim;
    struct bits_scratch scratch;
    bits_scratch_init(&scratch, dim);
    struct code_centred centred = code_centre(row, bits->centre, dim, scratch.row);
    if (bits->rotated) {
        rotation_apply(&bits->rotation, scratch.row);
    }
    uint8_t *levels = (uint8_t *)scratch.levels;
    struct factors factors = {0};
    bool euclid = quantizer->distance == DISTANCE_EUCLID;
    factors.add = euclid ? centred.squares : -centred.product;
    if (centred.squares >= FLT_MIN && centred.squares <= FLT_MAX) {
        struct code_levels_sums sums = row_levels(bits, scratch.row, centred.squares, levels);
        float half = (float)((1u << bits->layout.bits) - 1) / 2.0f;
        float along = sums.products - half * sums.values;
        float own = sums.level_squares - 2.0f * half * sums.level_values + (float)dim * half * half;
        float cosine2 = fminf(along / own * along / centred.squares, 1.0f);
        float rounding = query_error(bits->query_planes);
        float off = sqrtf(((1.0f - cosine2) + rounding * rounding) / cosine2 /
                          (float)(dim > 1 ? dim - 1 : 1));
        factors.scale = (euclid ? -2.0f : -1.0f) * centred.squares / along;
        factors.error = (euclid ? 2.0f : 1.0f) * sqrtf(centred.squares) * off;
    } else {
        memset(levels, 0, dim); /* the centre itself, or too large for any distance */
    }
    bits_pack(&bits->layout, levels, code);
    memcpy(code, &factors, sizeof factors);
    bits_scratch_deinit(&scratch);
}

void bits_decode(const struct quantizer *quantizer, const void *code, float *out)
{
    const struct bits *bits = bits_of(quantizer);
    if (quantizer->distance == DISTANCE_MANHATTAN) {
        bits_manhattan_decode(bits, code, out);
        return;
    }
    size_t dim = quantizer->dim;
    struct bits_scratch scratch;
    bits_scratch_init(&scratch, dim);
    uint8_t *levels = (uint8_t *)scratch.levels;
    bits_unpack(&bits->layout, code, levels);
    struct factors factors;
    memcpy(&factors, code, sizeof factors);
    float scale = quantizer->distance == DISTANCE_EUCLID ? factors.scale / -2.0f : -factors.scale;
    float half = (float)((1u << bits->layout.bits) - 1) / 2.0f;
    for (size_t d = 0; d < dim; d++) {
        out[d] = scale * ((float)levels[d] - half);
    }
    if (bits->rotated) {
        rotation_revert(&bits->rotation, out);
    }
    for (size_t d = 0; d < dim; d++) {
        out[d] += bits->centre[d];
    }
    bits_scratch_deinit(&scratch);
}

/* Integers of at most `planes` bits that stand for the row with the least squared error, and their
 * step. Few bits do better when the largest values are cut. */
static float coarse_integers(const float *row, size_t dim, uint32_t planes, int8_t *out)
{
    static const float parts[] = {1.0f, 0.85f, 0.7f, 0.55f, 0.4f};
    float largest = quant_largest(row, dim);
    int most = (1 << (planes - 1)) - 1;
    float best_error = INFINITY;
    float best_step = 0.0f;
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        float step = largest * parts[p] / (float)most;
        quant_query_integers(row, dim, step, most, out);
        float error = 0.0f;
        for (size_t d = 0; d < dim; d++) {
            float difference = row[d] - step * (float)out[d];
            error += difference * difference;
        }
        if (error < best_error) {
            best_error = error;
            best_step = step;
        }
    }
    quant_query_integers(row, dim, best_step, most, out);
    return best_step;
}

static float sign_integers(const float *row, size_t dim, int8_t *out)
{
    float sum = 0.0f;
    for (size_t d = 0; d < dim; d++) {
        sum += fabsf(row[d]);
        out[d] = row[d] < 0.0f ? -1 : 1;
    }
    return sum / (float)dim;
}

static void write_planes(const struct bits_layout *layout, const int8_t *integers, uint32_t planes,
                         uint64_t *out)
{
    for (size_t d = 0; d < layout->dim; d++) {
        size_t place = bits_place(layout, d);
        uint64_t *words = out + place / 64 * planes;
        uint32_t value = (uint8_t)integers[d];
        for (uint32_t p = 0; p < planes; p++) {
            words[p] |= (uint64_t)(value >> p & 1u) << place % 64;
        }
    }
}

static void write_bytes(const struct bits *bits, const int8_t *integers, uint8_t *out)
{
    size_t dim = bits->base.dim;
    if (bits->layout.sum == CODE_DOT8) {
        memcpy(out, integers, dim);
        return;
    }
    uint8_t *odd = out + code_query_size(bits->layout.main.bytes);
    for (size_t d = 0; d < dim; d++) {
        (d % 2 == 0 ? out : odd)[d / 2] = (uint8_t)integers[d];
    }
    if (bits->layout.high_count > 0) {
        write_planes(&bits->layout, integers, 8,
                     (uint64_t *)(void *)(out + main_query_bytes(bits)));
    }
}

void bits_query(const struct quantizer *quantizer, const float *row, void *out)
{
    const struct bits *bits = bits_of(quantizer);
    if (quantizer->distance == DISTANCE_MANHATTAN) {
        bits_manhattan_query(bits, row, out);
        return;
    }
    struct bits_state *state = out;
    size_t dim = quantizer->dim;
    memset(state->query, 0, quantizer->state_bytes - sizeof *state);
    struct bits_scratch scratch;
    bits_scratch_init(&scratch, dim);
    struct code_centred centred = code_centre(row, bits->centre, dim, scratch.row);
    if (bits->rotated) {
        rotation_apply(&bits->rotation, scratch.row);
    }
    if (bits->query_planes == 2) {
        state->step = sign_integers(scratch.row, dim, scratch.levels);
    } else if (bits->query_planes > 0 && bits->query_planes < 8) {
        state->step = coarse_integers(scratch.row, dim, bits->query_planes, scratch.levels);
    } else {
        state->step = quant_largest(scratch.row, dim) / 127.0f;
        quant_query_integers(scratch.row, dim, state->step, 127, scratch.levels);
    }
    int64_t sum = 0;
    for (size_t d = 0; d < dim; d++) {
        sum += scratch.levels[d];
    }
    state->offset = (float)((1u << bits->layout.bits) - 1) / 2.0f * (float)sum;
    state->length = sqrtf(centred.squares);
    state->add = quantizer->distance == DISTANCE_EUCLID ? centred.squares : -centred.row_product;
    if (bits->query_planes > 0) {
        write_planes(&bits->layout, scratch.levels, bits->query_planes,
                     (uint64_t *)(void *)state->query);
    } else {
        write_bytes(bits, scratch.levels, state->query);
    }
    bits_scratch_deinit(&scratch);
}

void bits_many(const struct quantizer *quantizer, const void *from, const void *const *codes,
               size_t count, float *out)
{
    const struct bits *bits = bits_of(quantizer);
    if (quantizer->distance == DISTANCE_MANHATTAN) {
        bits_manhattan_many(bits, from, codes, count, out);
        return;
    }
    const struct bits_state *state = from;
    int32_t sums[QUANT_BATCH];
    bits->kernel->many(&bits->layout.main, state->query, codes, count, sums);
    for (size_t h = 0; h < bits->layout.high_count; h++) {
        int32_t high[QUANT_BATCH];
        bits->high_kernel->many(&bits->layout.high[h], state->query + main_query_bytes(bits), codes,
                                count, high);
        for (size_t i = 0; i < count; i++) {
            sums[i] += high[i] * (16 << h);
        }
    }
    for (size_t i = 0; i < count; i++) {
        struct factors factors;
        memcpy(&factors, codes[i], sizeof factors);
        out[i] = state->add + factors.add +
                 factors.scale * (state->step * ((float)sums[i] - state->offset));
    }
}

void bits_units(const struct quantizer *quantizer, const void *from, const void *const *codes,
                size_t count, const float *estimates, float *units)
{
    if (quantizer->distance == DISTANCE_MANHATTAN) {
        quant_plain_units(quantizer, from, codes, count, estimates, units);
        return;
    }
    const struct bits_state *state = from;
    for (size_t i = 0; i < count; i++) {
        struct factors factors;
        memcpy(&factors, codes[i], sizeof factors);
        units[i] = factors.error * state->length;
    }
}

double bits_oversampling(const struct quantizer *quantizer)
{
    static const double measured[][2] = {[2] = {100.0, 3.5}, [3] = {40.0, 3.0}, [4] = {12.0, 2.0}};
    const double *pair = measured[quantizer->params.half_bits];
    return quant_oversampling_between(quantizer->dim, pair[0], pair[1]);
}

void bits_save(const struct quantizer *quantizer, struct buffer *out)
{
    const struct bits *bits = bits_of(quantizer);
    buffer_append_u64(out, bits->seed);
    quant_put_float(out, bits->step);
    quant_put_floats(out, bits->centre, quantizer->dim);
}

enum status bits_load(struct quantizer *quantizer, struct reader *reader, struct error *err)
{
    struct bits *bits = (struct bits *)(void *)quantizer;
    bits->seed = reader_u64(reader);
    bits->step = quant_get_finite(reader);
    quant_get_finites(reader, bits->centre, quantizer->dim);
    if (reader->failed || bits->step < 0.0f) {
        return error_set(err, STATUS_CORRUPT, "a saved quantizer's centre is damaged");
    }
    start_rotation(bits);
    return STATUS_OK;
}
