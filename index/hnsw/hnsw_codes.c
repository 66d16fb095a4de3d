/* Codes of the rows that the graph links: training the quantizer, encoding. */
#include "index/hnsw/hnsw_int.h"

enum status hnsw_codes_prepare(struct hnsw *hnsw, const struct build_job *job, struct error *err)
{
    (void)job;
    if (hnsw->quant.kind != QUANT_NONE) {
        return error_set(err, STATUS_BAD_INPUT, "a graph cannot be walked over codes");
    }
    return STATUS_OK;
}
