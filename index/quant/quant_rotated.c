/* Rotated codes (RaBitQ): one to eight bits a dimension after a random rotation.
 *
 * All work is in quant_bits.c; here is what is particular: the bits that may be asked for, and how
 * finely the query is rounded beside them. One bit is met by a query of four bit planes, which
 * loses a fifth of what the code itself loses, two by six planes, more by bytes.
 */
#include "index/quant/quant_bits.h"

#include <stdio.h>

static enum status rotated_init(struct quantizer *quantizer, struct error *err)
{
    struct bits *bits = (struct bits *)(void *)quantizer;
    uint32_t half_bits = quantizer->params.half_bits;
    bool few = half_bits >= 2 && half_bits <= 4;
    if (!few && (half_bits < 8 || half_bits > 16 || half_bits % 2 != 0)) {
        return error_set(err, STATUS_BAD_INPUT,
                         "bits must be 1, 1.5, 2 or 4 to 8 a dimension, not %u halves", half_bits);
    }
    bits->rotated = true;
    bits->query_planes = half_bits == 2 ? 4 : few ? 6 : 0;
    enum status status = bits_init(quantizer, err);
    const char *isa =
        quantizer->distance == DISTANCE_MANHATTAN ? bits->levels_kernel->isa : bits->kernel->isa;
    snprintf(quantizer->kernel_name, sizeof quantizer->kernel_name, "turbo/%s", isa);
    return status;
}

static double rotated_oversampling(const struct quantizer *quantizer)
{
    uint32_t half_bits = quantizer->params.half_bits;
    return half_bits <= 4   ? bits_oversampling(quantizer)
           : half_bits == 8 ? quant_oversampling_between(quantizer->dim, 2.0, 1.5)
                            : quant_oversampling_between(quantizer->dim, 1.5, 1.2);
}

const struct quantizer_kind quantizer_rotated = {
    .id = QUANT_ROTATED,
    .size = sizeof(struct bits),
    .init = rotated_init,
    .train = bits_train,
    .deinit = bits_deinit,
    .encode = bits_encode,
    .decode = bits_decode,
    .query = bits_query,
    .many = bits_many,
    .units = bits_units,
    .oversampling = rotated_oversampling,
    .save = bits_save,
    .load = bits_load,
};
