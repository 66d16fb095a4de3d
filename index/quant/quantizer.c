/* The functions of quantizer.h: the list of kinds, training, and the frame of a saved quantizer.
 *
 * Everything that depends on the kind is in its table. Rows are turned to float32 here, and counts
 * are cut into batches. A trained quantizer is never written to, so any thread may use it.
 *
 * A saved quantizer, little-endian: u32 magic, u32 version; u32 kind, f32 quantile, u32
 * compression, u32 half_bits, u32 query_encoding; u32 distance, u32 element, u64 dim; f32
 * error_factor, f32 error_floor, f32 shift; the kind's bytes; u64 checksum of all before.
 *
 * Failures: CANCELLED and BAD_INPUT in training, CORRUPT in loading. Memory of a size that comes
 * from outside is bounded by QUANT_DIM_MAX and the sizes that kinds check.
 */
#include "index/quant/quantizer.h"

#include "index/quant/quant_int.h"
#include "storage/base/assert.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAGIC = 0x51475353, VERSION = 1, CHECKSUM_SIZE = 8, ROW_ON_STACK = 2048 };

static const struct quantizer_kind *const kinds[] = {
    &quantizer_scalar,
    &quantizer_product,
    &quantizer_binary,
    &quantizer_rotated,
};
enum { KINDS_COUNT = sizeof kinds / sizeof kinds[0] };

bool quant_params_equal(const struct quant_params *a, const struct quant_params *b)
{
    return a->kind == b->kind && a->quantile == b->quantile && a->compression == b->compression &&
           a->half_bits == b->half_bits && a->query_encoding == b->query_encoding;
}

static double length_of(const float *row, size_t dim)
{
    double sum = 0.0;
    for (size_t i = 0; i < dim; i++) {
        sum += (double)row[i] * (double)row[i];
    }
    return sqrt(sum);
}

void quant_restore(enum distance distance, enum element element, const void *stored, size_t dim,
                   float *out)
{
    vector_restore(distance, element, stored, dim, out);
    if (distance != DISTANCE_COSINE || element != ELEMENT_U8) {
        return;
    }
    double length = length_of(out, dim);
    float inverse = length > 0.0 ? (float)(1.0 / length) : 0.0f;
    for (size_t i = 0; i < dim; i++) {
        out[i] *= inverse;
    }
}

void sample_row(const struct sample *sample, size_t index, float *out)
{
    const struct quant_training *training = sample->training;
    quant_restore(training->distance, training->element, training->rows[index], training->dim, out);
}

bool sample_cancelled(const struct sample *sample)
{
    const atomic_bool *cancelled = sample->training->cancelled;
    return cancelled != NULL && atomic_load_explicit(cancelled, memory_order_relaxed);
}

/* An untrained quantizer of its kind's size, its sizes filled in. */
static enum status create(const struct quant_params *params, enum distance distance,
                          enum element element, size_t dim, struct quantizer **out,
                          struct error *err)
{
    const struct quantizer_kind *kind = NULL;
    for (size_t k = 0; k < KINDS_COUNT; k++) {
        kind = kinds[k]->id == params->kind ? kinds[k] : kind;
    }
    if (kind == NULL) {
        return error_set(err, STATUS_BAD_INPUT, "unknown kind of quantization %d",
                         (int)params->kind);
    }
    if (dim == 0 || dim > QUANT_DIM_MAX) {
        return error_set(err, STATUS_BAD_INPUT, "cannot quantize vectors of %zu dimensions", dim);
    }
    struct quantizer *quantizer = mem_zalloc(kind->size);
    quantizer->kind = kind;
    quantizer->params = *params;
    quantizer->distance = distance;
    quantizer->element = element;
    quantizer->dim = dim;
    enum status status = kind->init(quantizer, err);
    if (status != STATUS_OK) {
        quantizer_free(quantizer);
        return status;
    }
    ASSERT(quantizer->code_bytes % 4 == 0 && quantizer->state_bytes % CODE_QUERY_ALIGN == 0);
    *out = quantizer;
    return STATUS_OK;
}

enum status quantizer_train(const struct quant_params *params,
                            const struct quant_training *training, struct quantizer **out,
                            struct error *err)
{
    ASSERT(training->count > 0);
    struct quantizer *quantizer;
    enum status status =
        create(params, training->distance, training->element, training->dim, &quantizer, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct sample sample = {
        .training = training,
        .dim = training->dim,
        .count = training->count < QUANT_SAMPLE_MAX ? training->count : QUANT_SAMPLE_MAX,
    };
    status = quantizer->kind->train(quantizer, &sample, err);
    if (status == STATUS_OK && sample_cancelled(&sample)) {
        status = error_set(err, STATUS_CANCELLED, "training of a quantizer was cancelled");
    }
    if (status != STATUS_OK) {
        quantizer_free(quantizer);
        return status;
    }
    quant_measure_error(quantizer, &sample);
    *out = quantizer;
    return STATUS_OK;
}

void quantizer_free(struct quantizer *quantizer)
{
    if (quantizer == NULL) {
        return;
    }
    if (quantizer->kind->deinit != NULL) {
        quantizer->kind->deinit(quantizer);
    }
    mem_free(quantizer);
}

const struct quant_params *quantizer_params(const struct quantizer *quantizer)
{
    return &quantizer->params;
}

size_t quantizer_code_bytes(const struct quantizer *quantizer)
{
    return quantizer->code_bytes;
}

size_t quantizer_memory(const struct quantizer *quantizer)
{
    return quantizer->memory;
}

size_t quantizer_state_bytes(const struct quantizer *quantizer)
{
    return quantizer->state_bytes;
}

const char *quantizer_kernel_name(const struct quantizer *quantizer)
{
    return quantizer->kernel_name;
}

double quantizer_oversampling(const struct quantizer *quantizer)
{
    return quantizer->kind->oversampling(quantizer);
}

typedef void row_user(const struct quantizer *quantizer, const float *row, void *out);

/* Calls `use` with the stored row as float32. */
static void with_row(const struct quantizer *quantizer, const void *stored, row_user *use,
                     void *out)
{
    if (quantizer->element == ELEMENT_F32) {
        use(quantizer, stored, out);
        return;
    }
    float small[ROW_ON_STACK];
    float *row = quantizer->dim <= ROW_ON_STACK ? small : mem_alloc(quantizer->dim * sizeof *row);
    quant_restore(quantizer->distance, quantizer->element, stored, quantizer->dim, row);
    use(quantizer, row, out);
    if (row != small) {
        mem_free(row);
    }
}

void quantizer_encode(const struct quantizer *quantizer, const void *stored, void *code)
{
    with_row(quantizer, stored, quantizer->kind->encode, code);
}

void quantizer_decode(const struct quantizer *quantizer, const void *code, float *out)
{
    quantizer->kind->decode(quantizer, code, out);
}

static void query_row(const struct quantizer *quantizer, const float *row, void *state)
{
    memset(state, 0, sizeof(struct query_state));
    ((struct query_state *)state)->length = (float)length_of(row, quantizer->dim);
    quantizer->kind->query(quantizer, row, state);
}

void quantizer_query(const struct quantizer *quantizer, const void *stored_query, void *state)
{
    ASSERT((uintptr_t)state % CODE_QUERY_ALIGN == 0);
    with_row(quantizer, stored_query, query_row, state);
}

void quantizer_many(const struct quantizer *quantizer, const void *state, const void *const *codes,
                    size_t count, float *out)
{
    for (size_t at = 0; at < count; at += QUANT_BATCH) {
        size_t batch = count - at < QUANT_BATCH ? count - at : QUANT_BATCH;
        quantizer->kind->many(quantizer, state, codes + at, batch, out + at);
    }
    if (quantizer->shift != 0.0f) {
        for (size_t i = 0; i < count; i++) {
            out[i] += quantizer->shift;
        }
    }
}

void quantizer_bounds(const struct quantizer *quantizer, const void *state,
                      const void *const *codes, size_t count, float *out, float *error)
{
    quantizer_many(quantizer, state, codes, count, out);
    for (size_t at = 0; at < count; at += QUANT_BATCH) {
        size_t batch = count - at < QUANT_BATCH ? count - at : QUANT_BATCH;
        quantizer->kind->units(quantizer, state, codes + at, batch, out + at, error + at);
    }
    for (size_t i = 0; i < count; i++) {
        error[i] *= quantizer->error_factor;
    }
}

void quantizer_save(const struct quantizer *quantizer, struct buffer *out)
{
    size_t start = out->size;
    buffer_append_u32(out, MAGIC);
    buffer_append_u32(out, VERSION);
    buffer_append_u32(out, (uint32_t)quantizer->params.kind);
    quant_put_float(out, quantizer->params.quantile);
    buffer_append_u32(out, quantizer->params.compression);
    buffer_append_u32(out, quantizer->params.half_bits);
    buffer_append_u32(out, (uint32_t)quantizer->params.query_encoding);
    buffer_append_u32(out, (uint32_t)quantizer->distance);
    buffer_append_u32(out, (uint32_t)quantizer->element);
    buffer_append_u64(out, quantizer->dim);
    quant_put_float(out, quantizer->error_factor);
    quant_put_float(out, quantizer->error_floor);
    quant_put_float(out, quantizer->shift);
    quantizer->kind->save(quantizer, out);
    if (!out->failed) {
        buffer_append_u64(out, checksum64(slice_of(out->data + start, out->size - start)));
    }
}

/* Reads the head into `params`; false: not for these vectors. */
static bool read_head(struct reader *reader, enum distance distance, enum element element,
                      size_t dim, struct quant_params *params)
{
    bool same = reader_u32(reader) == MAGIC;
    same = reader_u32(reader) == VERSION && same;
    params->kind = (enum quant_kind)reader_u32(reader);
    params->quantile = quant_get_finite(reader);
    params->compression = reader_u32(reader);
    params->half_bits = reader_u32(reader);
    params->query_encoding = (enum query_encoding)reader_u32(reader);
    same = reader_u32(reader) == (uint32_t)distance && same;
    same = reader_u32(reader) == (uint32_t)element && same;
    same = reader_u64(reader) == dim && same;
    return same && !reader->failed;
}

enum status quantizer_load(struct slice image, enum distance distance, enum element element,
                           size_t dim, struct quantizer **out, struct error *err)
{
    if (image.size < CHECKSUM_SIZE) {
        return error_set(err, STATUS_CORRUPT, "a saved quantizer of %zu bytes", image.size);
    }
    struct slice body = slice_of(image.data, image.size - CHECKSUM_SIZE);
    struct reader reader;
    reader_init(&reader, slice_of(image.data + body.size, CHECKSUM_SIZE));
    if (reader_u64(&reader) != checksum64(body)) {
        return error_set(err, STATUS_CORRUPT, "a saved quantizer has a wrong checksum");
    }
    reader_init(&reader, body);
    struct quant_params params;
    if (!read_head(&reader, distance, element, dim, &params)) {
        return error_set(err, STATUS_CORRUPT, "a saved quantizer is of other vectors");
    }
    struct quantizer *quantizer;
    if (create(&params, distance, element, dim, &quantizer, err) != STATUS_OK) {
        error_set(err, STATUS_CORRUPT, "a saved quantizer has parameters that cannot be");
        return STATUS_CORRUPT;
    }
    quantizer->error_factor = quant_get_finite(&reader);
    quantizer->error_floor = quant_get_finite(&reader);
    quantizer->shift = quant_get_finite(&reader);
    enum status status = quantizer->kind->load(quantizer, &reader, err);
    if (status == STATUS_OK && (reader.failed || reader_left(&reader) != 0 ||
                                quantizer->error_factor < 0.0f || quantizer->error_floor < 0.0f)) {
        status = error_set(err, STATUS_CORRUPT, "a saved quantizer is damaged");
    }
    if (status != STATUS_OK) {
        quantizer_free(quantizer);
        return status;
    }
    *out = quantizer;
    return STATUS_OK;
}
