/* The graph index (HNSW, Malkov & Yashunin 2016): opening, closing, levels; the kind's table.
 *
 * The files in reading order: hnsw_int.h (the graph in memory, threads), hnsw_walk.c,
 * hnsw_search.c, hnsw_codes.c, hnsw_insert.c, hnsw_build.c, hnsw_repair.c, hnsw_image.c; scratch.h
 * and pool.h are a walk's working memory.
 *
 * Deleted points stay in the graph as way stations: the caller's accept keeps them out of results.
 * Failures: TOO_LARGE when rows cannot be mapped; CORRUPT for an image that does not fit.
 */
#include "index/hnsw/hnsw_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

static uint64_t mix(uint64_t x)
{
    /* The finaliser of splitmix64: every bit of the input reaches every bit of the output. */
    x += 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
    return x ^ (x >> 31);
}

/* P(level >= l) = m^-l, which is the paper's choice of mL = 1 / ln m, in integers so that all
 * machines agree. */
uint32_t level_of(const struct hnsw *hnsw, point_offset point)
{
    uint64_t drawn = mix(hnsw->seed ^ mix(point));
    uint64_t below = UINT64_MAX / hnsw->m;
    uint32_t level = 0;
    while (level < LEVEL_MAX && drawn < below) {
        level++;
        below /= hnsw->m;
    }
    return level;
}

enum status upper_rows_allot(struct hnsw *hnsw, point_offset point, struct error *err)
{
    struct node *node = node_at(hnsw, point);
    uint32_t level = level_of(hnsw, point);
    if (level == 0 || atomic_load_explicit(&node->upper, memory_order_relaxed) != 0) {
        return STATUS_OK;
    }
    enum status status = blocks_grow(&hnsw->upper_rows, (size_t)hnsw->upper_count + level, err);
    if (status != STATUS_OK) {
        return status;
    }
    atomic_store_explicit(&node->upper, hnsw->upper_count + 1, memory_order_relaxed);
    hnsw->upper_count += level;
    return STATUS_OK;
}

enum status rows_grow(struct hnsw *hnsw, size_t count, struct error *err)
{
    if (count > OFFSETS_MAX) {
        return error_set(err, STATUS_TOO_LARGE, "a graph cannot hold %zu points", count);
    }
    enum status status = blocks_grow(&hnsw->nodes, count, err);
    return status == STATUS_OK ? blocks_grow(&hnsw->rows0, count, err) : status;
}

static uint32_t clamp(uint32_t value, uint32_t low, uint32_t high)
{
    return value < low ? low : value > high ? high : value;
}

static size_t links_bytes(uint32_t capacity)
{
    size_t bytes = capacity * sizeof(uint32_t);
    return bytes > 32 ? (bytes + 63) / 64 * 64 : 32;
}

static void hnsw_free(struct hnsw *hnsw)
{
    blocks_deinit(&hnsw->codes);
    quantizer_free(hnsw_quantizer(hnsw));
    blocks_deinit(&hnsw->upper_rows);
    blocks_deinit(&hnsw->rows0);
    blocks_deinit(&hnsw->nodes);
    pthread_mutex_destroy(&hnsw->entry_lock);
    mem_free(hnsw);
}

static enum status hnsw_open(const struct vectors *vectors, const struct vindex_params *params,
                             struct slice image, struct vindex **out, struct error *err)
{
    struct hnsw *hnsw = mem_zalloc(sizeof *hnsw);
    hnsw->base.kind = &vindex_hnsw;
    hnsw->vectors = vectors;
    hnsw->m = clamp(params->m, M_MIN, M_MAX);
    hnsw->m0 = 2 * hnsw->m;
    hnsw->ef_construct = clamp(params->ef_construct, EF_CONSTRUCT_MIN, EF_CONSTRUCT_MAX);
    hnsw->seed = params->seed;
    hnsw->quant = params->quant;
    hnsw->cold = params->cold;
    atomic_init(&hnsw->entry, NO_ENTRY);
    ASSERT(pthread_mutex_init(&hnsw->entry_lock, NULL) == 0);
    enum status status = blocks_init(&hnsw->nodes, sizeof(struct node), err);
    if (status == STATUS_OK) {
        status = blocks_init(&hnsw->rows0, links_bytes(hnsw->m0), err);
    }
    if (status == STATUS_OK) {
        status = blocks_init(&hnsw->upper_rows, links_bytes(hnsw->m), err);
    }
    if (status == STATUS_OK && image.size > 0) {
        status = hnsw_load(hnsw, image, err);
    }
    if (status != STATUS_OK) {
        hnsw_free(hnsw);
        return status;
    }
    *out = &hnsw->base;
    return STATUS_OK;
}

static point_offset hnsw_linked(const struct vindex *index)
{
    return atomic_load_explicit(&((const struct hnsw *)index)->linked, memory_order_acquire);
}

static size_t hnsw_memory(const struct vindex *index)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    size_t rows = atomic_load_explicit(&hnsw->planned, memory_order_acquire);
    const struct quantizer *quantizer = hnsw_quantizer(hnsw);
    size_t codes =
        quantizer == NULL ? 0 : quantizer_memory(quantizer) + blocks_memory(&hnsw->codes, rows);
    /* The number of upper rows is the builder's own; its mean over nodes is known. */
    return sizeof *hnsw + codes + blocks_memory(&hnsw->nodes, rows) +
           blocks_memory(&hnsw->rows0, rows) +
           blocks_memory(&hnsw->upper_rows, rows / (hnsw->m - 1));
}

static void hnsw_close(struct vindex *index)
{
    hnsw_free((struct hnsw *)index);
}

const struct vindex_kind vindex_hnsw = {
    .name = "hnsw",
    .format_version = HNSW_FORMAT_VERSION,
    .open = hnsw_open,
    .build = hnsw_build,
    .vacuum = hnsw_vacuum,
    .linked = hnsw_linked,
    .search = hnsw_search,
    .code_bytes = hnsw_code_bytes,
    .scan = hnsw_scan,
    .cost = hnsw_cost,
    .save = hnsw_save,
    .memory = hnsw_memory,
    .close = hnsw_close,
};
