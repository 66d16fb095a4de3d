/* Integer sums between a query and short codes: what quantizers estimate distances from.
 *
 * A code is a run of bytes somewhere in a record (see struct code_shape); the query is laid out for
 * the sum at hand. Sums are exact, so every instruction set gives the same ones, and a cell for the
 * CPU at hand is chosen when it is asked for. Up to CODE_DIM_MAX dimensions no sum overflows. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CODE_DIM_MAX = 65536, CODE_QUERY_ALIGN = 64, CODE_PLANES_MAX = 8 };

enum code_sum {
    /* A byte a dimension; the query too. `query` is zero past the code up to a multiple of
     * CODE_QUERY_ALIGN bytes. */
    CODE_DOT7,      /* sum of k c: codes 0..127, query -127..127 */
    CODE_EUCLID7,   /* sum of (k - c)^2: both 0..127 */
    CODE_MANHATTAN, /* sum of |k - c|: both 0..255 */
    CODE_DOT8,      /* sum of k c: codes 0..255, query -127..127 */
    /* Sum of k c with two dimensions a byte, the even one in the low half: codes 0..15, query
     * -127..127. The query holds the even dimensions, then from code_query_size(bytes) on the odd
     * ones, each run padded as above. */
    CODE_DOT4,
    /* Sum of k u with u of one bit: code words of 32 dimensions. The query is signed, in bit
     * planes: for each 64 dimensions `planes` words, the last of weight -2^(planes - 1). */
    CODE_BITS1,
    /* u = 2 s + t of two bits: the words of s, then those of t. */
    CODE_BITS2,
    /* Three bits for two dimensions: the words of s, an even number, then half as many of m. The
     * first half of the dimensions has t = (s == m), the second t = (s != m): of the dimensions at
     * the same place in the halves, m says which is the larger one. */
    CODE_BITS1_5,
    CODE_SUM_COUNT
};

struct code_shape {
    size_t offset;       /* of the code in its record */
    size_t bytes;        /* of the code, a multiple of 4 */
    size_t record_bytes; /* what is prefetched */
    uint32_t planes;     /* CODE_BITS*: 2, 4, 6 or 8 */
};

struct code_kernel {
    const char *isa; /* "avx2" */
    /* out[i] = the sum over records[i]; prefetches ahead. */
    void (*many)(const struct code_shape *shape, const void *query, const void *const *records,
                 size_t count, int32_t *out);
};
/* The best cell for this CPU. Keep it: asking walks a list. */
const struct code_kernel *code_kernel_get(enum code_sum sum);
const struct code_kernel *code_kernel_scalar(enum code_sum sum); /* the reference */
/* For tests: every cell compiled in for this CPU; false when `index` is past the last. */
bool code_kernel_cell(size_t index, enum code_sum *sum, const struct code_kernel **out);

/* Bytes of one padded run of a query. */
static inline size_t code_query_size(size_t bytes)
{
    return (bytes + CODE_QUERY_ALIGN - 1) / CODE_QUERY_ALIGN * CODE_QUERY_ALIGN;
}
/* Bytes of a query in planes for `bits` dimensions. */
static inline size_t code_planes_size(size_t bits, uint32_t planes)
{
    return code_query_size((bits + 63) / 64 * 8 * planes);
}

/* Loops over floats that want the flags of this folder. */
/* out[i] = (in[i] - low) * scale, rounded, within 0..most (most <= 255). */
void code_levels(const float *in, size_t dim, float low, float scale, uint8_t most, uint8_t *out);
/* Sums over a row and its levels. */
struct code_levels_sums {
    float values;   /* of the row */
    float squares;  /* of the row */
    float products; /* of row and levels */
    float level_values, level_squares;
};
struct code_levels_sums code_levels_dots(const float *row, const uint8_t *levels, size_t dim);
/* values[i] *= factors[i] */
void code_multiply(float *values, const float *factors, size_t count);
/* The Hadamard transform, orthonormal; `count` is a power of two. */
void code_hadamard(float *values, size_t count);
/* (a, b) becomes (a + b, a - b) / sqrt(2) for value i and value i + count / 2. */
void code_turn_halves(float *values, size_t count);
/* To a byte a dimension: out[i] = half byte i; out[i] += bit i << shift. */
void code_spread_halves(const uint8_t *code, size_t dim, uint8_t *out);
void code_spread_bits(const uint8_t *code, size_t dim, uint32_t shift, uint8_t *out);
/* out = row - centre, and sums over that: its squared length, its product with the centre, and the
 * product of row and centre. */
struct code_centred {
    float squares, product, row_product;
};
struct code_centred code_centre(const float *row, const float *centre, size_t dim, float *out);

/* Product codes. A codebook has CODEWORDS words of `dims` values: codebook[value][word]. */
enum { CODEWORDS = 256 };
/* The word nearest to `values` (the first of equal ones), and its squared distance. */
typedef uint32_t code_nearest(const float *values, size_t dims, const float *codebook,
                              float *distance);
code_nearest *code_nearest_get(void);
code_nearest code_nearest_scalar; /* the reference */
/* out[word] = the raw distance of `values` to each word. */
enum code_table { CODE_TABLE_DOT, CODE_TABLE_EUCLID, CODE_TABLE_MANHATTAN };
void code_table_fill(enum code_table kind, const float *values, size_t dims, const float *codebook,
                     float *out);
/* out[i] = the sum of tables[at][records[i][at]] over `parts` bytes; prefetches ahead. */
void code_table_sums(const float *tables, size_t parts, const void *const *records, size_t count,
                     float *out);
