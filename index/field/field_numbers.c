/* Numbers as 64-bit keys: adding, removing, ranges, facets, orders, images; for integers, reals and
 * times alike.
 *
 * Numbers that a kind cannot hold are foreign like strings, but may match ranges; their points are
 * noted apart, so that an index without any never asks for a check. The image is the pairs (key
 * u64, point u32) in ascending order behind their number (u64), then the points with foreign
 * numbers (u32) behind theirs (u64). No locks here; only loading fails. */
#include "index/field/field_numbers.h"

#include "storage/base/mem.h"

#include <stdlib.h>

enum {
    PAIR_BYTES = 12,
    FEW_AMONG = 16 /* so many times fewer points than pairs: their values are gathered */
};

static const struct field_numbers *numbers_of(const struct field *field)
{
    return (const struct field_numbers *)field;
}

enum status field_numbers_create(const struct field_kind *kind, const struct number_codec *codec,
                                 const struct field_spec *spec, struct field **out,
                                 struct error *err)
{
    struct field_numbers *self = mem_zalloc(sizeof(*self));
    enum status status = field_init(&self->base, kind, spec, err);
    if (status != STATUS_OK) {
        mem_free(self);
        return status;
    }
    self->codec = codec;
    self->map = ordered_create();
    value_column_init(&self->column, sizeof(int64_t));
    self->odd = roaring_bitmap_create();
    *out = &self->base;
    return STATUS_OK;
}

void field_numbers_destroy(struct field *field)
{
    struct field_numbers *self = (struct field_numbers *)field;
    ordered_destroy(self->map);
    value_column_deinit(&self->column);
    roaring_bitmap_free(self->odd);
    field_deinit(field);
    mem_free(self);
}

bool field_numbers_add(struct field *field, point_offset point, struct json_view value)
{
    struct field_numbers *self = (struct field_numbers *)field;
    int64_t key;
    if (!self->codec->encode(value, &key)) {
        if (json_view_kind(value) == JSON_NUMBER)
            roaring_bitmap_add(self->odd, point);
        return false;
    }
    if (ordered_add(self->map, key, point))
        value_column_add(&self->column, point, &key);
    return true;
}

void field_numbers_remove(struct field *field, point_offset point)
{
    struct field_numbers *self = (struct field_numbers *)field;
    const void *keys;
    size_t count = value_column_get(&self->column, point, &keys);
    if (count > 0) {
        ordered_remove(self->map, point, keys, count);
        value_column_remove(&self->column, point);
    }
    roaring_bitmap_remove(self->odd, point);
}

bool field_numbers_has_odd(const struct field_numbers *self)
{
    return !roaring_bitmap_is_empty(self->odd);
}

void field_numbers_none(struct field_found *out)
{
    *out = (struct field_found){.sure = roaring_bitmap_create()};
}

roaring_bitmap_t *field_numbers_range(const struct field_numbers *self,
                                      const struct number_range *range)
{
    int64_t low = INT64_MIN, high = INT64_MAX;
    if (range->low.present && !self->codec->least(range->low.number, range->low.inclusive, &low))
        return roaring_bitmap_create();
    if (range->high.present &&
        !self->codec->greatest(range->high.number, range->high.inclusive, &high))
        return roaring_bitmap_create();
    return ordered_range(self->map, low, high);
}

/* ---- facets ---- */

struct facet {
    const struct number_codec *codec;
    const struct point_bits *among; /* NULL: all */
    int64_t key;
    uint64_t count;
    bool (*each)(void *ctx, const struct field_value *value, uint64_t count);
    void *ctx;
};

/* True: no more. */
static bool facet_flush(struct facet *facet)
{
    if (facet->count == 0)
        return false;
    struct field_value value = facet->codec->decode(facet->key);
    return facet->each(facet->ctx, &value, facet->count);
}

static bool facet_count(struct facet *facet, int64_t key)
{
    if (key != facet->key) {
        if (facet_flush(facet))
            return true;
        facet->key = key;
        facet->count = 0;
    }
    facet->count++;
    return false;
}

static bool facet_pair(void *ctx, int64_t key, uint32_t point)
{
    struct facet *facet = ctx;
    if (facet->among && !point_bits_has(facet->among, point))
        return false;
    return facet_count(facet, key);
}

struct gathering {
    const struct value_column *column;
    int64_t *keys;
    size_t count, capacity;
};

static bool gather(uint32_t point, void *ctx)
{
    struct gathering *gathering = ctx;
    const void *keys;
    size_t count = value_column_get(gathering->column, point, &keys);
    if (count == 0)
        return true;
    if (gathering->count + count > gathering->capacity) {
        gathering->capacity = (gathering->count + count) * 2;
        gathering->keys =
            mem_realloc(gathering->keys, gathering->capacity * sizeof(gathering->keys[0]));
    }
    memcpy(gathering->keys + gathering->count, keys, count * sizeof(gathering->keys[0]));
    gathering->count += count;
    return true;
}

static int compare_keys(const void *a, const void *b)
{
    int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
    return (left > right) - (left < right);
}

static void facet_few(const struct field_numbers *self, const roaring_bitmap_t *among,
                      struct facet *facet)
{
    struct gathering gathering = {.column = &self->column};
    bool stop = false;
    roaring_iterate(among, gather, &gathering);
    if (gathering.count > 0)
        qsort(gathering.keys, gathering.count, sizeof(gathering.keys[0]), compare_keys);
    for (size_t i = 0; i < gathering.count && !stop; i++)
        stop = facet_count(facet, gathering.keys[i]);
    if (!stop)
        (void)facet_flush(facet);
    mem_free(gathering.keys);
}

void field_numbers_each_value(const struct field *field, const roaring_bitmap_t *among,
                              bool (*each)(void *ctx, const struct field_value *value,
                                           uint64_t count),
                              void *ctx)
{
    const struct field_numbers *self = numbers_of(field);
    struct facet facet = {.codec = self->codec, .each = each, .ctx = ctx};
    if (among && roaring_bitmap_get_cardinality(among) < ordered_pairs(self->map) / FEW_AMONG) {
        facet_few(self, among, &facet);
        return;
    }
    struct point_bits bits;
    point_bits_init(&bits);
    if (among) {
        point_bits_of_roaring(&bits, among);
        facet.among = &bits;
    }
    if (!ordered_each(self->map, false, INT64_MIN, facet_pair, &facet))
        (void)facet_flush(&facet);
    point_bits_deinit(&bits);
}

/* ---- order ---- */

struct ordering {
    const struct number_codec *codec;
    bool (*each)(void *ctx, const struct field_value *value, point_offset point);
    void *ctx;
};

static bool order_pair(void *ctx, int64_t key, uint32_t point)
{
    const struct ordering *ordering = ctx;
    struct field_value value = ordering->codec->decode(key);
    return ordering->each(ordering->ctx, &value, point);
}

void field_numbers_each_in_order(
    const struct field *field, bool descending, const struct json_number *from,
    bool (*each)(void *ctx, const struct field_value *value, point_offset point), void *ctx)
{
    const struct field_numbers *self = numbers_of(field);
    struct ordering ordering = {.codec = self->codec, .each = each, .ctx = ctx};
    int64_t key = descending ? INT64_MAX : INT64_MIN;
    if (from && !(descending ? self->codec->greatest(*from, true, &key)
                             : self->codec->least(*from, true, &key)))
        return;
    (void)ordered_each(self->map, descending, key, order_pair, &ordering);
}

/* ---- images ---- */

static bool save_pair(void *ctx, int64_t key, uint32_t point)
{
    buffer_append_u64(ctx, (uint64_t)key);
    buffer_append_u32(ctx, point);
    return false;
}

static bool save_odd(uint32_t point, void *ctx)
{
    buffer_append_u32(ctx, point);
    return true;
}

void field_numbers_save(const struct field *field, struct buffer *out)
{
    const struct field_numbers *self = numbers_of(field);
    buffer_append_u64(out, ordered_pairs(self->map));
    (void)ordered_each(self->map, false, INT64_MIN, save_pair, out);
    buffer_append_u64(out, roaring_bitmap_get_cardinality(self->odd));
    roaring_iterate(self->odd, save_odd, out);
}

static enum status load_odd(struct field_numbers *self, struct reader *image, struct error *err)
{
    uint64_t count = reader_u64(image);
    if (image->failed || count > reader_left(image) / sizeof(uint32_t))
        return error_set(err, STATUS_CORRUPT, "the image of an index of numbers ends early");
    for (uint64_t i = 0; i < count; i++)
        roaring_bitmap_add(self->odd, reader_u32(image));
    return STATUS_OK;
}

enum status field_numbers_load(struct field *field, struct reader *image, struct error *err)
{
    struct field_numbers *self = (struct field_numbers *)field;
    uint64_t count = reader_u64(image);
    int64_t last_key = 0;
    uint32_t last_point = 0;
    if (image->failed || count > reader_left(image) / PAIR_BYTES)
        return error_set(err, STATUS_CORRUPT, "the image of an index of numbers ends early");
    for (uint64_t i = 0; i < count; i++) {
        int64_t key = (int64_t)reader_u64(image);
        uint32_t point = reader_u32(image);
        bool ascends = i == 0 || key > last_key || (key == last_key && point > last_point);
        if (!ascends || !self->codec->is_valid(key))
            return error_set(err, STATUS_CORRUPT, "value %llu of the index is damaged",
                             (unsigned long long)i);
        (void)ordered_add(self->map, key, point);
        value_column_add(&self->column, point, &key);
        last_key = key;
        last_point = point;
    }
    return load_odd(self, image, err);
}

size_t field_numbers_memory(const struct field *field)
{
    const struct field_numbers *self = numbers_of(field);
    return sizeof(*self) + ordered_memory(self->map) + value_column_memory(&self->column) +
           roaring_bitmap_size_in_bytes(self->odd);
}
