/* Search matrix: distances between points drawn by lot, as pairs or as rows and columns. */
#include "index/collection/view_matrix.h"
#include "server/api/api.h"
#include "server/api/ops.h"
#include "storage/base/random.h"

enum { SAMPLE_DEFAULT = 10, LIMIT_DEFAULT = 3 };

static enum status find_matrix(struct call *call, const Qdrant__SearchMatrixPoints *request,
                               struct matrix *out)
{
    struct view view;
    struct filter *filter = NULL;
    const struct vector_spec *spec = NULL;
    enum status status = api_check_shard_key(call, request->shard_key_selector);
    if (status == STATUS_OK) {
        status = api_pin(call, request->collection_name, &view);
    }
    if (status == STATUS_OK) {
        status =
            vector_spec_find(call, view.schema, request->_using_case ? request->using_ : "", &spec);
    }
    if (status == STATUS_OK) {
        status = api_filter(call, &view, request->filter, &filter);
    }
    if (status != STATUS_OK) {
        return status;
    }
    struct view_matrix args = {.slot = spec->slot,
                               .filter = filter,
                               .sample = request->_sample_case ? request->sample : SAMPLE_DEFAULT,
                               .limit = request->_limit_case ? request->limit : LIMIT_DEFAULT,
                               .cancelled = call->cancelled};
    random_os_bytes(&args.seed, sizeof(args.seed));
    return view_matrix(&view, &args, call->arena, out, call->err);
}

static enum status id_messages(struct call *call, const struct matrix *matrix,
                               Qdrant__PointId ***out)
{
    Qdrant__PointId **ids = arena_new_array(call->arena, Qdrant__PointId *, matrix->count + 1);
    if (!ids) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < matrix->count; i++) {
        ids[i] = id_message(call, matrix->points[i].id);
        if (!ids[i]) {
            return api_no_memory(call);
        }
    }
    *out = ids;
    return STATUS_OK;
}

enum status run_matrix_pairs(struct call *call, const void *input, void *output)
{
    Qdrant__SearchMatrixPairsResponse *response = output;
    struct matrix matrix;
    Qdrant__PointId **ids = NULL;
    enum status status = find_matrix(call, input, &matrix);
    if (status == STATUS_OK) {
        status = id_messages(call, &matrix, &ids);
    }
    if (status != STATUS_OK) {
        return status;
    }
    Qdrant__SearchMatrixPairs *result = api_new(call, &qdrant__search_matrix_pairs__descriptor);
    size_t cells = matrix.count * matrix.per_point;
    Qdrant__SearchMatrixPair **pairs =
        arena_new_array(call->arena, Qdrant__SearchMatrixPair *, cells + 1);
    if (!result || !pairs) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < cells; i++) {
        Qdrant__SearchMatrixPair *pair = api_new(call, &qdrant__search_matrix_pair__descriptor);
        if (!pair) {
            return api_no_memory(call);
        }
        pair->a = ids[i / matrix.per_point];
        pair->b = ids[matrix.neighbours[i].index];
        pair->score = matrix.neighbours[i].score;
        pairs[i] = pair;
    }
    result->pairs = pairs;
    result->n_pairs = cells;
    response->result = result;
    return STATUS_OK;
}

enum status run_matrix_offsets(struct call *call, const void *input, void *output)
{
    Qdrant__SearchMatrixOffsetsResponse *response = output;
    struct matrix matrix;
    Qdrant__PointId **ids = NULL;
    enum status status = find_matrix(call, input, &matrix);
    if (status == STATUS_OK) {
        status = id_messages(call, &matrix, &ids);
    }
    if (status != STATUS_OK) {
        return status;
    }
    Qdrant__SearchMatrixOffsets *result = api_new(call, &qdrant__search_matrix_offsets__descriptor);
    size_t cells = matrix.count * matrix.per_point;
    uint64_t *rows = arena_new_array(call->arena, uint64_t, cells + 1);
    uint64_t *columns = arena_new_array(call->arena, uint64_t, cells + 1);
    float *scores = arena_new_array(call->arena, float, cells + 1);
    if (!result || !rows || !columns || !scores) {
        return api_no_memory(call);
    }
    for (size_t i = 0; i < cells; i++) {
        rows[i] = i / matrix.per_point;
        columns[i] = matrix.neighbours[i].index;
        scores[i] = matrix.neighbours[i].score;
    }
    *result = (Qdrant__SearchMatrixOffsets){.base = result->base,
                                            .offsets_row = rows,
                                            .n_offsets_row = cells,
                                            .offsets_col = columns,
                                            .n_offsets_col = cells,
                                            .scores = scores,
                                            .n_scores = cells,
                                            .ids = ids,
                                            .n_ids = matrix.count};
    response->result = result;
    return STATUS_OK;
}
