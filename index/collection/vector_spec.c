/* From the contract's parameters of one vector to what the engine needs to know: its own settings
 * first, the collection's where it has none. */
#include "index/collection/schema_int.h"

static const enum distance distances[] = {
    [QDRANT__DISTANCE__Cosine] = DISTANCE_COSINE,
    [QDRANT__DISTANCE__Dot] = DISTANCE_DOT,
    [QDRANT__DISTANCE__Euclid] = DISTANCE_EUCLID,
    [QDRANT__DISTANCE__Manhattan] = DISTANCE_MANHATTAN,
};

static enum status read_element(const Qdrant__VectorParams *params, enum element *out,
                                struct error *err)
{
    if (params->_datatype_case == 0) {
        *out = ELEMENT_F32;
        return STATUS_OK;
    }
    switch (params->datatype) {
    case QDRANT__DATATYPE__Default:
    case QDRANT__DATATYPE__Float32:
        *out = ELEMENT_F32;
        return STATUS_OK;
    case QDRANT__DATATYPE__Float16:
        *out = ELEMENT_F16;
        return STATUS_OK;
    case QDRANT__DATATYPE__Uint8:
        *out = ELEMENT_U8;
        return STATUS_OK;
    case QDRANT__DATATYPE__Turbo4:
        *out = ELEMENT_TURBO4;
        return STATUS_OK;
    default:
        return error_set(err, STATUS_BAD_INPUT, "vectors.datatype: %d is no datatype",
                         (int)params->datatype);
    }
}

/* ---- quantization ---- */

static void read_binary(const Qdrant__BinaryQuantization *binary, struct quant_params *out)
{
    static const uint32_t half_bits[] = {
        [QDRANT__BINARY_QUANTIZATION_ENCODING__OneBit] = 2,
        [QDRANT__BINARY_QUANTIZATION_ENCODING__TwoBits] = 4,
        [QDRANT__BINARY_QUANTIZATION_ENCODING__OneAndHalfBits] = 3,
    };
    static const enum query_encoding encodings[] = {
        [QDRANT__BINARY_QUANTIZATION_QUERY_ENCODING__SETTING__Default] = QUERY_ENCODING_DEFAULT,
        [QDRANT__BINARY_QUANTIZATION_QUERY_ENCODING__SETTING__Binary] = QUERY_ENCODING_BINARY,
        [QDRANT__BINARY_QUANTIZATION_QUERY_ENCODING__SETTING__Scalar4Bits] = QUERY_ENCODING_SCALAR4,
        [QDRANT__BINARY_QUANTIZATION_QUERY_ENCODING__SETTING__Scalar8Bits] = QUERY_ENCODING_SCALAR8,
    };
    out->kind = QUANT_BINARY;
    out->half_bits = half_bits[binary->_encoding_case ? binary->encoding % 3u : 0];
    if (binary->query_encoding && binary->query_encoding->variant_case ==
                                      QDRANT__BINARY_QUANTIZATION_QUERY_ENCODING__VARIANT_SETTING) {
        out->query_encoding = encodings[binary->query_encoding->setting];
    }
}

static uint32_t turbo_half_bits(const Qdrant__TurboQuantization *turbo)
{
    static const uint32_t half_bits[] = {
        [QDRANT__TURBO_QUANT_BIT_SIZE__Bits1] = 2,
        [QDRANT__TURBO_QUANT_BIT_SIZE__Bits1_5] = 3,
        [QDRANT__TURBO_QUANT_BIT_SIZE__Bits2] = 4,
        [QDRANT__TURBO_QUANT_BIT_SIZE__Bits4] = 8,
    };
    return half_bits[turbo->_bits_case ? turbo->bits : QDRANT__TURBO_QUANT_BIT_SIZE__Bits4];
}

static void read_quantization(const Qdrant__QuantizationConfig *config, struct quant_params *out)
{
    *out = (struct quant_params){.kind = QUANT_NONE};
    if (!config) {
        return;
    }
    switch (config->quantization_case) {
    case QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_SCALAR:
        out->kind = QUANT_SCALAR;
        out->quantile = config->scalar->_quantile_case ? config->scalar->quantile : 0;
        break;
    case QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_PRODUCT:
        out->kind = QUANT_PRODUCT;
        out->compression = 4u << config->product->compression; /* x4, x8 .. x64 */
        break;
    case QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_BINARY:
        read_binary(config->binary, out);
        break;
    case QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_TURBOQUANT:
        out->kind = QUANT_ROTATED;
        out->half_bits = turbo_half_bits(config->turboquant);
        break;
    default:
        break;
    }
}

/* ---- placement ---- */

static enum placement placement_of(bool has_memory, Qdrant__Memory memory, bool on_disk)
{
    if (has_memory && memory != QDRANT__MEMORY__MemoryUnknown) {
        return memory == QDRANT__MEMORY__Cold     ? PLACEMENT_COLD
               : memory == QDRANT__MEMORY__Pinned ? PLACEMENT_PINNED
                                                  : PLACEMENT_CACHED;
    }
    return on_disk ? PLACEMENT_COLD : PLACEMENT_CACHED;
}

/* Codes lie in one image with their graph: if they are to stay in memory, it does. */
static bool codes_stay(const Qdrant__QuantizationConfig *config)
{
    if (!config) {
        return false;
    }
#define STAYS(kind)                                                                                \
    ((config->kind->_always_ram_case && config->kind->always_ram) ||                               \
     (config->kind->_memory_case && config->kind->memory == QDRANT__MEMORY__Pinned))
    switch (config->quantization_case) {
    case QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_SCALAR:
        return STAYS(scalar);
    case QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_PRODUCT:
        return STAYS(product);
    case QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_BINARY:
        return STAYS(binary);
    case QDRANT__QUANTIZATION_CONFIG__QUANTIZATION_TURBOQUANT:
        return STAYS(turboquant);
    default:
        return false;
    }
#undef STAYS
}

static void read_graph(const Qdrant__HnswConfigDiff *base, const Qdrant__HnswConfigDiff *own,
                       struct vector_spec *spec)
{
#define OWN_FIRST(field) (own && own->_##field##_case ? own->field : base->field)
    spec->m = (uint32_t)OWN_FIRST(m);
    spec->ef_construct = (uint32_t)OWN_FIRST(ef_construct);
    spec->payload_m = (uint32_t)OWN_FIRST(payload_m);
    spec->full_scan_threshold_kb = OWN_FIRST(full_scan_threshold);
    uint64_t threads = OWN_FIRST(max_indexing_threads);
    spec->build_threads = threads < UINT32_MAX ? (uint32_t)threads : UINT32_MAX;
    const Qdrant__HnswConfigDiff *placed = own && own->_memory_case ? own : base;
    spec->index_placement =
        placement_of(placed->_memory_case != 0, placed->memory, OWN_FIRST(on_disk));
#undef OWN_FIRST
}

static enum status read_kind(const Qdrant__VectorParams *params, const struct vindex_kind **out,
                             struct error *err)
{
    static const char *const names[] = {
        [QDRANT__VECTOR_INDEX__IndexFlat] = "flat",
        [QDRANT__VECTOR_INDEX__IndexHnsw] = "hnsw",
        [QDRANT__VECTOR_INDEX__IndexIvfPq] = "ivfpq",
    };
    *out = NULL;
    if (params->_index_case == 0 || params->index == QDRANT__VECTOR_INDEX__IndexAuto) {
        return STATUS_OK;
    }
    if ((size_t)params->index < sizeof(names) / sizeof(names[0])) {
        *out = vindex_kind_find(names[params->index]);
    }
    return *out ? STATUS_OK
                : error_set(err, STATUS_BAD_INPUT, "vectors.index: %d is no kind of index",
                            (int)params->index);
}

enum status vector_spec_read(const Qdrant__CreateCollection *config, const char *name,
                             const Qdrant__VectorParams *params, struct vector_spec *spec,
                             struct error *err)
{
    if (params->size < 1 || params->size > VECTOR_DIM_MAX) {
        return error_set(err, STATUS_BAD_INPUT,
                         "vectors.size: value %llu invalid, must be from 1 to %d",
                         (unsigned long long)params->size, VECTOR_DIM_MAX);
    }
    if (params->distance < QDRANT__DISTANCE__Cosine ||
        params->distance > QDRANT__DISTANCE__Manhattan) {
        return error_set(err, STATUS_BAD_INPUT, "vectors.distance of `%s` is missing or unknown",
                         name);
    }
    if (params->multivector_config) {
        return error_set(err, STATUS_BAD_INPUT,
                         "vectors.multivector_config is not served by this version");
    }
    *spec = (struct vector_spec){
        .name = name, .distance = distances[params->distance], .dim = (uint32_t)params->size};
    spec->placement = placement_of(params->_memory_case != 0, params->memory,
                                   params->_on_disk_case && params->on_disk);
    read_graph(config->hnsw_config, params->hnsw_config, spec);
    const Qdrant__QuantizationConfig *quantization =
        params->quantization_config ? params->quantization_config : config->quantization_config;
    read_quantization(quantization, &spec->quant);
    if (codes_stay(quantization)) {
        spec->index_placement = PLACEMENT_CACHED;
    }
    enum status status = read_kind(params, &spec->kind, err);
    return status == STATUS_OK ? read_element(params, &spec->element, err) : status;
}
