/* Strings and their points.
 *
 * A key's id leads to its posting of points; the column leads back from a point to its ids, so that
 * a point can be removed and facets of few points counted without touching the postings. A key
 * whose last point goes leaves the dictionary; its id is used again.
 *
 * Patterns are tested on the dictionary's texts, a text once however many points have it: on those
 * that the trigrams leave, or on all. The work is bounded: what is not tested in time may match. */
#include "index/field/words.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

enum {
    PATTERN_COST_MAX = 1 << 23, /* of one lookup: about ten milliseconds */
    /* What facets cost, in nanoseconds. */
    WALK_COST = 4,        /* a point of those asked about */
    SMALL_COST = 32,      /* a point of a small posting */
    CONTAINER_COST = 250, /* a bitmap, for each 65536 places that are asked about */
    POINTS_BATCH = 512,
};

void words_init(struct words *words, words_text text_of, bool patterns)
{
    *words = (struct words){.text_of = text_of};
    dictionary_init(&words->keys);
    column_init(&words->column);
    words->trigrams = patterns ? trigrams_create() : NULL;
}

void words_deinit(struct words *words)
{
    for (uint32_t id = 0; id < words->keys.ids_count; id++) {
        posting_clear(&words->postings[id]);
    }
    mem_free(words->postings);
    trigrams_destroy(words->trigrams);
    column_deinit(&words->column);
    dictionary_deinit(&words->keys);
}

struct slice words_string(struct json_view string, struct buffer *scratch)
{
    struct slice raw = json_view_raw_string(string);
    if (raw.size == 0 || !memchr(raw.data, '\\', raw.size)) {
        return raw;
    }
    buffer_clear(scratch);
    buffer_commit(scratch, json_string_unescape(raw, buffer_reserve(scratch, raw.size)));
    return buffer_slice(scratch);
}

static struct slice text_of(const struct words *words, struct slice key,
                            uint8_t room[WORDS_TEXT_BYTES])
{
    return words->text_of ? words->text_of(key, room) : key;
}

/* ---- changing ---- */

/* Around each change of a posting, so that the sums stay right. */
static void forget(struct words *words, const struct posting *posting)
{
    if (posting_is_large(posting)) {
        words->large_count--;
    } else {
        words->small_points -= posting_count(posting);
    }
}

static void remember(struct words *words, const struct posting *posting)
{
    if (posting_is_large(posting)) {
        words->large_count++;
    } else {
        words->small_points += posting_count(posting);
    }
}

/* The id of a key, with a posting and trigrams of its own when it is new. */
static uint32_t take_key(struct words *words, struct slice key, bool *added)
{
    uint8_t room[WORDS_TEXT_BYTES];
    uint32_t id = dictionary_put(&words->keys, key, added);
    if (!*added) {
        return id;
    }
    if (id >= words->postings_capacity) {
        words->postings_capacity = words->keys.ids_capacity;
        words->postings =
            mem_realloc(words->postings, words->postings_capacity * sizeof(words->postings[0]));
    }
    words->postings[id] = (struct posting){0};
    if (words->trigrams) {
        trigrams_add(words->trigrams, id, text_of(words, key, room));
    }
    return id;
}

static void drop_key(struct words *words, uint32_t id)
{
    uint8_t room[WORDS_TEXT_BYTES];
    if (words->trigrams) {
        struct slice key = dictionary_key(&words->keys, id);
        trigrams_remove(words->trigrams, id, text_of(words, key, room));
    }
    dictionary_remove(&words->keys, id);
}

void words_add(struct words *words, point_offset point, struct slice key)
{
    bool added;
    uint32_t id = take_key(words, key, &added);
    struct posting *posting = &words->postings[id];
    forget(words, posting);
    bool is_new = posting_add(posting, point);
    remember(words, posting);
    if (is_new) {
        column_add(&words->column, point, id);
    }
}

void words_remove(struct words *words, point_offset point)
{
    struct column_values values = column_get(&words->column, point);
    for (size_t i = 0; i < values.count; i++) {
        struct posting *posting = &words->postings[values.ids[i]];
        forget(words, posting);
        bool found = posting_remove(posting, point);
        ASSERT(found);
        remember(words, posting);
        if (posting_is_empty(posting)) {
            drop_key(words, values.ids[i]);
        }
    }
    column_clear(&words->column, point);
}

/* ---- finding ---- */

void words_gather(const struct words *words, struct slice key, struct gather *gather)
{
    uint32_t id = dictionary_find(&words->keys, key);
    if (id != DICTIONARY_NONE) {
        gather_add(gather, &words->postings[id]);
    }
}

void words_gather_all(const struct words *words, struct gather *gather)
{
    for (uint32_t id = 0; id < words->keys.ids_count; id++) {
        if (dictionary_has(&words->keys, id)) {
            gather_add(gather, &words->postings[id]);
        }
    }
}

struct gathering {
    const struct words *words;
    bool (*accepts)(struct slice key);
    struct gather *gather;
};

static void gather_id(void *ctx, uint32_t id)
{
    const struct gathering *gathering = ctx;
    const struct words *words = gathering->words;
    if (!gathering->accepts || gathering->accepts(dictionary_key(&words->keys, id))) {
        gather_add(gathering->gather, &words->postings[id]);
    }
}

void words_gather_between(const struct words *words, struct slice low, struct slice high,
                          bool (*accepts)(struct slice key), struct gather *gather)
{
    struct gathering gathering = {.words = words, .accepts = accepts, .gather = gather};
    dictionary_each_between(&words->keys, low, high, gather_id, &gathering);
}

struct testing {
    const struct words *words;
    const struct pattern *pattern;
    uint64_t cost_left;
    struct gather matching, untested;
};

static bool test_text(uint32_t id, void *ctx)
{
    struct testing *testing = ctx;
    const struct words *words = testing->words;
    uint8_t room[WORDS_TEXT_BYTES];
    struct slice text = text_of(words, dictionary_key(&words->keys, id), room);
    uint64_t cost = pattern_cost(testing->pattern, 1, text.size);
    if (cost > testing->cost_left) {
        testing->cost_left = 0;
        gather_add(&testing->untested, &words->postings[id]);
        return true;
    }
    testing->cost_left -= cost;
    if (pattern_matches(testing->pattern, text)) {
        gather_add(&testing->matching, &words->postings[id]);
    }
    return true;
}

bool words_find_pattern(const struct words *words, const struct pattern *pattern,
                        struct field_found *out)
{
    struct testing testing = {.words = words, .pattern = pattern, .cost_left = PATTERN_COST_MAX};
    roaring_bitmap_t *candidates =
        words->trigrams ? trigrams_find(words->trigrams, pattern_needs(pattern)) : NULL;
    if (candidates) {
        roaring_iterate(candidates, test_text, &testing);
        roaring_bitmap_free(candidates);
    } else if (pattern_cost(pattern, words->keys.count, words->keys.bytes) > PATTERN_COST_MAX) {
        return false;
    } else {
        for (uint32_t id = 0; id < words->keys.ids_count; id++) {
            if (dictionary_has(&words->keys, id)) {
                test_text(id, &testing);
            }
        }
    }
    bool is_unsure = testing.untested.count > 0 || testing.untested.sets_count > 0;
    *out = (struct field_found){.sure = gather_finish(&testing.matching)};
    roaring_bitmap_t *untested = gather_finish(&testing.untested);
    if (is_unsure) {
        out->possible = roaring_bitmap_or(out->sure, untested);
    }
    roaring_bitmap_free(untested);
    return true;
}

/* ---- facets ---- */

struct listing {
    const struct words *words;
    bool (*each)(void *ctx, const struct field_value *value, uint64_t count);
    void *ctx;
};

static bool give_value(const struct listing *listing, uint32_t id, uint64_t count)
{
    uint8_t room[WORDS_TEXT_BYTES];
    struct slice key = dictionary_key(&listing->words->keys, id);
    struct field_value value = {.kind = VALUE_TEXT, .text = text_of(listing->words, key, room)};
    return listing->each(listing->ctx, &value, count);
}

static void list_postings(const struct listing *listing, const roaring_bitmap_t *among)
{
    const struct words *words = listing->words;
    for (uint32_t id = 0; id < words->keys.ids_count; id++) {
        const struct posting *posting = &words->postings[id];
        if (!dictionary_has(&words->keys, id)) {
            continue;
        }
        uint64_t count = among ? posting_count_among(posting, among) : posting_count(posting);
        if (count > 0 && give_value(listing, id, count)) {
            return;
        }
    }
}

struct tally {
    uint32_t *counts;  /* by id */
    uint32_t *touched; /* ids with a count, in the order of their first */
    size_t touched_count, touched_capacity;
};

static void tally_add(struct tally *tally, uint32_t id)
{
    if (tally->counts[id]++ > 0) {
        return;
    }
    if (tally->touched_count == tally->touched_capacity) {
        tally->touched_capacity = tally->touched_capacity * 2 + 64;
        tally->touched =
            mem_realloc(tally->touched, tally->touched_capacity * sizeof(tally->touched[0]));
    }
    tally->touched[tally->touched_count++] = id;
}

static void list_by_walk(const struct listing *listing, const roaring_bitmap_t *among)
{
    const struct words *words = listing->words;
    struct tally tally = {
        .counts = mem_zalloc((words->keys.ids_count + (size_t)1) * sizeof(tally.counts[0]))};
    uint32_t points[POINTS_BATCH];
    uint32_t count;
    roaring_uint32_iterator_t iterator;
    roaring_init_iterator(among, &iterator);
    while ((count = roaring_read_uint32_iterator(&iterator, points, POINTS_BATCH)) > 0) {
        for (uint32_t i = 0; i < count; i++) {
            struct column_values values = column_get(&words->column, points[i]);
            for (size_t k = 0; k < values.count; k++) {
                tally_add(&tally, values.ids[k]);
            }
        }
    }
    for (size_t i = 0; i < tally.touched_count; i++) {
        if (give_value(listing, tally.touched[i], tally.counts[tally.touched[i]])) {
            break;
        }
    }
    mem_free(tally.counts);
    mem_free(tally.touched);
}

void words_each_value(const struct words *words, const roaring_bitmap_t *among,
                      bool (*each)(void *ctx, const struct field_value *value, uint64_t count),
                      void *ctx)
{
    struct listing listing = {.words = words, .each = each, .ctx = ctx};
    if (!among) {
        list_postings(&listing, NULL);
        return;
    }
    uint64_t containers = (uint64_t)among->high_low_container.size;
    uint64_t walk = roaring_bitmap_get_cardinality(among) * WALK_COST;
    uint64_t postings =
        words->small_points * SMALL_COST + words->large_count * containers * CONTAINER_COST;
    if (walk < postings) {
        list_by_walk(&listing, among);
    } else {
        list_postings(&listing, among);
    }
}

/* ---- images: how many keys u32; each: its size u32, its bytes, its posting ---- */

struct saving {
    const struct words *words;
    struct buffer *out;
};

static void save_key(void *ctx, uint32_t id)
{
    const struct saving *saving = ctx;
    struct slice key = dictionary_key(&saving->words->keys, id);
    buffer_append_u32(saving->out, (uint32_t)key.size);
    buffer_append_slice(saving->out, key);
    posting_save(&saving->words->postings[id], saving->out);
}

/* In the order of keys: so they load faster, and lie beside their neighbours afterwards. */
void words_save(const struct words *words, struct buffer *out)
{
    struct saving saving = {.words = words, .out = out};
    buffer_append_u32(out, words->keys.count);
    dictionary_each_between(&words->keys, slice_of(NULL, 0), slice_of(NULL, 0), save_key, &saving);
}

struct loading {
    struct words *words;
    uint32_t id;
};

static bool load_point(uint32_t point, void *ctx)
{
    const struct loading *loading = ctx;
    column_add(&loading->words->column, point, loading->id);
    return true;
}

static bool load_key(struct words *words, struct reader *image, point_offset point_max)
{
    bool added;
    struct slice key = reader_bytes(image, reader_u32(image));
    if (image->failed) {
        return false;
    }
    struct loading loading = {.words = words, .id = take_key(words, key, &added)};
    struct posting *posting = &words->postings[loading.id];
    if (!added || !posting_load(posting, image, point_max) || posting_is_empty(posting)) {
        return false;
    }
    remember(words, posting);
    posting_each(posting, load_point, &loading);
    return true;
}

enum status words_load(struct words *words, struct reader *image, bool any_points,
                       point_offset point_max, struct error *err)
{
    uint32_t count = reader_u32(image);
    bool is_whole = !image->failed && (any_points || count == 0);
    for (uint32_t i = 0; i < count && is_whole; i++) {
        is_whole = load_key(words, image, point_max);
    }
    return is_whole ? STATUS_OK
                    : error_set(err, STATUS_CORRUPT, "the strings in the image are damaged");
}

size_t words_memory(const struct words *words)
{
    size_t bytes = dictionary_memory(&words->keys) + column_memory(&words->column) +
                   words->postings_capacity * sizeof(words->postings[0]);
    for (uint32_t id = 0; id < words->keys.ids_count; id++) {
        bytes += posting_memory(&words->postings[id]);
    }
    return bytes + (words->trigrams ? trigrams_memory(words->trigrams) : 0);
}
