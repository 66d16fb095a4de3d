/* Codes of the rows that the graph links: training the quantizer, encoding.
 *
 * The quantizer is trained once, before the first node is linked, on rows drawn evenly from those
 * the first build is given. Every present row is encoded before its node is linked, so whoever sees
 * an id sees its code: both stores come before the release store of a link. Rows are encoded in
 * pieces, by as many threads as the build has.
 *
 * Threads: the builder's; searches run beside. Failures: CANCELLED, TOO_LARGE, and BAD_INPUT when
 * the quantizer's parameters do not fit the vectors; nothing is linked then.
 */
#include "index/cluster/cluster.h"
#include "index/hnsw/hnsw_int.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

enum { PIECE_ROWS = 2048 };

/* Short codes get a stride that divides a cache line where that costs little; long ones whole
 * lines, or half of one at the end. */
static size_t code_stride(size_t bytes)
{
    if (bytes > LINE_BYTES) {
        return (bytes + LINE_BYTES / 2 - 1) / (LINE_BYTES / 2) * (LINE_BYTES / 2);
    }
    size_t power = 4;
    while (power < bytes) {
        power *= 2;
    }
    return power <= bytes + bytes / 3 ? power : (bytes + 3) / 4 * 4;
}

enum status hnsw_codes_init(struct hnsw *hnsw, struct quantizer *quantizer, struct error *err)
{
    enum status status =
        blocks_init(&hnsw->codes, code_stride(quantizer_code_bytes(quantizer)), err);
    if (status == STATUS_OK) {
        atomic_store_explicit(&hnsw->quantizer, quantizer, memory_order_release);
    }
    return status;
}

static bool is_eligible(const struct hnsw *hnsw, const struct build_job *job, point_offset point)
{
    return vectors_has(hnsw->vectors, point) && (job->skip == NULL || !job->skip(job->ctx, point));
}

/* Draws `wanted` of the `eligible` rows, in order of their offsets, each set of rows equally likely
 * (Knuth's selection sampling). */
static size_t draw_sample(const struct hnsw *hnsw, const struct build_job *job, size_t eligible,
                          size_t wanted, const void **rows)
{
    struct random random;
    random_init(&random, hnsw->seed);
    size_t drawn = 0;
    for (point_offset point = 0; point < job->until && drawn < wanted && eligible > 0; point++) {
        if (!is_eligible(hnsw, job, point)) {
            continue;
        }
        if (random_below(&random, eligible) < wanted - drawn) {
            rows[drawn++] = vectors_at(hnsw->vectors, point);
        }
        eligible--;
    }
    return drawn;
}

/* OK without a quantizer when there is no row to learn from. */
static enum status train(struct hnsw *hnsw, const struct build_job *job, struct error *err)
{
    size_t eligible = 0;
    for (point_offset point = 0; point < job->until; point++) {
        eligible += is_eligible(hnsw, job, point);
    }
    if (eligible == 0) {
        return STATUS_OK;
    }
    size_t wanted = eligible < QUANT_SAMPLE_MAX ? eligible : QUANT_SAMPLE_MAX;
    const void **rows = mem_alloc(wanted * sizeof *rows);
    struct quant_training training = {
        .distance = hnsw->vectors->distance,
        .element = hnsw->vectors->element,
        .dim = hnsw->vectors->dim,
        .rows = rows,
        .count = draw_sample(hnsw, job, eligible, wanted, rows),
        .seed = hnsw->seed,
        .threads = job->threads,
        .cancelled = job->cancelled,
    };
    struct quantizer *quantizer = NULL;
    /* Points may have been deleted while they were counted. */
    enum status status =
        training.count == 0 ? STATUS_OK : quantizer_train(&hnsw->quant, &training, &quantizer, err);
    mem_free(rows);
    if (status == STATUS_OK && quantizer != NULL) {
        status = hnsw_codes_init(hnsw, quantizer, err);
        if (status != STATUS_OK) {
            quantizer_free(quantizer);
        }
    }
    return status;
}

struct encoding {
    struct hnsw *hnsw;
    const struct quantizer *quantizer;
    point_offset from, until;
};

static void encode_piece(void *ctx, size_t piece)
{
    const struct encoding *encoding = ctx;
    struct hnsw *hnsw = encoding->hnsw;
    size_t first = encoding->from + piece * PIECE_ROWS;
    size_t last = first + PIECE_ROWS < encoding->until ? first + PIECE_ROWS : encoding->until;
    for (size_t at = first; at < last; at++) {
        point_offset point = (point_offset)at;
        if (vectors_has(hnsw->vectors, point)) {
            quantizer_encode(encoding->quantizer, vectors_at(hnsw->vectors, point),
                             blocks_at(&hnsw->codes, point));
        }
    }
}

enum status hnsw_codes_prepare(struct hnsw *hnsw, const struct build_job *job, struct error *err)
{
    if (hnsw->quant.kind == QUANT_NONE || job->until <= hnsw->coded) {
        return STATUS_OK;
    }
    enum status status = STATUS_OK;
    struct quantizer *quantizer = hnsw_quantizer(hnsw);
    if (quantizer == NULL) {
        status = train(hnsw, job, err);
        quantizer = hnsw_quantizer(hnsw);
    }
    if (status != STATUS_OK || quantizer == NULL) {
        return status;
    }
    status = blocks_grow(&hnsw->codes, job->until, err);
    if (status != STATUS_OK) {
        return status;
    }
    struct encoding encoding = {
        .hnsw = hnsw, .quantizer = quantizer, .from = hnsw->coded, .until = job->until};
    size_t pieces = (job->until - hnsw->coded + PIECE_ROWS - 1) / PIECE_ROWS;
    if (!parallel_for(job->threads, pieces, job->cancelled, encode_piece, &encoding)) {
        return error_set(err, STATUS_CANCELLED, "the build was cancelled");
    }
    hnsw->coded = job->until;
    return STATUS_OK;
}
