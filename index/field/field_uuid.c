/* The index kind of UUIDs: strings that read as one.
 *
 * A UUID as it is usually written (hyphens, lower case) is kept as its sixteen bytes; another
 * spelling (upper case, braces, no hyphens, urn:uuid:) is a value of its own, kept as it was
 * written. So conditions and facets say exactly what a pass over the payload would say, which
 * compares strings, and the usual spelling costs least. No spelling has sixteen bytes, which tells
 * the two apart. Other values are foreign: strings among them may match questions about strings. */
#include "index/field/field_words.h"
#include "index/point_id.h"

enum { UUID_BYTES = 16, UUID_CHARS = 36 };
static_assert((int)UUID_CHARS <= (int)WORDS_TEXT_BYTES, "a text fits into the room");

/* ---- keys ---- */

static bool is_hyphen_place(size_t at)
{
    return at == 8 || at == 13 || at == 18 || at == 23;
}

static bool is_short(struct slice key)
{
    return key.size == UUID_BYTES;
}

static bool is_spelled_out(struct slice key)
{
    return !is_short(key);
}

static void put_half(uint8_t *out, uint64_t half)
{
    for (unsigned i = 0; i < 8; i++) {
        out[i] = (uint8_t)(half >> (56 - 8 * i));
    }
}

static struct slice uuid_text(struct slice key, uint8_t room[WORDS_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    size_t size = 0;
    if (!is_short(key)) {
        return key;
    }
    for (size_t i = 0; i < UUID_BYTES; i++) {
        if (is_hyphen_place(size)) {
            room[size++] = '-';
        }
        room[size++] = (uint8_t)digits[key.data[i] >> 4];
        room[size++] = (uint8_t)digits[key.data[i] & 15];
    }
    return slice_of(room, size);
}

/* Of a text that is a UUID: with hyphens, in lower case? */
static bool is_usual(struct slice text)
{
    for (size_t i = 0; i < text.size; i++) {
        if (text.data[i] >= 'A' && text.data[i] <= 'F') {
            return false;
        }
    }
    return text.size == UUID_CHARS;
}

/* False: the text is no UUID. */
static bool uuid_key(struct slice text, uint8_t room[UUID_BYTES], struct slice *key)
{
    struct point_id id;
    if (!point_id_parse_uuid(text, &id)) {
        return false;
    }
    put_half(room, id.high);
    put_half(room + 8, id.low);
    *key = is_usual(text) ? slice_of(room, UUID_BYTES) : text;
    return true;
}

/* The first key whose usual text begins so; false: none does. */
static bool low_key(struct slice prefix, uint8_t out[UUID_BYTES])
{
    size_t digits_count = 0;
    if (prefix.size > UUID_CHARS) {
        return false;
    }
    memset(out, 0, UUID_BYTES);
    for (size_t i = 0; i < prefix.size; i++) {
        uint8_t c = prefix.data[i];
        bool is_digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (is_hyphen_place(i) ? c != '-' : !is_digit) {
            return false;
        }
        if (is_digit) {
            unsigned value = c <= '9' ? c - 48U : c - 87U; /* '0', 'a' - 10 */
            out[digits_count / 2] |= (uint8_t)(value << (digits_count % 2 ? 0 : 4));
            digits_count++;
        }
    }
    return true;
}

/* A key after all whose usual text begins so: one byte longer than they. */
static void high_key(struct slice prefix, const uint8_t low[UUID_BYTES],
                     uint8_t out[UUID_BYTES + 1])
{
    size_t digits_count = 0;
    for (size_t i = 0; i < prefix.size; i++) {
        digits_count += is_hyphen_place(i) ? 0 : 1;
    }
    memcpy(out, low, UUID_BYTES);
    for (size_t i = digits_count; i < 2 * (size_t)UUID_BYTES; i++) {
        out[i / 2] |= i % 2 ? 0x0f : 0xf0;
    }
    out[UUID_BYTES] = 0;
}

/* ---- the kind ---- */

static enum status uuid_create(const struct field_spec *spec, struct field **out, struct error *err)
{
    return field_words_create(&field_uuid, uuid_text, spec, out, err);
}

static bool uuid_add(struct field *field, point_offset point, struct json_view value)
{
    struct field_words *self = (struct field_words *)field;
    uint8_t room[UUID_BYTES];
    struct slice key;
    if (json_view_kind(value) != JSON_STRING ||
        !uuid_key(words_string(value, &self->scratch), room, &key)) {
        return false;
    }
    words_add(&self->words, point, key);
    return true;
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
    uint8_t low[UUID_BYTES], high[UUID_BYTES + 1];
    if (low_key(prefix, low)) {
        high_key(prefix, low, high);
        words_gather_between(words, slice_of(low, UUID_BYTES), slice_of(high, UUID_BYTES + 1),
                             is_short, gather);
    }
    field_words_prefix(words, prefix, is_spelled_out, gather);
}

static bool uuid_find(const struct field *field, const struct field_query *query,
                      struct field_found *out, bool *foreign)
{
    const struct words *words = words_of(field);
    struct gather gather = {0};
    *foreign = true;
    switch (query->kind) {
    case QUERY_WORDS:
        *foreign = gather_words(words, query, &gather);
        break;
    case QUERY_PREFIX:
        if (query->prefix.size > 0) {
            gather_prefix(words, query->prefix, &gather);
        } else {
            words_gather_all(words, &gather);
        }
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

const struct field_kind field_uuid = {
    .name = "uuid",
    .create = uuid_create,
    .destroy = field_words_destroy,
    .add = uuid_add,
    .remove = field_words_remove,
    .find = uuid_find,
    .each_value = field_words_each_value,
    .save = field_words_save,
    .load = field_words_load,
    .memory = field_words_memory,
};
