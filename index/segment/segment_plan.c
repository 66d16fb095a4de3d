/* The choice: a pure function of numbers that are known before a search begins.
 *
 * Scans cost in proportion to the matches. A walk costs about the same whatever the number of
 * points: over matches alone it reads the more rows of neighbours the fewer of them match; with
 * checks on the way it is longer by the part that does not match. These expectations hold where the
 * filter has nothing to do with the query. Where it has, walks end sooner (matches around the
 * query) or not at all (matches elsewhere). Hence the limit on their work: when they exceed it, the
 * matches are scanned, and all has taken at most half as long again as the plain scan would have
 * alone.
 *
 * The numbers are those of plan_costs.h. Nothing fails. */
#include "index/segment/segment_plan.h"

#include "index/segment/plan_costs.h"

#include <math.h>

enum { EF_USUAL = 160, LINKS_USUAL = 32, ROWS_KEPT = 3 };
static const double COLD_ROW_NS = 20000; /* a row that has to come from the disk */
static const double WALK_SHARE = 0.5;    /* of the plain scan's time that a walk may waste */
static const double WALK_PATIENCE = 1.5; /* times its expected work */

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

/* A distance in a walk. */
static double distance_ns(const struct plan_query *query)
{
    size_t bytes = code_size(query);
    if (bytes == 0) {
        bytes = row_size(query);
        if (query->cold) {
            return COLD_ROW_NS;
        }
    }
    return COST_WALK_POINT + COST_WALK_BYTE * (double)bytes;
}

struct walk_work {
    double hops, distances;
};

/* By COST_HOPS, straight lines between its parts on a scale of logarithms. */
static struct walk_work work_of_hops(double part)
{
    enum { LAST = sizeof COST_HOPS / sizeof COST_HOPS[0] - 1 };
    size_t i = 0;
    while (i < LAST - 1 && part > COST_HOPS[i + 1].part) {
        i++;
    }
    double width = log(COST_HOPS[i + 1].part / COST_HOPS[i].part);
    double at = part > COST_HOPS[i].part ? log(part / COST_HOPS[i].part) / width : 0;
    at = at < 1 ? at : 1;
    return (struct walk_work){
        .hops = COST_HOPS[i].hops + at * (COST_HOPS[i + 1].hops - COST_HOPS[i].hops),
        .distances =
            COST_HOPS[i].distances + at * (COST_HOPS[i + 1].distances - COST_HOPS[i].distances)};
}

/* Of both walks over a graph. */
static struct walk_work walk_work(const struct plan_query *query, enum search_operator operator)
{
    const struct search_args *args = query->args;
    double ef = args->effort > 0 ? args->effort : EF_USUAL;
    ef = ef > args->limit ? ef : args->limit;
    double part = (double)(query->matches + 1) / (double)(query->points + 1);
    part = part < 1 ? part : 1;
    struct walk_work work = {.hops = COST_INDEX_HOPS / part,
                             .distances = COST_INDEX_DISTANCES / part};
    if (operator== SEARCH_HOPS) {
        work = work_of_hops(part);
    }
    double links = query->links / (double)LINKS_USUAL;
    double points = (double)query->points;
    work.hops = fmin(work.hops * ef, points);
    work.distances = fmin(work.distances * ef * links, points);
    return work;
}

static double walk_ns(const struct plan_query *query, enum search_operator operator)
{
    struct walk_work work = walk_work(query, operator);
    double links = query->links / (double)LINKS_USUAL;
    return work.hops * COST_WALK_HOP * links + work.distances * distance_ns(query);
}

static bool hops_allowed(const struct plan_query *query)
{
    double part = (double)query->matches / (double)(query->points + 1);
    return query->links > 0 && query->hops != HOPS_NEVER &&
           (query->hops != HOPS_BELOW || part <= query->hops_part);
}

/* Work, for a search, that takes about so long. */
static uint64_t work_in(const struct plan_query *query, double ns)
{
    double unit =
        (COST_WALK_HOP + COST_INDEX_DISTANCES * distance_ns(query)) / (1 + COST_INDEX_DISTANCES);
    double work = ns / unit;
    return work < 1 ? 1 : work < 1e15 ? (uint64_t)work : (uint64_t)1e15;
}

static double index_ns(const struct plan_query *query)
{
    if (query->links > 0) {
        return walk_ns(query, SEARCH_INDEX);
    }
    double row = COST_SCAN_POINT + COST_SCAN_BYTE * (double)row_size(query);
    return query->index->kind->cost(query->index, query->args) * row;
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
        cost[SEARCH_INDEX] = index_ns(query);
    }
    if (query->index && hops_allowed(query)) {
        cost[SEARCH_HOPS] = walk_ns(query, SEARCH_HOPS);
    }
    for (int i = 0; i < SEARCH_OPERATORS; i++) {
        plan->chosen = cost[i] < cost[plan->chosen] ? (enum search_operator)i : plan->chosen;
    }
    double walk = fmin(cost[SEARCH_HOPS], cost[SEARCH_INDEX]);
    plan->work_max =
        isfinite(walk) ? work_in(query, fmax(WALK_SHARE * cost[SEARCH_SCAN], WALK_PATIENCE * walk))
                       : 0;
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
