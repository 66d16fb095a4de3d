/* The index kind of UUIDs: strings that read as one.
 *
 * A UUID as it is usually written (hyphens, lower case) is kept as its sixteen bytes; another
 * spelling (upper case, braces, no hyphens, urn:uuid:) is a value of its own, kept as it was
 * written. So conditions and facets say exactly what a pass over the payload would say, which
 * compares strings, and the usual spelling costs least. No spelling has sixteen bytes, which tells
 * the two apart. Other values are foreign: strings among them may match questions about strings. */
#include "index/field/field_int.h"
#include "index/field/words.h"
#include "index/point_id.h"
#include "storage/base/mem.h"

enum { UUID_BYTES = 16, UUID_CHARS = 36 };
static_assert((int)POINT_ID_TEXT_BYTES <= (int)WORDS_TEXT_BYTES, "a text fits into the room");

struct field_uuid {
    struct field base;
    struct words words;
    struct buffer scratch; /* of the writer */
};

/* ---- keys ---- */

static void put_half(uint8_t *out, uint64_t half)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(half >> (56 - 8 * i));
    }
}

static uint64_t get_half(const uint8_t *in)
{
    uint64_t half = 0;
    for (unsigned i = 0; i < 8; i++) {
        half = half << 8 | in[i];
    }
    return half;
}

static struct slice uuid_text(struct slice key, uint8_t room[WORDS_TEXT_BYTES])
{
    if (key.size != UUID_BYTES) {
        return key;
    }
    struct point_id id = {
        .high = get_half(key.data), .low = get_half(key.data + 8), .is_uuid = true};
    point_id_format(id, (char *)room);
    return slice_of(room, UUID_CHARS);
}

/* False: the text is no UUID. */
static bool uuid_key(struct slice text, uint8_t room[UUID_BYTES], struct slice *key)
{
    struct point_id id;
    uint8_t written[WORDS_TEXT_BYTES];
    if (!point_id_parse_uuid(text, &id)) {
        return false;
    }
    put_half(room, id.high);
    put_half(room + 8, id.low);
    struct slice usual = uuid_text(slice_of(room, UUID_BYTES), written);
    *key = slice_equal(text, usual) ? slice_of(room, UUID_BYTES) : text;
    return true;
}

static bool is_hyphen_place(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

/* The smallest or the largest key whose usual text begins so; false: none does. */
static bool bound_key(struct slice prefix, bool is_high, uint8_t out[UUID_BYTES])
{
    size_t digits_count = 0;
    if (prefix.size > UUID_CHARS) {
        return false;
    }
    memset(out, is_high ? 0xff : 0, UUID_BYTES);
    for (size_t i = 0; i < prefix.size; i++) {
        uint8_t c = prefix.data[i];
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_hyphen_place(i) ? c != '-' : !is_digit) {
            return false;
        }
        if (is_digit) {
            unsigned value = c <= '9' ? c - 48U : c - 87U; /* '0', 'a' - 10 */
            unsigned shift = digits_count % 2 ? 0 : 4;
            uint8_t *byte = &out[digits_count++ / 2];
            *byte = (uint8_t)((*byte & ~(0xfU << shift)) | value << shift);
        }
    }
    return true;
}

/* ---- the kind ---- */

static enum status uuid_create(const struct field_spec *spec, struct field **out, struct error *err)
{
    struct field_uuid *self = mem_zalloc(sizeof(*self));
    enum status status = field_init(&self->base, &field_uuid, spec, err);
    if (status != STATUS_OK) {
        mem_free(self);
        return status;
    }
    words_init(&self->words, uuid_text, spec->patterns);
    buffer_init(&self->scratch, 0);
    *out = &self->base;
    return STATUS_OK;
}

static void uuid_destroy(struct field *field)
{
    struct field_uuid *self = (struct field_uuid *)field;
    words_deinit(&self->words);
    buffer_deinit(&self->scratch);
    field_deinit(field);
    mem_free(self);
}

static bool uuid_add(struct field *field, point_offset point, struct json_view value)
{
    struct field_uuid *self = (struct field_uuid *)field;
    uint8_t room[UUID_BYTES];
    struct slice key;
    if (json_view_kind(value) != JSON_STRING ||
        !uuid_key(words_string(value, &self->scratch), room, &key)) {
        return false;
    }
    words_add(&self->words, point, key);
    return true;
}

static void uuid_remove(struct field *field, point_offset point)
{
    words_remove(&((struct field_uuid *)field)->words, point);
}

/* True: one of the words is no UUID, so values that are none may match. */
static bool gather_words(const struct words *words, const struct field_query *query,
                         struct gather *gather)
{
    bool foreign = false;
    for (size_t i = 0; i < query->words_count; i++) {
        uint8_t room[UUID_BYTES];
        struct slice key;
        if (uuid_key(query->words[i], room, &key)) {
            words_gather(words, key, gather);
        } else {
            foreign = true;
        }
    }
    return foreign;
}

static void gather_prefix(const struct words *words, struct slice prefix, struct gather *gather)
{
    uint8_t low[UUID_BYTES], high[UUID_BYTES];
    if (bound_key(prefix, false, low) && bound_key(prefix, true, high)) {
        words_gather_prefix(words, slice_of(low, UUID_BYTES), slice_of(high, UUID_BYTES), prefix,
                            gather);
    }
    struct buffer above; /* of other spellings: UTF-8 has no such byte */
    buffer_init(&above, 0);
    buffer_append_slice(&above, prefix);
    buffer_append_byte(&above, 0xff);
    words_gather_prefix(words, prefix, buffer_slice(&above), prefix, gather);
    buffer_deinit(&above);
}

static bool uuid_find(const struct field *field, const struct field_query *query,
                      struct field_found *out, bool *foreign)
{
    const struct words *words = &((const struct field_uuid *)field)->words;
    struct gather gather = {0};
    *foreign = true;
    switch (query->kind) {
    case QUERY_WORDS:
        *foreign = gather_words(words, query, &gather);
        break;
    case QUERY_PREFIX:
        gather_prefix(words, query->prefix, &gather);
        break;
    case QUERY_PATTERN:
        return words_find_pattern(words, query->pattern, out);
    case QUERY_INTEGERS:
    case QUERY_BOOL:
    case QUERY_RANGE:
    case QUERY_GEO:
        break; /* no string matches */
    default:
        return false;
    }
    *out = (struct field_found){.sure = gather_finish(&gather)};
    return true;
}

static void
uuid_each_value(const struct field *field, const roaring_bitmap_t *among,
                bool (*each)(void *ctx, const struct field_value *value, uint64_t count), void *ctx)
{
    words_each_value(&((const struct field_uuid *)field)->words, among, each, ctx);
}

static void uuid_save(const struct field *field, struct buffer *out)
{
    words_save(&((const struct field_uuid *)field)->words, out);
}

static enum status uuid_load(struct field *field, struct reader *image, struct error *err)
{
    bool any_points = !roaring_bitmap_is_empty(field->present);
    point_offset point_max = any_points ? roaring_bitmap_maximum(field->present) : 0;
    return words_load(&((struct field_uuid *)field)->words, image, any_points, point_max, err);
}

static size_t uuid_memory(const struct field *field)
{
    const struct field_uuid *self = (const struct field_uuid *)field;
    return sizeof(*self) + self->scratch.capacity + words_memory(&self->words);
}

const struct field_kind field_uuid = {
    .name = "uuid",
    .create = uuid_create,
    .destroy = uuid_destroy,
    .add = uuid_add,
    .remove = uuid_remove,
    .find = uuid_find,
    .each_value = uuid_each_value,
    .save = uuid_save,
    .load = uuid_load,
    .memory = uuid_memory,
};
