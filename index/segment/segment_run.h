/* Answering a search once its matches are known, or without a filter: the plan is made and carried
 * out, step after step until one holds. Knows vectors, an index and a set, no segment. */
#pragma once
#include "index/segment/match_set.h"
#include "index/segment/segment_plan.h"

struct searching {
    const struct vectors *vectors;
    const struct vindex *index; /* NULL: none is to be used */
    uint32_t links;             /* of a graph's node on level 0; 0: the index is no graph */
    bool cold;                  /* rows are likely to be on disk */
    bool indexed_only;          /* points that are not in the index yet do not matter */
    enum hops_use hops;
    double hops_part; /* HOPS_BELOW */
    /* All but `accept`, which is the run's, as are walk, work_max, trace and bound. */
    struct search_args args;
    /* May the point be returned, be it one of the matches or, where these were not collected, any?
     * One thread's. */
    bool (*test)(const void *ctx, point_offset point);
    const void *ctx;
    bool test_all; /* without a filter: the index has to ask */
    bool filtered;
    double selectivity; /* of the filter where `matches` is NULL, and of `test` without one */
    struct match_set *matches; /* every match, or NULL */
    uint64_t present;          /* points that have the vector; none may be missing in an answer */
    struct topk *top;
    struct search_report *report; /* the steps and the plan are noted here; never NULL */
    bool forced; /* measurements: the first step is `first`, whatever the plan says */
    enum search_operator first;
    /* The run's own. */
    struct accept accept;
    float bound;
};
/* *unfinished: the matches were not collected, and the index gave up or found too few. They have to
 * be collected now; another run goes on then. CANCELLED, TOO_LARGE, INTERNAL. */
enum status search_run(struct searching *s, bool *unfinished, struct error *err);

/* segment_scan.c */
/* Pushes the nearest of the points from `from` to args.count into s->top: the matches, or those
 * that the test accepts. CANCELLED. */
enum status scan_rows(struct searching *s, point_offset from, struct search_trace *trace,
                      struct error *err);
/* The same of those below `until`, by the codes of the index. */
enum status scan_codes(struct searching *s, point_offset until, struct error *err);
