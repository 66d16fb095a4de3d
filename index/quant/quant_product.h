/* Product quantizers in memory, shared by their training and their use. */
#pragma once
#include "index/quant/quant_int.h"

struct product {
    struct quantizer base;
    size_t groups, group_dim;
    float *words; /* for each dimension, CODEWORDS values: a group's codebook is one piece */
    code_nearest *nearest;
};

static inline size_t group_dims(const struct product *product, size_t group)
{
    size_t left = product->base.dim - group * product->group_dim;
    return left < product->group_dim ? left : product->group_dim;
}
static inline float *group_words(const struct product *product, size_t group)
{
    return product->words + group * product->group_dim * CODEWORDS;
}

/* CANCELLED. The same words for any number of threads. */
enum status product_train(struct quantizer *quantizer, const struct sample *sample,
                          struct error *err);
