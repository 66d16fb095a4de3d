/* Strict mode's table: each row is an option and a part of requests that it limits.
 *
 * A request is walked through, and each message in it is compared with the rows of its type. So an
 * operation gets its limits by the messages that it is made of, wherever they stand: in a batch, in
 * a prefetch, in a nested filter. Options that are no number in a message have a function below.
 *
 * Any compute thread; no state. All failures are the client's. */
#include "server/api/strict.h"

#include "index/collection/usage.h"
#include "server/api/message_walk.h"
#include "server/api/strict_vectors.h"

#include <math.h>
#include <stdio.h>

enum rule {
    AT_MOST, /* the option is the greatest number allowed */
    ALLOWED, /* the option says whether "true" is */
};
struct limit {
    const char *option;
    enum rule rule;
    const ProtobufCMessageDescriptor *message; /* NULL: the request as a whole */
    const char *field;                         /* its number, or its count when it is a list */
    double unset;                              /* what counts when the field is not present */
    const char *help;
};
#define NOTHING 0.0
#define ROW(option, rule, message, field, unset, help)                                             \
    {                                                                                              \
#option, rule, &qdrant__##message##__descriptor, #field, unset, help                       \
    }
#define LIMIT(message, unset)                                                                      \
    ROW(max_query_limit, AT_MOST, message, limit, unset, "Reduce the \"limit\" parameter")
#define BATCH(message, field)                                                                      \
    ROW(search_max_batchsize, AT_MOST, message, field, NOTHING, "Send smaller batches")
#define UPSERT(message)                                                                            \
    ROW(upsert_max_batchsize, AT_MOST, message, points, NOTHING, "Send smaller batches")
#define CONDITION(message, field)                                                                  \
    ROW(condition_max_size, AT_MOST, message, field, NOTHING,                                      \
        "Split the condition or list fewer values")

static const struct limit limits[] = {
    {"max_timeout", AT_MOST, NULL, "timeout", NOTHING, "Reduce the \"timeout\" parameter"},
    LIMIT(search_points, NOTHING),
    LIMIT(search_point_groups, NOTHING),
    LIMIT(recommend_points, NOTHING),
    LIMIT(recommend_point_groups, NOTHING),
    LIMIT(discover_points, NOTHING),
    LIMIT(query_points, 10),
    LIMIT(query_point_groups, 10),
    LIMIT(prefetch_query, 10),
    LIMIT(scroll_points, 10),
    LIMIT(facet_counts, 10),
    LIMIT(search_matrix_points, 3),
    BATCH(search_batch_points, search_points),
    BATCH(query_batch_points, query_points),
    BATCH(recommend_batch_points, recommend_points),
    BATCH(discover_batch_points, discover_points),
    ROW(search_max_hnsw_ef, AT_MOST, search_params, hnsw_ef, NOTHING,
        "Reduce the \"hnsw_ef\" parameter"),
    ROW(search_max_oversampling, AT_MOST, quantization_search_params, oversampling, NOTHING,
        "Reduce the \"oversampling\" parameter"),
    ROW(search_allow_exact, ALLOWED, search_params, exact, NOTHING, "Set exact=false"),
    UPSERT(upsert_points),
    UPSERT(points_update_operation__point_struct_list),
    UPSERT(update_point_vectors),
    UPSERT(points_update_operation__update_vectors),
    CONDITION(repeated_strings, strings),
    CONDITION(repeated_integers, integers),
    CONDITION(has_id_condition, has_id),
    CONDITION(geo_line_string, points),
};
enum { LIMITS_COUNT = sizeof(limits) / sizeof(limits[0]) };

/* Requests on points. */
static const struct {
    const ProtobufCMessageDescriptor *request;
    enum request_kind kind;
    const char *parts; /* operations in it; NULL: it is one */
} kinds[] = {
    {&qdrant__search_points__descriptor, REQUEST_READ, NULL},
    {&qdrant__search_batch_points__descriptor, REQUEST_READ, "search_points"},
    {&qdrant__search_point_groups__descriptor, REQUEST_READ, NULL},
    {&qdrant__recommend_points__descriptor, REQUEST_READ, NULL},
    {&qdrant__recommend_batch_points__descriptor, REQUEST_READ, "recommend_points"},
    {&qdrant__recommend_point_groups__descriptor, REQUEST_READ, NULL},
    {&qdrant__discover_points__descriptor, REQUEST_READ, NULL},
    {&qdrant__discover_batch_points__descriptor, REQUEST_READ, "discover_points"},
    {&qdrant__query_points__descriptor, REQUEST_READ, NULL},
    {&qdrant__query_batch_points__descriptor, REQUEST_READ, "query_points"},
    {&qdrant__query_point_groups__descriptor, REQUEST_READ, NULL},
    {&qdrant__search_matrix_points__descriptor, REQUEST_READ, NULL},
    {&qdrant__facet_counts__descriptor, REQUEST_READ, NULL},
    {&qdrant__scroll_points__descriptor, REQUEST_READ, NULL},
    {&qdrant__count_points__descriptor, REQUEST_READ, NULL},
    {&qdrant__get_points__descriptor, REQUEST_READ, NULL},
    {&sagitta__get_point__descriptor, REQUEST_READ, NULL},
    {&qdrant__upsert_points__descriptor, REQUEST_GROWTH, NULL},
    {&qdrant__update_point_vectors__descriptor, REQUEST_GROWTH, NULL},
    {&qdrant__set_payload_points__descriptor, REQUEST_GROWTH, NULL},
    {&qdrant__create_field_index_collection__descriptor, REQUEST_GROWTH, NULL},
    {&qdrant__create_vector_name_request__descriptor, REQUEST_GROWTH, NULL},
    {&qdrant__update_batch_points__descriptor, REQUEST_UPDATE, "operations"},
    {&qdrant__delete_points__descriptor, REQUEST_UPDATE, NULL},
    {&qdrant__delete_point_vectors__descriptor, REQUEST_UPDATE, NULL},
    {&qdrant__delete_payload_points__descriptor, REQUEST_UPDATE, NULL},
    {&qdrant__clear_payload_points__descriptor, REQUEST_UPDATE, NULL},
    {&qdrant__delete_field_index_collection__descriptor, REQUEST_UPDATE, NULL},
    {&qdrant__delete_vector_name_request__descriptor, REQUEST_UPDATE, NULL},
};
enum { KINDS_COUNT = sizeof(kinds) / sizeof(kinds[0]) };

const Qdrant__StrictModeConfig *strict_config(const struct view *view)
{
    const Qdrant__StrictModeConfig *config = view->schema->config->strict_mode_config;
    return config && config->_enabled_case && config->enabled ? config : NULL;
}

static bool grows(const Qdrant__UpdateBatchPoints *batch)
{
    for (size_t i = 0; i < batch->n_operations; i++) {
        switch (batch->operations[i]->operation_case) {
        case QDRANT__POINTS_UPDATE_OPERATION__OPERATION_UPSERT:
        case QDRANT__POINTS_UPDATE_OPERATION__OPERATION_SET_PAYLOAD:
        case QDRANT__POINTS_UPDATE_OPERATION__OPERATION_OVERWRITE_PAYLOAD:
        case QDRANT__POINTS_UPDATE_OPERATION__OPERATION_UPDATE_VECTORS:
            return true;
        default:
            break;
        }
    }
    return false;
}

enum request_kind strict_kind(const ProtobufCMessage *request, uint64_t *cost)
{
    for (size_t i = 0; i < KINDS_COUNT; i++) {
        if (kinds[i].request != request->descriptor) {
            continue;
        }
        double parts = 1;
        if (kinds[i].parts) {
            (void)message_number(request, kinds[i].parts, &parts);
        }
        *cost = (uint64_t)parts;
        return request->descriptor == &qdrant__update_batch_points__descriptor &&
                       grows((const Qdrant__UpdateBatchPoints *)request)
                   ? REQUEST_GROWTH
                   : kinds[i].kind;
    }
    *cost = 0;
    return REQUEST_OTHER;
}

static void print(char *out, size_t size, double number)
{
    (void)snprintf(out, size, number == floor(number) ? "%.0f" : "%g", number);
}

enum status strict_exceeded(struct call *call, const char *option, const char *what, double value,
                            double limit, const char *help)
{
    char asked[40], most[40];
    print(asked, sizeof(asked), value);
    print(most, sizeof(most), limit);
    return error_set(call->err, STATUS_BAD_REQUEST,
                     "Limit exceeded %s > %s for \"%.100s\" (%s of the collection's strict mode). "
                     "Help: %s to or below %s.",
                     asked, most, what, option, help, most);
}

struct check {
    struct call *call;
    const struct view *view;
    const Qdrant__StrictModeConfig *config;
    const ProtobufCMessage *request;
    bool reads;
    enum status status;
};

/* False: refused. */
static bool check_row(struct check *check, const struct limit *limit,
                      const ProtobufCMessage *message)
{
    double most = 0, value = limit->unset;
    if (!message_number(&check->config->base, limit->option, &most)) {
        return true;
    }
    (void)message_number(message, limit->field, &value);
    if (limit->rule == AT_MOST && value > most) {
        check->status =
            strict_exceeded(check->call, limit->option, limit->field, value, most, limit->help);
    } else if (limit->rule == ALLOWED && value > 0 && most == 0) {
        check->status = error_set(check->call->err, STATUS_BAD_REQUEST,
                                  "\"%s\": true is not allowed (%s of the collection's strict "
                                  "mode is false). Help: %s.",
                                  limit->field, limit->option, limit->help);
    }
    return check->status == STATUS_OK;
}

static bool check_rows(struct check *check, const ProtobufCMessage *message)
{
    for (size_t i = 0; i < LIMITS_COUNT; i++) {
        const ProtobufCMessageDescriptor *of = limits[i].message;
        if ((of ? of == message->descriptor : message == check->request) &&
            !check_row(check, &limits[i], message)) {
            return false;
        }
    }
    return true;
}

/* ---- filters ---- */

static enum walk_step count_condition(void *ctx, const ProtobufCMessage *message)
{
    const Qdrant__Condition *condition = (const Qdrant__Condition *)message;
    if (message->descriptor != &qdrant__condition__descriptor ||
        condition->condition_one_of_case == QDRANT__CONDITION__CONDITION_ONE_OF_FILTER ||
        condition->condition_one_of_case == QDRANT__CONDITION__CONDITION_ONE_OF_NESTED) {
        return WALK_IN;
    }
    ++*(size_t *)ctx;
    return WALK_PAST;
}

static enum walk_step visit_condition(void *ctx, const ProtobufCMessage *message)
{
    struct check *check = ctx;
    if (message->descriptor == &qdrant__point_id__descriptor) {
        return WALK_PAST;
    }
    return check_rows(check, message) ? WALK_IN : WALK_STOP;
}

static void refuse_unindexed(void *ctx, const char *key, enum field_type type)
{
    struct check *check = ctx;
    if (check->status == STATUS_OK) {
        check->status = error_set(
            check->call->err, STATUS_BAD_REQUEST,
            "Index required but not found for \"%.200s\" of one of the following types: [%s] (%s "
            "of the collection's strict mode is false). Help: Create an index for this key or use "
            "a different filter.",
            key, field_kind_of(type)->name,
            check->reads ? "unindexed_filtering_retrieve" : "unindexed_filtering_update");
    }
}

static bool unindexed_allowed(const struct check *check)
{
    const Qdrant__StrictModeConfig *config = check->config;
    return check->reads
               ? !config->_unindexed_filtering_retrieve_case || config->unindexed_filtering_retrieve
               : !config->_unindexed_filtering_update_case || config->unindexed_filtering_update;
}

static enum status filter_unindexed(struct call *call, const struct view *view,
                                    const Qdrant__Filter *wire,
                                    void (*each)(void *ctx, const char *key, enum field_type type),
                                    void *ctx)
{
    struct filter *filter = NULL;
    enum status status =
        filter_compile(wire, &view->schema->filtering, call->arena, &filter, call->err);
    if (status == STATUS_OK && filter) {
        view_each_unindexed(view, filter, each, ctx);
    }
    return status;
}

/* The outermost filter. */
static enum walk_step check_filter(struct check *check, const Qdrant__Filter *filter)
{
    size_t conditions = 0;
    (void)message_walk_inside(&filter->base, count_condition, &conditions);
    const Qdrant__StrictModeConfig *config = check->config;
    if (config->_filter_max_conditions_case && conditions > config->filter_max_conditions) {
        check->status = strict_exceeded(check->call, "filter_max_conditions", "filter",
                                        (double)conditions, (double)config->filter_max_conditions,
                                        "Reduce the number of conditions in the filter");
    } else if (!message_walk_inside(&filter->base, visit_condition, check)) {
        return WALK_STOP; /* a row said why, or it is nested too deeply */
    } else if (!unindexed_allowed(check)) {
        struct call *call = check->call;
        enum status status = filter_unindexed(call, check->view, filter, refuse_unindexed, check);
        check->status = status == STATUS_OK ? check->status : status;
    }
    return check->status == STATUS_OK ? WALK_PAST : WALK_STOP;
}

/* ---- whole requests ---- */

static enum status check_index_count(struct check *check,
                                     const Qdrant__CreateFieldIndexCollection *request)
{
    const struct schema *schema = check->view->schema;
    const Qdrant__StrictModeConfig *config = check->config;
    if (!config->_max_payload_index_count_case ||
        schema->fields_count < config->max_payload_index_count) {
        return STATUS_OK;
    }
    for (uint32_t i = 0; i < schema->fields_count; i++) {
        if (strcmp(schema->fields[i].key, request->field_name) == 0) {
            return STATUS_OK; /* it takes the place of the old one */
        }
    }
    return strict_exceeded(check->call, "max_payload_index_count", "payload indexes",
                           schema->fields_count + 1.0, (double)config->max_payload_index_count,
                           "Reduce the number of payload indexes");
}

static enum walk_step visit(void *ctx, const ProtobufCMessage *message)
{
    struct check *check = ctx;
    const ProtobufCMessageDescriptor *type = message->descriptor;
    if (type == &qdrant__filter__descriptor) {
        return check_filter(check, (const Qdrant__Filter *)message);
    }
    if (type == &qdrant__point_struct__descriptor || type == &qdrant__point_vectors__descriptor) {
        const Qdrant__Vectors *vectors = type == &qdrant__point_struct__descriptor
                                             ? ((const Qdrant__PointStruct *)message)->vectors
                                             : ((const Qdrant__PointVectors *)message)->vectors;
        check->status = strict_check_vectors(check->call, check->config, vectors);
        return check->status == STATUS_OK ? WALK_PAST : WALK_STOP;
    }
    if (type == &qdrant__point_id__descriptor) {
        return WALK_PAST;
    }
    if (type == &qdrant__create_field_index_collection__descriptor) {
        check->status =
            check_index_count(check, (const Qdrant__CreateFieldIndexCollection *)message);
    }
    return check->status == STATUS_OK && check_rows(check, message) ? WALK_IN : WALK_STOP;
}

enum status strict_check(struct call *call, const struct view *view,
                         const Qdrant__StrictModeConfig *config, const ProtobufCMessage *request)
{
    uint64_t cost = 0;
    struct check check = {.call = call,
                          .view = view,
                          .config = config,
                          .request = request,
                          .reads = strict_kind(request, &cost) == REQUEST_READ};
    if (!message_walk(request, visit, &check) && check.status == STATUS_OK) {
        return error_set(call->err, STATUS_BAD_REQUEST, "The request is nested too deeply");
    }
    return check.status;
}

struct search_filters {
    struct call *call;
    const struct view *view;
    void (*each)(void *ctx, const char *key, enum field_type type);
    void *ctx;
    enum status status;
};

static enum walk_step visit_filter(void *ctx, const ProtobufCMessage *message)
{
    struct search_filters *search = ctx;
    if (message->descriptor != &qdrant__filter__descriptor) {
        return WALK_IN;
    }
    search->status = filter_unindexed(search->call, search->view, (const Qdrant__Filter *)message,
                                      search->each, search->ctx);
    return search->status == STATUS_OK ? WALK_PAST : WALK_STOP;
}

enum status strict_each_unindexed(struct call *call, const struct view *view,
                                  const ProtobufCMessage *request,
                                  void (*each)(void *ctx, const char *key, enum field_type type),
                                  void *ctx)
{
    struct search_filters search = {.call = call, .view = view, .each = each, .ctx = ctx};
    (void)message_walk(request, visit_filter, &search);
    return search.status;
}
