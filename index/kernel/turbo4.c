/* Vectors of four bits a dimension: from float32 and back, and what their sums mean.
 *
 * Preparing: divide by the length (cosine), take out what is along the diagonal, rotate, choose the
 * codes, pack them. The diagonal is brought to the first axis by a reflection, so that the other
 * coordinates hold exactly the rest. Everything is computed on values within -1..1, so neither tiny
 * nor huge vectors lose anything; only the factors have the vector's magnitude.
 *
 * No state: the rotation is made from the dimension. Memory for long vectors ends the process when
 * there is none, as small allocations do. Values beyond MOST do not fit, for sums over them might
 * not be finite.
 */
#include "index/kernel/turbo4.h"

#include "index/kernel/rotation.h"
#include "storage/base/mem.h"

static const uint64_t ROTATION_SEED = 0x7475726234;
static const double MOST = 0x1p110;
enum { DIM_ON_STACK = 1024 };

struct scratch {
    float *values; /* and zeros up to turbo4_padded */
    uint8_t *codes;
    float values_small[DIM_ON_STACK];
    uint8_t codes_small[DIM_ON_STACK];
};

static void scratch_init(struct scratch *scratch, size_t dim)
{
    bool small = dim <= DIM_ON_STACK;
    size_t padded = turbo4_padded(dim);
    scratch->values = small ? scratch->values_small : mem_alloc(padded * sizeof(float));
    scratch->codes = small ? scratch->codes_small : mem_alloc(padded);
    memset(scratch->values, 0, padded * sizeof(float));
}

static void scratch_deinit(struct scratch *scratch)
{
    if (scratch->values != scratch->values_small) {
        mem_free(scratch->values);
        mem_free(scratch->codes);
    }
}

float turbo4_distance(enum distance distance, const struct turbo4 *a, const struct turbo4 *b,
                      const struct turbo4_sums *sums)
{
    double scales = (double)a->scale * (double)b->scale;
    if (distance != DISTANCE_EUCLID) {
        return (float)-(scales * (double)sums->pair + (double)a->base * (double)b->base);
    }
    /* |s a - t b|^2 in a form that is exactly zero for equal vectors. */
    int64_t apart = sums->squares_a + sums->squares_b - 2 * sums->pair;
    double lengths =
        (double)a->scale * (double)sums->squares_a - (double)b->scale * (double)sums->squares_b;
    double along = (double)a->base - (double)b->base;
    double square = scales * (double)apart + ((double)a->scale - (double)b->scale) * lengths;
    return (float)fmax(square + along * along, 0.0);
}

/* Not fmax, which is a call: no value is NaN. */
static inline double larger(double a, double b)
{
    return a > b ? a : b;
}

/* What a vector has along the diagonal; the coordinates of the rest go to `rest`. False: a value
 * does not fit. */
static bool split(const float *in, double factor, size_t dim, double *along, float *rest,
                  double *peak)
{
    double sum = 0.0;
    double most = 0.0;
    for (size_t i = 0; i < dim; i++) {
        sum += (double)in[i] * factor;
        most = larger(most, fabs((double)in[i] * factor));
    }
    if (most > MOST) {
        return false;
    }
    double part = 1.0 / sqrt((double)dim);
    *along = part * sum;
    *peak = 0.0;
    if (dim == 1) {
        return true;
    }
    /* The reflection that takes the diagonal to the first axis. */
    double shift = (*along - (double)in[0] * factor) / (1.0 - part) * part;
    for (size_t i = 1; i < dim; i++) {
        *peak = larger(*peak, fabs((double)in[i] * factor - shift));
    }
    /* What is left of equal values is rounding. */
    *peak = *peak > most * 0x1p-40 ? *peak : 0.0;
    double inverse = *peak > 0.0 ? 1.0 / *peak : 0.0;
    for (size_t i = 1; i < dim; i++) {
        rest[i - 1] = (float)(((double)in[i] * factor - shift) * inverse);
    }
    return true;
}

/* The same for coordinates that are coded as they are: relative to their mean. */
static bool centre(const float *in, size_t dim, double *mean, float *rest, double *peak)
{
    double sum = 0.0;
    double most = 0.0;
    for (size_t i = 0; i < dim; i++) {
        sum += (double)in[i];
        most = larger(most, fabs((double)in[i]));
    }
    if (most > MOST) {
        return false;
    }
    *mean = sum / (double)dim;
    *peak = 0.0;
    for (size_t i = 0; i < dim; i++) {
        *peak = larger(*peak, fabs((double)in[i] - *mean));
    }
    *peak = *peak > most * 0x1p-40 ? *peak : 0.0;
    double inverse = *peak > 0.0 ? 1.0 / *peak : 0.0;
    for (size_t i = 0; i < dim; i++) {
        rest[i] = (float)(((double)in[i] - *mean) * inverse);
    }
    return true;
}

static void write_row(const struct turbo4_grid *grid, const uint8_t *codes, size_t count,
                      uint8_t *out)
{
    size_t half = (count + 1) / 2;
    memcpy(out, &grid->scale, sizeof grid->scale);
    memcpy(out + 4, &grid->base, sizeof grid->base);
    for (size_t i = 0; i < half; i++) {
        uint32_t high = half + i < count ? codes[half + i] : 0;
        out[TURBO4_HEAD + i] = (uint8_t)(codes[i] | high << 4);
    }
}

/* Levels of a query: the nearest of -127..127 steps about `middle`. */
static void write_query(const struct turbo4_grid *grid, const float *values, float middle,
                        float step, size_t count, uint8_t *out)
{
    float minus_scale = -grid->scale;
    int32_t sums[2] = {0};
    for (size_t i = 0; i < count; i++) {
        long level = step > 0.0f ? lrintf((values[i] - middle) / step) : 0;
        level = level > TURBO4_QUERY_MOST    ? TURBO4_QUERY_MOST
                : level < -TURBO4_QUERY_MOST ? -TURBO4_QUERY_MOST
                                             : level;
        sums[0] += (int32_t)level;
        sums[1] += (int32_t)(level * level);
        out[TURBO4_QUERY_HEAD + i] = (uint8_t)level;
    }
    memcpy(out, &minus_scale, sizeof minus_scale);
    memcpy(out + 4, &grid->base, sizeof grid->base);
    memcpy(out + TURBO4_HEAD, sums, sizeof sums);
}

/* The steps that the levels of a query take: about 0, or about the middle of the range. */
static void query_steps(const float *values, size_t count, bool about_zero, float *middle,
                        float *step)
{
    float least = values[0];
    float most = values[0];
    for (size_t i = 1; i < count; i++) {
        least = fminf(least, values[i]);
        most = fmaxf(most, values[i]);
    }
    *middle = about_zero ? 0.0f : (least + most) / 2.0f;
    *step = fmaxf(most - *middle, *middle - least) / TURBO4_QUERY_MOST;
}

static void encode(enum distance distance, struct scratch *scratch, size_t count, double base,
                   double peak, bool query, uint8_t *out)
{
    bool plain = distance == DISTANCE_MANHATTAN;
    struct turbo4_grid grid = {.scale = 0.0f, .base = (float)base};
    float middle = 0.0f;
    float step = 0.0f;
    memset(scratch->codes, 0, count);
    if (peak > 0.0) {
        if (!plain) {
            struct rotation rotation = rotation_of(count, ROTATION_SEED);
            rotation_apply(&rotation, scratch->values);
        }
        if (query) {
            query_steps(scratch->values, count, !plain, &middle, &step);
            grid.scale = step;
        } else if (plain) {
            grid = turbo4_fit_plain(scratch->values, count, scratch->codes);
            middle = grid.base;
        } else {
            grid.scale = turbo4_fit_rotated(scratch->values, count, scratch->codes);
        }
        grid.scale = (float)((double)grid.scale * peak);
        grid.base = (float)(base + (double)middle * peak);
    }
    if (query) {
        write_query(&grid, scratch->values, middle, step, peak > 0.0 ? count : 0, out);
    } else {
        write_row(&grid, scratch->codes, count, out);
    }
}

bool turbo4_prepare(enum distance distance, const float *in, double length, size_t dim, bool query,
                    void *out)
{
    memset(out, 0, query ? query_bytes(ELEMENT_TURBO4, dim) : row_bytes(ELEMENT_TURBO4, dim));
    struct scratch scratch;
    scratch_init(&scratch, dim);
    double base = 0.0;
    double peak = 0.0;
    bool fits = dim == 0 || (distance == DISTANCE_MANHATTAN
                                 ? centre(in, dim, &base, scratch.values, &peak)
                                 : split(in, 1.0 / length, dim, &base, scratch.values, &peak));
    if (fits) {
        encode(distance, &scratch, turbo4_coded(distance, dim), base, peak, query, out);
    }
    scratch_deinit(&scratch);
    return fits;
}

static float value_of(const struct turbo4 *vector, const int8_t *levels, size_t i)
{
    if (vector->fine) {
        return vector->scale * (float)vector->levels[i];
    }
    size_t half = vector->half;
    uint32_t code = i < half ? vector->codes[i] & 15u : vector->codes[i - half] >> 4;
    return vector->scale * (float)levels[code];
}

void turbo4_restore(enum distance distance, const void *in, size_t dim, float *out)
{
    static const int8_t rotated[TURBO4_LEVELS] = {TURBO4_LEVEL_LIST};
    static const int8_t plain[TURBO4_LEVELS] = {0, 1, 2,  3,  4,  5,  6,  7,
                                                8, 9, 10, 11, 12, 13, 14, 15};
    struct turbo4 vector = turbo4_open(distance, in, dim);
    if (distance == DISTANCE_MANHATTAN) {
        for (size_t i = 0; i < dim; i++) {
            out[i] = value_of(&vector, plain, i) + vector.base;
        }
        return;
    }
    double sum = (double)vector.base;
    if (vector.count > 0) {
        for (size_t i = 0; i < vector.count; i++) {
            out[i + 1] = value_of(&vector, rotated, i);
        }
        struct rotation rotation = rotation_of(vector.count, ROTATION_SEED);
        rotation_revert(&rotation, out + 1);
    }
    for (size_t i = 1; i < dim; i++) {
        sum += (double)out[i];
    }
    if (dim == 0) {
        return;
    }
    double part = 1.0 / sqrt((double)dim);
    out[0] = (float)(part * sum);
    double shift = dim > 1 ? (part * sum - (double)vector.base) / (1.0 - part) * part : 0.0;
    for (size_t i = 1; i < dim; i++) {
        out[i] = (float)((double)out[i] - shift);
    }
}
