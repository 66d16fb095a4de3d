/* Query: points ranked as the query says, alone or in a batch. */
#include "server/api/explain.h"
#include "server/api/ops.h"
#include "server/api/ranking.h"

enum { QUERY_LIMIT_DEFAULT = 10 };

/* `report` NULL: nobody asks how. */
static enum status query_one(struct call *call, const struct view *view,
                             const Qdrant__QueryPoints *request, struct search_report *report,
                             size_t *count, Qdrant__ScoredPoint ***out)
{
    struct ranking ranking;
    enum status status = query_ranking(call, view, request, &ranking);
    if (status != STATUS_OK) {
        return status;
    }
    ranking.nearest.report = report;
    struct selection selection = {.filter = request->filter,
                                  .limit =
                                      request->_limit_case ? request->limit : QUERY_LIMIT_DEFAULT,
                                  .offset = request->_offset_case ? request->offset : 0,
                                  .with_payload = request->with_payload,
                                  .with_vectors = request->with_vectors};
    return ranking_select(call, view, &ranking, &selection, count, out);
}

enum status run_query(struct call *call, const void *input, void *output)
{
    const Qdrant__QueryPoints *request = input;
    Qdrant__QueryResponse *response = output;
    struct view view;
    struct search_report report = {0};
    bool explain = request->_explain_case && request->explain;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status == STATUS_OK) {
        status = query_one(call, &view, request, explain ? &report : NULL, &response->n_result,
                           &response->result);
    }
    if (status == STATUS_OK && explain) {
        status = explain_write(call, &report, &response->explain_json);
    }
    return status;
}

enum status run_query_batch(struct call *call, const void *input, void *output)
{
    const Qdrant__QueryBatchPoints *request = input;
    Qdrant__QueryBatchResponse *response = output;
    struct view view;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status != STATUS_OK) {
        return status;
    }
    response->result =
        arena_new_array(call->arena, Qdrant__BatchResult *, request->n_query_points + 1);
    if (!response->result) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < request->n_query_points; i++) {
        Qdrant__BatchResult *result = api_new(call, &qdrant__batch_result__descriptor);
        status = result ? api_check_cancelled(call) : api_no_memory(call);
        if (status == STATUS_OK && request->query_points[i]->explain) {
            status = api_refuse(call, "explain in a batch");
        }
        if (status == STATUS_OK) {
            status = query_one(call, &view, request->query_points[i], NULL, &result->n_result,
                               &result->result);
        }
        if (status != STATUS_OK) {
            return status;
        }
        response->result[response->n_result++] = result;
    }
    return STATUS_OK;
}
