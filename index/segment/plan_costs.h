/* What the steps of a search cost, in nanoseconds on one thread of a Zen 3 (AVX2), by searches of
 * 200,000 and of 1,000,000 clustered vectors of tests/bench/make_data.py. To measure anew:
 * BENCH_POINTS=200000 make bench-filter calibrate-plan. */
#pragma once

#define COST_SCAN_POINT     15.0   /* a match and the place of its row */
#define COST_SCAN_BYTE      0.1    /* of the row */
#define COST_CODES_POINT    12.0   /* a match and the place of its code */
#define COST_CODES_BYTE     0.12   /* of the code */
#define COST_CODES_QUERY    8000.0 /* preparing the query, choosing whose rows are compared */
#define COST_WALK_DISTANCE  75.0   /* in a graph, with a seventh of a row of neighbours */
#define COST_WALK_BYTE      0.1    /* of the row compared */
#define COST_LISTS_DISTANCE 50.0   /* what lists count as a distance */
#define COST_LISTS_BYTE     0.1
