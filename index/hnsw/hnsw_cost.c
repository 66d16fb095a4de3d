/* How far a walk goes, and what that is expected to cost.
 *
 * Without a filter a walk keeps ef nodes. Walking over all nodes with a filter it wants a few
 * accepted ones for each result, and thrice ef of any kind where that is more. Measured on 200,000
 * clustered vectors at ef 160, with twice ef: recall@10 of 0.98 to 1 at any part accepted down to a
 * twentieth, where 0.97 is that without a filter; filters by groups of like vectors, 0.97 to 0.99.
 * Walking over accepted nodes alone it needs the more of them the fewer there are: its recall at
 * the same ef falls to 0.90 at a tenth.
 *
 * Pure functions of the arguments and the size of the graph; nothing fails. */
#include "index/hnsw/hnsw_int.h"

#include <math.h>

enum {
    NEAR_A_RESULT = 5, /* accepted points that a walk over all nodes wants for each result */
    NEAR_MORE = 10,
    BEHIND_MORE = 6, /* times as many where they are rare near the query */
};
static const double PART_MIN = 1e-6;
/* Nodes that it wants in any case, times ef: with a filter, and where only some points have gone.
 */
static const double ALL_FILTERED = 3;
static const double ALL_MAX = 2;
/* Over accepted nodes alone: times ef, HOPS_PART over the part accepted, within limits. */
static const double HOPS_PART = 1;
static const double HOPS_MORE_MIN = 3;
static const double HOPS_MORE_MAX = 16;
/* Distances for each node expanded, of rows of 32 neighbours: the others were seen before. */
static const double DISTANCES_A_NODE = 7;
static const double USUAL_LINKS = 32;
/* Over accepted nodes alone: rows read for each node kept. A row costs about a distance. */
static const double ROWS_A_NODE = 0.95; /* divided by the part accepted */

static double part_accepted(const struct search_args *args)
{
    double part = args->accept != NULL ? args->accept->selectivity : 1;
    return part > PART_MIN ? part : PART_MIN;
}

uint32_t hnsw_candidates(const struct search_args *args, const struct quantizer *quantizer)
{
    double oversampling = args->oversampling;
    if (!(oversampling > 0)) {
        oversampling = quantizer_oversampling(quantizer);
    }
    double wanted = oversampling > 1 ? args->limit * oversampling : args->limit;
    return wanted < OFFSETS_MAX ? (uint32_t)wanted : OFFSETS_MAX;
}

static uint32_t limited(double wanted, uint32_t nodes)
{
    return wanted < (double)nodes ? (uint32_t)wanted : nodes;
}

struct walk_extent hnsw_extent(const struct hnsw *hnsw, const struct search_args *args)
{
    uint32_t nodes = atomic_load_explicit(&hnsw->planned, memory_order_acquire);
    const struct quantizer *quantizer = hnsw_quantizer(hnsw);
    bool rescored = quantizer != NULL && args->codes == CODES_RESCORED;
    double least = rescored ? hnsw_candidates(args, quantizer) : args->limit;
    double ef = args->effort != 0 ? args->effort : EF_DEFAULT;
    double part = part_accepted(args);
    ef = fmax(ef, least);
    double near = fmax(least, NEAR_A_RESULT * (double)args->limit) + NEAR_MORE;
    double hops = fmin(fmax(HOPS_PART / part, HOPS_MORE_MIN), HOPS_MORE_MAX);
    bool filtered = args->accept != NULL && args->accept->bits != NULL;
    double all = filtered ? ALL_FILTERED : fmin(ALL_MAX, 1 / part);
    bool by_hops = args->accept != NULL && args->walk == FILTER_HOPS;
    return (struct walk_extent){.pool = limited(by_hops ? hops * ef : ef, nodes),
                                .all = limited(ef * all, nodes),
                                .near = limited(near, nodes),
                                .best = limited(BEHIND_MORE * near, nodes)};
}

/* What comparing a code costs beside comparing a stored row. Both wait for memory: a random access
 * takes about as long as streaming a kilobyte. */
static double price_of_code(const struct hnsw *hnsw)
{
    enum { ACCESS_BYTES = 1000 };
    return ((double)hnsw->codes.stride + ACCESS_BYTES) /
           ((double)hnsw->vectors->rows.stride + ACCESS_BYTES);
}

/* Of a walk, in distances. Never more than all nodes. */
double hnsw_cost(const struct vindex *index, const struct search_args *args)
{
    const struct hnsw *hnsw = (const struct hnsw *)index;
    double nodes = atomic_load_explicit(&hnsw->in_graph, memory_order_relaxed);
    struct walk_extent extent = hnsw_extent(hnsw, args);
    double part = part_accepted(args);
    double a_node = DISTANCES_A_NODE * hnsw->m0 / USUAL_LINKS;
    double cost = extent.pool * a_node;
    if (args->accept != NULL && args->walk == FILTER_HOPS) {
        cost += extent.pool * fmin(ROWS_A_NODE / part, hnsw->m0);
    } else if (args->accept != NULL) {
        cost = fmax(extent.all, extent.near / part) * a_node;
    }
    cost = fmin(cost, nodes);
    if (args->codes == CODES_IGNORED || hnsw_quantizer(hnsw) == NULL) {
        return cost;
    }
    double rescored = args->codes == CODES_RESCORED ? 1.5 * args->limit : 0.0;
    return fmin(cost * price_of_code(hnsw) + rescored, nodes);
}
