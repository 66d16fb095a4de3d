/* What the steps of a search cost, measured by tests/bench/calibrate_plan.c (`make
 * calibrate-plan`, which writes this file's numbers) on an AMD EPYC of Zen 3, one thread, memory
 * shared with another. */
#pragma once

/* Nanoseconds. */
#define COST_SCAN_POINT  12.0   /* a row among matches in order: the match, the row's place */
#define COST_SCAN_BYTE   0.06   /* of a row */
#define COST_CODES_POINT 10.0   /* a code among matches in order */
#define COST_CODES_BYTE  0.06   /* of a code */
#define COST_CODES_QUERY 4000.0 /* preparing the query, comparing the rows of the nearest */
#define COST_WALK_POINT  25.0   /* a distance in a walk */
#define COST_WALK_BYTE   0.08   /* of the row or code it reads */
#define COST_WALK_HOP    60.0   /* a row of 32 neighbours read in a walk */

/* Of a walk over matches alone, by the part of points that match: rows of neighbours read, and
 * distances, for each of the ef it keeps, at 32 neighbours a node. */
static const struct {
    double part, hops, distances;
} COST_HOPS[] = {
    {0.005, 24.0, 5.0}, {0.01, 22.0, 7.0}, {0.02, 20.0, 10.0}, {0.05, 16.0, 14.0},
    {0.1, 10.0, 15.0},  {0.2, 5.0, 15.0},  {0.35, 2.5, 13.0},  {0.5, 1.2, 11.0},
    {0.75, 1.1, 11.0},  {1.0, 1.1, 11.0},
};
/* Of a walk that checks what it meets, divided by the part that matches. */
#define COST_INDEX_HOPS      1.1
#define COST_INDEX_DISTANCES 11.0
