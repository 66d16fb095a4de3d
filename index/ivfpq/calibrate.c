/* How far a search has to look, measured on the index's own points.
 *
 * Some points are taken as queries. A search through all lists with many candidates gives their
 * true neighbours. For each it is known at which place of the probing order its list stood, for
 * several reaches, and at which place of the candidates its codes put it. The reach that finds the
 * wanted part of all neighbours in the fewest lists is taken; the places that hold that part become
 * the defaults.
 *
 * Threads: the job's, a query each. Failures: CANCELLED, TOO_LARGE. */
#include "index/ivfpq/searching.h"
#include "storage/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { QUERIES = 256, NEIGHBOURS = 10, KEEP = 512, KEEP_MIN = 64, PROBES_MIN = 16, REACHES = 8 };
static const float reaches[REACHES] = {0.0f, 0.1f, 0.2f, 0.3f, 0.4f, 0.5f, 0.65f, 0.8f};
static const double PROBES_WANTED = 0.985;
static const double KEEP_WANTED = 0.995;

struct calibration {
    const struct ivfpq *ivfpq;
    const struct table *table;
    size_t queries;
    uint32_t *probe_ranks; /* REACHES x queries x NEIGHBOURS; UINT32_MAX: not there */
    uint32_t *keep_ranks;  /* queries x NEIGHBOURS */
    atomic_bool failed;
};

/* The i-th query's point: they are spread over the lists. */
static point_offset query_point(const struct calibration *c, size_t i)
{
    uint64_t wanted = (uint64_t)i * c->table->entries / c->queries;
    for (size_t l = 0; l < c->table->lists_count; l++) {
        const struct list *list = &c->table->lists[l];
        if (wanted < list->count) {
            return list->points[wanted];
        }
        wanted -= list->count;
    }
    return 0;
}

static int compare_found(const void *a, const void *b)
{
    const struct found *x = a;
    const struct found *y = b;
    if (x->distance < y->distance || x->distance > y->distance) {
        return x->distance < y->distance ? -1 : 1;
    }
    if (x->list != y->list) {
        return x->list < y->list ? -1 : 1;
    }
    return (x->place > y->place) - (x->place < y->place);
}

/* At which place of the order with each reach the lists of a query's neighbours stand. */
static void rank_lists(const struct calibration *c, const struct searching *s, size_t query,
                       const uint32_t *lists, size_t count)
{
    const struct model *model = &c->table->model;
    const float *spreads = c->table->coarse.spreads;
    float *orders = mem_alloc(c->table->lists_count * sizeof *orders);
    for (size_t r = 0; r < REACHES; r++) {
        for (size_t i = 0; i < s->probes_count; i++) {
            const struct probe *probe = &s->scratch->probes[i];
            orders[probe->list] =
                probe_order(model, s->query_norm, reaches[r], probe->bias, spreads[probe->list]);
        }
        uint32_t *ranks = c->probe_ranks + (r * c->queries + query) * NEIGHBOURS;
        for (size_t n = 0; n < count; n++) {
            uint32_t rank = 0;
            for (size_t i = 0; i < c->table->lists_count; i++) {
                rank += orders[i] < orders[lists[n]];
            }
            ranks[n] = rank;
        }
    }
    mem_free(orders);
}

/* Where the neighbours stand among the candidates, which are nearest first. */
static void rank(const struct calibration *c, const struct searching *s, size_t query,
                 const struct found *candidates, size_t count, const struct topk *near)
{
    uint32_t lists[NEIGHBOURS];
    size_t found = 0;
    point_offset self = query_point(c, query);
    for (size_t n = 0; n < near->count && found < NEIGHBOURS; n++) {
        for (size_t i = 0; i < count && near->items[n].point != self; i++) {
            const struct list *list = &c->table->lists[candidates[i].list];
            if (list->points[candidates[i].place] == near->items[n].point) {
                lists[found] = candidates[i].list;
                c->keep_ranks[query * NEIGHBOURS + found++] = (uint32_t)i;
                break;
            }
        }
    }
    rank_lists(c, s, query, lists, found);
}

static void measure(void *ctx, size_t query)
{
    struct calibration *c = ctx;
    const struct vectors *vectors = c->ivfpq->vectors;
    const struct search_args args = {.query = vectors_at(vectors, query_point(c, query)),
                                     .limit = NEIGHBOURS + 1,
                                     .count = UINT32_MAX};
    const struct plan plan = {.probes = c->table->lists_count,
                              .keep = c->table->entries < KEEP ? c->table->entries : KEEP};
    struct searching s;
    if (!searching_begin(&s, c->ivfpq, c->table, &args, &plan)) {
        atomic_store(&c->failed, true);
        return;
    }
    searching_probe(&s);
    searching_scan(&s);
    qsort(s.scratch->found, s.found_count, sizeof *s.scratch->found, compare_found);
    size_t count = s.found_count;
    struct found *candidates = mem_alloc((count + 1) * sizeof *candidates);
    memcpy(candidates, s.scratch->found, count * sizeof *candidates);
    struct scored items[NEIGHBOURS + 1];
    struct topk near;
    topk_init(&near, items, NEIGHBOURS + 1, NULL);
    searching_refine(&s);
    searching_finish(&s, &near);
    topk_sort(&near);
    rank(c, &s, query, candidates, count, &near);
    mem_free(candidates);
}

static int compare_ranks(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a;
    uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* How many places from the first hold that part of the ranks; `least` when there are none. */
static uint32_t places(uint32_t *ranks, size_t count, double part, uint32_t least)
{
    qsort(ranks, count, sizeof *ranks, compare_ranks);
    while (count > 0 && ranks[count - 1] == UINT32_MAX) {
        count--;
    }
    if (count == 0) {
        return least;
    }
    size_t at = (size_t)(part * (double)(count - 1) + 0.5);
    return ranks[at] + 1 > least ? ranks[at] + 1 : least;
}

enum status ivfpq_calibrate(const struct ivfpq *ivfpq, const struct build_job *job,
                            struct table *table, struct error *err)
{
    size_t queries = table->entries < QUERIES ? table->entries : QUERIES;
    size_t count = queries * NEIGHBOURS;
    struct calibration c = {.ivfpq = ivfpq, .table = table, .queries = queries};
    c.probe_ranks = mem_alloc(REACHES * count * sizeof *c.probe_ranks);
    c.keep_ranks = mem_alloc(count * sizeof *c.keep_ranks);
    memset(c.probe_ranks, 0xff, REACHES * count * sizeof *c.probe_ranks);
    memset(c.keep_ranks, 0xff, count * sizeof *c.keep_ranks);
    enum status status = STATUS_OK;
    if (!parallel_for(job->threads, queries, job->cancelled, measure, &c)) {
        status = error_set(err, STATUS_CANCELLED, "the build was cancelled");
    } else if (atomic_load(&c.failed)) {
        status = error_set(err, STATUS_TOO_LARGE, "no memory to calibrate an index");
    } else {
        struct model_head *head = &table->model.head;
        head->keep_default = places(c.keep_ranks, count, KEEP_WANTED, KEEP_MIN);
        head->probes_default = UINT32_MAX;
        for (size_t r = 0; r < REACHES; r++) {
            uint32_t probes = places(c.probe_ranks + r * count, count, PROBES_WANTED, PROBES_MIN);
            if (probes < head->probes_default) {
                head->probes_default = probes;
                head->reach = reaches[r];
            }
        }
    }
    mem_free(c.keep_ranks);
    mem_free(c.probe_ranks);
    return status;
}
