/* Codes of few bits for Manhattan distances, which a rotation would not keep.
 *
 * Rows are taken relative to the mean and not rotated. All dimensions share 256 steps of one width;
 * a level of fewer bits is the middle of the steps that it covers. The query lies on the same grid,
 * and a code's levels are spread to bytes, so that the estimate is a sum of absolute differences.
 * What the query loses at the ends of the grid is added, which is exact: no code lies out there.
 *
 * A code: the levels (quant_bits_layout.c). No threads, no failures.
 */
#include "index/quant/quant_bits.h"
#include "storage/base/mem.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { GRID = 256 };
static const float STEP_MIN = 0x1p-100f;

struct manhattan_state {
    struct query_state base;
    float add;
    float pad[15];
    uint8_t grid[];
};

size_t bits_manhattan_state_bytes(const struct bits *bits)
{
    return sizeof(struct manhattan_state) + code_query_size((bits->base.dim + 3) / 4 * 4);
}

/* Where the middle of a level's steps lies on the grid, from its low end. */
static float middle_of(const struct bits *bits, uint32_t level)
{
    uint32_t width = (uint32_t)GRID >> bits->layout.bits;
    return width == 1 ? (float)level : (float)(level * width + width / 2);
}

/* The place of the centre on the grid: middles lie evenly around it. */
static float centre_of(const struct bits *bits)
{
    return bits->layout.bits == 8 ? (GRID - 1) / 2.0f : GRID / 2.0f;
}

void bits_manhattan_train(struct bits *bits, const struct sample *sample)
{
    enum { ROWS_MAX = 4096 };
    size_t rows = sample->count < ROWS_MAX ? sample->count : ROWS_MAX;
    float *row = mem_alloc(sample->dim * sizeof *row);
    double squares = 0.0;
    for (size_t i = 0; i < rows; i++) {
        sample_row(sample, i * sample->count / rows, row);
        for (size_t d = 0; d < sample->dim; d++) {
            double difference = (double)row[d] - (double)bits->centre[d];
            squares += difference * difference;
        }
    }
    mem_free(row);
    double deviation = sqrt(squares / (double)(rows * sample->dim));
    double level_step = deviation * (double)bits_normal_step(bits->layout.bits);
    bits->step = (float)(level_step * (double)(1u << bits->layout.bits) / GRID);
    bits->step = bits->step > STEP_MIN ? bits->step : STEP_MIN;
}

void bits_manhattan_encode(const struct bits *bits, const float *row, void *code)
{
    struct bits_scratch scratch;
    bits_scratch_init(&scratch, bits->base.dim);
    code_centre(row, bits->centre, bits->base.dim, scratch.row);
    float level_step = bits->step * (float)((uint32_t)GRID >> bits->layout.bits);
    bits_levels(&bits->layout, scratch.row, level_step, (uint8_t *)scratch.levels);
    bits_pack(&bits->layout, (const uint8_t *)scratch.levels, code);
    bits_scratch_deinit(&scratch);
}

void bits_manhattan_decode(const struct bits *bits, const void *code, float *out)
{
    struct bits_scratch scratch;
    bits_scratch_init(&scratch, bits->base.dim);
    const uint8_t *levels = (const uint8_t *)scratch.levels;
    bits_unpack(&bits->layout, code, (uint8_t *)scratch.levels);
    for (size_t d = 0; d < bits->base.dim; d++) {
        out[d] = bits->centre[d] + bits->step * (middle_of(bits, levels[d]) - centre_of(bits));
    }
    bits_scratch_deinit(&scratch);
}

void bits_manhattan_query(const struct bits *bits, const float *row, void *out)
{
    struct manhattan_state *state = out;
    size_t dim = bits->base.dim;
    memset(state->grid, 0, code_query_size((dim + 3) / 4 * 4));
    struct bits_scratch scratch;
    bits_scratch_init(&scratch, dim);
    code_centre(row, bits->centre, dim, scratch.row);
    float low = -centre_of(bits) * bits->step;
    float high = low + bits->step * (GRID - 1);
    float lost = 0.0f;
    for (size_t d = 0; d < dim; d++) {
        lost += fmaxf(fmaxf(low - scratch.row[d], scratch.row[d] - high), 0.0f);
    }
    state->add = lost;
    code_levels(scratch.row, dim, low, 1.0f / bits->step, GRID - 1, state->grid);
    bits_scratch_deinit(&scratch);
}

/* A code's levels as places on the grid. */
static void spread(const struct bits *bits, const void *code, uint8_t *grid)
{
    uint32_t shift = 8 - bits->layout.bits;
    uint32_t half = shift > 0 ? 1u << (shift - 1) : 0;
    bits_unpack(&bits->layout, code, grid);
    for (size_t d = 0; d < bits->base.dim; d++) {
        grid[d] = (uint8_t)((uint32_t)grid[d] << shift | half);
    }
}

void bits_manhattan_many(const struct bits *bits, const void *from, const void *const *codes,
                         size_t count, float *out)
{
    enum { AHEAD = 8, CACHE_LINE = 64 };
    const struct manhattan_state *state = from;
    size_t dim = bits->base.dim;
    size_t bytes = (dim + 3) / 4 * 4;
    struct bits_scratch scratch;
    bits_scratch_init(&scratch, bytes);
    uint8_t *grid = (uint8_t *)scratch.levels;
    memset(grid + bytes - 4, 0, 4);
    const struct code_shape shape = {.bytes = bytes, .record_bytes = bytes};
    const void *record = grid;
    for (size_t i = 0; i < count; i++) {
        if (i + AHEAD < count) {
            const char *next = codes[i + AHEAD];
            for (size_t at = 0; at < bits->base.code_bytes; at += CACHE_LINE) {
                __builtin_prefetch(next + at);
            }
        }
        int32_t sum;
        spread(bits, codes[i], grid);
        bits->levels_kernel->many(&shape, state->grid, &record, 1, &sum);
        out[i] = state->add + bits->step * (float)sum;
    }
    bits_scratch_deinit(&scratch);
}
