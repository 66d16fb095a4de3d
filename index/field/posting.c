/* Sets of numbers in a word.
 *
 * The lower two bits of the word tell what it is: a value, an array, a bitmap. An array is sorted
 * and grows by a half; past 512 values it becomes a bitmap, which costs less a value from there on
 * and stays one until it is empty. */
#include "index/field/posting.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <string.h>

enum { TAG_BITMAP = 0, TAG_ONE = 1, TAG_ARRAY = 2, TAG_MASK = 3 };
enum { ARRAY_COUNT_MAX = 512, BITMAP_OVERHEAD_BYTES = 64, CONTAINER_OVERHEAD_BYTES = 32 };

struct array {
    uint32_t count, capacity;
    uint32_t values[];
};
static_assert(sizeof(uintptr_t) <= sizeof(uint64_t), "a pointer fits into the word");

static unsigned tag_of(const struct posting *posting)
{
    return (unsigned)(posting->word & TAG_MASK);
}

static uint32_t one_of(const struct posting *posting)
{
    return (uint32_t)(posting->word >> 2);
}

static struct array *array_of(const struct posting *posting)
{
    return (struct array *)(uintptr_t)(posting->word & ~(uint64_t)TAG_MASK);
}

static roaring_bitmap_t *bitmap_of(const struct posting *posting)
{
    return (roaring_bitmap_t *)(uintptr_t)posting->word;
}

static void set_one(struct posting *posting, uint32_t value)
{
    posting->word = (uint64_t)value << 2 | TAG_ONE;
}

static void set_array(struct posting *posting, const struct array *array)
{
    posting->word = (uint64_t)(uintptr_t)array | TAG_ARRAY;
}

static void set_bitmap(struct posting *posting, const roaring_bitmap_t *bitmap)
{
    posting->word = (uint64_t)(uintptr_t)bitmap;
    ASSERT(tag_of(posting) == TAG_BITMAP);
}

bool posting_is_large(const struct posting *posting)
{
    return posting->word != 0 && tag_of(posting) == TAG_BITMAP;
}

/* ---- changing ---- */

static struct array *array_resize(struct array *array, uint32_t capacity)
{
    array = mem_realloc(array, sizeof(*array) + capacity * sizeof(array->values[0]));
    array->capacity = capacity;
    return array;
}

/* The first value not below; the end is looked at first: points mostly come in order. */
static uint32_t array_find(const struct array *array, uint32_t value)
{
    uint32_t low = 0;
    uint32_t high = array->count;
    if (high > 0 && array->values[high - 1] < value) {
        return high;
    }
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (array->values[middle] < value) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

static void array_to_bitmap(struct posting *posting)
{
    struct array *array = array_of(posting);
    set_bitmap(posting, roaring_bitmap_of_ptr(array->count, array->values));
    mem_free(array);
}

static bool array_add(struct posting *posting, uint32_t value)
{
    struct array *array = array_of(posting);
    uint32_t at = array_find(array, value);
    if (at < array->count && array->values[at] == value) {
        return false;
    }
    if (array->count == ARRAY_COUNT_MAX) {
        array_to_bitmap(posting);
        roaring_bitmap_add(bitmap_of(posting), value);
        return true;
    }
    if (array->count == array->capacity) {
        uint32_t capacity = array->capacity + array->capacity / 2 + 1;
        array = array_resize(array, capacity < ARRAY_COUNT_MAX ? capacity : ARRAY_COUNT_MAX);
        set_array(posting, array);
    }
    memmove(&array->values[at + 1], &array->values[at],
            (array->count - at) * sizeof(array->values[0]));
    array->values[at] = value;
    array->count++;
    return true;
}

bool posting_add(struct posting *posting, uint32_t value)
{
    if (posting->word == 0) {
        set_one(posting, value);
        return true;
    }
    if (tag_of(posting) == TAG_BITMAP) {
        return roaring_bitmap_add_checked(bitmap_of(posting), value);
    }
    if (tag_of(posting) == TAG_ONE) {
        uint32_t old = one_of(posting);
        if (old == value) {
            return false;
        }
        struct array *array = array_resize(NULL, 2);
        array->count = 1;
        array->values[0] = old;
        set_array(posting, array);
    }
    return array_add(posting, value);
}

static bool array_remove(struct posting *posting, uint32_t value)
{
    struct array *array = array_of(posting);
    uint32_t at = array_find(array, value);
    if (at == array->count || array->values[at] != value) {
        return false;
    }
    array->count--;
    memmove(&array->values[at], &array->values[at + 1],
            (array->count - at) * sizeof(array->values[0]));
    if (array->count == 1) {
        set_one(posting, array->values[0]);
        mem_free(array);
    } else if (array->count < array->capacity / 4) {
        set_array(posting, array_resize(array, array->capacity / 2));
    }
    return true;
}

bool posting_remove(struct posting *posting, uint32_t value)
{
    if (posting->word == 0) {
        return false;
    }
    if (tag_of(posting) == TAG_ARRAY) {
        return array_remove(posting, value);
    }
    if (tag_of(posting) == TAG_ONE) {
        bool found = one_of(posting) == value;
        posting->word = found ? 0 : posting->word;
        return found;
    }
    if (!roaring_bitmap_remove_checked(bitmap_of(posting), value)) {
        return false;
    }
    if (roaring_bitmap_is_empty(bitmap_of(posting))) {
        posting_clear(posting);
    }
    return true;
}

void posting_clear(struct posting *posting)
{
    if (posting_is_large(posting)) {
        roaring_bitmap_free(bitmap_of(posting));
    } else if (tag_of(posting) == TAG_ARRAY) {
        mem_free(array_of(posting));
    }
    posting->word = 0;
}

/* ---- reading ---- */

const roaring_bitmap_t *posting_bitmap(const struct posting *posting)
{
    return bitmap_of(posting);
}

const uint32_t *posting_values(const struct posting *posting, uint32_t *room, uint32_t *count)
{
    *count = 0;
    if (posting->word == 0) {
        return room;
    }
    if (tag_of(posting) == TAG_ONE) {
        *count = 1;
        *room = one_of(posting);
        return room;
    }
    const struct array *array = array_of(posting);
    *count = array->count;
    return array->values;
}

uint64_t posting_count(const struct posting *posting)
{
    if (posting_is_large(posting)) {
        return roaring_bitmap_get_cardinality(bitmap_of(posting));
    }
    uint32_t room, count;
    (void)posting_values(posting, &room, &count);
    return count;
}

uint64_t posting_count_among(const struct posting *posting, const roaring_bitmap_t *among)
{
    if (posting_is_large(posting)) {
        return roaring_bitmap_and_cardinality(bitmap_of(posting), among);
    }
    uint32_t room, count;
    const uint32_t *values = posting_values(posting, &room, &count);
    uint64_t found = 0;
    for (uint32_t i = 0; i < count; i++) {
        found += roaring_bitmap_contains(among, values[i]) ? 1 : 0;
    }
    return found;
}

roaring_bitmap_t *posting_copy(const struct posting *posting)
{
    if (posting_is_large(posting)) {
        return roaring_bitmap_copy(bitmap_of(posting));
    }
    uint32_t room, count;
    const uint32_t *values = posting_values(posting, &room, &count);
    return roaring_bitmap_of_ptr(count, values);
}

void posting_each(const struct posting *posting, roaring_iterator each, void *ctx)
{
    if (posting_is_large(posting)) {
        roaring_iterate(bitmap_of(posting), each, ctx);
        return;
    }
    uint32_t room, count;
    const uint32_t *values = posting_values(posting, &room, &count);
    for (uint32_t i = 0; i < count && each(values[i], ctx); i++) {
    }
}

size_t posting_memory(const struct posting *posting)
{
    if (posting->word == 0 || tag_of(posting) == TAG_ONE) {
        return 0;
    }
    if (tag_of(posting) == TAG_ARRAY) {
        const struct array *array = array_of(posting);
        return sizeof(*array) + array->capacity * sizeof(array->values[0]);
    }
    const roaring_bitmap_t *bitmap = bitmap_of(posting);
    return BITMAP_OVERHEAD_BYTES + roaring_bitmap_size_in_bytes(bitmap) +
           (size_t)bitmap->high_low_container.size * CONTAINER_OVERHEAD_BYTES;
}

/* ---- images ---- */

struct saving {
    struct buffer *out;
    uint32_t next; /* a distance is counted from here */
};

static bool save_value(uint32_t value, void *ctx)
{
    struct saving *saving = ctx;
    uint32_t rest = value - saving->next;
    for (; rest >= 0x80; rest >>= 7) {
        buffer_append_byte(saving->out, (uint8_t)(rest | 0x80));
    }
    buffer_append_byte(saving->out, (uint8_t)rest);
    saving->next = value + 1;
    return true;
}

void posting_save(const struct posting *posting, struct buffer *out)
{
    struct saving saving = {.out = out};
    buffer_append_u32(out, (uint32_t)posting_count(posting));
    posting_each(posting, save_value, &saving);
}

static bool load_value(struct reader *image, uint64_t next, uint32_t value_max, uint32_t *value)
{
    uint64_t distance = 0;
    unsigned shift = 0;
    uint8_t byte;
    do {
        byte = reader_u8(image);
        distance |= (uint64_t)(byte & 0x7f) << shift;
        shift += 7;
    } while ((byte & 0x80) && shift < 35);
    if (image->failed || (byte & 0x80) || next + distance > value_max) {
        return false;
    }
    *value = (uint32_t)(next + distance);
    return true;
}

bool posting_load(struct posting *posting, struct reader *image, uint32_t value_max)
{
    uint32_t count = reader_u32(image);
    uint64_t next = 0;
    if (image->failed || count > reader_left(image)) {
        return false;
    }
    if (count > ARRAY_COUNT_MAX) {
        set_bitmap(posting, roaring_bitmap_create());
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t value;
        if (!load_value(image, next, value_max, &value)) {
            posting_clear(posting);
            return false;
        }
        posting_add(posting, value);
        next = (uint64_t)value + 1;
    }
    return true;
}
