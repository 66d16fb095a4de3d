/* Quantizers: short codes of vectors and distances estimated from them. A quantizer is trained once
 * on a sample and never changes; any thread may use it.
 *
 * A code is quantizer_code_bytes long and belongs to one stored row (see vector_prepare). A query
 * is turned into a state once per search; estimates are raw distances as the kernels give them
 * (smaller is nearer), so that estimates and exact distances can stand in one order. */
#pragma once
#include "index/kernel/kernel.h"
#include "storage/base/buffer.h"
#include "storage/base/status.h"

#include <stdatomic.h>

enum quant_kind {
    QUANT_NONE,
    QUANT_SCALAR,  /* 7 bits a dimension, one step for all */
    QUANT_PRODUCT, /* a codebook of 256 for each group of dimensions */
    QUANT_BINARY,  /* signs around the mean: 1, 1.5 or 2 bits a dimension */
    QUANT_ROTATED, /* 1 to 8 bits after a random rotation (RaBitQ, arXiv 2409.09913): `turbo` */
};
enum query_encoding {
    QUERY_ENCODING_DEFAULT,
    QUERY_ENCODING_BINARY,
    QUERY_ENCODING_SCALAR4,
    QUERY_ENCODING_SCALAR8,
};
struct quant_params {
    enum quant_kind kind;
    float quantile;       /* scalar: 0.5..1, the part of values inside the range; 0: default */
    uint32_t compression; /* product: 4, 8, 16, 32 or 64 times smaller than float32 */
    uint32_t half_bits;   /* binary, rotated: bits a dimension, doubled: 2, 3, 4, 8 .. 16 */
    enum query_encoding query_encoding; /* binary */
};
bool quant_params_equal(const struct quant_params *a, const struct quant_params *b);

struct quantizer;
struct quant_training {
    enum distance distance;
    enum element element;
    size_t dim;
    const void *const *rows; /* stored rows: the sample */
    size_t count;            /* at least 1 */
    uint64_t seed;           /* the same sample and seed give the same quantizer */
    uint32_t threads;
    const atomic_bool *cancelled; /* may be NULL */
};
enum { QUANT_SAMPLE_MAX = 65536 }; /* a larger sample does not make a better quantizer */
/* CANCELLED; BAD_INPUT when the parameters do not fit the vectors. */
enum status quantizer_train(const struct quant_params *params,
                            const struct quant_training *training, struct quantizer **out,
                            struct error *err);
void quantizer_free(struct quantizer *quantizer);

const struct quant_params *quantizer_params(const struct quantizer *quantizer);
size_t quantizer_code_bytes(const struct quantizer *quantizer); /* a multiple of 4 */
size_t quantizer_memory(const struct quantizer *quantizer);     /* its own, without codes */
void quantizer_encode(const struct quantizer *quantizer, const void *stored, void *code);
/* The vector that a code stands for, in the stored form's space, as float32. */
void quantizer_decode(const struct quantizer *quantizer, const void *code, float *out);

/* A query's state lives in the caller's memory of quantizer_state_bytes, aligned to 64. */
size_t quantizer_state_bytes(const struct quantizer *quantizer);
void quantizer_query(const struct quantizer *quantizer, const void *stored_query, void *state);
/* out[i]: estimated raw distance of the query to codes[i]; prefetches ahead. */
void quantizer_many(const struct quantizer *quantizer, const void *state, const void *const *codes,
                    size_t count, float *out);
/* The same, with how far the exact distance may be from the estimate (nearly always within); kinds
 * without a bound of their own give a measured one. */
void quantizer_bounds(const struct quantizer *quantizer, const void *state,
                      const void *const *codes, size_t count, float *out, float *error);
/* How many times `limit` to fetch before rescoring when the client does not say, for recall@10 of
 * 0.97 on real embeddings. */
double quantizer_oversampling(const struct quantizer *quantizer);
/* "scalar/avx2" and the like, for telemetry. */
const char *quantizer_kernel_name(const struct quantizer *quantizer);

/* The quantizer as bytes, and back. CORRUPT: the bytes are no quantizer for these vectors. */
void quantizer_save(const struct quantizer *quantizer, struct buffer *out);
enum status quantizer_load(struct slice image, enum distance distance, enum element element,
                           size_t dim, struct quantizer **out, struct error *err);
