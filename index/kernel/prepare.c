/* From the client's float32 values to the stored form and back.
 *
 * Cosine rows of floats are stored with length 1. The length is computed and divided
 * out in double, so that neither tiny nor huge values lose it: the square of any finite float32 is
 * a normal double. A value that is not finite, or too large for the element, fails the whole
 * vector.
 */
#include "index/kernel/half.h"
#include "index/kernel/kernel.h"
#include "index/kernel/turbo4.h"

#include <math.h>
#include <string.h>

static double length_of(const float *in, size_t dim)
{
    double sum = 0.0;
    for (size_t i = 0; i < dim; i++) {
        sum += (double)in[i] * (double)in[i];
    }
    return sqrt(sum);
}

static uint8_t to_u8(float value)
{
    if (value <= 0.0f) {
        return 0;
    }
    return value >= 255.0f ? 255 : (uint8_t)value;
}

static bool all_finite(const float *in, size_t dim)
{
    for (size_t i = 0; i < dim; i++) {
        if (!isfinite(in[i])) {
            return false;
        }
    }
    return true;
}

/* What values are divided by. */
static double divisor_of(enum distance distance, const float *in, size_t dim)
{
    double length = distance == DISTANCE_COSINE ? length_of(in, dim) : 1.0;
    return length > 0.0 ? length : 1.0; /* the zero vector stays */
}

bool vector_prepare(enum distance distance, enum element element, const float *in, size_t dim,
                    void *out)
{
    if (!all_finite(in, dim)) {
        return false;
    }
    if (element == ELEMENT_TURBO4) {
        return turbo4_prepare(distance, in, divisor_of(distance, in, dim), dim, false, out);
    }
    if (element == ELEMENT_U8) {
        for (size_t i = 0; i < dim; i++) {
            ((uint8_t *)out)[i] = to_u8(in[i]);
        }
        return true;
    }
    double length = divisor_of(distance, in, dim);
    for (size_t i = 0; i < dim; i++) {
        float value = (float)((double)in[i] / length);
        if (element == ELEMENT_F32) {
            ((float *)out)[i] = value;
            continue;
        }
        bool half = element == ELEMENT_F16;
        uint16_t bits = half ? half_from_float(value) : bfloat_from_float(value);
        if ((bits & 0x7fffu) == (half ? 0x7c00u : 0x7f80u)) {
            return false;
        }
        ((uint16_t *)out)[i] = bits;
    }
    return true;
}

bool vector_prepare_query(enum distance distance, enum element element, const float *in, size_t dim,
                          void *out)
{
    if (element != ELEMENT_TURBO4) {
        return vector_prepare(distance, element, in, dim, out);
    }
    return all_finite(in, dim) &&
           turbo4_prepare(distance, in, divisor_of(distance, in, dim), dim, true, out);
}

void vector_restore(enum distance distance, enum element element, const void *in, size_t dim,
                    float *out)
{
    if (element == ELEMENT_TURBO4) {
        turbo4_restore(distance, in, dim, out);
        return;
    }
    if (element == ELEMENT_F32) {
        memcpy(out, in, dim * sizeof *out);
        return;
    }
    for (size_t i = 0; i < dim; i++) {
        out[i] = element == ELEMENT_F16    ? half_to_float(((const uint16_t *)in)[i])
                 : element == ELEMENT_BF16 ? bfloat_to_float(((const uint16_t *)in)[i])
                                           : (float)((const uint8_t *)in)[i];
    }
}
