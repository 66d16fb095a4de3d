/* Binary codes: one, one and a half or two bits a dimension around the mean, without a rotation.
 *
 * All work is in quant_bits.c; here is what is particular: how the query is rounded. `binary` takes
 * its signs alone, `scalar4bits` and `scalar8bits` integers of so many bits; the default is four
 * bits, which loses a fifth of what a code of one bit does and counts half as many bits as eight.
 */
#include "index/quant/quant_bits.h"

#include <math.h>
#include <stdio.h>

static enum status binary_init(struct quantizer *quantizer, struct error *err)
{
    struct bits *bits = (struct bits *)(void *)quantizer;
    static const uint32_t planes[] = {[QUERY_ENCODING_DEFAULT] = 4,
                                      [QUERY_ENCODING_BINARY] = 2,
                                      [QUERY_ENCODING_SCALAR4] = 4,
                                      [QUERY_ENCODING_SCALAR8] = 8};
    uint32_t half_bits = quantizer->params.half_bits;
    if (half_bits < 2 || half_bits > 4) {
        return error_set(err, STATUS_BAD_INPUT,
                         "binary codes have 1, 1.5 or 2 bits a dimension, not %u halves",
                         half_bits);
    }
    if ((uint32_t)quantizer->params.query_encoding > QUERY_ENCODING_SCALAR8) {
        return error_set(err, STATUS_BAD_INPUT, "unknown encoding of queries %d",
                         (int)quantizer->params.query_encoding);
    }
    bits->query_planes = planes[quantizer->params.query_encoding];
    enum status status = bits_init(quantizer, err);
    const char *isa =
        quantizer->distance == DISTANCE_MANHATTAN ? bits->levels_kernel->isa : bits->kernel->isa;
    snprintf(quantizer->kernel_name, sizeof quantizer->kernel_name, "binary/%s", isa);
    return status;
}

static double binary_oversampling(const struct quantizer *quantizer)
{
    bool signs = quantizer->params.query_encoding == QUERY_ENCODING_BINARY;
    return fmin(bits_oversampling(quantizer) * (signs ? 2.0 : 1.0), 100.0);
}

const struct quantizer_kind quantizer_binary = {
    .id = QUANT_BINARY,
    .size = sizeof(struct bits),
    .init = binary_init,
    .train = bits_train,
    .deinit = bits_deinit,
    .encode = bits_encode,
    .decode = bits_decode,
    .query = bits_query,
    .many = bits_many,
    .units = bits_units,
    .oversampling = binary_oversampling,
    .save = bits_save,
    .load = bits_load,
};
