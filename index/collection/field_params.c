/* From the contract's parameters of payload indexes to what the engine needs of them. A key with a
 * text index has its texts read by that index's tokenizer, also where filters are checked by
 * reading payloads, so the answer does not depend on whether the index is ready. */
#include "index/collection/message.h"
#include "index/collection/schema_int.h"
#include "index/collection/text_params.h"
#include "storage/base/checksum.h"

typedef Qdrant__PayloadIndexParams Params;

/* Of the arm that is set; the arms number as the types do, but not in the same order. */
static enum field_type type_of_params(const Params *params)
{
    switch (params->index_params_case) {
    case QDRANT__PAYLOAD_INDEX_PARAMS__INDEX_PARAMS_KEYWORD_INDEX_PARAMS:
        return FIELD_KEYWORD;
    case QDRANT__PAYLOAD_INDEX_PARAMS__INDEX_PARAMS_INTEGER_INDEX_PARAMS:
        return FIELD_INTEGER;
    case QDRANT__PAYLOAD_INDEX_PARAMS__INDEX_PARAMS_FLOAT_INDEX_PARAMS:
        return FIELD_FLOAT;
    case QDRANT__PAYLOAD_INDEX_PARAMS__INDEX_PARAMS_GEO_INDEX_PARAMS:
        return FIELD_GEO;
    case QDRANT__PAYLOAD_INDEX_PARAMS__INDEX_PARAMS_TEXT_INDEX_PARAMS:
        return FIELD_TEXT;
    case QDRANT__PAYLOAD_INDEX_PARAMS__INDEX_PARAMS_BOOL_INDEX_PARAMS:
        return FIELD_BOOL;
    case QDRANT__PAYLOAD_INDEX_PARAMS__INDEX_PARAMS_DATETIME_INDEX_PARAMS:
        return FIELD_DATETIME;
    default:
        return FIELD_UUID;
    }
}

static enum status read_integer(const Params *params, struct field_spec *spec, struct error *err)
{
    const Qdrant__IntegerIndexParams *integer = params->integer_index_params;
    spec->lookup = !integer->_lookup_case || integer->lookup;
    spec->range = !integer->_range_case || integer->range;
    spec->is_principal = integer->_is_principal_case && integer->is_principal;
    return spec->lookup || spec->range
               ? STATUS_OK
               : error_set(err, STATUS_BAD_INPUT,
                           "payload index `%s`: lookup and range cannot both be false", spec->key);
}

static enum status read_params(const Params *params, struct field_spec *spec, struct arena *arena,
                               struct error *err)
{
    enum status status = STATUS_OK;
    switch (spec->type) {
    case FIELD_KEYWORD:
        spec->is_tenant = params->keyword_index_params->_is_tenant_case &&
                          params->keyword_index_params->is_tenant;
        spec->patterns =
            params->keyword_index_params->_patterns_case && params->keyword_index_params->patterns;
        return STATUS_OK;
    case FIELD_UUID:
        spec->is_tenant =
            params->uuid_index_params->_is_tenant_case && params->uuid_index_params->is_tenant;
        return STATUS_OK;
    case FIELD_INTEGER:
        return read_integer(params, spec, err);
    case FIELD_FLOAT:
        spec->is_principal = params->float_index_params->_is_principal_case &&
                             params->float_index_params->is_principal;
        return STATUS_OK;
    case FIELD_DATETIME:
        spec->is_principal = params->datetime_index_params->_is_principal_case &&
                             params->datetime_index_params->is_principal;
        return STATUS_OK;
    case FIELD_TEXT:
        status =
            text_params_read(params->text_index_params, arena, &spec->text, &spec->phrases, err);
        return status == STATUS_OK ? status : error_wrap(err, "payload index `%s`", spec->key);
    default:
        return STATUS_OK;
    }
}

static enum status read_field(const Qdrant__PayloadIndex *wire, struct arena *arena,
                              struct field_spec *spec, struct path **path, struct error *err)
{
    *spec = (struct field_spec){
        .key = wire->key, .type = (enum field_type)wire->type, .lookup = true, .range = true};
    if (wire->type < QDRANT__PAYLOAD_SCHEMA_TYPE__Keyword ||
        wire->type > QDRANT__PAYLOAD_SCHEMA_TYPE__Uuid) {
        return error_set(err, STATUS_BAD_INPUT, "payload index `%s`: type %d is unknown", wire->key,
                         (int)wire->type);
    }
    enum status status = path_parse(slice_text(wire->key), arena, path, err);
    if (status != STATUS_OK) {
        return error_wrap(err, "payload index");
    }
    bool has_params = wire->params && wire->params->index_params_case !=
                                          QDRANT__PAYLOAD_INDEX_PARAMS__INDEX_PARAMS__NOT_SET;
    if (has_params && type_of_params(wire->params) != spec->type) {
        return error_set(err, STATUS_BAD_INPUT,
                         "payload index `%s`: its parameters are of another type", wire->key);
    }
    struct slice packed = message_pack(&wire->base, arena);
    spec->fingerprint = checksum64(packed);
    if (has_params) {
        return read_params(wire->params, spec, arena, err);
    }
    return spec->type == FIELD_TEXT
               ? text_params_read(NULL, arena, &spec->text, &spec->phrases, err)
               : STATUS_OK;
}

static enum status add_text_field(struct schema *schema, struct text_field *texts,
                                  const struct field_spec *spec, const struct path *path,
                                  struct error *err)
{
    struct tokenizer *tokenizer = NULL;
    enum status status = tokenizer_create(&spec->text, &tokenizer, err);
    if (status == STATUS_OK) {
        texts[schema->filtering.text_fields_count++] =
            (struct text_field){.path = path, .tokenizer = tokenizer};
    }
    return status;
}

enum status schema_read_fields(struct schema *schema, struct arena *arena, struct error *err)
{
    size_t count = schema->config->n_payload_indexes;
    if (count > FIELDS_MAX) {
        return error_set(err, STATUS_BAD_INPUT, "%zu payload indexes, at most %d are allowed",
                         count, FIELDS_MAX);
    }
    struct path **paths = arena_new_array(arena, struct path *, count + 1);
    struct text_field *texts = arena_new_array(arena, struct text_field, count + 1);
    schema->fields = arena_new_array(arena, struct field_spec, count + 1);
    if (!paths || !texts || !schema->fields) {
        return error_set(err, STATUS_TOO_LARGE, "configuration is too large");
    }
    schema->filtering.text_fields = texts;
    for (uint32_t i = 0; i < count; i++) {
        struct field_spec *spec = &schema->fields[i];
        enum status status =
            read_field(schema->config->payload_indexes[i], arena, spec, &paths[i], err);
        spec->path = paths[i];
        if (status == STATUS_OK && spec->type == FIELD_TEXT) {
            status = add_text_field(schema, texts, spec, paths[i], err);
        }
        for (uint32_t j = 0; j < i && status == STATUS_OK; j++) {
            if (path_equal(paths[i], paths[j])) {
                status = error_set(err, STATUS_BAD_INPUT,
                                   "payload indexes `%s` and `%s` are of the same path", spec->key,
                                   schema->fields[j].key);
            }
        }
        if (status != STATUS_OK) {
            return status;
        }
        schema->fields_count++;
    }
    return STATUS_OK;
}

void schema_free_fields(struct schema *schema)
{
    for (size_t i = 0; i < schema->filtering.text_fields_count; i++) {
        tokenizer_unref((struct tokenizer *)(uintptr_t)schema->filtering.text_fields[i].tokenizer);
    }
}
