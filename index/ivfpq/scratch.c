/* A thread's working memory for searches of partition indexes.
 *
 * One block of memory holds all parts; a search with larger sizes replaces it. Nothing is shared,
 * so nothing is locked; the destructor of a thread key frees it. */
#include "index/ivfpq/scratch.h"

#include "index/kernel/fastscan.h"
#include "index/topk.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <pthread.h>

enum { ALIGN = 64 };

static pthread_key_t thread_key;
static pthread_once_t thread_once = PTHREAD_ONCE_INIT;

static void scratch_destroy(void *arg)
{
    struct scratch *scratch = arg;
    mem_free(scratch->bytes);
    mem_free(scratch);
}

static void make_key(void)
{
    ASSERT(pthread_key_create(&thread_key, scratch_destroy) == 0);
}

/* Cuts `size` bytes from the block that has been used up to *at; counts only while `base` is NULL.
 */
static void *cut(uint8_t *base, size_t *at, size_t size)
{
    void *part = base == NULL ? NULL : base + *at;
    *at += (size + ALIGN - 1) / ALIGN * ALIGN;
    return part;
}

static size_t lay_out(struct scratch *s, const struct scratch_sizes *sizes, uint8_t *base)
{
    size_t at = 0;
    size_t tables = sizes->subs * FASTSCAN_WORDS;
    size_t centroids = (sizes->lists + FASTSCAN_BLOCK) / FASTSCAN_BLOCK * FASTSCAN_BLOCK;
    s->tables = cut(base, &at, tables);
    s->coarse_tables = cut(base, &at, tables);
    s->float_tables = cut(base, &at, tables * sizeof(float));
    s->query = cut(base, &at, sizes->padded * sizeof(float));
    s->rest_weights = cut(base, &at, sizes->rest_weights);
    s->decoded = cut(base, &at, sizes->padded * sizeof(float));
    s->coarse_sums = cut(base, &at, centroids * sizeof(uint16_t));
    s->probes = cut(base, &at, centroids * sizeof(struct probe));
    s->other_probes = cut(base, &at, centroids * sizeof(struct probe));
    s->positions = cut(base, &at, (sizes->list_max + FASTSCAN_BLOCK) * sizeof(uint32_t));
    s->sums = cut(base, &at, (sizes->list_max + FASTSCAN_BLOCK) * sizeof(uint16_t));
    s->masks = cut(base, &at, (sizes->list_max / FASTSCAN_BLOCK + 1) * sizeof(uint32_t));
    s->found = cut(base, &at, sizes->found * sizeof(struct found));
    size_t rows = sizes->found > centroids ? sizes->found : centroids;
    s->rows = cut(base, &at, rows * sizeof(void *));
    s->distances = cut(base, &at, rows * sizeof(float));
    s->scored = cut(base, &at, sizes->found * sizeof(struct scored));
    s->errors = cut(base, &at, sizes->found * sizeof(float));
    return at;
}

struct scratch *ivfpq_scratch(const struct scratch_sizes *sizes)
{
    ASSERT(pthread_once(&thread_once, make_key) == 0);
    struct scratch *scratch = pthread_getspecific(thread_key);
    if (scratch == NULL) {
        scratch = mem_zalloc(sizeof *scratch);
        ASSERT(pthread_setspecific(thread_key, scratch) == 0);
    }
    size_t size = lay_out(scratch, sizes, NULL) + ALIGN;
    if (size > scratch->size) {
        mem_free(scratch->bytes);
        scratch->bytes = mem_try_alloc(size + size / 4);
        scratch->size = scratch->bytes == NULL ? 0 : size + size / 4;
    }
    if (scratch->bytes == NULL) {
        return NULL;
    }
    uintptr_t start = (uintptr_t)scratch->bytes;
    lay_out(scratch, sizes, scratch->bytes + (ALIGN - start % ALIGN) % ALIGN);
    return scratch;
}
