/* Products of bytes with the dot product instructions of ARMv8.2; the other cells are those of
 * NEON.
 *
 * The instruction is written out, because not every compiler has its intrinsic in a file that is
 * compiled for plain ARMv8.0. All sums are exact; `one` and `many` share the template. No state, no
 * failures.
 */
#include "index/kernel/kernel_int.h"

#if defined(__aarch64__)
#include <arm_neon.h>
#include <string.h>

#if defined(__clang__)
#define TARGET __attribute__((target("dotprod")))
#else
#define TARGET __attribute__((target("arch=armv8.2-a+dotprod")))
#endif
#define INLINE static inline __attribute__((always_inline)) TARGET

INLINE uint32x4_t add_products(uint32x4_t sum, uint8x16_t a, uint8x16_t b)
{
    __asm__("udot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(a), "w"(b));
    return sum;
}

#include "index/kernel/kernel_neon.inc"

INLINE void distances_of(enum distance distance, enum element element, size_t count,
                         const void *query, const void *const *rows, size_t dim, float *out)
{
    (void)element; /* bytes only */
    bytes(distance, count, query, rows, dim, out);
}

#include "index/kernel/kernel_cells.inc"
CELL_FUNCTIONS(cosine_u8, DISTANCE_COSINE, ELEMENT_U8)
CELL_FUNCTIONS(dot_u8, DISTANCE_DOT, ELEMENT_U8)
CELL_FUNCTIONS(euclid_u8, DISTANCE_EUCLID, ELEMENT_U8)

static bool usable(void)
{
    return cpu_has_dotprod();
}

const struct kernel_set kernel_set_dotprod = {
    .isa = "dotprod",
    .usable = usable,
    .cells = {[DISTANCE_COSINE] = {[ELEMENT_U8] = KERNEL_CELL("cosine/u8", "/dotprod", cosine_u8)},
              [DISTANCE_DOT] = {[ELEMENT_U8] = KERNEL_CELL("dot/u8", "/dotprod", dot_u8)},
              [DISTANCE_EUCLID] = {[ELEMENT_U8] = KERNEL_CELL("euclid/u8", "/dotprod", euclid_u8)}},
};
#endif
