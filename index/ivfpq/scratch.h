/* What one thread needs for a search: kept by the thread between searches, freed when it ends. */
#pragma once
#include "index/vectors.h"
#include "storage/base/status.h"

struct probe {    /* a list to look through */
    uint32_t key; /* sorts as its place in the probing order */
    uint32_t list;
    float bias; /* of the query to its centroid */
};
struct found {      /* a point that the codes keep */
    float distance; /* estimated */
    uint32_t list, place;
    point_offset point;
};
struct scratch {
    uint8_t *bytes; /* one block that the parts below point into */
    size_t size;
    float *query; /* padded */
    float *float_tables;
    uint8_t *tables;        /* aligned to 64 */
    uint8_t *coarse_tables; /* the same */
    int8_t *rest_weights;
    float *decoded;             /* dim */
    uint16_t *coarse_sums;      /* of every centroid, in whole blocks */
    struct probe *probes;       /* as many as lists */
    struct probe *other_probes; /* for sorting */
    uint32_t *positions;        /* of the longest list */
    uint16_t *sums;
    uint32_t *masks; /* of the blocks of the longest list */
    struct found *found;
    const void **rows;
    float *distances;
    struct scored *scored;
    float *errors;
};
struct scratch_sizes {
    size_t padded, subs, rest_weights, lists, list_max, found;
};
/* This thread's, with room for these. NULL: no memory. */
struct scratch *ivfpq_scratch(const struct scratch_sizes *sizes);
