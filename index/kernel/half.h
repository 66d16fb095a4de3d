/* IEEE 754 binary16 and bfloat16 (the upper half of a float32) to float32 and back, without help
 * from the CPU: round to nearest even, subnormals kept. */
#pragma once
#include <stdint.h>
#include <string.h>

static inline float half_to_float(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000u) << 16;
    uint32_t exponent = (half >> 10) & 0x1fu;
    uint32_t fraction = half & 0x3ffu;
    uint32_t bits;
    if (exponent == 0x1f) {
        bits = sign | 0x7f800000u | fraction << 13;
    } else if (exponent != 0) {
        bits = sign | (exponent + 112) << 23 | fraction << 13;
    } else {
        /* Zero or subnormal: fraction x 2^-24, exact in float32. */
        float value = (float)fraction * 0x1p-24f;
        memcpy(&bits, &value, sizeof bits);
        bits |= sign;
    }
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Too large a value gives infinity (0x7c00 with the sign). */
static inline uint16_t half_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    uint32_t sign = bits >> 16 & 0x8000u;
    uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) {
        return (uint16_t)(sign | 0x7e00u);
    }
    if (magnitude >= 0x477ff000u) { /* 65520: rounds to 65536, past the largest half */
        return (uint16_t)(sign | 0x7c00u);
    }
    if (magnitude < 0x38800000u) { /* below 2^-14: subnormal */
        /* Adding 0.5 puts the wanted bits at the bottom of the fraction and rounds them in
         * hardware. */
        float sum;
        memcpy(&sum, &magnitude, sizeof sum);
        sum += 0.5f;
        uint32_t sum_bits;
        memcpy(&sum_bits, &sum, sizeof sum_bits);
        return (uint16_t)(sign | (sum_bits - 0x3f000000u));
    }
    uint32_t odd = magnitude >> 13 & 1u;
    uint32_t rounded = magnitude + 0xfffu + odd - (112u << 23);
    return (uint16_t)(sign | rounded >> 13);
}

static inline float bfloat_to_float(uint16_t bfloat)
{
    uint32_t bits = (uint32_t)bfloat << 16;
    float out;
    memcpy(&out, &bits, sizeof out);
    return out;
}

/* Too large a value gives infinity (0x7f80 with the sign). */
static inline uint16_t bfloat_from_float(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    if ((bits & 0x7fffffffu) > 0x7f800000u) {
        return (uint16_t)(bits >> 16 | 0x40u); /* stays NaN, whatever the lower bits were */
    }
    return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}
