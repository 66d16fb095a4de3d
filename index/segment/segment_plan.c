/* The choice: a pure function of numbers that are known before a search begins.
 *
 * Scans cost in proportion to the matches; what a search of the index costs, the index says, in
 * distances. That expectation holds where the filter has nothing to do with the query. Where it
 * has, a search ends sooner (matches around the query) or does not end (matches elsewhere). Hence
 * the limit on its work: when it exceeds that, the matches are scanned, and all has taken at most
 * half as long again as the scan alone.
 *
 * A walk over matches alone is chosen by its cost too. It computes no fewer distances for the same
 * recall than one that checks what it meets, and reads more rows of neighbours; it is cheaper only
 * where many results are wanted, or where a client insists.
 *
 * The numbers are those of plan_costs.h. Nothing fails. */
#include "index/segment/segment_plan.h"

#include "index/segment/plan_costs.h"

#include <math.h>

enum { ROWS_KEPT = 3, WORK_MIN = 100 };
static const double WORK_MOST = 1e15;
static const double COLD_ROW_NS = 20000; /* a row that has to come from the disk */
static const double CODE_SHARE = 0.7;    /* of a row's distance: what one to a code costs */
static const double WALK_SHARE = 0.5; /* of the plain scan's time, at most, that a walk may waste */
static const double WALK_PATIENCE = 1.3; /* times its expected work */

const char *search_operator_name(enum search_operator operator)
{
    static const char *const names[] = {
        [SEARCH_SCAN] = "scan",
        [SEARCH_SCAN_CODES] = "scan_codes",
        [SEARCH_HOPS] = "walk_matches",
        [SEARCH_INDEX] = "index",
    };
    return names[operator];
}

const char *gave_up_name(enum gave_up gave_up)
{
    static const char *const names[] = {
        [GAVE_UP_NOT] = NULL,
        [GAVE_UP_BUDGET] = "budget",
        [GAVE_UP_OPPOSED] = "opposed",
        [GAVE_UP_ISLAND] = "island",
    };
    return names[gave_up];
}

static size_t row_size(const struct plan_query *query)
{
    return row_bytes(query->vectors->element, query->vectors->dim);
}

/* The part of the points that match. */
static double part_of(const struct plan_query *query)
{
    double part = (double)query->matches / (double)(query->points + 1);
    return part < 1 ? part : 1;
}

static double scan_ns(const struct plan_query *query)
{
    double row = COST_SCAN_POINT + COST_SCAN_BYTE * (double)row_size(query);
    return (double)query->matches * (query->cold ? COLD_ROW_NS : row);
}

static size_t code_size(const struct plan_query *query)
{
    const struct vindex *index = query->index;
    bool has_codes = index && index->kind->code_bytes && query->args->codes != CODES_IGNORED;
    return has_codes ? index->kind->code_bytes(index) : 0;
}

static double scan_codes_ns(const struct plan_query *query)
{
    size_t bytes = code_size(query);
    if (bytes == 0) {
        return INFINITY;
    }
    double row = COST_SCAN_POINT + COST_SCAN_BYTE * (double)row_size(query);
    return COST_CODES_QUERY +
           (double)query->matches * (COST_CODES_POINT + COST_CODES_BYTE * (double)bytes) +
           ROWS_KEPT * (double)query->args->limit * (query->cold ? COLD_ROW_NS : row);
}

/* A distance between stored rows as a walk computes it, with its part of the neighbours' rows; what
 * indexes count their cost in. */
static double distance_ns(const struct plan_query *query)
{
    if (query->cold && code_size(query) == 0) {
        return COLD_ROW_NS;
    }
    double bytes = (double)row_size(query);
    return query->links > 0 ? COST_WALK_DISTANCE + COST_WALK_BYTE * bytes
                            : COST_LISTS_DISTANCE + COST_LISTS_BYTE * bytes;
}

static double index_ns(const struct plan_query *query, enum filter_walk walk)
{
    struct search_args args = *query->args;
    static const uint64_t bits = 0; /* they are there, when it comes to it */
    struct accept accept = {.selectivity = part_of(query), .bits = &bits};
    args.accept = &accept;
    args.walk = walk;
    return query->index->kind->cost(query->index, &args) * distance_ns(query);
}

static bool hops_allowed(const struct plan_query *query)
{
    return query->links > 0 && query->hops != HOPS_NEVER &&
           (query->hops != HOPS_BELOW || part_of(query) <= query->hops_part);
}

/* Work, for a search, that takes about so long. */
static uint64_t work_in(const struct plan_query *query, double ns)
{
    double unit = distance_ns(query) * (code_size(query) > 0 ? CODE_SHARE : 1);
    double work = ns / unit;
    return work < WORK_MIN ? WORK_MIN : work < WORK_MOST ? (uint64_t)work : (uint64_t)WORK_MOST;
}

void plan_make(const struct plan_query *query, struct plan *plan)
{
    *plan = (struct plan){.chosen = SEARCH_SCAN};
    double *cost = plan->cost_ns;
    cost[SEARCH_SCAN] = scan_ns(query);
    cost[SEARCH_SCAN_CODES] = scan_codes_ns(query);
    cost[SEARCH_HOPS] = INFINITY;
    cost[SEARCH_INDEX] = INFINITY;
    if (query->index) {
        cost[SEARCH_INDEX] = index_ns(query, FILTER_POSTCHECK);
    }
    if (query->index && hops_allowed(query)) {
        cost[SEARCH_HOPS] = index_ns(query, FILTER_HOPS);
    }
    for (int i = 0; i < SEARCH_OPERATORS; i++) {
        plan->chosen = cost[i] < cost[plan->chosen] ? (enum search_operator)i : plan->chosen;
    }
    if (plan->chosen == SEARCH_INDEX && query->hops == HOPS_BELOW && hops_allowed(query)) {
        plan->chosen = SEARCH_HOPS; /* the client asks for it */
    }
    double walk = fmin(cost[SEARCH_HOPS], cost[SEARCH_INDEX]);
    double wasted = WALK_SHARE * cost[SEARCH_SCAN];
    if (plan->chosen > SEARCH_SCAN_CODES && WALK_PATIENCE * cost[plan->chosen] > wasted) {
        plan->chosen = plan_scan(plan); /* were it for nothing, it would take too long in all */
    }
    double budget = fmax(WALK_SHARE * cost[plan_scan(plan)], WALK_PATIENCE * walk);
    plan->work_max = isfinite(walk) ? work_in(query, fmin(budget, wasted)) : 0;
}

enum search_operator plan_scan(const struct plan *plan)
{
    return plan->cost_ns[SEARCH_SCAN_CODES] < plan->cost_ns[SEARCH_SCAN] ? SEARCH_SCAN_CODES
                                                                         : SEARCH_SCAN;
}

bool plan_index_after_hops(const struct plan *plan)
{
    return 2 * plan->cost_ns[SEARCH_INDEX] < plan->cost_ns[plan_scan(plan)];
}
