/* How far a search has to look, measured on the index's own points.
 *
 * Some points are taken as queries. A search through all lists with many candidates gives their
 * true neighbours. For each it is known at which place of the probing order its list stood, and at
 * which place of the candidates its codes put it: the places that hold the wanted part of all
 * neighbours become the defaults.
 *
 * Threads: the job's, a query each. Failures: CANCELLED, TOO_LARGE. */
#include "index/ivfpq/searching.h"
#include "storage/base/mem.h"

#include <stdlib.h>
#include <string.h>

enum { QUERIES = 256, NEIGHBOURS = 10, KEEP = 512, KEEP_MIN = 40, PROBES_MIN = 4 };
static const double PROBES_WANTED = 0.975;
static const double KEEP_WANTED = 0.99;

struct calibration {
    const struct ivfpq *ivfpq;
    const struct table *table;
    size_t queries;
    uint32_t *probe_ranks; /* queries x NEIGHBOURS; UINT32_MAX: not there */
    uint32_t *keep_ranks;
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
    return (x->point > y->point) - (x->point < y->point);
}

/* Where the neighbours stand among the candidates, nearest first, and their lists in the probing
 * order. */
static void rank(struct calibration *c, size_t query, const struct found *candidates, size_t count,
                 const uint32_t *list_ranks, const struct topk *near)
{
    size_t found = 0;
    point_offset self = query_point(c, query);
    for (size_t n = 0; n < near->count && found < NEIGHBOURS; n++) {
        if (near->items[n].point == self) {
            continue;
        }
        for (size_t i = 0; i < count; i++) {
            if (candidates[i].point == near->items[n].point) {
                c->probe_ranks[query * NEIGHBOURS + found] = list_ranks[candidates[i].list];
                c->keep_ranks[query * NEIGHBOURS + found] = (uint32_t)i;
            }
        }
        found++;
    }
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
    uint32_t *list_ranks = mem_alloc(c->table->lists_count * sizeof *list_ranks);
    for (size_t i = 0; i < s.probes_count; i++) {
        list_ranks[s.scratch->probes[i].list] = (uint32_t)i;
    }
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
    rank(c, query, candidates, count, list_ranks, &near);
    mem_free(candidates);
    mem_free(list_ranks);
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
    c.probe_ranks = mem_alloc(count * sizeof *c.probe_ranks);
    c.keep_ranks = mem_alloc(count * sizeof *c.keep_ranks);
    memset(c.probe_ranks, 0xff, count * sizeof *c.probe_ranks);
    memset(c.keep_ranks, 0xff, count * sizeof *c.keep_ranks);
    enum status status = STATUS_OK;
    if (!parallel_for(job->threads, queries, job->cancelled, measure, &c)) {
        status = error_set(err, STATUS_CANCELLED, "the build was cancelled");
    } else if (atomic_load(&c.failed)) {
        status = error_set(err, STATUS_TOO_LARGE, "no memory to calibrate an index");
    } else {
        table->model.head.probes_default = places(c.probe_ranks, count, PROBES_WANTED, PROBES_MIN);
        table->model.head.keep_default = places(c.keep_ranks, count, KEEP_WANTED, KEEP_MIN);
    }
    mem_free(c.keep_ranks);
    mem_free(c.probe_ranks);
    return status;
}
