/* The parts of the kinds over strings, each against a plain model: the dictionary, postings, the
 * column. */
#include "index/field/column.h"
#include "index/field/dictionary.h"
#include "index/field/gather.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED = 7731, KEYS = 4000, VALUES = 3000, POINTS = 9000, IDS = 400, LIST_MAX = 40 };

static struct random rng;

static uint32_t pick(uint32_t bound)
{
    return (uint32_t)random_below(&rng, bound);
}

/* ---- dictionary ---- */

struct model {
    char *texts[KEYS]; /* of key i, whether it is there or not */
    size_t sizes[KEYS];
    uint32_t ids[KEYS]; /* DICTIONARY_NONE: not there */
    size_t count;
};

static struct slice model_key(const struct model *model, size_t i)
{
    return slice_of(model->texts[i], model->sizes[i]);
}

static void model_init(struct model *model)
{
    model->count = 0;
    for (size_t i = 0; i < KEYS; i++) {
        /* Common beginnings, zero bytes, an empty one, and some that need a chunk of their own. */
        size_t size = i == 0 ? 0 : i % 500 == 7 ? 100 * i : 6 + pick(30);
        model->texts[i] = mem_zalloc(size + 16);
        int digits = i == 0 ? 0 : snprintf(model->texts[i], 16, "%c%zu", "ab"[i % 2], i);
        model->sizes[i] = size > (size_t)digits ? size : (size_t)digits;
        model->ids[i] = DICTIONARY_NONE;
    }
}

struct walk {
    const struct dictionary *dictionary;
    struct slice low, high, last;
    size_t count, sum; /* of the ids + 1 */
};

static void walk_id(void *ctx, uint32_t id)
{
    struct walk *walk = ctx;
    struct slice key = dictionary_key(walk->dictionary, id);
    assert_true(slice_compare(key, walk->low) >= 0);
    assert_true(!walk->high.data || slice_compare(key, walk->high) < 0);
    assert_true(walk->count == 0 || slice_compare(walk->last, key) < 0);
    walk->last = key;
    walk->count++;
    walk->sum += id + 1;
}

static struct walk walk_between(const struct dictionary *dictionary, struct slice low,
                                struct slice high)
{
    struct walk walk = {.dictionary = dictionary, .low = low, .high = high};
    dictionary_each_between(dictionary, low, high, walk_id, &walk);
    return walk;
}

static void check_dictionary(const struct dictionary *dictionary, const struct model *model)
{
    size_t sum = 0;
    assert_int_equal(dictionary->count, model->count);
    for (size_t i = 0; i < KEYS; i++) {
        assert_int_equal(dictionary_find(dictionary, model_key(model, i)), model->ids[i]);
        if (model->ids[i] != DICTIONARY_NONE) {
            assert_true(dictionary_has(dictionary, model->ids[i]));
            assert_true(
                slice_equal(dictionary_key(dictionary, model->ids[i]), model_key(model, i)));
            sum += model->ids[i] + 1;
        }
    }
    struct walk walk = walk_between(dictionary, slice_of(NULL, 0), slice_of(NULL, 0));
    assert_int_equal(walk.sum, sum);
    assert_int_equal(walk.count, model->count);
}

static void check_between(const struct dictionary *dictionary, const struct model *model)
{
    struct slice low = model_key(model, pick(KEYS));
    struct slice high = model_key(model, pick(KEYS));
    size_t expected = 0;
    for (size_t i = 0; i < KEYS; i++) {
        struct slice key = model_key(model, i);
        expected += model->ids[i] != DICTIONARY_NONE && slice_compare(key, low) >= 0 &&
                    slice_compare(key, high) < 0;
    }
    assert_int_equal(walk_between(dictionary, low, high).count, expected);
}

/* Proves lookup, order, reuse of ids and of memory, over growth and shrinking. */
static void test_dictionary(void **state)
{
    (void)state;
    static struct model model;
    struct dictionary dictionary;
    model_init(&model);
    dictionary_init(&dictionary);
    for (uint32_t round = 0; round < 80000; round++) {
        size_t i = pick(KEYS);
        uint32_t puts = round / 10000 % 2 ? 2 : 8; /* of ten */
        if (pick(10) < puts) {
            bool added;
            uint32_t id = dictionary_put(&dictionary, model_key(&model, i), &added);
            assert_int_equal(added, model.ids[i] == DICTIONARY_NONE);
            assert_true(added || id == model.ids[i]);
            assert_true(id < KEYS);
            model.ids[i] = id;
            model.count += added;
        } else if (model.ids[i] != DICTIONARY_NONE) {
            dictionary_remove(&dictionary, model.ids[i]);
            model.ids[i] = DICTIONARY_NONE;
            model.count--;
        }
        if (round % 8000 == 7999) {
            check_dictionary(&dictionary, &model);
            for (int k = 0; k < 10; k++) {
                check_between(&dictionary, &model);
            }
        }
    }
    size_t full = dictionary_memory(&dictionary);
    for (size_t i = 0; i < KEYS; i++) {
        if (model.ids[i] != DICTIONARY_NONE) {
            dictionary_remove(&dictionary, model.ids[i]);
            model.ids[i] = DICTIONARY_NONE;
        }
        mem_free(model.texts[i]);
        model.texts[i] = NULL;
        model.sizes[i] = 0;
    }
    assert_int_equal(dictionary.count, 0);
    assert_int_equal(dictionary.bytes, 0);
    assert_true(dictionary_memory(&dictionary) < full / 2);
    dictionary_deinit(&dictionary);
}

/* Proves that strings that come in order, either way, keep the order and fill its blocks. */
static void test_sorted_strings(void **state)
{
    (void)state;
    for (int descending = 0; descending < 2; descending++) {
        struct dictionary dictionary;
        dictionary_init(&dictionary);
        for (uint32_t i = 0; i < 10000; i++) {
            char text[16];
            bool added;
            (void)snprintf(text, sizeof(text), "%08u", descending ? 10000 - i : i);
            assert_int_equal(dictionary_put(&dictionary, slice_text(text), &added), i);
        }
        struct walk walk = walk_between(&dictionary, slice_of(NULL, 0), slice_of(NULL, 0));
        assert_int_equal(walk.sum, 10000 * 10001 / 2);
        if (!descending) {
            assert_int_equal(dictionary.blocks_count, 10000 / ORDER_BLOCK_IDS + 1);
        }
        dictionary_deinit(&dictionary);
    }
}

/* ---- postings ---- */

struct expected {
    const bool *has;
    uint32_t next;
    size_t count;
};

static bool take_value(uint32_t value, void *ctx)
{
    struct expected *expected = ctx;
    assert_true(value >= expected->next && value < VALUES && expected->has[value]);
    expected->next = value + 1;
    expected->count++;
    return true;
}

static void check_posting(const struct posting *posting, const bool *has, size_t count)
{
    struct expected expected = {.has = has};
    posting_each(posting, take_value, &expected);
    assert_int_equal(expected.count, count);
    assert_int_equal(posting_count(posting), count);
    assert_int_equal(posting_is_empty(posting), count == 0);
    roaring_bitmap_t *copy = posting_copy(posting);
    assert_int_equal(roaring_bitmap_get_cardinality(copy), count);
    roaring_bitmap_t *even = roaring_bitmap_from_range(0, VALUES, 2);
    assert_int_equal(posting_count_among(posting, even),
                     roaring_bitmap_and_cardinality(copy, even));
    roaring_bitmap_free(even);
    roaring_bitmap_free(copy);
}

static void check_posting_image(const struct posting *posting, const bool *has, size_t count)
{
    struct buffer image;
    struct reader reader;
    struct posting loaded = {0};
    buffer_init(&image, 0);
    posting_save(posting, &image);
    reader_init(&reader, buffer_slice(&image));
    assert_true(posting_load(&loaded, &reader, VALUES));
    assert_int_equal(reader_left(&reader), 0);
    check_posting(&loaded, has, count);
    posting_clear(&loaded);
    for (size_t cut = 0; cut < image.size; cut += 1 + image.size / 20) {
        reader_init(&reader, slice_of(image.data, cut));
        assert_false(posting_load(&loaded, &reader, VALUES));
        assert_true(posting_is_empty(&loaded));
    }
    if (count > 1) {
        reader_init(&reader, buffer_slice(&image));
        assert_false(posting_load(&loaded, &reader, 0));
    }
    buffer_deinit(&image);
}

/* Proves that a posting is the set it should be in each of its forms, and so is its image. */
static void test_posting(void **state)
{
    (void)state;
    static const uint32_t limits[] = {1, 2, 5, 100, 511, 512, 513, 2000};
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        static bool has[VALUES];
        struct posting posting = {0};
        size_t count = 0;
        bool was_large = false;
        memset(has, 0, sizeof(has));
        for (uint32_t round = 0; round < 3 * VALUES; round++) {
            uint32_t value = pick(VALUES);
            if (count < limits[i] && round < 2 * VALUES) {
                assert_int_equal(posting_add(&posting, value), !has[value]);
                count += !has[value];
                has[value] = true;
            } else {
                assert_int_equal(posting_remove(&posting, value), has[value]);
                count -= has[value];
                has[value] = false;
            }
            was_large = was_large || posting_is_large(&posting);
            if (round % 500 == 0) {
                check_posting(&posting, has, count);
                check_posting_image(&posting, has, count);
            }
        }
        assert_int_equal(was_large, limits[i] > 512);
        for (uint32_t value = 0; value < VALUES; value++) {
            posting_remove(&posting, value);
        }
        assert_true(posting_is_empty(&posting));
        assert_int_equal(posting_memory(&posting), 0);
    }
}

/* Proves that unions are right for values near each other and far apart, few and many, repeated. */
static void test_gather(void **state)
{
    (void)state;
    for (int round = 0; round < 60; round++) {
        struct posting postings[12] = {{0}};
        struct gather gather = {0};
        roaring_bitmap_t *expected = roaring_bitmap_create();
        uint32_t spread = round % 3 == 0 ? UINT32_MAX : round % 3 == 1 ? 5000 : 1000000;
        for (size_t i = 0; i < 12; i++) {
            uint32_t count = pick(3) ? pick(4) : pick(round < 30 ? 300 : 1500);
            for (uint32_t k = 0; k < count; k++) {
                uint32_t value = pick(8) ? pick(spread) : UINT32_MAX - pick(2);
                posting_add(&postings[i], value);
                roaring_bitmap_add(expected, value);
            }
            gather_add(&gather, &postings[i]);
            gather_add(&gather, &postings[i / 2]);
        }
        roaring_bitmap_t *found = gather_finish(&gather);
        assert_true(roaring_bitmap_equals(found, expected));
        assert_null(gather.values);
        for (size_t i = 0; i < 12; i++) {
            posting_clear(&postings[i]);
        }
        roaring_bitmap_free(found);
        roaring_bitmap_free(expected);
    }
    struct gather nothing = {0};
    roaring_bitmap_t *empty = gather_finish(&nothing);
    assert_true(roaring_bitmap_is_empty(empty));
    roaring_bitmap_free(empty);
}

/* ---- column ---- */

struct row {
    uint32_t ids[LIST_MAX];
    size_t count;
};

static void check_column(const struct column *column, const struct row *rows, uint32_t stride)
{
    for (uint32_t i = 0; i < POINTS; i++) {
        struct column_values values = column_get(column, i * stride);
        assert_int_equal(values.count, rows[i].count);
        for (size_t k = 0; k < values.count; k++) { /* in the order in which they came */
            assert_int_equal(values.ids[k], rows[i].ids[k]);
        }
    }
}

/* Proves that each point has its own ids, however lists grow, move and are used again. */
static void test_column(void **state)
{
    (void)state;
    static struct row rows[POINTS];
    for (uint32_t stride = 1; stride < 100000; stride = stride * 1000 + 7) {
        struct column column;
        column_init(&column);
        memset(rows, 0, sizeof(rows));
        for (uint32_t round = 0; round < 40000; round++) {
            uint32_t i = pick(pick(2) ? POINTS : POINTS / 30);
            struct row *row = &rows[i];
            if (pick(20) == 0 || row->count == LIST_MAX) {
                column_clear(&column, i * stride);
                row->count = 0;
            } else {
                uint32_t id = pick(50) ? pick(IDS) : 0x7ffffffe;
                column_add(&column, i * stride, id);
                row->ids[row->count++] = id;
            }
        }
        check_column(&column, rows, stride);
        size_t memory = column_memory(&column);
        for (uint32_t k = 0; k < 6 * POINTS; k++) { /* what is freed is used again */
            uint32_t i = k % POINTS;
            size_t count = rows[i].count;
            column_clear(&column, i * stride);
            for (size_t at = 0; at < count; at++) {
                column_add(&column, i * stride, rows[i].ids[at]);
            }
        }
        check_column(&column, rows, stride);
        assert_true(column_memory(&column) <= memory + memory / 4);
        assert_int_equal(column_get(&column, UINT32_MAX).count, 0);
        column_clear(&column, UINT32_MAX);
        column_deinit(&column);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dictionary), cmocka_unit_test(test_sorted_strings),
        cmocka_unit_test(test_posting),    cmocka_unit_test(test_gather),
        cmocka_unit_test(test_column),
    };
    random_init(&rng, SEED);
    print_message("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
