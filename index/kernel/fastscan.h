/* Scanning 4-bit product codes with tables in registers (fast scan, André, Kermarrec, Le Scouarnec,
 * "Cache locality is not enough", 2015), and the small loops around it.
 *
 * A vector is cut into `subs` parts (an even number), each coded by one of 16 codewords. Codes
 * stand in blocks of 32 vectors. Two parts, 2p and 2p + 1, make 32 bytes: byte i of the first 16
 * has in its low four bits the code of vector i for part 2p and in its high ones that of vector
 * 16 + i; the second 16 bytes have the same for part 2p + 1. After the pairs come, when there are
 * addends, 32 bytes: one for each vector.
 *
 * A query has 16 table values for each part, in the order of the parts, each at most
 * FASTSCAN_VALUE_MAX. The sum of a vector is that of its parts' values, plus its addend times
 * addend_scale / 256 rounded down, at most 65535. Every instruction set gives the same sums. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    FASTSCAN_BLOCK = 32,
    FASTSCAN_WORDS = 16,
    FASTSCAN_VALUE_MAX = 63,
    FASTSCAN_SUBS_MAX = 1040, /* so that sums fit 16 bits */
    FASTSCAN_REST_STEP = 32,  /* bytes of a row of rests looked at together */
};
struct fastscan_query {
    const uint8_t *tables; /* subs x 16, aligned to 32 */
    size_t pairs;
    bool has_addends;
    uint16_t addend_scale;
};
struct fastscan_quantized {
    float low;  /* sum of the parts' smallest table values */
    float step; /* of one unit of the sums; above zero */
};
struct fastscan {
    const char *name;
    /* The sums of `count` vectors: out has room for whole blocks. */
    void (*sums)(const struct fastscan_query *query, const uint8_t *blocks, size_t count,
                 uint16_t *out);
    /* The positions and sums of those vectors whose sum is at most `bound`, in order; returns how
     * many. Room for `count`. */
    size_t (*below)(const struct fastscan_query *query, const uint8_t *blocks, size_t count,
                    uint16_t bound, uint32_t *positions, uint16_t *sums);
    /* tables[s][w] = scale * sum of q_d * word_d, or of |q_d - word_d| times scale; `words` is
     * subs x width x 16, q is subs x width. */
    void (*tables)(const float *q, const float *words, size_t subs, size_t width, float scale,
                   bool absolute, float *tables);
    /* Rounds tables to bytes with one step for all. `step_min`: the step is at least that. */
    struct fastscan_quantized (*quantize)(const float *tables, size_t subs, float step_min,
                                          uint8_t *out);
    /* The nearest codeword (Euclid) of each part; the lowest among equals. */
    void (*encode)(const float *x, const float *words, size_t subs, size_t width, uint8_t *codes);
    /* Sum of nibble times weight over a row of packed nibbles: weights are, for each step of
     * FASTSCAN_REST_STEP bytes, 32 for the low nibbles and 32 for the high ones. The last step ends
     * at the row's end, so it overlaps the one before: weights there are zero. A row shorter than
     * a step is read beyond its end. */
    int32_t (*rest)(const uint8_t *row, size_t bytes, const int8_t *weights);
};
/* The best for this CPU; fastscan_scalar is the reference. */
const struct fastscan *fastscan_get(void);
extern const struct fastscan fastscan_scalar;

static inline size_t fastscan_block_bytes(size_t pairs, bool has_addends)
{
    return (pairs + has_addends) * FASTSCAN_BLOCK;
}
/* Sets the code of one part of the vector at `place` (0..31) of a block whose bits there are zero.
 */
static inline void fastscan_put(uint8_t *block, size_t place, size_t sub, uint8_t code)
{
    block[sub * 16 + place % 16] |= (uint8_t)(code << (place / 16 * 4));
}
static inline uint8_t fastscan_code(const uint8_t *block, size_t place, size_t sub)
{
    return (uint8_t)(block[sub * 16 + place % 16] >> (place / 16 * 4) & 15);
}
