/* Searches while points are inserted. */
#pragma once
#include "tests/bench/set.h"

/* How an index is asked. */
struct effort {
    const char *text; /* "EFFORT" or "EFFORT:OVERSAMPLING" */
    uint32_t effort;
    double oversampling;
};
void effort_parse(const char *text, struct effort *out); /* dies on nonsense; borrows the text */

/* The ten nearest of a query among the first `count` points. */
void search_query(const struct set *set, const struct vindex *index, size_t query,
                  const struct effort *effort, point_offset count, struct topk *out);

/* Searches by one thread for `seconds` over the points that are linked; then again for `seconds`
 * while another thread appends rows of the set's base and links them. Prints a JSON line: times of
 * both, points inserted a second. The index is built over a part of the base. */
void churn_run(struct set *set, struct vindex *index, const char *engine,
               const struct effort *effort, double seconds);
