/* Floats in saved quantizers, integers of queries, and other small arithmetic. No state; nothing
 * fails but by marking the reader.
 */
#include "index/quant/quant_int.h"

#include <math.h>
#include <string.h>

void quant_put_float(struct buffer *out, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    buffer_append_u32(out, bits);
}

float quant_get_finite(struct reader *reader)
{
    uint32_t bits = reader_u32(reader);
    float value;
    memcpy(&value, &bits, sizeof value);
    if (!isfinite(value)) {
        reader->failed = true;
        return 0.0f;
    }
    return value;
}

void quant_put_floats(struct buffer *out, const float *values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        quant_put_float(out, values[i]);
    }
}

void quant_get_finites(struct reader *reader, float *out, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        out[i] = quant_get_finite(reader);
    }
}

int64_t quant_query_integers(const float *in, size_t dim, float step, int most, int8_t *out)
{
    float scale = step > 0.0f ? 1.0f / step : 0.0f;
    scale = isfinite(scale) ? scale : 0.0f;
    float top = (float)most;
    int64_t sum = 0;
    for (size_t i = 0; i < dim; i++) {
        float value = in[i] * scale;
        value = value > -top ? value : -top;
        value = value < top ? value : top;
        int32_t integer = (int32_t)(value + (value < 0.0f ? -0.5f : 0.5f));
        out[i] = (int8_t)integer;
        sum += integer;
    }
    return sum;
}

float quant_largest(const float *in, size_t dim)
{
    float largest = 0.0f;
    for (size_t i = 0; i < dim; i++) {
        float size = fabsf(in[i]);
        largest = size > largest ? size : largest;
    }
    return largest;
}

double quant_oversampling_between(size_t dim, double with_100, double with_768)
{
    double place = log((double)dim / 100.0) / log(768.0 / 100.0);
    double value = with_100 * pow(with_768 / with_100, place);
    return fmax(1.0, fmin(value, 100.0));
}
