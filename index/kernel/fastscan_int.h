/* What the fast scan's instruction sets share: the loops that the compiler makes wide by itself,
 * inlined into each set's functions. */
#pragma once
#include "index/kernel/fastscan.h"

#include <string.h>

#define FASTSCAN_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__)
extern const struct fastscan fastscan_avx2;
bool fastscan_avx2_usable(void);
#endif
#if defined(__aarch64__)
extern const struct fastscan fastscan_neon; /* every 64-bit ARM runs it */
#endif

FASTSCAN_INLINE void tables_of(const float *q, const float *words, size_t subs, size_t width,
                               float scale, bool absolute, float *tables)
{
    for (size_t s = 0; s < subs; s++) {
        float sums[FASTSCAN_WORDS] = {0};
        for (size_t d = 0; d < width; d++) {
            float x = q[s * width + d];
            const float *word = words + (s * width + d) * FASTSCAN_WORDS;
            for (size_t w = 0; w < FASTSCAN_WORDS; w++) {
                sums[w] += absolute ? __builtin_fabsf(x - word[w]) : x * word[w];
            }
        }
        for (size_t w = 0; w < FASTSCAN_WORDS; w++) {
            tables[s * FASTSCAN_WORDS + w] = sums[w] * scale;
        }
    }
}

FASTSCAN_INLINE float least_of_16(const float *values)
{
    float least[FASTSCAN_WORDS / 2];
    for (size_t i = 0; i < 8; i++) {
        least[i] = values[i] < values[i + 8] ? values[i] : values[i + 8];
    }
    for (size_t i = 0; i < 4; i++) {
        least[i] = least[i] < least[i + 4] ? least[i] : least[i + 4];
    }
    least[0] = least[0] < least[2] ? least[0] : least[2];
    least[1] = least[1] < least[3] ? least[1] : least[3];
    return least[0] < least[1] ? least[0] : least[1];
}

FASTSCAN_INLINE float largest_of_16(const float *values)
{
    float negated[FASTSCAN_WORDS];
    for (size_t i = 0; i < FASTSCAN_WORDS; i++) {
        negated[i] = -values[i];
    }
    return -least_of_16(negated);
}

FASTSCAN_INLINE struct fastscan_quantized quantize_tables(const float *tables, size_t subs,
                                                          float step_min, uint8_t *out)
{
    float low = 0;
    float widest = 0;
    for (size_t s = 0; s < subs; s++) {
        const float *table = tables + s * FASTSCAN_WORDS;
        float least = least_of_16(table);
        float range = largest_of_16(table) - least;
        low += least;
        widest = range > widest ? range : widest;
    }
    float step = widest / FASTSCAN_VALUE_MAX;
    step = step > step_min ? step : step_min;
    step = step > 1e-30f ? step : 1e-30f;
    float scale = 1.0f / step;
    for (size_t s = 0; s < subs; s++) {
        const float *table = tables + s * FASTSCAN_WORDS;
        float least = least_of_16(table);
        for (size_t w = 0; w < FASTSCAN_WORDS; w++) {
            float value = (table[w] - least) * scale + 0.5f;
            /* Also catches what is not a number. */
            value = value < FASTSCAN_VALUE_MAX ? value : FASTSCAN_VALUE_MAX;
            out[s * FASTSCAN_WORDS + w] = (uint8_t)(int32_t)value;
        }
    }
    return (struct fastscan_quantized){.low = low, .step = step};
}

FASTSCAN_INLINE void encode_parts(const float *x, const float *words, size_t subs, size_t width,
                                  uint8_t *codes)
{
    for (size_t s = 0; s < subs; s++) {
        float sums[FASTSCAN_WORDS] = {0};
        for (size_t d = 0; d < width; d++) {
            float value = x[s * width + d];
            const float *word = words + (s * width + d) * FASTSCAN_WORDS;
            for (size_t w = 0; w < FASTSCAN_WORDS; w++) {
                sums[w] += (value - word[w]) * (value - word[w]);
            }
        }
        float least = least_of_16(sums);
        uint32_t equal = 0;
        for (uint32_t w = 0; w < FASTSCAN_WORDS; w++) {
            equal |= (uint32_t)(sums[w] <= least) << w;
        }
        codes[s] = equal != 0 ? (uint8_t)__builtin_ctz(equal) : 0;
    }
}
