/* Stored vectors of ELEMENT_TURBO4: four bits a dimension and two factors. Only files of this
 * folder and their tests look inside.
 *
 * A vector is what it has along the diagonal (1, 1 .. 1) / sqrt(dim), kept as a float, and the
 * rest, of dim - 1 coordinates. The rest is rotated at random, in a way that depends on the
 * dimension alone; its coordinates then look like normal ones, and each is coded as one of 16
 * levels that lose least on those (TurboQuant, arXiv 2504.19874), times a scale that loses least
 * for the vector at hand (the codes of arXiv 2409.09913). The scale is such that the length stays.
 * Taking the diagonal out costs nothing and keeps vectors of positive values, whose mean would use
 * up the codes. Manhattan distances are not kept by rotations: there the dim coordinates themselves
 * are coded, as a base and 16 steps.
 *
 * What a row stands for, and what restoring gives, is a plain vector; distances between rows are
 * the distances between those. So a row is at distance 0 from itself and no distance is negative.
 *
 * A row, with n coded coordinates and h = (n + 1) / 2:
 *   0  f32 scale
 *   4  f32 base: what is along the diagonal; Manhattan: the value of level 0
 *   8  h bytes: coordinate i in the low half, coordinate h + i in the high half of byte i
 *      zeros up to 8 + (dim + 1) / 2
 * A query is finer, so that its own rounding costs nothing: levels of -127..127. It stands wherever
 * a row stands as the first argument of a kernel, and can be restored; its scale has the sign bit:
 *   0  f32 -scale
 *   4  f32 base
 *   8  i32 sum of the levels, i32 sum of their squares
 *  16  2 h bytes: the levels, coordinate i at i
 * Integers and floats are the machine's own (little-endian). Nothing needs to be aligned. */
#pragma once
#include "index/kernel/kernel.h"

#include <math.h>
#include <string.h>

enum { TURBO4_HEAD = 8, TURBO4_QUERY_HEAD = 16, TURBO4_LEVELS = 16 };
enum { TURBO4_LEVEL_MOST = 64, TURBO4_QUERY_MOST = 127 }; /* 2 x 2 x 64 x 127 < 2^15 */

/* The levels of a normal distribution (Lloyd, Max), in 64ths of the largest. */
#define TURBO4_LEVEL_LIST -64, -48, -38, -29, -22, -15, -9, -3, 3, 9, 15, 22, 29, 38, 48, 64

static inline size_t turbo4_coded(enum distance distance, size_t dim)
{
    return distance == DISTANCE_MANHATTAN ? dim : dim > 1 ? dim - 1 : 0;
}

/* A row or a query, taken apart. */
struct turbo4 {
    float scale, base;
    bool fine; /* a query */
    size_t count, half;
    const uint8_t *codes;             /* of a row */
    const int8_t *levels;             /* of a query */
    int32_t level_sum, level_squares; /* of a query */
};
static inline struct turbo4 turbo4_open(enum distance distance, const void *vector, size_t dim)
{
    float head[2];
    memcpy(head, vector, sizeof head);
    struct turbo4 out = {.scale = fabsf(head[0]),
                         .base = head[1],
                         .fine = signbit(head[0]) != 0,
                         .count = turbo4_coded(distance, dim)};
    out.half = (out.count + 1) / 2;
    out.codes = (const uint8_t *)vector + TURBO4_HEAD;
    out.levels = (const int8_t *)vector + TURBO4_QUERY_HEAD;
    if (out.fine) {
        int32_t sums[2];
        memcpy(sums, out.codes, sizeof sums);
        out.level_sum = sums[0];
        out.level_squares = sums[1];
    }
    return out;
}

/* Exact sums over the levels of two vectors. */
struct turbo4_sums {
    int64_t pair;                 /* products */
    int64_t squares_a, squares_b; /* Euclid only */
};
/* The raw distance from them, for all but Manhattan; every set uses this, so they agree to the last
 * bit. */
float turbo4_distance(enum distance distance, const struct turbo4 *a, const struct turbo4 *b,
                      const struct turbo4_sums *sums);

/* See vector_prepare; values are divided by `length` first. */
bool turbo4_prepare(enum distance distance, const float *in, double length, size_t dim, bool query,
                    void *out);
void turbo4_restore(enum distance distance, const void *in, size_t dim, float *out);

enum { TURBO4_PAD = 4 };
static inline size_t turbo4_padded(size_t count)
{
    return (count + TURBO4_PAD - 1) / TURBO4_PAD * TURBO4_PAD;
}
/* Codes of values within -1..1, not all zero, a byte each, and what level 1 and level 0 stand for.
 * Zeros follow the values up to turbo4_padded.
 * Rotated: the direction that the levels give is as near as can be. */
float turbo4_fit_rotated(const float *values, size_t count, uint8_t *codes);
/* Coordinates as they are, levels 0..15: the least squared error. */
struct turbo4_grid {
    float scale, base;
};
struct turbo4_grid turbo4_fit_plain(const float *values, size_t count, uint8_t *codes);
