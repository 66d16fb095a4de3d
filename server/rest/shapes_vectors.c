/* Shapes of vectors in requests and answers.
 *
 * A list of numbers is a dense vector, a list of lists a multivector, an object with indices and
 * values a sparse one, and an object with a model an inference input. Any other object in place of
 * a point's vector names its vectors. */
#include "points.pb-c.h"

#include "server/rest/shape.h"

#include <stdlib.h>

static bool is_string_member(struct dom_value object, const char *name)
{
    struct dom_value value;
    return object_find(object, name, &value) && dom_type(value) == DOM_STRING;
}

static bool has_member(struct dom_value object, const char *name)
{
    struct dom_value value;
    return object_find(object, name, &value);
}

/* Fills one of the arms that vectors and vector inputs have by the same names. */
static enum status read_list_arm(struct reading *reading, struct dom_value list,
                                 ProtobufCMessage *message)
{
    struct dom_cursor cursor = dom_items(list);
    struct dom_value first;
    bool nested = dom_next_item(&cursor, &first) && dom_type(first) == DOM_ARRAY;
    return read_named(reading, list, message, nested ? "multi_dense" : "dense");
}

/* The arm that an object stands for; NULL: none. */
static const char *object_arm(struct dom_value object)
{
    if (has_member(object, "indices") && has_member(object, "values"))
        return "sparse";
    if (!is_string_member(object, "model"))
        return NULL;
    if (has_member(object, "text"))
        return "document";
    if (has_member(object, "image"))
        return "image";
    return has_member(object, "object") ? "object" : NULL;
}

static enum status read_any_vector(struct reading *reading, struct dom_value value,
                                   ProtobufCMessage *message)
{
    if (dom_type(value) == DOM_ARRAY)
        return read_list_arm(reading, value, message);
    if (dom_type(value) != DOM_OBJECT)
        return read_type_fail(reading, value, "a vector");
    const char *arm = object_arm(value);
    if (!arm)
        return read_fail(reading, "data did not match any variant of untagged enum Vector");
    struct path frame = {.up = reading->path, .name = SLICE_LITERAL("?"), .quirk = true};
    reading->path = &frame;
    enum status status = read_named(reading, value, message, arm);
    reading->path = frame.up;
    return status;
}

static enum status read_vector_input(struct reading *reading, struct dom_value value,
                                     ProtobufCMessage *message)
{
    enum dom_type type = dom_type(value);
    if (type == DOM_SIGNED || type == DOM_UNSIGNED || type == DOM_STRING)
        return read_named(reading, value, message, "id");
    return read_any_vector(reading, value, message);
}

/* A point's vector or vectors. */
static enum status read_vectors(struct reading *reading, struct dom_value value,
                                ProtobufCMessage *message)
{
    bool named = dom_type(value) == DOM_OBJECT && !object_arm(value);
    return read_named(reading, value, message, named ? "vectors" : "vector");
}

static int compare_u32(const void *a, const void *b)
{
    uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
    return (left > right) - (left < right);
}

static enum status check_sparse(struct reading *reading, ProtobufCMessage *message, uint64_t seen)
{
    (void)seen;
    const Qdrant__SparseVector *sparse = (const Qdrant__SparseVector *)message;
    if (sparse->n_indices != sparse->n_values)
        read_violation(reading, "values", "must be the same length as indices");
    if (sparse->n_indices < 2)
        return STATUS_OK;
    uint32_t *sorted =
        arena_memdup(reading->arena, sparse->indices, sparse->n_indices * sizeof(*sorted));
    if (!sorted)
        return read_no_memory(reading);
    qsort(sorted, sparse->n_indices, sizeof(*sorted), compare_u32);
    for (size_t i = 1; i < sparse->n_indices; i++) {
        if (sorted[i] == sorted[i - 1]) {
            read_violation(reading, "indices", "must be unique");
            break;
        }
    }
    return STATUS_OK;
}

static const struct shape_field sparse_fields[] = {
    {"indices", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"values", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field document_fields[] = {
    {"text", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"model", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};

/* Answers of either layout: the arms, or the older plain fields. */
static void write_vector_output(struct json_writer *writer, const ProtobufCMessage *message)
{
    const Qdrant__VectorOutput *vector = (const Qdrant__VectorOutput *)message;
    static const char *const arms[] = {"dense", "sparse", "multi_dense"};
    for (size_t i = 0; i < sizeof(arms) / sizeof(*arms); i++) {
        const ProtobufCFieldDescriptor *arm = field_of(message, arms[i]);
        if (field_present(message, arm)) {
            write_field(writer, message, arm);
            return;
        }
    }
    if (!vector->indices) {
        json_floats(writer, vector->data, vector->n_data);
        return;
    }
    json_begin_object(writer);
    json_key(writer, "indices");
    write_field(writer, &vector->indices->base, field_of(&vector->indices->base, "data"));
    json_key(writer, "values");
    json_floats(writer, vector->data, vector->n_data);
    json_end_object(writer);
}

const struct shape shapes_vectors[] = {
    {.descriptor = &qdrant__vectors__descriptor, .read = read_vectors},
    {.descriptor = &qdrant__vector__descriptor, .read = read_any_vector},
    {.descriptor = &qdrant__vector_input__descriptor, .read = read_vector_input},
    {.descriptor = &qdrant__named_vectors__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__dense_vector__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__multi_dense_vector__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__sparse_vector__descriptor,
     .fields = sparse_fields,
     .check = check_sparse},
    {.descriptor = &qdrant__document__descriptor, .fields = document_fields},
    {.descriptor = &qdrant__vectors_output__descriptor, .flags = SHAPE_ARM},
    {.descriptor = &qdrant__named_vectors_output__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__vector_output__descriptor, .write = write_vector_output},
    {0},
};
