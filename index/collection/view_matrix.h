/* Distances between points drawn by lot: for each of them its nearest ones among the others. */
#pragma once
#include "index/collection/view.h"

struct view_matrix {
    uint32_t slot; /* only points that have this vector */
    const struct filter *filter;
    uint64_t sample; /* points to draw */
    uint64_t limit;  /* neighbours of each */
    uint64_t seed;
    const atomic_bool *cancelled;
};
struct neighbour {
    uint32_t index; /* of a point of the matrix */
    float score;    /* API score */
};
struct matrix {
    struct found *points; /* by id */
    size_t count;
    struct neighbour *neighbours; /* count x per_point, nearest first, equal scores by id */
    size_t per_point;
};
/* Exact. With fewer than two points the matrix is empty: count 0. In the arena. CANCELLED. */
enum status view_matrix(const struct view *view, const struct view_matrix *request,
                        struct arena *arena, struct matrix *out, struct error *err);
