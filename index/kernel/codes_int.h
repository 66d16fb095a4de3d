/* What the files with integer kernels share: the cells of one instruction set. */
#pragma once
#include "index/kernel/codes.h"
#include "index/kernel/kernel_int.h"

#include <string.h>

/* A cell whose `many` is NULL falls back to the set below it. */
struct code_set {
    bool (*usable)(void);
    code_nearest *nearest; /* may be NULL */
    struct code_kernel cells[CODE_SUM_COUNT];
};
extern const struct code_set code_set_scalar;
#if defined(__x86_64__)
extern const struct code_set code_set_avx2;
extern const struct code_set code_set_avx512;
#endif
#if defined(__aarch64__)
extern const struct code_set code_set_neon;
#endif

/* Codes lie anywhere in memory: how many records ahead keep it busy, and at most how much of each
 * is asked for. Measured, see index/quant/README.md. */
enum { CODES_PREFETCH_MAX = 1024 };

static inline size_t code_ahead(const struct code_shape *shape)
{
    return shape->record_bytes <= 128 ? 16 : 8;
}
static inline size_t code_prefetch_bytes(const struct code_shape *shape)
{
    return shape->record_bytes < CODES_PREFETCH_MAX ? shape->record_bytes : CODES_PREFETCH_MAX;
}
/* The first and the last byte of a record may lie in lines that steps of 64 miss. */
static inline void prefetch_record(const void *record, size_t bytes)
{
    const char *at = record;
    for (size_t i = 0; i < bytes; i += 64) {
        __builtin_prefetch(at + i, 0, 3);
    }
    __builtin_prefetch(at + bytes - 1, 0, 3);
}
static inline const uint8_t *code_of(const struct code_shape *shape, const void *record)
{
    return (const uint8_t *)record + shape->offset;
}
