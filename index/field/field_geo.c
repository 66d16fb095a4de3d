/* The index of places on the earth.
 *
 * Places lie in an ordered map by their Z-order key, and exactly as they were written in a column
 * by point. A shape is looked up from the world down: a cell without places or outside of the shape
 * is left, one inside is taken as a stretch of keys, one that crosses its edge is quartered; where
 * a cell has few places, each is looked at by its key, and asked for exactly when that does not
 * tell. So every answer is sure, and costs about the length of the shape's edge. Stretches that
 * follow each other are taken as one.
 *
 * Places off the globe (a longitude of 200) have no key: their points are noted apart and asked for
 * one by one. Objects that are no place, and all other values, are foreign and match no shape.
 *
 * The image: number of places u64, then for each its longitude and latitude (the bits of doubles,
 * u64) and point u32, in the order of points. No locks here; only loading fails. */
#include "index/field/field_int.h"
#include "index/field/geo_key.h"
#include "index/field/ordered.h"
#include "index/field/value_column.h"
#include "storage/base/mem.h"

#include <math.h>

enum { PLACES_ASKED_MAX = 48, PLACE_BYTES = 20 };

struct field_geo {
    struct field base;
    struct ordered *map;        /* of places on the globe */
    struct value_column column; /* all places, struct geo_point */
    roaring_bitmap_t *off;      /* points with a place off the globe */
    uint64_t places;
};

static const struct field_geo *geo_of(const struct field *field)
{
    return (const struct field_geo *)field;
}

static enum status create(const struct field_spec *spec, struct field **out, struct error *err)
{
    struct field_geo *self = mem_zalloc(sizeof(*self));
    enum status status = field_init(&self->base, &field_geo, spec, err);
    if (status != STATUS_OK) {
        mem_free(self);
        return status;
    }
    self->map = ordered_create();
    value_column_init(&self->column, sizeof(struct geo_point));
    self->off = roaring_bitmap_create();
    *out = &self->base;
    return STATUS_OK;
}

static void destroy(struct field *field)
{
    struct field_geo *self = (struct field_geo *)field;
    ordered_destroy(self->map);
    value_column_deinit(&self->column);
    roaring_bitmap_free(self->off);
    field_deinit(field);
    mem_free(self);
}

static void add_place(struct field_geo *self, point_offset point, struct geo_point place)
{
    if (geo_on_globe(place))
        (void)ordered_add(self->map, geo_key(place), point);
    else
        roaring_bitmap_add(self->off, point);
    value_column_add(&self->column, point, &place);
    self->places++;
}

static bool add(struct field *field, point_offset point, struct json_view value)
{
    struct geo_point place;
    if (!geo_of_value(value, &place))
        return false;
    add_place((struct field_geo *)field, point, place);
    return true;
}

static size_t places_of(const struct field_geo *self, uint32_t point,
                        const struct geo_point **places)
{
    const void *values = NULL;
    size_t count = value_column_get(&self->column, point, &values);
    *places = values;
    return count;
}

static void remove_point(struct field *field, point_offset point)
{
    struct field_geo *self = (struct field_geo *)field;
    const struct geo_point *places;
    size_t count = places_of(self, point, &places), keys_count = 0;
    if (count == 0)
        return;
    int64_t *keys = mem_alloc(count * sizeof(*keys));
    for (size_t i = 0; i < count; i++) {
        if (geo_on_globe(places[i]))
            keys[keys_count++] = geo_key(places[i]);
    }
    ordered_remove(self->map, point, keys, keys_count);
    mem_free(keys);
    value_column_remove(&self->column, point);
    roaring_bitmap_remove(self->off, point);
    self->places -= count;
}

/* ---- finding ---- */

struct search {
    const struct field_geo *self;
    const struct field_query *query;
    struct point_sink *sink;
    struct point_bits asked; /* points with several places that were asked for all of them */
    bool pending;            /* a stretch of keys inside, not yet taken */
    int64_t low, high;
};

static void flush(struct search *search)
{
    if (search->pending)
        ordered_collect(search->self->map, search->low, search->high, search->sink);
    search->pending = false;
}

static void take_cell(struct search *search, struct geo_cell cell)
{
    int64_t low = geo_cell_low(cell);
    if (!search->pending || search->high + 1 != low) {
        flush(search);
        search->low = low;
    }
    search->high = geo_cell_high(cell);
    search->pending = search->high < INT64_MAX;
    if (!search->pending) /* the last stretch of all: nothing follows it */
        ordered_collect(search->self->map, search->low, search->high, search->sink);
}

static void ask_point(struct search *search, uint32_t point)
{
    const struct geo_point *places;
    size_t count = places_of(search->self, point, &places);
    if (count > 1) {
        if (point_bits_has(&search->asked, point))
            return;
        point_bits_mark(&search->asked, &point, 1);
    }
    for (size_t i = 0; i < count; i++) {
        if (search->query->contains(search->query->shape, places[i])) {
            point_sink_add(search->sink, &point, 1);
            return;
        }
    }
}

/* A key's own cell, 1 cm wide, mostly tells; the place itself lies far away in memory. */
static bool ask_in_order(void *ctx, int64_t key, uint32_t point)
{
    struct search *search = ctx;
    if (key > search->high)
        return true;
    enum geo_relation relation =
        search->query->relate(search->query->shape, geo_cell_box(geo_cell_of_key(key)));
    if (relation == GEO_INSIDE)
        point_sink_add(search->sink, &point, 1);
    else if (relation == GEO_CROSSES)
        ask_point(search, point);
    return false;
}

static void ask_cell(struct search *search, struct geo_cell cell)
{
    flush(search);
    search->high = geo_cell_high(cell);
    (void)ordered_each(search->self->map, false, geo_cell_low(cell), ask_in_order, search);
}

static bool is_covered(const struct field_query *query, struct geo_box box)
{
    for (size_t i = 0; i < query->boxes_count; i++) {
        const struct geo_box *other = &query->boxes[i];
        if (box.west <= other->east && box.east >= other->west && box.south <= other->north &&
            box.north >= other->south)
            return true;
    }
    return false;
}

/* At most GEO_LEVEL_MAX calls deep. */
static void visit_cell(struct search *search, struct geo_cell cell)
{
    struct geo_box box = geo_cell_box(cell);
    if (!is_covered(search->query, box))
        return;
    int64_t low = geo_cell_low(cell), high = geo_cell_high(cell);
    if (!ordered_exceeds(search->self->map, low, high, 0))
        return;
    enum geo_relation relation = search->query->relate(search->query->shape, box);
    if (relation == GEO_OUTSIDE)
        return;
    if (relation == GEO_INSIDE) {
        take_cell(search, cell);
        return;
    }
    if (cell.level == GEO_LEVEL_MAX ||
        !ordered_exceeds(search->self->map, low, high, PLACES_ASKED_MAX)) {
        ask_cell(search, cell);
        return;
    }
    for (unsigned i = 0; i < 4; i++)
        visit_cell(search, geo_cell_quarter(cell, i));
}

static bool ask_off(uint32_t point, void *ctx)
{
    ask_point(ctx, point);
    return true;
}

static bool find(const struct field *field, const struct field_query *query,
                 struct field_found *out, bool *foreign)
{
    const struct field_geo *self = geo_of(field);
    if (query->kind != QUERY_GEO) { /* a place matches nothing else, foreign values may */
        *out = (struct field_found){.sure = roaring_bitmap_create()};
        *foreign = true;
        return true;
    }
    struct point_sink sink;
    ordered_sink(self->map, &sink);
    struct search search = {.self = self, .query = query, .sink = &sink};
    visit_cell(&search, (struct geo_cell){0});
    flush(&search);
    roaring_iterate(self->off, ask_off, &search);
    point_bits_deinit(&search.asked);
    *out = (struct field_found){.sure = point_sink_finish(&sink)};
    *foreign = false;
    return true;
}

/* ---- images ---- */

struct saving {
    const struct field_geo *self;
    struct buffer *out;
};

static bool save_point(uint32_t point, void *ctx)
{
    const struct saving *saving = ctx;
    const struct geo_point *places;
    size_t count = places_of(saving->self, point, &places);
    for (size_t i = 0; i < count; i++) {
        uint64_t bits[2];
        memcpy(bits, &places[i], sizeof(bits));
        buffer_append_u64(saving->out, bits[0]);
        buffer_append_u64(saving->out, bits[1]);
        buffer_append_u32(saving->out, point);
    }
    return true;
}

static void save(const struct field *field, struct buffer *out)
{
    struct saving saving = {.self = geo_of(field), .out = out};
    buffer_append_u64(out, saving.self->places);
    roaring_iterate(field->present, save_point, &saving);
}

static enum status load(struct field *field, struct reader *image, struct error *err)
{
    struct field_geo *self = (struct field_geo *)field;
    uint64_t count = reader_u64(image);
    if (image->failed || count > reader_left(image) / PLACE_BYTES)
        return error_set(err, STATUS_CORRUPT, "the image of an index of places ends early");
    for (uint64_t i = 0; i < count; i++) {
        struct geo_point place;
        uint64_t bits[2];
        bits[0] = reader_u64(image);
        bits[1] = reader_u64(image);
        memcpy(&place, bits, sizeof(place));
        if (!isfinite(place.lon) || !isfinite(place.lat))
            return error_set(err, STATUS_CORRUPT, "place %llu of the index is damaged",
                             (unsigned long long)i);
        add_place(self, reader_u32(image), place);
    }
    return STATUS_OK;
}

static size_t memory(const struct field *field)
{
    const struct field_geo *self = geo_of(field);
    return sizeof(*self) + ordered_memory(self->map) + value_column_memory(&self->column) +
           roaring_bitmap_size_in_bytes(self->off);
}

const struct field_kind field_geo = {.name = "geo",
                                     .create = create,
                                     .destroy = destroy,
                                     .add = add,
                                     .remove = remove_point,
                                     .find = find,
                                     .save = save,
                                     .load = load,
                                     .memory = memory};
