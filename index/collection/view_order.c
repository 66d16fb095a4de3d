/* Ordering by a payload key. The best `limit` rows are kept in a heap, because equal values are
 * ordered by id; an index gives values in order until the heap is full of better ones. Without an
 * index that knows all values it is one pass over the payloads of the matching points. A point's
 * values are sorted first, so that equal ones give one row.
 *
 * A value is told as it was written, 4 as an integer and 4.0 as a real; of both the integer. An
 * index of reals does not know, so the payloads of its rows are read.
 *
 * Threads: any reader. Failures: a client that has left, storage, and no memory for the rows. */
#include "index/collection/view_order.h"

#include "index/collection/best.h"
#include "index/collection/engine_int.h"
#include "index/payload/datetime.h"
#include "index/payload/presence.h"
#include "index/segment/segment_values.h"
#include "storage/base/mem.h"

#include <stdlib.h>

struct row {
    struct json_number value;
    struct point_id id;
    point_offset point;
};
struct ordering {
    const struct view_order *order;
    struct segment *segment;
    struct best rows;
    struct json_number *values; /* of the point at hand */
    size_t values_count, values_capacity;
    bool no_memory;
};

static int compare_values(const struct view_order *order, struct json_number a,
                          struct json_number b)
{
    int result = json_number_compare(a, b);
    return order->descending ? -result : result;
}

static int compare_rows(const void *ctx, const void *a, const void *b)
{
    const struct row *left = a, *right = b;
    int result = compare_values(ctx, left->value, right->value);
    return result ? result : point_id_compare(left->id, right->id);
}

/* Of equal numbers the integer is told. */
static int compare_numbers(const void *a, const void *b)
{
    const struct json_number *left = a, *right = b;
    int result = json_number_compare(*left, *right);
    return result ? result : (int)(left->kind == NUMBER_REAL) - (int)(right->kind == NUMBER_REAL);
}

/* False: the value has no order. */
static bool order_value(struct json_view value, struct json_number *out)
{
    if (json_view_kind(value) == JSON_NUMBER) {
        *out = json_view_number(value);
        if (out->kind == NUMBER_UNSIGNED) {
            *out = (struct json_number){.kind = NUMBER_REAL,
                                        .real_value = (double)out->unsigned_value};
        }
        return true;
    }
    out->kind = NUMBER_SIGNED;
    return datetime_of_value(value, &out->signed_value);
}

static bool values_grow(struct ordering *ordering)
{
    enum { FIRST = 16 };
    size_t capacity = ordering->values_capacity ? ordering->values_capacity * 2 : FIRST;
    struct json_number *values =
        mem_try_realloc(ordering->values, capacity * sizeof(ordering->values[0]));
    if (!values) {
        ordering->no_memory = true;
        return false;
    }
    ordering->values = values;
    ordering->values_capacity = capacity;
    return true;
}

static bool add_value(void *ctx, struct json_view view)
{
    struct ordering *ordering = ctx;
    const struct view_order *order = ordering->order;
    const struct row *worst = best_worst(&ordering->rows);
    struct json_number value;
    if (!order_value(view, &value) ||
        (order->from && compare_values(order, value, *order->from) < 0) ||
        (worst && compare_values(order, value, worst->value) > 0)) {
        return false;
    }
    if (ordering->values_count == ordering->values_capacity && !values_grow(ordering)) {
        return true;
    }
    ordering->values[ordering->values_count++] = value;
    return false;
}

static bool add_point(void *ctx, point_offset point, struct slice payload)
{
    struct ordering *ordering = ctx;
    ordering->values_count = 0;
    payload_each_value(ordering->order->path, json_view_of(payload), add_value, ordering);
    if (ordering->values_count > 1) {
        qsort(ordering->values, ordering->values_count, sizeof(ordering->values[0]),
              compare_numbers);
    }
    for (size_t i = 0; i < ordering->values_count && !ordering->no_memory; i++) {
        struct json_number value = ordering->values[i];
        if (i > 0 && json_number_compare(ordering->values[i - 1], value) == 0) {
            continue;
        }
        struct row row = {
            .value = value, .id = segment_id(ordering->segment, point), .point = point};
        ordering->no_memory = !best_push(&ordering->rows, &row);
    }
    return ordering->no_memory;
}

static enum status take_rows(struct ordering *ordering, struct arena *arena, struct found **out,
                             size_t *count, struct error *err)
{
    size_t rows_count = ordering->rows.count;
    struct found *points = arena_new_array(arena, struct found, rows_count + 1);
    if (!points) {
        return error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    }
    best_sort(&ordering->rows);
    for (size_t i = 0; i < rows_count; i++) {
        const struct row *row = best_at(&ordering->rows, i);
        points[i] = (struct found){.id = row->id,
                                   .version = segment_version(ordering->segment, row->point),
                                   .offset = row->point,
                                   .has_value = true,
                                   .value = row->value};
    }
    *out = points;
    *count = rows_count;
    return STATUS_OK;
}

/* ---- by way of an index ---- */

static bool add_row(void *ctx, const struct field_value *value, point_offset point)
{
    struct ordering *ordering = ctx;
    const struct row *worst = best_worst(&ordering->rows);
    struct row row = {.point = point, .value = {.kind = NUMBER_SIGNED}};
    if (value->kind == VALUE_REAL) {
        row.value = (struct json_number){.kind = NUMBER_REAL, .real_value = value->real};
    } else {
        row.value.signed_value = value->integer;
    }
    if (worst && compare_values(ordering->order, row.value, worst->value) > 0) {
        return true; /* as are all that follow */
    }
    row.id = segment_id(ordering->segment, point);
    ordering->no_memory = !best_push(&ordering->rows, &row);
    return ordering->no_memory;
}

static bool find_rows(struct ordering *ordering)
{
    const struct view_order *order = ordering->order;
    struct index_pass pass = {.path = order->path, .filter = order->filter};
    struct index_order by = {.descending = order->descending, .from = order->from};
    return segment_index_order(ordering->segment, &pass, &by, add_row, ordering);
}

struct spelling {
    struct json_number wanted;
    struct json_number found; /* as it is written */
    bool is_found;
};

static bool compare_spelling(void *ctx, struct json_view view)
{
    struct spelling *spelling = ctx;
    struct json_number value;
    if (!order_value(view, &value) || json_number_compare(value, spelling->wanted) != 0) {
        return false;
    }
    if (!spelling->is_found || value.kind == NUMBER_SIGNED) {
        spelling->found = value;
    }
    spelling->is_found = true;
    return value.kind == NUMBER_SIGNED;
}

/* Reals of an index become what the payloads say. */
static enum status spell_values(const struct view *view, const struct view_order *order,
                                struct found *points, size_t count, struct error *err)
{
    enum { AT_ONCE = 256 };
    struct slice payloads[AT_ONCE];
    struct arena *arena = arena_create(0);
    enum status status = STATUS_OK;
    for (size_t from = 0; from < count && status == STATUS_OK; from += AT_ONCE) {
        size_t part = count - from < AT_ONCE ? count - from : AT_ONCE;
        status = view_payloads(view, points + from, part, arena, payloads, err);
        for (size_t i = 0; i < part && status == STATUS_OK; i++) {
            struct spelling spelling = {.wanted = points[from + i].value};
            if (payloads[i].data) {
                payload_each_value(order->path, json_view_of(payloads[i]), compare_spelling,
                                   &spelling);
            }
            if (spelling.is_found) {
                points[from + i].value = spelling.found;
            }
        }
        arena_reset(arena);
    }
    arena_destroy(arena);
    return status;
}

static enum status pass_over(struct ordering *ordering, struct error *err)
{
    struct payload_pass pass = {.filter = ordering->order->filter,
                                .cancelled = ordering->order->cancelled,
                                .each = add_point,
                                .ctx = ordering};
    best_clear(&ordering->rows);
    return segment_each_payload(ordering->segment, &pass, err);
}

enum status view_order(const struct view *view, const struct view_order *order, struct arena *arena,
                       struct found **out, size_t *count, struct error *err)
{
    struct ordering ordering = {.order = order, .segment = view->collection->segment};
    best_init(&ordering.rows, sizeof(struct row), order->limit, compare_rows, order);
    bool by_index = find_rows(&ordering);
    enum status status = by_index ? STATUS_OK : pass_over(&ordering, err);
    if (status == STATUS_OK && ordering.no_memory) {
        status = error_set(err, STATUS_TOO_LARGE, "request needs too much memory");
    }
    if (status == STATUS_OK) {
        status = take_rows(&ordering, arena, out, count, err);
    }
    if (status == STATUS_OK && by_index && *count > 0 && (*out)[0].value.kind == NUMBER_REAL) {
        status = spell_values(view, order, *out, *count, err);
    }
    best_deinit(&ordering.rows);
    mem_free(ordering.values);
    return status;
}
