/* The partition index (inverted lists of product codes): opening, closing, memory; the kind's
 * table.
 *
 * The files in reading order: ivfpq_int.h (the index in memory, threads), pq.h, searching.h,
 * search.c with its stages probe.c, scan.c, refine.c; train.c, encode.c, calibrate.c; build.c,
 * append.c; table.c; image.c. Failures: TOO_LARGE; CORRUPT for an image that does not fit. */
#include "index/ivfpq/ivfpq_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

static void ivfpq_close(struct vindex *index)
{
    struct ivfpq *ivfpq = (struct ivfpq *)index;
    table_unref(ivfpq->current);
    pthread_mutex_destroy(&ivfpq->lock);
    mem_free(ivfpq);
}

static enum status ivfpq_open(const struct vectors *vectors, const struct vindex_params *params,
                              struct slice image, struct vindex **out, struct error *err)
{
    struct ivfpq *ivfpq = mem_zalloc(sizeof *ivfpq);
    ivfpq->base.kind = &vindex_ivfpq;
    ivfpq->vectors = vectors;
    ivfpq->seed = params->seed;
    ivfpq->cold = params->cold;
    ivfpq->folder = params->cold ? params->folder : NULL;
    ASSERT(pthread_mutex_init(&ivfpq->lock, NULL) == 0);
    enum status status = STATUS_OK;
    if (image.size > 0) {
        status = ivfpq_load(ivfpq, image, err);
    } else {
        ivfpq->current = table_create(ivfpq->folder, 0);
        if (ivfpq->current == NULL) {
            status = error_set(err, STATUS_TOO_LARGE, "no memory for an index");
        }
    }
    if (status != STATUS_OK) {
        ivfpq_close(&ivfpq->base);
        return status;
    }
    *out = &ivfpq->base;
    return STATUS_OK;
}

static point_offset ivfpq_linked(const struct vindex *index)
{
    struct table *table = table_pin((const struct ivfpq *)index);
    point_offset linked = table->linked;
    table_unref(table);
    return linked;
}

static size_t ivfpq_memory(const struct vindex *index)
{
    const struct ivfpq *ivfpq = (const struct ivfpq *)index;
    struct table *table = table_pin(ivfpq);
    size_t size = sizeof *ivfpq + sizeof *table + table->lists_count * sizeof table->lists[0];
    if (table->lists_count > 0) {
        size += model_bytes(table->model.space, table->model.dim) +
                coarse_bytes(&table->model, table->coarse.count) + table->region_bytes +
                table->own_bytes;
    }
    table_unref(table);
    return size;
}

const struct vindex_kind vindex_ivfpq = {
    .name = "ivfpq",
    .format_version = IVFPQ_FORMAT_VERSION,
    .open = ivfpq_open,
    .build = ivfpq_build,
    .vacuum = ivfpq_vacuum,
    .linked = ivfpq_linked,
    .search = ivfpq_search,
    .cost = ivfpq_cost,
    .save = ivfpq_save,
    .memory = ivfpq_memory,
    .close = ivfpq_close,
};
