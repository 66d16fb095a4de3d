/* The exact index: no structure, every search scans the rows.
 *
 * Search walks the offsets in order, gathers present and accepted ones into a batch and has the
 * kernel compare the batch at once. Every point is "linked" as soon as its vector is published, so
 * build has nothing to do. Threads: stateless, any number of searches beside the vectors' writer.
 * Failures: CANCELLED; CORRUPT for a foreign image.
 */
#include "index/vindex.h"
#include "storage/base/assert.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

enum { BATCH = 64, CANCEL_EVERY = 8 /* batches */, FORMAT_VERSION = 1 };
static const uint32_t MAGIC = 0x54414c46; /* "FLAT" */

struct flat {
    struct vindex base;
    const struct vectors *vectors;
};

static void put_image(struct buffer *out)
{
    size_t start = out->size;
    buffer_append_u32(out, MAGIC);
    buffer_append_u32(out, FORMAT_VERSION);
    if (!out->failed) {
        buffer_append_u64(out, checksum64(slice_of(out->data + start, out->size - start)));
    }
}

static enum status check_image(struct slice image, struct error *err)
{
    struct buffer expected;
    buffer_init(&expected, 0);
    put_image(&expected);
    bool same = slice_equal(image, buffer_slice(&expected));
    buffer_deinit(&expected);
    return same ? STATUS_OK : error_set(err, STATUS_CORRUPT, "the flat index image is damaged");
}

static enum status flat_open(const struct vectors *vectors, const struct vindex_params *params,
                             struct slice image, struct vindex **out, struct error *err)
{
    (void)params;
    if (image.size > 0) {
        enum status status = check_image(image, err);
        if (status != STATUS_OK) {
            return status;
        }
    }
    struct flat *flat = mem_alloc(sizeof *flat);
    *flat = (struct flat){.base.kind = &vindex_flat, .vectors = vectors};
    *out = &flat->base;
    return STATUS_OK;
}

static enum status flat_build(struct vindex *index, struct build_job *job, struct error *err)
{
    (void)err;
    ASSERT(job->until <= vectors_count(((struct flat *)index)->vectors));
    if (job->progress != NULL) {
        atomic_store_explicit(job->progress, job->until, memory_order_relaxed);
    }
    return STATUS_OK;
}

static point_offset flat_linked(const struct vindex *index)
{
    return (point_offset)vectors_count(((const struct flat *)index)->vectors);
}

struct batch {
    const void *rows[BATCH];
    point_offset points[BATCH];
    float distances[BATCH];
    size_t count;
};

static void batch_flush(struct batch *batch, const struct vectors *vectors, const void *query,
                        struct topk *out)
{
    vectors->kernel->many(query, batch->rows, batch->count, vectors->dim, batch->distances);
    for (size_t i = 0; i < batch->count; i++) {
        if (batch->distances[i] <= topk_bound(out)) {
            topk_push(out, batch->distances[i], batch->points[i]);
        }
    }
    batch->count = 0;
}

static enum status flat_search(const struct vindex *index, const struct search_args *args,
                               struct topk *out, struct error *err)
{
    const struct vectors *vectors = ((const struct flat *)index)->vectors;
    const struct accept *accept = args->accept;
    size_t end = vectors_count(vectors);
    end = args->count < end ? args->count : end;
    struct batch batch = {.count = 0};
    for (size_t at = 0; at < end; at++) {
        point_offset point = (point_offset)at;
        if (at % (CANCEL_EVERY * BATCH) == 0 && args->cancelled != NULL &&
            atomic_load_explicit(args->cancelled, memory_order_relaxed)) {
            return error_set(err, STATUS_CANCELLED, "the search was cancelled");
        }
        if (!vectors_has(vectors, point) || (accept != NULL && !accept_point(accept, point))) {
            continue;
        }
        batch.rows[batch.count] = vectors_at(vectors, point);
        batch.points[batch.count++] = point;
        if (batch.count == BATCH) {
            batch_flush(&batch, vectors, args->query, out);
        }
    }
    batch_flush(&batch, vectors, args->query, out);
    return STATUS_OK;
}

static double flat_cost(const struct vindex *index, const struct search_args *args)
{
    double count = (double)flat_linked(index);
    count = count < (double)args->count ? count : (double)args->count;
    return args->accept == NULL ? count : count * args->accept->selectivity;
}

static enum status flat_save(const struct vindex *index, struct buffer *out, struct error *err)
{
    (void)index;
    put_image(out);
    return out->failed ? error_set(err, STATUS_TOO_LARGE, "no room for the index image")
                       : STATUS_OK;
}

static size_t flat_memory(const struct vindex *index)
{
    (void)index;
    return sizeof(struct flat);
}

static void flat_close(struct vindex *index)
{
    mem_free(index);
}

const struct vindex_kind vindex_flat = {
    .name = "flat",
    .format_version = FORMAT_VERSION,
    .open = flat_open,
    .build = flat_build,
    .linked = flat_linked,
    .search = flat_search,
    .cost = flat_cost,
    .save = flat_save,
    .memory = flat_memory,
    .close = flat_close,
};
