/* What a collection is made of: its vectors by name and its configuration. A schema never changes:
 * an update makes a new one. Slots number the vectors of a collection in the order of their names
 * and stay the same for its life. */
#pragma once
#include "collections.pb-c.h"

#include "index/field/field.h"
#include "index/filter/filter.h"
#include "index/vindex.h"
#include "storage/base/slice.h"
#include "storage/base/status.h"

struct vector_spec {
    const char *name; /* "": the unnamed vector */
    uint32_t slot;
    enum distance distance;
    enum element element;
    uint32_t dim;
    uint32_t m, ef_construct, payload_m;
    uint64_t full_scan_threshold_kb; /* smaller segments are scanned */
    uint32_t build_threads;          /* 0: as many as the server allows */
    struct quant_params quant;       /* QUANT_NONE: the server chooses */
    const struct vindex_kind *kind;  /* NULL: the server chooses */
    enum placement placement;        /* of the stored rows */
    enum placement index_placement;  /* of graph and codes */
};
struct schema {
    struct vector_spec *vectors;
    uint32_t vectors_count;
    uint64_t indexing_threshold_kb; /* a graph is built past this; 0: never */
    double deleted_threshold;       /* a graph with a larger part of deleted points is built anew */
    uint64_t vacuum_min_points;     /* but not below this many */
    bool optimizing;                /* false: no background work is begun */
    struct field_spec *fields;      /* payload indexes */
    struct filter_options filtering; /* how filters on this collection are read */
    uint32_t fields_count;
    const Qdrant__CreateCollection
        *config;           /* complete: every default is filled in; collection_name is not used */
    char *const *warnings; /* what is deprecated or has no effect, for people */
    uint32_t warnings_count;
};

enum { VECTOR_DIM_MAX = 65536, VECTORS_MAX = 256, VECTOR_NAME_MAX = 255, FIELDS_MAX = 256 };

/* From a complete configuration (copied). BAD_INPUT names what cannot be served. Reference counted;
 * starts at one. */
enum status schema_create(const Qdrant__CreateCollection *config, struct schema **out,
                          struct error *err);
/* `schema` with a PATCH applied: only the fields present in the diff change. */
enum status schema_update(const struct schema *schema, const Qdrant__UpdateCollection *diff,
                          struct schema **out, struct error *err);
/* `schema` with a payload index, which replaces one of the same key. BAD_INPUT: the key is no path,
 * parameters of another type or out of range, or too many indexes. */
enum status schema_add_field(const struct schema *schema, const Qdrant__PayloadIndex *index,
                             struct schema **out, struct error *err);
/* Without the payload index of the key; *out is NULL when there is none. */
enum status schema_drop_field(const struct schema *schema, const char *key, struct schema **out,
                              struct error *err);
struct schema *schema_ref(struct schema *schema);
void schema_unref(struct schema *schema);
/* NULL: no vector of that name. */
const struct vector_spec *schema_vector(const struct schema *schema, const char *name);
