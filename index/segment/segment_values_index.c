/* Values by way of a payload index.
 *
 * An index answers when it knows every value: no point that counts may have one that is foreign to
 * its kind. Which points count is told by the indexes too, under the same lock, so that a point is
 * accepted and gives its values in one state of its payload. When a filter leaves points that need
 * a check, payloads must be read anyway, and the index does not answer.
 *
 * Threads: any reader; the lock of the indexes is held throughout. An order with a filter walks
 * over points that do not count, so its steps are bounded. Nothing fails. */
#include "index/filter/candidates.h"
#include "index/segment/segment_int.h"
#include "index/segment/segment_values.h"

enum {
    WALK_STEPS_MAX = 1 << 18, /* some milliseconds */
    WALK_FEW = 128            /* fewer points than this part of all are read one by one instead */
};

/* The points that count; NULL: the index cannot answer. The caller's to free. */
static roaring_bitmap_t *choose_points(struct segment *segment, const struct index_pass *pass,
                                       const struct field *field)
{
    struct snapshot snapshot = segment_snapshot(segment);
    struct candidates found = {0};
    if (!pass->filter) {
        found.sure = roaring_bitmap_copy(field_set_points(segment->fields));
    } else if (!segment_candidates(segment, pass->filter, &snapshot, &found)) {
        return NULL;
    }
    if (found.possible) {
        candidates_free(&found);
        return NULL;
    }
    segment_drop_hidden(segment, &snapshot, found.sure);
    if (roaring_bitmap_intersect(field_foreign(field), found.sure)) {
        candidates_free(&found);
        return NULL;
    }
    return found.sure;
}

static bool is_all(const struct segment *segment, const roaring_bitmap_t *points)
{
    return roaring_bitmap_get_cardinality(points) ==
           roaring_bitmap_get_cardinality(field_set_points(segment->fields));
}

static const struct field_kind *kind_of(const struct field *field)
{
    return field_kind_of(field_spec(field)->type);
}

static bool has_facets(const struct field *field)
{
    switch (field_spec(field)->type) {
    case FIELD_KEYWORD:
    case FIELD_UUID:
    case FIELD_INTEGER:
    case FIELD_BOOL:
        return kind_of(field)->each_value != NULL;
    default:
        return false; /* reals, texts, places and points in time are no facets */
    }
}

bool segment_index_values(struct segment *segment, const struct index_pass *pass,
                          bool (*each)(void *ctx, const struct field_value *value, uint64_t count),
                          void *ctx)
{
    roaring_bitmap_t *points = NULL;
    field_set_lock_read(segment->fields);
    const struct field *field = field_set_find(segment->fields, pass->path);
    if (field && has_facets(field)) {
        points = choose_points(segment, pass, field);
    }
    if (points) {
        kind_of(field)->each_value(field, is_all(segment, points) ? NULL : points, each, ctx);
    }
    field_set_unlock_read(segment->fields);
    if (!points) {
        return false;
    }
    roaring_bitmap_free(points);
    return true;
}

struct walk {
    const roaring_bitmap_t *points; /* NULL: all count */
    bool (*each)(void *ctx, const struct field_value *value, point_offset point);
    void *ctx;
    size_t steps;
    bool too_long;
};

static bool walk_step(void *ctx, const struct field_value *value, point_offset point)
{
    struct walk *walk = ctx;
    if (walk->points && walk->steps++ == WALK_STEPS_MAX) {
        walk->too_long = true;
        return true;
    }
    return (!walk->points || roaring_bitmap_contains(walk->points, point)) &&
           walk->each(walk->ctx, value, point);
}

static bool is_worth_it(const struct field *field, const roaring_bitmap_t *points)
{
    return roaring_bitmap_get_cardinality(points) >= field_points(field) / WALK_FEW;
}

bool segment_index_order(
    struct segment *segment, const struct index_pass *pass, const struct index_order *order,
    bool (*each)(void *ctx, const struct field_value *value, point_offset point), void *ctx)
{
    struct walk walk = {.each = each, .ctx = ctx};
    roaring_bitmap_t *points = NULL;
    field_set_lock_read(segment->fields);
    const struct field *field = field_set_find(segment->fields, pass->path);
    if (field && kind_of(field)->each_in_order) {
        points = choose_points(segment, pass, field);
    }
    bool answers = points && is_worth_it(field, points);
    if (answers) {
        walk.points = is_all(segment, points) ? NULL : points;
        kind_of(field)->each_in_order(field, order->descending, order->from, walk_step, &walk);
    }
    field_set_unlock_read(segment->fields);
    if (points) {
        roaring_bitmap_free(points);
    }
    return answers && !walk.too_long;
}
