/* What the kinds of quantizers share: the table that each fills, and the head of every quantizer.
 */
#pragma once
#include "index/kernel/codes.h"
#include "index/quant/quantizer.h"
#include "storage/base/reader.h"

enum {
    QUANT_DIM_MAX = CODE_DIM_MAX,
    QUANT_BATCH = 64, /* codes that a kernel is given at once */
};

/* The first member of each kind's own struct. */
struct quantizer {
    const struct quantizer_kind *kind;
    struct quant_params params;
    enum distance distance;
    enum element element;
    size_t dim;
    size_t code_bytes;
    size_t state_bytes; /* a multiple of 64, struct query_state included */
    size_t memory;
    float error_factor; /* how many units an error may have, see quant_bounds.c */
    float error_floor;  /* mean squared length of what a code loses */
    bool shifts;        /* set by init: estimates have a bias, which `shift` takes out */
    float shift;        /* added to estimates: the median of what they lack; mostly 0 */
    char kernel_name[32];
};

/* The head of every query's state; the kind's own part follows at once. */
struct query_state {
    float length; /* of the query */
    float pad[15];
};
_Static_assert(sizeof(struct query_state) == CODE_QUERY_ALIGN, "states stay aligned");

/* A training sample as the kinds see it: rows are float32, of length 1 for cosine. */
struct sample {
    const struct quant_training *training;
    size_t dim;
    size_t count;
};
/* Row `index` of the sample. */
void sample_row(const struct sample *sample, size_t index, float *out);
/* True when the training was cancelled. */
bool sample_cancelled(const struct sample *sample);

/* One kind. Functions get float rows; a cosine row has length 1 or is zero. Raw distances are those
 * of dot for both, see quant_restore. */
struct quantizer_kind {
    enum quant_kind id;
    size_t size; /* of its struct */
    /* BAD_INPUT: parameters that do not fit `dim`. Sets code_bytes, state_bytes, kernel_name,
     * memory and what follows from the parameters alone; called before train and before load. */
    enum status (*init)(struct quantizer *quantizer, struct error *err);
    enum status (*train)(struct quantizer *quantizer, const struct sample *sample,
                         struct error *err);
    void (*deinit)(struct quantizer *quantizer); /* NULL: nothing to do */
    void (*encode)(const struct quantizer *quantizer, const float *row, void *code);
    void (*decode)(const struct quantizer *quantizer, const void *code, float *out);
    /* Fills what follows the head, which is set. */
    void (*query)(const struct quantizer *quantizer, const float *row, void *state);
    /* At most QUANT_BATCH codes. */
    void (*many)(const struct quantizer *quantizer, const void *state, const void *const *codes,
                 size_t count, float *out);
    /* In what the error of each estimate is measured, see quant_bounds.c. */
    void (*units)(const struct quantizer *quantizer, const void *state, const void *const *codes,
                  size_t count, const float *estimates, float *units);
    double (*oversampling)(const struct quantizer *quantizer);
    void (*save)(const struct quantizer *quantizer, struct buffer *out);
    /* CORRUPT. Takes all of its bytes. */
    enum status (*load)(struct quantizer *quantizer, struct reader *reader, struct error *err);
};
extern const struct quantizer_kind quantizer_scalar;
extern const struct quantizer_kind quantizer_product;
extern const struct quantizer_kind quantizer_binary;
extern const struct quantizer_kind quantizer_rotated;

/* The stored row as the kinds see it: float32; cosine rows of bytes are brought to length 1, so
 * that minus their dot product is the raw distance. */
void quant_restore(enum distance distance, enum element element, const void *stored, size_t dim,
                   float *out);
/* True for cosine and dot. */
static inline bool quant_is_dot(const struct quantizer *quantizer)
{
    return quantizer->distance == DISTANCE_COSINE || quantizer->distance == DISTANCE_DOT;
}

/* Measures error_floor and error_factor on the sample. */
void quant_measure_error(struct quantizer *quantizer, const struct sample *sample);
/* The units of kinds that know nothing of each code's error. */
void quant_plain_units(const struct quantizer *quantizer, const void *state,
                       const void *const *codes, size_t count, const float *estimates,
                       float *units);

/* The next address that a state may have; the memory has CODE_QUERY_ALIGN bytes more. */
static inline void *quant_align(void *memory)
{
    return (uint8_t *)memory + (CODE_QUERY_ALIGN - (uintptr_t)memory % CODE_QUERY_ALIGN);
}

/* Floats in files: their bits, little-endian. A float read back may be anything; *_finite makes the
 * reader fail on those that are not. */
void quant_put_float(struct buffer *out, float value);
float quant_get_finite(struct reader *reader);
void quant_put_floats(struct buffer *out, const float *values, size_t count);
void quant_get_finites(struct reader *reader, float *out, size_t count);

/* Integers of a query: in[i] / step, rounded, within -most..most. Returns their sum. */
int64_t quant_query_integers(const float *in, size_t dim, float step, int most, int8_t *out);
float quant_largest(const float *in, size_t dim); /* of absolute values */

/* Oversampling between what was measured with 100 and with 768 dimensions (index/quant/README.md):
 * the logarithms lie on a line. Within 1 and 100. */
double quant_oversampling_between(size_t dim, double with_100, double with_768);
