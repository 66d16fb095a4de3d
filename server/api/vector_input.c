/* Vectors of requests: checked against the schema and brought into the form that is stored and
 * compared. Only dense vectors are served; every other kind is refused by its name. */
#include "server/api/api.h"

enum status vector_spec_find(struct call *call, const struct schema *schema, const char *name,
                             const struct vector_spec **out)
{
    const struct vector_spec *spec = schema_vector(schema, name);
    if (!spec) {
        return error_set(call->err, STATUS_BAD_INPUT, "Not existing vector name error: %.300s",
                         name);
    }
    *out = spec;
    return STATUS_OK;
}

typedef bool prepare_vector(enum distance distance, enum element element, const float *in,
                            size_t dim, void *out);

static enum status prepare_checked(struct call *call, const struct vector_spec *spec,
                                   const float *numbers, size_t count, prepare_vector *prepare,
                                   void **out)
{
    if (count != spec->dim) {
        return error_set(call->err, STATUS_BAD_INPUT,
                         "Vector dimension error: expected dim: %u, got %zu", spec->dim, count);
    }
    void *stored = arena_alloc(call->arena, query_bytes(spec->element, spec->dim), 16);
    if (!stored) {
        return api_no_memory(call);
    }
    if (!prepare(spec->distance, spec->element, numbers, count, stored)) {
        return error_set(call->err, STATUS_BAD_INPUT,
                         "Vector `%.300s` holds a number that is not finite in its type",
                         spec->name);
    }
    *out = stored;
    return STATUS_OK;
}

enum status vector_stored(struct call *call, const struct vector_spec *spec, const float *numbers,
                          size_t count, void **out)
{
    return prepare_checked(call, spec, numbers, count, vector_prepare, out);
}

enum status vector_query(struct call *call, const struct vector_spec *spec, const float *numbers,
                         size_t count, void **out)
{
    return prepare_checked(call, spec, numbers, count, vector_prepare_query, out);
}

static enum status refuse_kind(struct call *call, const char *name, const char *kind)
{
    return error_set(call->err, STATUS_BAD_REQUEST,
                     "vector `%.300s`: %s is not served by this version, only dense vectors are",
                     name, kind);
}

/* The numbers of a dense vector, in the present layout of the message or the older one. */
static enum status dense_numbers(struct call *call, const char *name, const Qdrant__Vector *vector,
                                 const float **numbers, size_t *count)
{
    switch (vector->vector_case) {
    case QDRANT__VECTOR__VECTOR_DENSE:
        *numbers = vector->dense->data;
        *count = vector->dense->n_data;
        return STATUS_OK;
    case QDRANT__VECTOR__VECTOR_SPARSE:
        return refuse_kind(call, name, "a sparse vector");
    case QDRANT__VECTOR__VECTOR_MULTI_DENSE:
        return refuse_kind(call, name, "a multivector");
    case QDRANT__VECTOR__VECTOR_DOCUMENT:
        return refuse_kind(call, name, "a document");
    case QDRANT__VECTOR__VECTOR_IMAGE:
        return refuse_kind(call, name, "an image");
    case QDRANT__VECTOR__VECTOR_OBJECT:
        return refuse_kind(call, name, "an inference object");
    default:
        break;
    }
    if (vector->indices) {
        return refuse_kind(call, name, "a sparse vector");
    }
    if (vector->_vectors_count_case && vector->vectors_count > 0) {
        return refuse_kind(call, name, "a multivector");
    }
    *numbers = vector->data;
    *count = vector->n_data;
    return STATUS_OK;
}

static enum status store_one(struct call *call, const struct schema *schema, const char *name,
                             const Qdrant__Vector *vector, Sagitta__StoredPoint *out)
{
    const struct vector_spec *spec = NULL;
    const float *numbers = NULL;
    size_t count = 0;
    void *stored = NULL;
    if (!vector) {
        return error_set(call->err, STATUS_BAD_INPUT, "Vector `%.300s` is missing", name);
    }
    enum status status = dense_numbers(call, name, vector, &numbers, &count);
    if (status == STATUS_OK) {
        status = vector_spec_find(call, schema, name, &spec);
    }
    if (status == STATUS_OK) {
        status = vector_stored(call, spec, numbers, count, &stored);
    }
    if (status != STATUS_OK) {
        return status;
    }
    Sagitta__StoredVector *message = api_new(call, &sagitta__stored_vector__descriptor);
    if (!message) {
        return api_no_memory(call);
    }
    message->slot = spec->slot;
    message->data.data = stored;
    message->data.len = row_bytes(spec->element, spec->dim);
    out->vectors[out->n_vectors++] = message;
    return STATUS_OK;
}

enum status vectors_stored(struct call *call, const struct schema *schema,
                           const Qdrant__Vectors *vectors, Sagitta__StoredPoint *out)
{
    bool single =
        vectors && vectors->vectors_options_case == QDRANT__VECTORS__VECTORS_OPTIONS_VECTOR;
    bool named =
        vectors && vectors->vectors_options_case == QDRANT__VECTORS__VECTORS_OPTIONS_VECTORS;
    size_t count = named ? vectors->vectors->n_vectors : single;
    out->vectors = arena_new_array(call->arena, Sagitta__StoredVector *, count + 1);
    if (!out->vectors) {
        return api_no_memory(call);
    }
    if (single) {
        return store_one(call, schema, "", vectors->vector, out);
    }
    for (size_t i = 0; i < count; i++) {
        const Qdrant__NamedVectors__VectorsEntry *entry = vectors->vectors->vectors[i];
        enum status status = store_one(call, schema, entry->key, entry->value, out);
        if (status != STATUS_OK) {
            return status;
        }
    }
    return STATUS_OK;
}
