/* Search: the older way to ask for the nearest points, alone or in a batch. */
#include "server/api/ops.h"
#include "server/api/ranking.h"

enum status search_ranking(struct call *call, const struct view *view,
                           const Qdrant__SearchPoints *request, struct ranking *out)
{
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK && request->sparse_indices) {
        status = api_refuse(call, "sparse_indices");
    }
    if (status == STATUS_OK) {
        const char *name = request->_vector_name_case ? request->vector_name : "";
        status = ranking_nearest(call, view, name, request->vector, request->n_vector,
                                 request->params, out);
    }
    if (status == STATUS_OK && request->_score_threshold_case) {
        out->nearest.has_threshold = true;
        out->nearest.threshold = request->score_threshold;
    }
    return status;
}

static enum status search_one(struct call *call, const struct view *view,
                              const Qdrant__SearchPoints *request, size_t *count,
                              Qdrant__ScoredPoint ***out)
{
    struct ranking ranking;
    enum status status = search_ranking(call, view, request, &ranking);
    if (status != STATUS_OK) {
        return status;
    }
    struct selection selection = {.filter = request->filter,
                                  .limit = request->limit,
                                  .offset = request->_offset_case ? request->offset : 0,
                                  .with_payload = request->with_payload,
                                  .with_vectors = request->with_vectors};
    return ranking_select(call, view, &ranking, &selection, count, out);
}
enum status run_search(struct call *call, const void *input, void *output)
{
    const Qdrant__SearchPoints *request = input;
    Qdrant__SearchResponse *response = output;
    struct view view;
    enum status status = api_pin(call, request->collection_name, &view);
    return status == STATUS_OK
               ? search_one(call, &view, request, &response->n_result, &response->result)
               : status;
}

enum status run_search_batch(struct call *call, const void *input, void *output)
{
    const Qdrant__SearchBatchPoints *request = input;
    Qdrant__SearchBatchResponse *response = output;
    struct view view;
    enum status status = api_pin(call, request->collection_name, &view);
    if (status != STATUS_OK) {
        return status;
    }
    response->result =
        arena_new_array(call->arena, Qdrant__BatchResult *, request->n_search_points + 1);
    if (!response->result) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < request->n_search_points; i++) {
        Qdrant__BatchResult *result = api_new(call, &qdrant__batch_result__descriptor);
        status = result ? api_check_cancelled(call) : api_no_memory(call);
        if (status == STATUS_OK) {
            status = search_one(call, &view, request->search_points[i], &result->n_result,
                                &result->result);
        }
        if (status != STATUS_OK) {
            return status;
        }
        response->result[response->n_result++] = result;
    }
    return STATUS_OK;
}
