/* Shapes of reads: scroll, count, facets, distance matrices, search and query, also in groups, with
 * all kinds of queries, prefetches, parameters and formulas.
 *
 * A query that is not an object of a known kind is a nearest query by a vector or an id. A
 * formula's expression is a number, a name, one operator, or else a condition. */
#include "points.pb-c.h"

#include "server/rest/shape.h"

#define SHARD_KEY_ROW                                                                              \
    {                                                                                              \
        "shard_key", "shard_key_selector", NULL, 0, 0, 0                                           \
    }
#define WITH_VECTOR_ROW                                                                            \
    {                                                                                              \
        "with_vector", "with_vectors", NULL, 0, 0, 0                                               \
    }

static enum status read_context(struct reading *reading, struct dom_value value,
                                ProtobufCMessage *message)
{
    return read_named(reading, value, message, "pairs"); /* one pair or a list */
}

/* The field that one of the object's members names; NULL: none. */
static const char *known_member(struct dom_value object, const char *const *names)
{
    struct dom_value found;
    for (size_t i = 0; names[i]; i++) {
        if (object_find(object, names[i], &found))
            return names[i];
    }
    return NULL;
}

static enum status read_member_named(struct reading *reading, struct dom_value object,
                                     ProtobufCMessage *message, const char *name)
{
    struct dom_value value;
    struct path frame = {.up = reading->path, .name = slice_text(name)};
    if (!object_find(object, name, &value))
        return read_fail(reading, "missing field `%s`", name);
    reading->path = &frame;
    enum status status = read_named(reading, value, message, name);
    reading->path = frame.up;
    return status;
}

static enum status read_query(struct reading *reading, struct dom_value value,
                              ProtobufCMessage *message)
{
    static const char *const names[] = {"recommend", "discover", "context", "order_by",
                                        "fusion",    "sample",   "rrf",     "relevance_feedback",
                                        NULL};
    struct dom_value part;
    if (dom_type(value) != DOM_OBJECT)
        return read_named(reading, value, message, "nearest");
    if (object_find(value, "nearest", &part)) {
        if (object_find(value, "mmr", &part))
            return read_named(reading, value, message, "nearest_with_mmr");
        return read_member_named(reading, value, message, "nearest");
    }
    if (object_find(value, "formula", &part))
        return read_named(reading, value, message, "formula");
    const char *name = known_member(value, names);
    if (name)
        return read_member_named(reading, value, message, name);
    return read_named(reading, value, message, "nearest");
}

static enum status read_expression(struct reading *reading, struct dom_value value,
                                   ProtobufCMessage *message)
{
    static const char *const names[] = {
        "geo_distance", "datetime",  "datetime_key", "mult",        "sum", "neg",
        "abs",          "div",       "sqrt",         "pow",         "exp", "log10",
        "ln",           "lin_decay", "exp_decay",    "gauss_decay", NULL};
    switch (dom_type(value)) {
    case DOM_SIGNED:
    case DOM_UNSIGNED:
    case DOM_REAL:
        return read_named(reading, value, message, "constant");
    case DOM_STRING:
        return read_named(reading, value, message, "variable");
    case DOM_OBJECT:
        break;
    default:
        return read_type_fail(reading, value, "an expression");
    }
    const char *name = known_member(value, names);
    if (name)
        return read_member_named(reading, value, message, name);
    return read_named(reading, value, message, "condition");
}

/* "global" leaves the corpus out. */
static enum status read_idf(struct reading *reading, struct dom_value value,
                            ProtobufCMessage *message)
{
    if (dom_type(value) == DOM_OBJECT)
        return read_member_named(reading, value, message, "corpus");
    if (dom_type(value) != DOM_STRING)
        return read_type_fail(reading, value, "`global` or a map");
    if (!slice_equal(dom_string(value), SLICE_LITERAL("global")))
        return read_fail(reading, "unknown variant `%.60s`, expected `global`",
                         (const char *)dom_string(value).data);
    return STATUS_OK;
}

static enum status set_name(struct reading *reading, struct dom_value value,
                            Qdrant__SearchPoints *search)
{
    search->_vector_name_case = QDRANT__SEARCH_POINTS___VECTOR_NAME__NOT_SET;
    return read_named(reading, value, &search->base, "vector_name");
}

static enum status set_sparse(struct reading *reading, struct dom_value value,
                              Qdrant__SearchPoints *search)
{
    Qdrant__SparseVector sparse = QDRANT__SPARSE_VECTOR__INIT;
    enum status status = read_message(reading, value, &sparse.base);
    if (status != STATUS_OK)
        return status;
    Qdrant__SparseIndices *indices =
        (void *)message_new(reading->arena, &qdrant__sparse_indices__descriptor);
    if (!indices)
        return read_no_memory(reading);
    indices->data = sparse.indices;
    indices->n_data = sparse.n_indices;
    search->sparse_indices = indices;
    search->vector = sparse.values;
    search->n_vector = sparse.n_values;
    return STATUS_OK;
}

/* A list of numbers, or {"name": .., "vector": list or sparse}. */
static enum status read_search_vector(struct reading *reading, struct dom_value value,
                                      ProtobufCMessage *message,
                                      const ProtobufCFieldDescriptor *field)
{
    Qdrant__SearchPoints *search = (Qdrant__SearchPoints *)message;
    struct dom_value name, vector;
    search->sparse_indices = NULL;
    if (dom_type(value) == DOM_ARRAY)
        return read_field(reading, value, message, field, 0);
    if (dom_type(value) != DOM_OBJECT)
        return read_type_fail(reading, value, "a vector");
    if (!object_find(value, "name", &name))
        return read_fail(reading, "missing field `name`");
    if (!object_find(value, "vector", &vector))
        return read_fail(reading, "missing field `vector`");
    enum status status = set_name(reading, name, search);
    if (status != STATUS_OK)
        return status;
    if (dom_type(vector) == DOM_OBJECT)
        return set_sparse(reading, vector, search);
    return read_field(reading, vector, message, field, 0);
}

/* The same vector in a request for groups. */
static enum status read_groups_vector(struct reading *reading, struct dom_value value,
                                      ProtobufCMessage *message,
                                      const ProtobufCFieldDescriptor *field)
{
    Qdrant__SearchPointGroups *groups = (Qdrant__SearchPointGroups *)message;
    Qdrant__SearchPoints search = QDRANT__SEARCH_POINTS__INIT;
    enum status status =
        read_search_vector(reading, value, &search.base, field_of(&search.base, field->name));
    if (status != STATUS_OK)
        return status;
    groups->vector = search.vector;
    groups->n_vector = search.n_vector;
    groups->sparse_indices = search.sparse_indices;
    groups->_vector_name_case = QDRANT__SEARCH_POINT_GROUPS___VECTOR_NAME__NOT_SET;
    if (search._vector_name_case) {
        groups->_vector_name_case = QDRANT__SEARCH_POINT_GROUPS___VECTOR_NAME_VECTOR_NAME;
        groups->vector_name = search.vector_name;
    }
    return STATUS_OK;
}

static enum status read_start_from(struct reading *reading, struct dom_value value,
                                   ProtobufCMessage *message)
{
    switch (dom_type(value)) {
    case DOM_SIGNED:
        return read_named(reading, value, message, "integer");
    case DOM_UNSIGNED:
    case DOM_REAL:
        return read_named(reading, value, message, "float");
    case DOM_STRING:
        return read_named(reading, value, message, "datetime");
    default:
        return read_type_fail(reading, value, "a number or a point in time");
    }
}

static const struct shape_field scroll_fields[] = {
    {"limit", NULL, NULL, FIELD_MIN, 1, 0},
    WITH_VECTOR_ROW,
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field count_fields[] = {SHARD_KEY_ROW, {0}};
static const struct shape_field search_fields[] = {
    {"vector", NULL, read_search_vector, FIELD_REQUIRED, 0, 0},
    {"limit", NULL, NULL, FIELD_REQUIRED | FIELD_MIN, 1, 0},
    WITH_VECTOR_ROW,
    SHARD_KEY_ROW,
    {"vector_name", NULL, NULL, FIELD_HIDDEN, 0, 0},
    {"sparse_indices", NULL, NULL, FIELD_HIDDEN, 0, 0},
    {0},
};
static const struct shape_field search_batch_fields[] = {
    {"searches", "search_points", NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field query_fields[] = {
    {"prefetch", NULL, NULL, FIELD_ONE_OR_LIST, 0, 0},
    {"limit", NULL, NULL, FIELD_MIN, 1, 0},
    {"explain", NULL, NULL, 0, 0, 0},
    WITH_VECTOR_ROW,
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field search_groups_fields[] = {
    {"vector", NULL, read_groups_vector, FIELD_REQUIRED, 0, 0},
    {"group_by", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"group_size", NULL, NULL, FIELD_REQUIRED | FIELD_MIN, 1, 0},
    {"limit", NULL, NULL, FIELD_REQUIRED | FIELD_MIN, 1, 0},
    WITH_VECTOR_ROW,
    SHARD_KEY_ROW,
    {"vector_name", NULL, NULL, FIELD_HIDDEN, 0, 0},
    {"sparse_indices", NULL, NULL, FIELD_HIDDEN, 0, 0},
    {0},
};
static const struct shape_field query_groups_fields[] = {
    {"prefetch", NULL, NULL, FIELD_ONE_OR_LIST, 0, 0},
    {"group_by", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"group_size", NULL, NULL, FIELD_MIN, 1, 0},
    {"limit", NULL, NULL, FIELD_MIN, 1, 0},
    WITH_VECTOR_ROW,
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field facet_fields[] = {
    {"key", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"limit", NULL, NULL, FIELD_MIN, 1, 0},
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field matrix_fields[] = {
    {"sample", NULL, NULL, FIELD_MIN, 2, 0},
    {"limit", NULL, NULL, FIELD_MIN, 1, 0},
    SHARD_KEY_ROW,
    {0},
};
static const struct shape_field query_batch_fields[] = {
    {"searches", "query_points", NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field prefetch_fields[] = {
    {"prefetch", NULL, NULL, FIELD_ONE_OR_LIST, 0, 0},
    {"limit", NULL, NULL, FIELD_MIN, 1, 0},
    {0},
};
static const struct shape_field params_fields[] = {
    {"hnsw_ef", NULL, NULL, FIELD_MIN, 1, 0},
    {0},
};
static const struct shape_field quantization_params_fields[] = {
    {"oversampling", NULL, NULL, FIELD_MIN, 1, 0},
    {0},
};
static const struct shape_field acorn_fields[] = {
    {"max_selectivity", NULL, NULL, FIELD_MIN | FIELD_MAX, 0, 1},
    {0},
};
static const struct shape_field order_by_fields[] = {
    {"key", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field discover_fields[] = {
    {"target", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"context", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field pair_fields[] = {
    {"positive", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"negative", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field mmr_query_fields[] = {
    {"nearest", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field mmr_fields[] = {
    {"diversity", NULL, NULL, FIELD_MIN | FIELD_MAX, 0, 1},
    {"candidates_limit", NULL, NULL, FIELD_MAX, 0, 16384},
    {0},
};
static const struct shape_field rrf_fields[] = {
    {"k", NULL, NULL, FIELD_MIN, 1, 0},
    {0},
};
static const struct shape_field formula_fields[] = {
    {"formula", "expression", NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field geo_distance_fields[] = {
    {"origin", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"to", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field div_fields[] = {
    {"left", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"right", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field pow_fields[] = {
    {"base", "base_value", NULL, FIELD_REQUIRED, 0, 0},
    {"exponent", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field decay_fields[] = {
    {"x", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field feedback_fields[] = {
    {"target", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"feedback", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"strategy", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field feedback_item_fields[] = {
    {"example", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {"score", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};
static const struct shape_field naive_fields[] = {
    {"a", NULL, NULL, FIELD_REQUIRED | FIELD_MIN, 0, 0},
    {"b", NULL, NULL, FIELD_REQUIRED | FIELD_MIN, 0, 0},
    {"c", NULL, NULL, FIELD_REQUIRED, 0, 0},
    {0},
};

const struct shape shapes_query[] = {
    {.descriptor = &qdrant__scroll_points__descriptor,
     .flags = SHAPE_REQUEST,
     .quirk = "internal",
     .fields = scroll_fields},
    {.descriptor = &qdrant__count_points__descriptor,
     .flags = SHAPE_REQUEST,
     .fields = count_fields},
    {.descriptor = &qdrant__search_points__descriptor,
     .flags = SHAPE_REQUEST,
     .quirk = "internal",
     .fields = search_fields},
    {.descriptor = &qdrant__search_batch_points__descriptor,
     .flags = SHAPE_REQUEST | SHAPE_LISTED,
     .fields = search_batch_fields},
    {.descriptor = &qdrant__query_points__descriptor,
     .flags = SHAPE_REQUEST,
     .quirk = "internal",
     .fields = query_fields},
    {.descriptor = &qdrant__query_batch_points__descriptor,
     .flags = SHAPE_REQUEST | SHAPE_LISTED,
     .fields = query_batch_fields},
    {.descriptor = &qdrant__search_point_groups__descriptor,
     .flags = SHAPE_REQUEST,
     .quirk = "internal",
     .fields = search_groups_fields},
    {.descriptor = &qdrant__query_point_groups__descriptor,
     .flags = SHAPE_REQUEST,
     .quirk = "internal",
     .fields = query_groups_fields},
    {.descriptor = &qdrant__facet_counts__descriptor,
     .flags = SHAPE_REQUEST,
     .quirk = "internal",
     .fields = facet_fields},
    {.descriptor = &qdrant__search_matrix_points__descriptor,
     .flags = SHAPE_REQUEST,
     .quirk = "internal",
     .fields = matrix_fields},
    {.descriptor = &qdrant__facet_value__descriptor, .flags = SHAPE_ARM},
    {.descriptor = &qdrant__group_id__descriptor, .flags = SHAPE_ARM},
    {.descriptor = &qdrant__prefetch_query__descriptor, .fields = prefetch_fields},
    {.descriptor = &qdrant__query__descriptor, .read = read_query},
    {.descriptor = &qdrant__search_params__descriptor, .fields = params_fields},
    {.descriptor = &qdrant__quantization_search_params__descriptor,
     .fields = quantization_params_fields},
    {.descriptor = &qdrant__acorn_search_params__descriptor, .fields = acorn_fields},
    {.descriptor = &qdrant__idf_params__descriptor, .read = read_idf},
    {.descriptor = &qdrant__order_by__descriptor, .fields = order_by_fields, .on_string = "key"},
    {.descriptor = &qdrant__start_from__descriptor, .read = read_start_from},
    {.descriptor = &qdrant__discover_input__descriptor, .fields = discover_fields},
    {.descriptor = &qdrant__context_input__descriptor, .read = read_context},
    {.descriptor = &qdrant__context_input_pair__descriptor, .fields = pair_fields},
    {.descriptor = &qdrant__nearest_input_with_mmr__descriptor, .fields = mmr_query_fields},
    {.descriptor = &qdrant__mmr__descriptor, .fields = mmr_fields},
    {.descriptor = &qdrant__rrf__descriptor, .fields = rrf_fields},
    {.descriptor = &qdrant__formula__descriptor, .fields = formula_fields},
    {.descriptor = &qdrant__expression__descriptor, .read = read_expression},
    {.descriptor = &qdrant__mult_expression__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__sum_expression__descriptor, .flags = SHAPE_BARE},
    {.descriptor = &qdrant__geo_distance__descriptor, .fields = geo_distance_fields},
    {.descriptor = &qdrant__div_expression__descriptor, .fields = div_fields},
    {.descriptor = &qdrant__pow_expression__descriptor, .fields = pow_fields},
    {.descriptor = &qdrant__decay_params_expression__descriptor, .fields = decay_fields},
    {.descriptor = &qdrant__relevance_feedback_input__descriptor, .fields = feedback_fields},
    {.descriptor = &qdrant__feedback_item__descriptor, .fields = feedback_item_fields},
    {.descriptor = &qdrant__feedback_strategy__descriptor, .flags = SHAPE_ONE_OF},
    {.descriptor = &qdrant__naive_feedback_strategy__descriptor, .fields = naive_fields},
    {0},
};
