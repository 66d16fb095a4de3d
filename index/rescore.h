/* From distances estimated on codes to exact ones: compares the stored rows of the candidates that
 * may still be among the nearest. Any vector index may use it. */
#pragma once
#include "index/topk.h"
#include "index/vectors.h"

struct rescore_job {
    const struct vectors *vectors;
    const void *query;               /* stored form */
    const struct scored *candidates; /* with estimated distances, nearest first */
    const float *errors; /* how far the exact distance may be from each; NULL: compare all */
    size_t count;
    bool cold; /* rows may be on disk: ask for all of them before the first is read */
};
/* Pushes candidates into `out` with exact distances, bit for bit those of the kernel. One that
 * cannot enter `out`, by its estimate and error, is left out. Returns how many rows were read. */
size_t rescore(const struct rescore_job *job, struct topk *out);
