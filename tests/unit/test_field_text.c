/* Text indexes against the condition's check: random parameters, payloads, queries and changes; and
 * what scoring reads of them against a recount. */
/* cmocka needs these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>
/* clang-format on */

#include "index/field/field_text_int.h"
#include "index/text/word_set.h"
#include "storage/base/mem.h"
#include "tests/unit/field_world.h"
#include "tests/unit/text_data.h"

static int set_up(void **state)
{
    (void)state;
    arena = arena_create(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    arena_destroy(arena);
    return 0;
}

static void seed_random(uint64_t seed)
{
    printf("seed %llu\n", (unsigned long long)seed);
    random_init(&rng, seed);
}

/* ---- worlds of texts ---- */

static size_t variety; /* how many of TEXT_WORDS the texts at hand are made of */
static struct tokenizer *tokenizer;
static struct text_field text_field;
static struct filter_options options = {.text_fields = &text_field, .text_fields_count = 1};

static void write_string(struct buffer *out, struct slice text)
{
    buffer_append_byte(out, '"');
    for (size_t i = 0; i < text.size; i++) {
        uint8_t byte = text.data[i];
        if (byte < 0x20 || byte == '"' || byte == '\\' || (byte < 0x80 && pick(50) == 0)) {
            buffer_printf(out, "\\u%04x", byte);
        } else {
            buffer_append_byte(out, byte);
        }
    }
    buffer_append_byte(out, '"');
}

static void write_text(struct buffer *out)
{
    struct buffer text;
    buffer_init(&text, 0);
    text_random(&rng, pick(4) ? 6 : 25, variety, &text);
    write_string(out, buffer_slice(&text));
    buffer_deinit(&text);
}

static void write_value(struct buffer *out)
{
    static const char *const others[] = {"5", "null", "{\"a\":\"the\"}", "true", "[\"the\"]", "[]"};
    if (pick(5) > 0) {
        write_text(out);
    } else {
        buffer_append_text(out, others[pick(TEXT_COUNT(others))]);
    }
}

static void write_payload(struct buffer *out)
{
    if (pick(10) == 0) {
        buffer_append_text(out, "{\"u\":\"the\"}");
        return;
    }
    buffer_append_text(out, "{\"t\":");
    if (pick(3) > 0) {
        write_value(out);
    } else {
        buffer_append_byte(out, '[');
        for (int64_t i = pick(4); i >= 0; i--) {
            write_value(out);
            buffer_append_text(out, i ? "," : "");
        }
        buffer_append_byte(out, ']');
    }
    buffer_append_byte(out, '}');
}

static const struct tokenizer_params *random_params(void)
{
    static const char *const languages[] = {"english", "japanese"};
    static struct tokenizer_params params;
    params = (struct tokenizer_params){.kind = (enum tokenizer_kind)pick(4),
                                       .lowercase = pick(4) > 0,
                                       .ascii_folding = pick(2) > 0,
                                       .token_min = (uint32_t)pick(3),
                                       .token_max = pick(3) ? 0 : 5,
                                       .stemmer = pick(3) ? NULL : "english",
                                       .languages = languages,
                                       .languages_count = pick(2) ? 0 : (size_t)pick(3)};
    return &params;
}

static void text_world_init(struct world *world, const struct tokenizer_params *params,
                            bool phrases)
{
    struct field_spec spec = {.key = "t", .type = FIELD_TEXT, .phrases = phrases, .text = *params};
    assert_int_equal(field_create(&spec, &world->field, NULL), STATUS_OK);
    assert_int_equal(tokenizer_create(params, &tokenizer, NULL), STATUS_OK);
    text_field = (struct text_field){.path = field_path(world->field), .tokenizer = tokenizer};
    for (size_t i = 0; i < WORLD_POINTS; i++) {
        buffer_init(&world->payloads[i], 0);
        world->put[i] = false;
    }
}

static void text_world_deinit(struct world *world)
{
    tokenizer_unref(tokenizer);
    world_deinit(world);
}

/* ---- asking ---- */

static const Qdrant__Match__MatchValueCase MODES[] = {QDRANT__MATCH__MATCH_VALUE_TEXT,
                                                      QDRANT__MATCH__MATCH_VALUE_TEXT_ANY,
                                                      QDRANT__MATCH__MATCH_VALUE_PHRASE};

static struct filter *compile(size_t mode, const char *text)
{
    struct filter *filter;
    struct error err;
    Qdrant__Condition *wire = match_text("t", MODES[mode], text);
    if (filter_compile(filter_of('m', wire, NULL), &options, arena, &filter, &err) != STATUS_OK) {
        fail_msg("%s", err.message);
    }
    return filter;
}

/* A field's answer holds what the check says of every point. */
static void ask(const struct world *world, const struct field *field, const struct filter *filter,
                struct tally *tally)
{
    struct field_found found;
    tally->asked++;
    assert_true(field_find(field, filter->must.conds[0]->query, &found));
    tally->exact += !found.possible;
    const roaring_bitmap_t *possible = found.possible ? found.possible : found.sure;
    uint64_t known = 0;
    for (size_t i = 0; i < WORLD_POINTS; i++) {
        struct point_view point = {.payload = world_payload,
                                   .ctx = (void *)(uintptr_t)&world->payloads[i]};
        bool matches = world->put[i] && filter_check(filter, &point);
        bool sure = roaring_bitmap_contains(found.sure, offset_of(i));
        bool may = roaring_bitmap_contains(possible, offset_of(i));
        if ((sure && !matches) || (matches && !may) || (may && !world->put[i])) {
            fail_msg("%.*s: put %d, matches %d, sure %d, possible %d", (int)world->payloads[i].size,
                     (char *)world->payloads[i].data, world->put[i], matches, sure, may);
        }
        tally->sure += sure;
        tally->unsure += may && !sure;
        known += may;
    }
    assert_int_equal(roaring_bitmap_get_cardinality(possible), known);
    found_free(&found);
}

/* Words that are mostly in the texts, sometimes a piece of one of them. */
static const char *random_query(const struct world *world)
{
    struct buffer text;
    buffer_init(&text, 0);
    size_t i = (size_t)pick(WORLD_POINTS);
    struct json_view view;
    if (pick(2) && world->put[i] &&
        json_view_find(json_view_of(buffer_slice(&world->payloads[i])), SLICE_LITERAL("t"),
                       &view) &&
        json_view_kind(view) == JSON_STRING) {
        struct slice raw = json_view_raw_string(view);
        uint8_t *room = buffer_reserve(&text, raw.size);
        buffer_commit(&text, json_string_unescape(raw, room));
        size_t from = 0, to = text.size; /* cut at blanks */
        for (size_t at = 0; at < text.size; at++) {
            if (text.data[at] == ' ' && pick(3) == 0) {
                *(pick(2) ? &from : &to) = at;
            }
        }
        text.size = to;
        if (from < to) {
            memmove(text.data, text.data + from, to - from);
            text.size = to - from;
        }
    } else {
        text_random(&rng, 3, variety, &text);
    }
    for (size_t at = 0; at < text.size; at++) {
        text.data[at] = text.data[at] ? text.data[at] : ' ';
    }
    const char *copy = arena_strndup(arena, (const char *)text.data, text.size);
    buffer_deinit(&text);
    return copy;
}

static void ask_all(const struct world *world, const struct field *field, struct tally tallies[3])
{
    const char *query = random_query(world);
    for (size_t mode = 0; mode < 3; mode++) {
        ask(world, field, compile(mode, query), &tallies[mode]);
    }
}

/* Whatever the parameters and the changes, answers agree with checks; so do those of an index that
 * was saved and loaded. */
static void test_agrees_with_check(void **state)
{
    (void)state;
    seed_random(20260101);
    struct tally tallies[2][3] = {0};
    for (size_t round = 0; round < 70; round++) {
        struct world world;
        bool phrases = pick(2) > 0;
        variety = (size_t)pick(4) ? TEXT_COUNT(TEXT_WORDS) : 6;
        text_world_init(&world, random_params(), phrases);
        for (size_t step = 0; step < 6; step++) {
            world_stir(&world, 80, write_payload);
            for (size_t i = 0; i < 4; i++) {
                ask_all(&world, world.field, tallies[phrases]);
            }
        }
        struct field *copy = world_reload(world.field);
        for (size_t i = 0; i < 6; i++) {
            ask_all(&world, copy, tallies[phrases]);
        }
        field_destroy(copy);
        text_world_deinit(&world);
        arena_reset(arena);
    }
    for (size_t phrases = 0; phrases < 2; phrases++) {
        for (size_t mode = 0; mode < 3; mode++) {
            const struct tally *tally = &tallies[phrases][mode];
            printf("phrases %zu, mode %zu: %zu of %zu exact, %zu sure, %zu possible\n", phrases,
                   mode, tally->exact, tally->asked, tally->sure, tally->unsure);
            assert_true(tally->sure > tally->asked);
        }
        assert_int_equal(tallies[phrases][1].unsure, 0);
    }
    assert_int_equal(tallies[1][2].unsure, 0); /* phrases with positions are exact */
}

/* ---- scoring ---- */

struct recount {
    const struct field *field;
    point_offset point;
    uint32_t last, length;
    struct word_set words;
    uint32_t frequencies[4096];
};

static bool count_token(void *ctx, struct token token)
{
    struct recount *recount = ctx;
    uint32_t number = word_set_add(&recount->words, token.text);
    recount->frequencies[number]++;
    recount->length += recount->last != token.position;
    recount->last = token.position;
    return false;
}

static bool count_value(void *ctx, struct json_view value)
{
    struct recount *recount = ctx;
    if (json_view_kind(value) == JSON_STRING) {
        struct slice raw = json_view_raw_string(value);
        uint8_t *plain = mem_alloc(raw.size + 1);
        struct buffer scratch;
        buffer_init(&scratch, 0);
        recount->last = UINT32_MAX;
        tokenizer_run(field_text_tokenizer(recount->field), TEXT_STORED,
                      slice_of(plain, json_string_unescape(raw, plain)), &scratch, count_token,
                      recount);
        buffer_deinit(&scratch);
        mem_free(plain);
    }
    return false;
}

/* A point's length and its frequencies are those of its texts; returns its length. */
static uint32_t check_point(const struct field *field, point_offset point, struct slice payload,
                            uint64_t *postings)
{
    struct recount recount = {.field = field, .point = point};
    word_set_init(&recount.words);
    path_each(field_path(field), json_view_of(payload), count_value, &recount);
    struct json_view whole;
    if (json_view_find(json_view_of(payload), SLICE_LITERAL("t"), &whole) &&
        json_view_kind(whole) == JSON_ARRAY) {
        struct json_iter iter;
        struct json_view item;
        json_view_begin(whole, &iter);
        while (json_view_next_item(&iter, &item)) {
            count_value(&recount, item);
        }
    }
    assert_int_equal(field_text_length(field, point), recount.length);
    for (uint32_t i = 0; i < recount.words.count; i++) {
        uint32_t term = field_text_term(field, word_set_at(&recount.words, i));
        struct text_cursor cursor;
        assert_int_not_equal(term, TERM_NONE);
        field_text_cursor(field, term, &cursor);
        assert_true(text_cursor_seek(&cursor, point));
        assert_int_equal(cursor.point, point);
        assert_int_equal(cursor.frequency, recount.frequencies[i]);
    }
    *postings += recount.words.count;
    word_set_deinit(&recount.words);
    return recount.length;
}

/* Frequencies, lengths and their average are those of a recount; nothing else is in the lists. */
static void test_scoring(void **state)
{
    (void)state;
    seed_random(5);
    for (size_t round = 0; round < 40; round++) {
        struct world world;
        variety = TEXT_COUNT(TEXT_WORDS);
        text_world_init(&world, random_params(), pick(2) > 0);
        world_stir(&world, 400, write_payload);
        struct field *copy = world_reload(world.field);
        const struct field *const fields[] = {world.field, copy};
        for (size_t f = 0; f < 2; f++) {
            uint64_t postings = 0, lengths = 0, listed = 0;
            for (size_t i = 0; i < WORLD_POINTS; i++) {
                if (world.put[i]) {
                    lengths += check_point(fields[f], offset_of(i),
                                           buffer_slice(&world.payloads[i]), &postings);
                }
            }
            const struct field_text *self = (const struct field_text *)fields[f];
            for (uint32_t term = 0; term < self->terms.items_count; term++) {
                struct text_cursor cursor;
                uint64_t points = 0;
                field_text_cursor(fields[f], term, &cursor);
                while (text_cursor_next(&cursor)) {
                    points++;
                }
                assert_int_equal(field_text_term_points(fields[f], term), points);
                listed += points;
            }
            assert_int_equal(listed, postings);
            double average = field_text_average_length(fields[f]);
            assert_true(average * (double)field_text_points(fields[f]) < (double)lengths + 0.5);
            assert_true(average * (double)field_text_points(fields[f]) > (double)lengths - 0.5);
            assert_true(roaring_bitmap_is_empty(field_text_unread(fields[f])));
        }
        field_destroy(copy);
        text_world_deinit(&world);
    }
}

/* ---- lists ---- */

enum { LIST_POINTS = 4000 };

static void check_list(const struct text_list *list, const uint32_t *frequencies, bool positions)
{
    struct text_cursor cursor;
    uint32_t count = 0;
    text_cursor_init(&cursor, list, positions);
    for (uint32_t point = 0; point < LIST_POINTS; point++) {
        if (frequencies[point] == 0) {
            continue;
        }
        count++;
        assert_true(text_cursor_next(&cursor));
        assert_int_equal(cursor.point, point);
        assert_int_equal(cursor.frequency, frequencies[point]);
        const uint8_t *at = cursor.positions.data;
        uint64_t position = 0;
        for (uint32_t i = 0; positions && i < frequencies[point]; i++) {
            position = text_position_next(&at, position);
            assert_int_equal(position, (uint64_t)point * (i + 1) + i * 70000);
        }
        assert_true(!positions || at == cursor.positions.data + cursor.positions.size);
    }
    assert_false(text_cursor_next(&cursor));
    assert_false(text_cursor_next(&cursor));
    assert_int_equal(list->points_count, count);
    text_cursor_init(&cursor, list, positions);
    for (uint32_t point = (uint32_t)pick(50); point < LIST_POINTS + 20;
         point += (uint32_t)pick(300)) {
        uint32_t next = point;
        while (next < LIST_POINTS && frequencies[next] == 0) {
            next++;
        }
        assert_int_equal(text_cursor_seek(&cursor, point), next < LIST_POINTS);
        assert_true(next >= LIST_POINTS || cursor.point == next);
        assert_true(next >= LIST_POINTS || cursor.frequency == frequencies[next]);
    }
}

/* Lists of many blocks, grown at the end and in the middle, value by value, and shrunk again,
 * against an array; the memory they say they take goes back to nothing. */
static void test_lists(void **state)
{
    (void)state;
    seed_random(31);
    for (size_t round = 0; round < 6; round++) {
        struct text_lists lists = {.positions = round % 2 != 0};
        struct text_list list = {0};
        uint32_t *frequencies = mem_zalloc(LIST_POINTS * sizeof(frequencies[0]));
        for (size_t step = 0; step < 12000; step++) {
            uint32_t point =
                round % 3 == 0 && step < LIST_POINTS ? (uint32_t)step : (uint32_t)pick(LIST_POINTS);
            if (pick(step < 6000 ? 8 : 3) == 0) {
                bool removed = text_list_remove(&lists, &list, point);
                assert_int_equal(removed, frequencies[point] > 0);
                frequencies[point] = 0;
            } else {
                uint64_t positions[3];
                uint32_t count = 1 + (uint32_t)pick(3), had = frequencies[point];
                for (uint32_t i = 0; i < count; i++) {
                    positions[i] = (uint64_t)point * (had + i + 1) + (had + i) * 70000;
                }
                text_list_add(&lists, &list, point, positions, count);
                frequencies[point] += count;
            }
        }
        check_list(&list, frequencies, lists.positions);
        assert_true(list.blocks_count > 5);
        for (size_t left = LIST_POINTS; left > 0; left--) {
            text_list_remove(&lists, &list, (point_offset)(left - 1));
            frequencies[left - 1] = 0;
            if (left % 500 == 0) {
                check_list(&list, frequencies, lists.positions);
            }
        }
        assert_int_equal(list.blocks_count, 0);
        assert_int_equal(lists.bytes, 0);
        mem_free(frequencies);
    }
}

/* ---- bounds ---- */

static void put_text(struct field *field, point_offset point, const char *text)
{
    struct buffer payload;
    buffer_init(&payload, 0);
    buffer_printf(&payload, "{\"t\":\"%s\"}", text);
    field_add(field, point, json_view_of(buffer_slice(&payload)));
    buffer_deinit(&payload);
}

static uint64_t count_found(const struct field *field, size_t mode, const char *query)
{
    struct field_found found;
    assert_true(field_find(field, compile(mode, query)->must.conds[0]->query, &found));
    assert_null(found.possible);
    uint64_t count = roaring_bitmap_get_cardinality(found.sure);
    found_free(&found);
    return count;
}

/* Texts that change leave nothing behind: terms, records and bytes go with the last point. */
static void test_gives_back(void **state)
{
    (void)state;
    struct world world;
    text_world_init(&world, &tokenizer_plain, true);
    struct field_text *self = (struct field_text *)world.field;
    size_t memory_max = 0;
    for (size_t round = 0; round < 40; round++) {
        for (point_offset point = 0; point < 300; point++) {
            char text[200];
            snprintf(text, sizeof(text),
                     "all same word%zu x%u aLongerTermThatNoOtherPointHas%zuAnd%u", round, point,
                     round, point);
            put_text(world.field, point, text);
        }
        assert_int_equal(count_found(world.field, 0, "same all"), 300);
        assert_int_equal(count_found(world.field, 2, "all same"), 300);
        memory_max = field_memory(world.field) > memory_max && round < 8 ? field_memory(world.field)
                                                                         : memory_max;
        assert_true(field_memory(world.field) <= memory_max);
        for (point_offset point = 0; point < 300; point++) {
            field_remove(world.field, point);
        }
        assert_int_equal(self->terms.count, 0);
        assert_int_equal(self->terms.lists.bytes, 0);
        assert_int_equal(self->length_sum, 0);
    }
    text_world_deinit(&world);
}

/* Time grows with the size of a point's texts only, however many values they are in. */
static void test_many_values(void **state)
{
    (void)state;
    enum { VALUES = 60000 };
    struct world world;
    struct buffer payload;
    text_world_init(&world, &tokenizer_plain, true);
    buffer_init(&payload, 0);
    buffer_append_text(&payload, "{\"t\":[");
    for (size_t i = 0; i < VALUES; i++) {
        buffer_printf(&payload, "%s\"the same %zu\"", i ? "," : "", i % 100);
    }
    buffer_append_text(&payload, "]}");
    put_text(world.field, 9, "the same");
    for (size_t i = 0; i < 3; i++) {
        field_add(world.field, 5, json_view_of(buffer_slice(&payload)));
        assert_int_equal(field_text_length(world.field, 5), 3 * VALUES);
        assert_int_equal(count_found(world.field, 1, "the"), 2);
        assert_int_equal(count_found(world.field, 2, "same 99"), 1);
        assert_int_equal(count_found(world.field, 2, "99 the"), 0); /* of two values */
        field_remove(world.field, 5);
    }
    assert_int_equal(count_found(world.field, 1, "the 5"), 1);
    buffer_deinit(&payload);
    text_world_deinit(&world);
}

/* A point where the words of a phrase stand too often is left to its check. */
static void test_long_texts(void **state)
{
    (void)state;
    struct world world;
    struct buffer payload;
    text_world_init(&world, &tokenizer_plain, true);
    buffer_init(&payload, 0);
    buffer_append_text(&payload, "{\"t\":\"");
    for (size_t i = 0; i < 80000; i++) {
        buffer_append_text(&payload, i % 2 ? "a b " : "c d ");
    }
    buffer_append_text(&payload, "\"}");
    field_add(world.field, 3, json_view_of(buffer_slice(&payload)));
    put_text(world.field, 4, "a b");
    struct field_found found;
    assert_true(field_find(world.field, compile(2, "a b")->must.conds[0]->query, &found));
    assert_int_equal(roaring_bitmap_get_cardinality(found.sure), 1);
    assert_int_equal(roaring_bitmap_get_cardinality(found.possible), 2);
    found_free(&found);
    assert_int_equal(count_found(world.field, 0, "a d"), 1);
    buffer_deinit(&payload);
    text_world_deinit(&world);
}

/* Questions of other kinds, and of other tokenizers, are not answered. */
static void test_not_answered(void **state)
{
    (void)state;
    struct world world;
    struct tokenizer_params params = tokenizer_plain;
    params.stemmer = "english";
    text_world_init(&world, &params, false);
    put_text(world.field, 0, "running");
    assert_int_equal(count_found(world.field, 0, "runs"), 1);
    struct filter *plain;
    struct field_found found;
    Qdrant__Condition *wire = match_text("t", MODES[0], "running");
    assert_int_equal(filter_compile(filter_of('m', wire, NULL), NULL, arena, &plain, NULL),
                     STATUS_OK);
    assert_false(field_find(world.field, plain->must.conds[0]->query, &found));
    wire = match_keyword("t", "running");
    assert_int_equal(filter_compile(filter_of('m', wire, NULL), NULL, arena, &plain, NULL),
                     STATUS_OK);
    assert_false(field_find(world.field, plain->must.conds[0]->query, &found));
    assert_int_equal(count_found(world.field, 0, " .. "), 0);
    text_world_deinit(&world);
}

/* ---- images ---- */

static void use_field(struct field *field)
{
    static const char *const queries[] = {"the state", "running", "of art"};
    for (size_t i = 0; i < TEXT_COUNT(queries); i++) {
        for (size_t mode = 0; mode < 3; mode++) {
            struct field_found found;
            if (field_find(field, compile(mode, queries[i])->must.conds[0]->query, &found)) {
                found_free(&found);
            }
        }
    }
    for (size_t i = 0; i < WORLD_POINTS; i++) {
        field_remove(field, offset_of(i));
        put_text(field, offset_of(i), "the state of");
    }
}

/* Loads the image with its last `own_size` bytes, which are the kind's, damaged. True: refused. */
static bool load_damaged(const struct field *field, struct slice image, size_t own_size)
{
    size_t size = pick(3) == 0 ? image.size - (size_t)pick((int64_t)own_size) - 1 : image.size;
    uint8_t *bytes = malloc(size); /* exactly as large: reading beyond it is found */
    struct reader reader;
    struct field *copy;
    struct error err;
    memcpy(bytes, image.data, size);
    size_t own_at = image.size - own_size;
    for (int64_t i = size > own_at ? pick(4) : 0; i > 0; i--) {
        bytes[own_at + (size_t)pick((int64_t)(size - own_at))] ^= (uint8_t)(1 << pick(8));
    }
    reader_init(&reader, slice_of(bytes, size));
    assert_int_equal(field_create(field_spec(field), &copy, NULL), STATUS_OK);
    enum status status = field_load(copy, &reader, &err);
    if (status == STATUS_OK) {
        use_field(copy);
    } else {
        assert_int_equal(status, STATUS_CORRUPT);
    }
    field_destroy(copy);
    free(bytes);
    return status != STATUS_OK;
}

/* Damaged images are refused or give an index that works. */
static void test_damaged_images(void **state)
{
    (void)state;
    enum { WORLDS = 6, IMAGES = 100 };
    seed_random(77);
    size_t refused = 0;
    for (size_t round = 0; round < WORLDS; round++) {
        struct world world;
        struct buffer image, own;
        buffer_init(&image, 0);
        buffer_init(&own, 0);
        variety = 12;
        text_world_init(&world, random_params(), round % 2 != 0);
        world_stir(&world, 300, write_payload);
        field_save(world.field, &image);
        world.field->kind->save(world.field, &own);
        for (size_t i = 0; i < IMAGES; i++) {
            refused += load_damaged(world.field, buffer_slice(&image), own.size);
        }
        buffer_deinit(&image);
        buffer_deinit(&own);
        text_world_deinit(&world);
        arena_reset(arena);
    }
    printf("%zu of %d refused\n", refused, WORLDS * IMAGES);
    assert_in_range(refused, 240, WORLDS * IMAGES - 40);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_agrees_with_check), TEST(test_scoring),        TEST(test_lists),
        TEST(test_gives_back),        TEST(test_many_values),    TEST(test_long_texts),
        TEST(test_not_answered),      TEST(test_damaged_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
