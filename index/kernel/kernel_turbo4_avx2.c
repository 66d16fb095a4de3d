/* Kernels for vectors of four bits a dimension with AVX2, see turbo4.h.
 *
 * A step takes 32 bytes of a row: 64 coordinates, whose levels a shuffle looks up. Levels of the
 * row are raised by 64, so that they are unsigned and one instruction multiplies them by those of
 * the query; 64 times the sum of the query's levels comes off at the end. The last step masks what
 * earlier ones have seen and, when the coordinates are odd in number, the half byte that is none:
 * the query's levels there count as 0.
 *
 * Integer bounds: a product of bytes is at most 128 x 127 = 16,256, two of them fit 16 bits, four
 * are added in a lane of 32 bits: 65,536 coordinates give at most 2^28 in a lane, 2^31 in all. No
 * state, no failures.
 */
#include "index/kernel/kernel_int.h"
#include "index/kernel/turbo4.h"

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma,f16c")))
#define INLINE static inline __attribute__((always_inline)) TARGET
#define CELL_LINKAGE

enum { GROUP = 4, STEP = 32 };

/* 64 coordinates: those in low and in high halves of 32 bytes. */
struct pair {
    __m256i low, high;
};

/* The bytes of a step, and which of them count: all where `whole`. */
struct step {
    size_t at;
    bool whole;
    struct pair mask;
};

INLINE __m256i load(const void *from)
{
    return _mm256_loadu_si256((const __m256i *)from);
}

/* The step from byte `i` on; the last one, of 1 to 32 bytes, ends where the codes end. */
INLINE struct step step_at(const struct turbo4 *a, size_t i)
{
    static const int64_t masks[8] = {0, 0, 0, 0, -1, -1, -1, -1};
    if (i + STEP < a->half || (i + STEP == a->half && a->count % 2 == 0)) {
        return (struct step){.at = i, .whole = true};
    }
    struct step step = {.at = a->half < STEP ? 0 : a->half - STEP};
    step.mask.low = load((const int8_t *)masks + (a->half - i));
    step.mask.high = step.mask.low;
    if (a->count % 2 != 0) {
        __m256i none = _mm256_set_epi64x((int64_t)0xff00000000000000u, 0, 0, 0);
        step.mask.high = _mm256_andnot_si256(none, step.mask.high);
    }
    return step;
}

/* Fewer than 32 bytes in all, at the end of 32. */
__attribute__((noinline)) TARGET static __m256i load_short(const void *from, size_t size)
{
    uint8_t padded[STEP] = {0};
    memcpy(padded + STEP - size, from, size);
    return load(padded);
}

INLINE __m256i load_step(const void *from, const struct turbo4 *a, struct step step)
{
    return !step.whole && a->half < STEP ? load_short(from, a->half)
                                         : load((const uint8_t *)from + step.at);
}

INLINE struct pair halves(__m256i bytes)
{
    const __m256i low = _mm256_set1_epi8(15);
    return (struct pair){_mm256_and_si256(bytes, low),
                         _mm256_and_si256(_mm256_srli_epi16(bytes, 4), low)};
}

INLINE struct pair row_codes(const struct turbo4 *row, struct step step)
{
    return halves(load_step(row->codes, row, step));
}

INLINE __m256i table_of(const int8_t *table)
{
    return _mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i *)(const void *)table));
}

INLINE struct pair look_up(const int8_t *table, struct pair codes)
{
    __m256i levels = table_of(table);
    return (struct pair){_mm256_shuffle_epi8(levels, codes.low),
                         _mm256_shuffle_epi8(levels, codes.high)};
}

INLINE struct pair masked(struct pair values, struct step step)
{
    if (step.whole) {
        return values;
    }
    return (struct pair){_mm256_and_si256(values.low, step.mask.low),
                         _mm256_and_si256(values.high, step.mask.high)};
}

/* The query's levels; `a` is a query or a row. */
INLINE struct pair query_levels(const struct turbo4 *a, struct step step)
{
    static const int8_t levels[TURBO4_LEVELS] = {TURBO4_LEVEL_LIST};
    struct pair pair;
    if (a->fine) {
        pair.low = load_step(a->levels, a, step);
        pair.high = load_step(a->levels + a->half, a, step);
    } else {
        pair = look_up(levels, row_codes(a, step));
    }
    return masked(pair, step);
}

INLINE __m256i add_products(__m256i sum, __m256i without_sign, __m256i with_sign)
{
    __m256i products = _mm256_maddubs_epi16(without_sign, with_sign);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(products, _mm256_set1_epi16(1)));
}

INLINE __m256i add_pairs(__m256i sum, struct pair without_sign, struct pair with_sign)
{
    sum = add_products(sum, without_sign.low, with_sign.low);
    return add_products(sum, without_sign.high, with_sign.high);
}

/* The levels, raised, and their magnitudes. */
INLINE struct pair raised(struct pair codes)
{
    static const int8_t table[TURBO4_LEVELS] = {0,  16, 26, 35, 42, 49,  55,  61,
                                                67, 73, 79, 86, 93, 102, 112, -128};
    return look_up(table, codes);
}

INLINE struct pair magnitudes(struct pair codes)
{
    static const int8_t table[TURBO4_LEVELS] = {64, 48, 38, 29, 22, 15, 9,  3,
                                                3,  9,  15, 22, 29, 38, 48, 64};
    return look_up(table, codes);
}

INLINE int64_t sum_lanes(__m256i v)
{
    __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(v), _mm256_extracti128_si256(v, 1));
    int64_t a = _mm_extract_epi64(sum, 0);
    int64_t b = _mm_extract_epi64(sum, 1);
    return (int64_t)(int32_t)a + (a >> 32) + (int64_t)(int32_t)b + (b >> 32);
}

/* The sums that a query brings with it; of a row they are taken here. */
INLINE void sum_query(enum distance distance, struct turbo4 *a)
{
    if (a->fine) {
        return;
    }
    const struct pair ones = {_mm256_set1_epi8(1), _mm256_set1_epi8(1)};
    __m256i sum = _mm256_setzero_si256();
    __m256i squares = _mm256_setzero_si256();
    for (size_t i = 0; i < a->half; i += STEP) {
        struct step step = step_at(a, i);
        sum = add_pairs(sum, ones, query_levels(a, step));
        if (distance == DISTANCE_EUCLID) {
            struct pair own = masked(magnitudes(row_codes(a, step)), step);
            squares = add_pairs(squares, own, own);
        }
    }
    a->level_sum = (int32_t)sum_lanes(sum);
    a->level_squares = (int32_t)sum_lanes(squares);
}

INLINE void products(enum distance distance, size_t count, struct turbo4 *a,
                     const struct turbo4 *rows, float *out)
{
    __m256i pair[GROUP];
    __m256i squares[GROUP];
    for (size_t row = 0; row < count; row++) {
        pair[row] = squares[row] = _mm256_setzero_si256();
    }
    sum_query(distance, a);
    for (size_t i = 0; i < a->half; i += STEP) {
        struct step step = step_at(a, i);
        struct pair q = query_levels(a, step);
        for (size_t row = 0; row < count; row++) {
            struct pair codes = row_codes(&rows[row], step);
            pair[row] = add_pairs(pair[row], raised(codes), q);
            if (distance == DISTANCE_EUCLID) {
                struct pair own = masked(magnitudes(codes), step);
                squares[row] = add_pairs(squares[row], own, own);
            }
        }
    }
    for (size_t row = 0; row < count; row++) {
        struct turbo4_sums sums = {.pair = sum_lanes(pair[row]) -
                                           (int64_t)TURBO4_LEVEL_MOST * a->level_sum,
                                   .squares_a = a->level_squares,
                                   .squares_b = sum_lanes(squares[row])};
        out[row] = turbo4_distance(distance, a, &rows[row], &sums);
    }
}

/* ---- Manhattan ---- */

/* Values of the eight bytes of `levels` from 8 x `part` on; bytes have a sign where `fine`. */
INLINE __m256 decode(const struct turbo4 *vector, __m256i levels, int part)
{
    __m128i half = part < 2 ? _mm256_castsi256_si128(levels) : _mm256_extracti128_si256(levels, 1);
    half = part % 2 != 0 ? _mm_srli_si128(half, 8) : half;
    /* Codes of rows are below 128, so their sign is plus. */
    return _mm256_fmadd_ps(_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(half)),
                           _mm256_set1_ps(vector->scale), _mm256_set1_ps(vector->base));
}

INLINE __m256 add_differences(__m256 sum, __m256 a, __m256 b)
{
    return _mm256_add_ps(sum, _mm256_andnot_ps(_mm256_set1_ps(-0.0f), _mm256_sub_ps(a, b)));
}

INLINE __m256 add_step(__m256 sum, const struct turbo4 *a, __m256i a_levels, const struct turbo4 *b,
                       __m256i b_levels, const __m256i *mask)
{
    for (int part = 0; part < 4; part++) {
        __m256 x = decode(a, a_levels, part);
        __m256 y = decode(b, b_levels, part);
        if (mask != NULL) { /* equal values count nothing */
            __m256i low = _mm256_loadu_si256(mask);
            __m128i half =
                part < 2 ? _mm256_castsi256_si128(low) : _mm256_extracti128_si256(low, 1);
            half = part % 2 != 0 ? _mm_srli_si128(half, 8) : half;
            y = _mm256_blendv_ps(x, y, _mm256_castsi256_ps(_mm256_cvtepi8_epi32(half)));
        }
        sum = add_differences(sum, x, y);
    }
    return sum;
}

INLINE float sum_floats(__m256 v)
{
    __m128 sum = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    sum = _mm_add_ps(sum, _mm_movehl_ps(sum, sum));
    return _mm_cvtss_f32(_mm_add_ss(sum, _mm_movehdup_ps(sum)));
}

INLINE float differences(const struct turbo4 *a, const struct turbo4 *b)
{
    __m256 low = _mm256_setzero_ps();
    __m256 high = _mm256_setzero_ps();
    for (size_t i = 0; i < a->half; i += STEP) {
        struct step step = step_at(a, i);
        struct pair x;
        if (a->fine) {
            x.low = load_step(a->levels, a, step);
            x.high = load_step(a->levels + a->half, a, step);
        } else {
            x = row_codes(a, step);
        }
        struct pair y = row_codes(b, step);
        low = add_step(low, a, x.low, b, y.low, step.whole ? NULL : &step.mask.low);
        high = add_step(high, a, x.high, b, y.high, step.whole ? NULL : &step.mask.high);
    }
    return sum_floats(_mm256_add_ps(low, high));
}

INLINE void distances_of(enum distance distance, enum element element, size_t count,
                         const void *query, const void *const *vectors, size_t dim, float *out)
{
    (void)element;
    struct turbo4 a = turbo4_open(distance, query, dim);
    struct turbo4 rows[GROUP];
    for (size_t row = 0; row < count; row++) {
        rows[row] = turbo4_open(distance, vectors[row], dim);
    }
    if (distance != DISTANCE_MANHATTAN) {
        products(distance, count, &a, rows, out);
        return;
    }
    for (size_t row = 0; row < count; row++) {
        out[row] = differences(&a, &rows[row]);
    }
}

#include "index/kernel/kernel_cells.inc"
CELL_FUNCTIONS(turbo4_dot_avx2, DISTANCE_DOT, ELEMENT_TURBO4)
CELL_FUNCTIONS(turbo4_euclid_avx2, DISTANCE_EUCLID, ELEMENT_TURBO4)
CELL_FUNCTIONS(turbo4_manhattan_avx2, DISTANCE_MANHATTAN, ELEMENT_TURBO4)
#endif
