/* What the kernel files share: the table of one instruction set. */
#pragma once
#include "index/kernel/kernel.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* One file fills one of these. A cell whose `one` is NULL falls back to the set below it. */
struct kernel_set {
    const char *isa;
    bool (*usable)(void); /* may this CPU, under this operating system, run it? */
    struct kernel cells[DISTANCE_COUNT][ELEMENT_COUNT];
};
extern const struct kernel_set kernel_set_scalar;
#if defined(__x86_64__)
extern const struct kernel_set kernel_set_avx2;
extern const struct kernel_set kernel_set_avx512;
/* Not every compiler's __builtin_cpu_supports knows this one. The wider registers are asked for
 * beside it. */
static inline bool cpu_has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
#endif

/* How `many` prefetches: the vector `ahead` places further, its first `bytes` bytes. Short rows are
 * asked for whole; of long ones only the start, for the hardware follows a stream by itself.
 * Measured: fewer in flight leave memory idle, more than the core can have outstanding are dropped.
 */
struct prefetch_plan {
    size_t ahead;
    size_t bytes;
};
static inline struct prefetch_plan prefetch_plan_for(size_t row_bytes)
{
    enum { SHORT_ROW = 512, BYTES_MAX = 2048 };
    return (struct prefetch_plan){
        .ahead = row_bytes <= SHORT_ROW ? 6 : 2,
        .bytes = row_bytes < BYTES_MAX ? row_bytes : BYTES_MAX,
    };
}
static inline void prefetch_row(const void *row, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64) {
        __builtin_prefetch((const char *)row + at, 0, 3);
    }
}

/* The raw cosine of uint8 rows from exact sums; every set uses this, so they agree to the last bit.
 */
float cosine_u8_from_sums(uint64_t dot, uint64_t norm_a, uint64_t norm_b);
