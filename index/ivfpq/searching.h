/* One search while it runs, and its stages: query and tables, probes, codes, rests and rows. */
#pragma once
#include "index/ivfpq/ivfpq_int.h"

struct plan {        /* how far a search looks */
    size_t probes;   /* lists */
    size_t keep;     /* candidates that the codes leave to the rests */
    double usual;    /* lists that serve where all points are accepted */
    double accepted; /* part of the points that a filter is expected to accept */
};
struct searching {
    const struct ivfpq *ivfpq;
    const struct table *table;
    const struct search_args *args;
    struct plan plan;
    struct scratch *scratch;
    const struct fastscan *kernel;
    struct fastscan_query fine, coarse;
    struct fastscan_quantized fine_units, coarse_units;
    float query_norm;
    bool precise;     /* estimates without the rounding of the tables */
    float rest_scale; /* of one unit of weight times nibble */
    int32_t rest_bias;
    size_t probes_count, found_count;
    size_t scanned;          /* points in the lists looked through */
    size_t tested, accepted; /* points that a filter was asked about, since the search began; with
                                bits, of the lists in this pass, all of which it is asked about */
    /* With bits: fewer points are accepted near the query than elsewhere, so the number of lists
     * says nothing: they go on until none can hold a nearer point (`closed`). */
    bool behind, closed;
    struct search_trace work;
};
/* search.c. Takes the thread's scratch. False: no memory. */
bool searching_begin(struct searching *s, const struct ivfpq *ivfpq, const struct table *table,
                     const struct search_args *args, const struct plan *plan);
/* probe.c. By which lists are ordered: an estimate of the distance of the nearest point that a list
 * may hold. From its centroid, at the distance `bias`, its points are about `spread` away, and
 * towards the query by a part of that, `reach`. */
float probe_order(const struct model *model, float query_norm, float reach, float bias,
                  float spread);
/* The plan's probes in that order, in scratch->probes. */
void searching_probe(struct searching *s);
/* search.c. How many times more lists must be probed where only a part of the points is accepted.
 */
double filter_factor(double part);
/* scan.c. The keep nearest by their codes, accepted and in no order, in scratch->found. False:
 * cancelled. */
bool searching_scan(struct searching *s);
/* refine.c. Better estimates in scratch->found; removed points leave it. */
void searching_refine(struct searching *s);
/* The nearest of `found` into `out`, as the arguments ask for. */
void searching_finish(struct searching *s, struct topk *out);

/* The `keep` smallest distances come first. What is not a number has a place too. */
void found_select(struct found *found, size_t count, size_t keep);
