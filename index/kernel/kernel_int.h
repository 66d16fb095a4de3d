/* What the kernel files share: the table of one instruction set. */
#pragma once
#include "index/kernel/kernel.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__aarch64__)
#include <asm/hwcap.h>
#include <sys/auxv.h>
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
extern const struct kernel_set kernel_set_avx512vnni;
extern const struct kernel_set kernel_set_avx512bf16;
/* Not every compiler's __builtin_cpu_supports knows this one. The wider registers are asked for
 * beside it. */
static inline bool cpu_has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) != 0 && (c & bit_F16C) != 0;
}
/* What all AVX-512 sets build on. */
static inline bool cpu_has_avx512(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && cpu_has_f16c();
}
#endif
#if defined(__aarch64__)
extern const struct kernel_set kernel_set_neon;
extern const struct kernel_set kernel_set_dotprod;
static inline bool cpu_has_dotprod(void)
{
    return (getauxval(AT_HWCAP) & HWCAP_ASIMDDP) != 0;
}
#endif

/* Cells in files of their own. */
#define CELL_DECLARED(name)                                                                        \
    float name(const void *a, const void *b, size_t dim);                                          \
    void name##_many(const void *query, const void *const *vectors, size_t count, size_t dim,      \
                     float *out);
#define TURBO4_DECLARED(set)                                                                       \
    CELL_DECLARED(turbo4_dot_##set)                                                                \
    CELL_DECLARED(turbo4_euclid_##set)                                                             \
    CELL_DECLARED(turbo4_manhattan_##set)
TURBO4_DECLARED(scalar)
#if defined(__x86_64__)
TURBO4_DECLARED(avx2)
#endif

/* How `many` prefetches: the vector `ahead` places further, its first `bytes` bytes. Short rows are
 * asked for whole; of long ones only the start, for the hardware follows a stream by itself and
 * asking for all of it costs a tenth. Measured: fewer in flight leave memory idle, more than the
 * core can have outstanding are dropped.
 */
struct prefetch_plan {
    size_t ahead;
    size_t bytes;
};
static inline struct prefetch_plan prefetch_plan_for(size_t row_bytes)
{
    enum { SHORT_ROW = 512 };
    return (struct prefetch_plan){
        .ahead = row_bytes <= SHORT_ROW ? 8 : 4,
        .bytes = row_bytes < SHORT_ROW ? row_bytes : SHORT_ROW,
    };
}
static inline void prefetch_row(const void *row, size_t bytes)
{
    for (size_t at = 0; at < bytes; at += 64) {
        __builtin_prefetch((const char *)row + at, 0, 3);
    }
}

/* Exact sums over uint8 rows: of products, squared or absolute differences; and the squares of each
 * side, for cosine only. */
struct byte_sums {
    uint64_t pair, norm, norm_query;
};
/* The raw distance from them; every set uses this, so they agree to the last bit. */
float distance_u8_from_sums(enum distance distance, const struct byte_sums *sums);
