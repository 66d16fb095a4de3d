/* How a search is answered: what can be done, what each way is expected to cost, which is chosen,
 * and what came of it. Costs are nanoseconds on the machine that plan_costs.h was measured on; only
 * their order matters. */
#pragma once
#include "index/vindex.h"

enum search_operator {
    SEARCH_SCAN,       /* the rows of all matches */
    SEARCH_SCAN_CODES, /* the codes of all matches, then the rows of those that may be nearest */
    SEARCH_HOPS,       /* a graph, over the matches alone */
    SEARCH_INDEX,      /* the index as without a filter; points are checked when they are met */
    SEARCH_OPERATORS,
};
const char *search_operator_name(enum search_operator operator);
const char *gave_up_name(enum gave_up gave_up); /* NULL: it did not */

/* May a graph be walked over matches alone? As clients say (`acorn`). */
enum hops_use {
    HOPS_PLANNED, /* where it is the cheapest */
    HOPS_NEVER,
    HOPS_BELOW, /* where at most a part of the points matches */
};
struct plan_query {
    const struct vindex *index; /* NULL: there is none to be used */
    const struct search_args *args;
    const struct vectors *vectors;
    uint32_t links; /* of a node on level 0; 0: the index is no graph */
    bool cold;      /* rows are likely to be on disk */
    uint64_t matches, points;
    enum hops_use hops;
    double hops_part; /* HOPS_BELOW: at most this part */
};
struct plan {
    enum search_operator chosen;
    double cost_ns[SEARCH_OPERATORS]; /* infinite: it cannot be done, or is not allowed */
    uint64_t work_max;                /* of HOPS and INDEX, for search_args */
};
void plan_make(const struct plan_query *query, struct plan *plan);
/* The cheaper of the scans. */
enum search_operator plan_scan(const struct plan *plan);
/* HOPS gave up: may the graph be tried once more, point after point, before the matches are
 * scanned? */
bool plan_index_after_hops(const struct plan *plan);

/* What a search did, for clients that want to know. */
struct search_step {
    enum search_operator operator;
    double estimated_ns;
    uint64_t took_ns;
    struct search_trace trace;
    bool is_short; /* it found fewer points than there are */
};
enum { SEARCH_STEPS_MAX = 4 };
struct search_report {
    bool filtered;
    bool sampled;                               /* the matches were not collected but estimated */
    uint64_t points;                            /* the search looks among these */
    uint64_t estimated_matches;                 /* before the first step; exact unless sampled */
    uint64_t matches_ns;                        /* it took to know the matches */
    struct plan plan;                           /* of the last choice */
    struct search_step steps[SEARCH_STEPS_MAX]; /* in order; all but the last failed */
    size_t steps_count;
    uint64_t tail; /* points not in the index yet, scanned beside it */
    uint64_t took_ns;
};
