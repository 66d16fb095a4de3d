/* The reference integer kernels: plain loops that run anywhere and say what each sum is.
 *
 * Every other set is tested against this one. No state, no failures.
 */
#include "index/kernel/codes_int.h"

#define TARGET
#define INLINE           static inline __attribute__((always_inline))
#define COUNT_BITS(word) ((uint32_t)__builtin_popcountll(word))
#include "index/kernel/codes_planes.inc"
BITS_CELLS(bits_counted)

INLINE int32_t one_sum(enum code_sum sum, const int8_t *query, const uint8_t *code, size_t bytes)
{
    int32_t total = 0;
    size_t odd = code_query_size(bytes);
    for (size_t i = 0; i < bytes; i++) {
        int32_t c = code[i];
        int32_t k = query[i];
        int32_t difference = (uint8_t)query[i] - c;
        switch (sum) {
        case CODE_EUCLID7:
            total += difference * difference;
            break;
        case CODE_MANHATTAN:
            total += difference < 0 ? -difference : difference;
            break;
        case CODE_DOT4:
            total += k * (c & 15) + query[odd + i] * (c >> 4);
            break;
        default: /* CODE_DOT7, CODE_DOT8 */
            total += k * c;
            break;
        }
    }
    return total;
}

#define BYTES_CELL(name, sum)                                                                      \
    static void name(const struct code_shape *shape, const void *query,                            \
                     const void *const *records, size_t count, int32_t *out)                       \
    {                                                                                              \
        for (size_t i = 0; i < count; i++) {                                                       \
            out[i] = one_sum(sum, query, code_of(shape, records[i]), shape->bytes);                \
        }                                                                                          \
    }
BYTES_CELL(dot7, CODE_DOT7)
BYTES_CELL(euclid7, CODE_EUCLID7)
BYTES_CELL(manhattan, CODE_MANHATTAN)
BYTES_CELL(dot4, CODE_DOT4)

static bool usable(void)
{
    return true;
}

const struct code_set code_set_scalar = {
    .usable = usable,
    .cells = {[CODE_DOT7] = {"scalar", dot7},
              [CODE_EUCLID7] = {"scalar", euclid7},
              [CODE_MANHATTAN] = {"scalar", manhattan},
              [CODE_DOT8] = {"scalar", dot7},
              [CODE_DOT4] = {"scalar", dot4},
              [CODE_BITS1] = {"scalar", bits1},
              [CODE_BITS2] = {"scalar", bits2},
              [CODE_BITS1_5] = {"scalar", bits1_5}},
};
