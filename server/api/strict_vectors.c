/* Compares written vectors with multivector_config and sparse_config, by their names. */
#include "server/api/strict_vectors.h"

#include "server/api/strict.h"

#include <stdio.h>

static const Qdrant__StrictModeMultivector *
multivector_limit(const Qdrant__StrictModeConfig *config, const char *name)
{
    const Qdrant__StrictModeMultivectorConfig *all = config->multivector_config;
    for (size_t i = 0; all && i < all->n_multivector_config; i++) {
        if (strcmp(all->multivector_config[i]->key, name) == 0) {
            return all->multivector_config[i]->value;
        }
    }
    return NULL;
}

static const Qdrant__StrictModeSparse *sparse_limit(const Qdrant__StrictModeConfig *config,
                                                    const char *name)
{
    const Qdrant__StrictModeSparseConfig *all = config->sparse_config;
    for (size_t i = 0; all && i < all->n_sparse_config; i++) {
        if (strcmp(all->sparse_config[i]->key, name) == 0) {
            return all->sparse_config[i]->value;
        }
    }
    return NULL;
}

/* Rows of a multivector, in any of the contract's forms; 0: it is none. */
static size_t rows_of(const Qdrant__Vector *vector)
{
    if (vector->vector_case == QDRANT__VECTOR__VECTOR_MULTI_DENSE) {
        return vector->multi_dense->n_vectors;
    }
    return vector->vector_case == QDRANT__VECTOR__VECTOR__NOT_SET && vector->_vectors_count_case
               ? vector->vectors_count
               : 0;
}

static size_t entries_of(const Qdrant__Vector *vector)
{
    if (vector->vector_case == QDRANT__VECTOR__VECTOR_SPARSE) {
        return vector->sparse->n_indices;
    }
    return vector->vector_case == QDRANT__VECTOR__VECTOR__NOT_SET && vector->indices
               ? vector->indices->n_data
               : 0;
}

static enum status check_one(struct call *call, const Qdrant__StrictModeConfig *config,
                             const char *name, const Qdrant__Vector *vector)
{
    if (!vector) {
        return STATUS_OK;
    }
    const Qdrant__StrictModeMultivector *multi = multivector_limit(config, name);
    const Qdrant__StrictModeSparse *sparse = sparse_limit(config, name);
    char what[120];
    if (multi && multi->_max_vectors_case && rows_of(vector) > multi->max_vectors) {
        (void)snprintf(what, sizeof(what), "vectors of %.80s", name);
        return strict_exceeded(call, "multivector_config.max_vectors", what,
                               (double)rows_of(vector), (double)multi->max_vectors,
                               "Reduce the number of vectors in the multivector");
    }
    if (sparse && sparse->_max_length_case && entries_of(vector) > sparse->max_length) {
        (void)snprintf(what, sizeof(what), "length of %.80s", name);
        return strict_exceeded(call, "sparse_config.max_length", what, (double)entries_of(vector),
                               (double)sparse->max_length, "Reduce the sparse vector's length");
    }
    return STATUS_OK;
}

enum status strict_check_vectors(struct call *call, const Qdrant__StrictModeConfig *config,
                                 const Qdrant__Vectors *vectors)
{
    if (!vectors || (!config->multivector_config && !config->sparse_config)) {
        return STATUS_OK;
    }
    if (vectors->vectors_options_case == QDRANT__VECTORS__VECTORS_OPTIONS_VECTOR) {
        return check_one(call, config, "", vectors->vector);
    }
    enum status status = STATUS_OK;
    bool named = vectors->vectors_options_case == QDRANT__VECTORS__VECTORS_OPTIONS_VECTORS;
    for (size_t i = 0; named && i < vectors->vectors->n_vectors && status == STATUS_OK; i++) {
        const Qdrant__NamedVectors__VectorsEntry *entry = vectors->vectors->vectors[i];
        status = check_one(call, config, entry->key, entry->value);
    }
    return status;
}
