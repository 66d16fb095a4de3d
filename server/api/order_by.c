/* order_by of a request, and the value that orders a point in an answer.
 *
 * A start may be a number or a point in time; points in time are ordered as microseconds. */
#include "index/payload/datetime.h"
#include "server/api/ranking.h"

#include <math.h>

enum { US_PER_SECOND = 1000000, NS_PER_US = 1000 };

static enum status refuse_start(struct call *call, const char *text)
{
    return error_set(call->err, STATUS_BAD_INPUT,
                     "order_by.start_from: `%.80s` is neither a number nor a point in time", text);
}

static enum status read_timestamp(struct call *call, const Google__Protobuf__Timestamp *timestamp,
                                  int64_t *out_us)
{
    int64_t us;
    if (__builtin_mul_overflow(timestamp->seconds, (int64_t)US_PER_SECOND, &us) ||
        __builtin_add_overflow(us, (int64_t)(timestamp->nanos / NS_PER_US), &us)) {
        return refuse_start(call, "timestamp");
    }
    *out_us = us;
    return STATUS_OK;
}

static enum status read_start(struct call *call, const Qdrant__StartFrom *start,
                              const struct json_number **out)
{
    struct json_number *number = arena_new(call->arena, struct json_number);
    if (!number) {
        return api_no_memory(call);
    }
    number->kind = NUMBER_SIGNED;
    enum status status = STATUS_OK;
    switch (start->value_case) {
    case QDRANT__START_FROM__VALUE_INTEGER:
        number->signed_value = start->integer;
        break;
    case QDRANT__START_FROM__VALUE_FLOAT:
        number->kind = NUMBER_REAL;
        number->real_value = start->float_;
        if (isnan(start->float_)) {
            status = refuse_start(call, "NaN");
        }
        break;
    case QDRANT__START_FROM__VALUE_DATETIME:
        if (!datetime_parse(slice_text(start->datetime), &number->signed_value)) {
            status = refuse_start(call, start->datetime);
        }
        break;
    case QDRANT__START_FROM__VALUE_TIMESTAMP:
        status = read_timestamp(call, start->timestamp, &number->signed_value);
        break;
    default:
        return STATUS_OK;
    }
    *out = number;
    return status;
}

enum status order_read(struct call *call, const Qdrant__OrderBy *order_by, struct view_order *out)
{
    struct view_order order = {.descending = order_by->_direction_case &&
                                             order_by->direction == QDRANT__DIRECTION__Desc};
    struct path *path = NULL;
    enum status status = path_parse(slice_text(order_by->key), call->arena, &path, call->err);
    if (status == STATUS_OK && order_by->start_from) {
        status = read_start(call, order_by->start_from, &order.from);
    }
    if (status == STATUS_OK) {
        order.path = path;
        *out = order;
    }
    return status;
}

Qdrant__OrderValue *order_value_message(struct call *call, struct json_number value)
{
    Qdrant__OrderValue *message = api_new(call, &qdrant__order_value__descriptor);
    if (!message) {
        return NULL;
    }
    if (value.kind == NUMBER_SIGNED) {
        message->variant_case = QDRANT__ORDER_VALUE__VARIANT_INT;
        message->int_ = value.signed_value;
    } else {
        message->variant_case = QDRANT__ORDER_VALUE__VARIANT_FLOAT;
        message->float_ = value.real_value;
    }
    return message;
}
