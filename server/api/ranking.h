/* What a query ranks points by, checked and ready to run; points/query, points/search and their
 * groups share it. A ranking lives in the call's arena. */
#pragma once
#include "index/collection/view_order.h"
#include "server/api/api.h"

struct ranking {
    enum { RANKED_BY_ID, RANKED_BY_DISTANCE, RANKED_BY_VALUE } by;
    struct view_search nearest; /* by distance; without limit and filter */
    enum distance distance;
    struct view_order order;         /* by value; without limit and filter */
    const struct point_id *excluded; /* NULL: none */
};
/* query.c: checks all of the request that says how to rank. */
enum status query_ranking(struct call *call, const struct view *view,
                          const Qdrant__QueryPoints *request, struct ranking *out);
/* op_search.c */
enum status search_ranking(struct call *call, const struct view *view,
                           const Qdrant__SearchPoints *request, struct ranking *out);
/* order_by.c: BAD_INPUT for a key that is no path and a start that is no value. */
enum status order_read(struct call *call, const Qdrant__OrderBy *order_by, struct view_order *out);
Qdrant__OrderValue *order_value_message(struct call *call, struct json_number value);

/* search.c */
/* By distance to the vector of that name. */
enum status ranking_nearest(struct call *call, const struct view *view, const char *vector_name,
                            const float *numbers, size_t numbers_count,
                            const Qdrant__SearchParams *params, struct ranking *out);
/* The first `limit` points of the ranking that the filter accepts, in `arena`; fewer only when
 * there are no more. */
enum status ranking_run(struct call *call, const struct view *view, const struct ranking *ranking,
                        const struct filter *filter, uint64_t limit, struct arena *arena,
                        struct found **out, size_t *count);
/* <0: a comes before b. */
int ranking_compare(const struct ranking *ranking, const struct found *a, const struct found *b);
/* What part of the ranking is wanted, and what of each point. */
struct selection {
    const Qdrant__Filter *filter;
    uint64_t limit, offset;
    const Qdrant__WithPayloadSelector *with_payload;
    const Qdrant__WithVectorsSelector *with_vectors;
};
enum status ranking_select(struct call *call, const struct view *view,
                           const struct ranking *ranking, const struct selection *selection,
                           size_t *out_count, Qdrant__ScoredPoint ***out);
