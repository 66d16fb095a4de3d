/* Filters: what each condition accepts, and what is refused. Each case has a few small payloads and
 * the set it accepts. */
#include "tests/unit/filter_wire.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* cmocka needs these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

enum { POINTS_MAX = 8 };

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

/* Points of a test: ids from 1, the payloads given. */
struct test_point {
    struct point_view view;
    const char *text;
    bool has_image; /* a vector named "image" */
    int reads;
};

static struct slice read_payload(struct point_view *self)
{
    struct test_point *point = self->ctx;
    point->reads++;
    return slice_text(point->text);
}

static bool find_vector(struct point_view *self, struct slice name)
{
    struct test_point *point = self->ctx;
    return point->has_image && slice_equal(name, SLICE_LITERAL("image"));
}

static void point_init(struct test_point *point, uint64_t id, const char *text)
{
    *point = (struct test_point){.text = text};
    point->view.id = point_id_number(id);
    point->view.payload = read_payload;
    point->view.has_vector = find_vector;
    point->view.ctx = point;
}

static struct filter *compile(const Qdrant__Filter *wire)
{
    struct filter *filter = NULL;
    struct error err = {0};
    if (filter_compile(wire, NULL, arena, &filter, &err) != STATUS_OK)
        fail_msg("refused: %s", err.message);
    return filter;
}

/* The ids accepted, as decimal digits: points 1 and 3 give 13. */
static int accepted(const Qdrant__Filter *wire, const char *const *payloads)
{
    struct filter *filter = compile(wire);
    int ids = 0;
    for (int i = 0; i < POINTS_MAX && payloads[i]; i++) {
        struct test_point point;
        point_init(&point, (uint64_t)i + 1, payloads[i]);
        if (filter_check(filter, &point.view))
            ids = ids * 10 + i + 1;
        assert_true(point.reads <= 1);
        assert_true(point.reads == 0 || filter_needs_payload(filter));
    }
    return ids;
}

static int must(Qdrant__Condition *cond, const char *const *payloads)
{
    return accepted(filter_of('m', cond, NULL), payloads);
}

static int must_not(Qdrant__Condition *cond, const char *const *payloads)
{
    return accepted(filter_of('n', cond, NULL), payloads);
}

/* is_null holds for null and arrays with a null, is_empty for missing, null and []; both forms
 * agree (case 1). */
static void test_null_and_empty(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"k\":null}", "{\"k\":[null,7]}", "{\"k\":[]}",
                                    "{}",           "{\"k\":[null]}",   "{\"k\":0}",
                                    "{\"k\":{}}",   "{\"k\":\"\"}"};
    assert_int_equal(must(is_null("k"), p), 125);
    assert_int_equal(must(field_is_null("k", true), p), 125);
    assert_int_equal(must(field_is_null("k", false), p), 34678);
    assert_int_equal(must(is_empty("k"), p), 134);
    assert_int_equal(must(field_is_empty("k", true), p), 134);
    assert_int_equal(must(field_is_empty("k", false), p), 25678);
    assert_int_equal(must(is_empty("k[]"), p), 1345678);
    assert_int_equal(must(is_null("k[]"), p), 25);
}

/* except [] is any value but null, any [] is nothing (case 2). */
static void test_empty_lists(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"n\":5}",      "{\"n\":6}",          "{}",
                                    "{\"n\":null}",   "{\"n\":[]}",         "{\"n\":\"x\"}",
                                    "{\"n\":[null]}", "{\"n\":[null,true]}"};
    assert_int_equal(must(match_integers("n", true, NULL, 0), p), 1268);
    assert_int_equal(must(match_keywords("n", true, NULL, 0), p), 1268);
    assert_int_equal(must(match_integers("n", false, NULL, 0), p), 0);
    assert_int_equal(must(match_keywords("n", false, NULL, 0), p), 0);
    assert_int_equal(must_not(match_keywords("n", false, NULL, 0), p), 12345678);
}

/* An empty any stays nothing inside or, and and not (case 4). */
static void test_empty_any_inside_should(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"acl\":[\"a\"]}", "{\"acl\":[\"b\",\"c\"]}", NULL};
    Qdrant__Filter *either =
        filter_of('s', values_count_lt("acl", 1), match_keywords("acl", false, NULL, 0));
    assert_int_equal(accepted(either, p), 0);
    assert_int_equal(must(sub_filter(either), p), 0);
    assert_int_equal(accepted(filter_of('s', sub_filter(either), NULL), p), 0);
    assert_int_equal(must_not(sub_filter(either), p), 12);
    assert_int_equal(must_not(sub_filter(filter_of('n', sub_filter(either), NULL)), p), 0);
}

/* Except asks for a value; must_not is the complement (case 5). */
static void test_except_and_must_not(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"s\":null}", "{\"s\":4}", "{\"s\":9}", "{}", NULL};
    static const int64_t four_eight[] = {8, 4};
    Qdrant__Condition *any = match_integers("s", false, four_eight, 2);
    Qdrant__Condition *except = match_integers("s", true, four_eight + 1, 1);
    assert_int_equal(accepted(filter_of('s', any, except), p), 23);
    assert_int_equal(must(except, p), 3);
    assert_int_equal(must_not(match_integer("s", 4), p), 134);
}

/* A filter that says nothing accepts all and compiles to NULL (case 7). */
static void test_no_clauses(void **state)
{
    (void)state;
    static const char *const p[] = {"{}", "{\"a\":1}", "{\"a\":2}", NULL};
    assert_null(compile(NULL));
    assert_null(compile(filter_of('m', NULL, NULL)));
    assert_null(compile(filter_of('s', NULL, NULL)));
    assert_null(compile(filter_of('n', NULL, NULL)));
    assert_int_equal(accepted(filter_of('s', NULL, NULL), p), 123);
    assert_int_equal(must(sub_filter(filter_of('s', NULL, NULL)), p), 123);
    assert_int_equal(must_not(sub_filter(filter_of('s', NULL, NULL)), p), 0);
    assert_false(filter_needs_payload(NULL));
}

/* Bounds and values of 64 bits are not rounded (case 8). */
static void test_exact_ranges(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"t\":9007199254740993}",
                                    "{\"t\":9007199254740992}",
                                    "{\"t\":-9223372036854775807}",
                                    "{\"t\":9223372036854775807}",
                                    "{\"t\":18446744073709551615}",
                                    "{\"t\":9.5}",
                                    NULL};
    Qdrant__ExactNumber *edge = exact(9007199254740993), *low = exact(-9223372036854775807);
    assert_int_equal(must(exact_range("t", exact(9007199254740992), NULL, NULL), p), 145);
    assert_int_equal(must(exact_range("t", NULL, edge, edge), p), 1);
    assert_int_equal(must(exact_range("t", NULL, low, low), p), 3);
    NEW(Qdrant__ExactNumber, qdrant__exact_number__init, huge);
    huge->kind_case = QDRANT__EXACT_NUMBER__KIND_UNSIGNED_VALUE;
    huge->unsigned_value = UINT64_MAX;
    assert_int_equal(must(exact_range("t", NULL, huge, NULL), p), 5);
    NEW(Qdrant__ExactNumber, qdrant__exact_number__init, half);
    half->kind_case = QDRANT__EXACT_NUMBER__KIND_REAL_VALUE;
    half->real_value = 9.5;
    assert_int_equal(must(exact_range("t", NULL, half, half), p), 6);
    assert_int_equal(must(exact_range("t", NULL, NULL, NULL), p), 123456);
}

/* Double bounds: only numbers are in a range, any item of an array counts, NaN compares with
 * nothing. */
static void test_double_ranges(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"v\":1}",     "{\"v\":2.5}",   "{\"v\":[0,3]}",
                                    "{\"v\":\"2\"}", "{\"v\":[[2]]}", "{\"v\":true}",
                                    "{\"v\":null}",  "{\"v\":[1,4]}"};
    Qdrant__Condition *cond;
    Qdrant__Range *range = double_range(&cond, "v");
    range->_gt_case = QDRANT__RANGE___GT_GT;
    range->gt = 1;
    range->_lte_case = QDRANT__RANGE___LTE_LTE;
    range->lte = 3;
    assert_int_equal(must(cond, p), 23);
    range->_lte_case = QDRANT__RANGE___LTE__NOT_SET;
    range->_lt_case = QDRANT__RANGE___LT_LT;
    range->lt = 3;
    assert_int_equal(must(cond, p), 2);
    range->_gt_case = QDRANT__RANGE___GT__NOT_SET;
    range->_gte_case = QDRANT__RANGE___GTE_GTE;
    range->gte = -HUGE_VAL;
    assert_int_equal(must(cond, p), 1238);
    range->lt = (double)NAN;
    assert_int_equal(must(cond, p), 0);
}

/* Boxes and circles work across the antimeridian; edges of boxes are outside (case 9). */
static void test_geo_box_and_radius(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"g\":{\"lon\":179.5,\"lat\":-17}}",
                                    "{\"g\":{\"lat\":-18,\"lon\":-179.2}}",
                                    "{\"g\":[{\"lon\":10,\"lat\":-17},null]}",
                                    "{\"g\":{\"lon\":170,\"lat\":-17}}",
                                    "{\"g\":{\"lon\":175,\"lat\":0}}",
                                    "{\"g\":{\"lon\":\"175\",\"lat\":-17}}",
                                    "{\"g\":{\"lon\":175}}",
                                    "{\"g\":[175,-17]}"};
    assert_int_equal(must(geo_box("g", geo(170, 0), geo(-170, -30)), p), 12);
    assert_int_equal(must(geo_box("g", geo(9, 0), geo(11, -30)), p), 3);
    assert_int_equal(must(geo_circle("g", geo(179.9, -17.5), 200000), p), 12);
    assert_int_equal(must(geo_circle("g", geo(10, -17), 1), p), 3);
    assert_int_equal(must(geo_circle("g", geo(10, -17), 0), p), 0);
    /* One degree of latitude is 111,195 m on the mean sphere. */
    assert_int_equal(must(geo_circle("g", geo(10, -16), 111190), p), 0);
    assert_int_equal(must(geo_circle("g", geo(10, -16), 111200), p), 3);
}

/* A polygon's edge is outside, and so is a hole with its edge. */
static void test_geo_polygon(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"g\":{\"lon\":3,\"lat\":3}}",
                                    "{\"g\":{\"lon\":0,\"lat\":0}}",
                                    "{\"g\":{\"lon\":1,\"lat\":0}}",
                                    "{\"g\":{\"lon\":5,\"lat\":0}}",
                                    "{\"g\":{\"lon\":6,\"lat\":0}}",
                                    "{\"g\":{\"lon\":-3,\"lat\":0.5}}",
                                    NULL};
    Qdrant__Condition *cond;
    NEW(Qdrant__GeoPolygon, qdrant__geo_polygon__init, polygon);
    field(&cond, "g")->geo_polygon = polygon;
    polygon->exterior = square(0, 0, 5);
    assert_int_equal(must(cond, p), 1236);
    Qdrant__GeoLineString *hole = square(0, 0, 1);
    polygon->interiors = &hole;
    polygon->n_interiors = 1;
    assert_int_equal(must(cond, p), 16);
}

/* Empty arrays and strings in must_not, values_count and is_empty (case 13). */
static void test_empty_array(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"tags\":[]}",   "{\"tags\":[\"a\"]}", "{}",
                                    "{\"tags\":null}", "{\"tags\":\"\"}",    NULL};
    assert_int_equal(must_not(match_keyword("tags", "z"), p), 12345);
    assert_int_equal(must(is_empty("tags"), p), 134);
    assert_int_equal(must(values_count_lt("tags", 1), p), 134);
}

/* Counts: array items, 1 for other values, 0 for null and missing; one value must meet all bounds.
 */
static void test_values_count(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"t\":[1,2,3]}",
                                    "{\"t\":[[1],[1,2],[]]}",
                                    "{\"t\":{\"a\":1}}",
                                    "{\"t\":[null]}",
                                    "{}",
                                    NULL};
    Qdrant__Condition *cond;
    Qdrant__ValuesCount *count = values_count(&cond, "t");
    count->_gte_case = QDRANT__VALUES_COUNT___GTE_GTE;
    count->gte = 3;
    assert_int_equal(must(cond, p), 12);
    count->_lt_case = QDRANT__VALUES_COUNT___LT_LT;
    count->lt = 3;
    assert_int_equal(must(cond, p), 0);
    count = values_count(&cond, "t[]");
    count->_gt_case = QDRANT__VALUES_COUNT___GT_GT;
    count->gt = 1;
    assert_int_equal(must(cond, p), 2);
    count->gt = UINT64_MAX;
    assert_int_equal(must(cond, p), 0);
    count = values_count(&cond, "t");
    count->_lte_case = QDRANT__VALUES_COUNT___LTE_LTE;
    count->lte = 1;
    assert_int_equal(must(cond, p), 345);
    assert_int_equal(must(values_count_lt("t", 0), p), 0);
    assert_int_equal(must(values_count_lt("t[]", 1), p), 2345);
}

/* Integer, real, boolean and string are distinct; escapes do not matter; any item of an array
 * counts, one level deep. */
static void test_match_value(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"v\":1}",           "{\"v\":1.0}",          "{\"v\":true}",
                                    "{\"v\":\"1\"}",       "{\"v\":[0,1]}",        "{\"v\":[[1]]}",
                                    "{\"v\":\"\\u0031\"}", "{\"v\":[false,\"1\"]}"};
    assert_int_equal(must(match_integer("v", 1), p), 15);
    assert_int_equal(must(match_boolean("v", true), p), 3);
    assert_int_equal(must(match_boolean("v", false), p), 8);
    assert_int_equal(must(match_keyword("v", "1"), p), 478);
    assert_int_equal(must(match_integer("v[]", 1), p), 5);
    assert_int_equal(must(match_integer("v[0]", 1), p), 0);
    assert_int_equal(must(match_integer("v[][]", 1), p), 6);
    static const char *const words[] = {"z", "1", "a"};
    assert_int_equal(must(match_keywords("v", false, words, 3), p), 478);
    assert_int_equal(must(match_keywords("v", true, words, 3), p), 123568);
    assert_int_equal(must(match_text("v", QDRANT__MATCH__MATCH_VALUE_PREFIX, "1"), p), 478);
    assert_int_equal(must(match_text("v", QDRANT__MATCH__MATCH_VALUE_PREFIX, ""), p), 478);
    assert_int_equal(must(match_text("v", QDRANT__MATCH__MATCH_VALUE_PREFIX, "12"), p), 0);
}

/* Words are whole, compared in lower case, in all scripts; a phrase keeps their order. */
static void test_match_words(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"t\":\"The quick, brown-fox_jumps\"}",
                                    "{\"t\":\"brown quick\"}",
                                    "{\"t\":\"\xc3\x89T\xc3\x89 quickly\"}",
                                    "{\"t\":[\"nothing\",\"a a b a a a c\"]}",
                                    "{\"t\":\"\\u00c9t\\u00e9\\nQUICK\"}",
                                    "{\"t\":5}",
                                    "{\"t\":\"\"}",
                                    NULL};
    Qdrant__Match__MatchValueCase all = QDRANT__MATCH__MATCH_VALUE_TEXT;
    Qdrant__Match__MatchValueCase any = QDRANT__MATCH__MATCH_VALUE_TEXT_ANY;
    Qdrant__Match__MatchValueCase phrase = QDRANT__MATCH__MATCH_VALUE_PHRASE;
    assert_int_equal(must(match_text("t", all, "QUICK"), p), 125);
    assert_int_equal(must(match_text("t", all, "quick brown quick"), p), 12);
    assert_int_equal(must(match_text("t", all, "quick brown jumps the"), p), 1);
    assert_int_equal(must(match_text("t", all, "quick missing"), p), 0);
    assert_int_equal(must(match_text("t", all, "\xc3\xa9t\xc3\xa9"), p), 35);
    assert_int_equal(must(match_text("t", all, ""), p), 0);
    assert_int_equal(must(match_text("t", all, " ,-"), p), 0);
    assert_int_equal(must(match_text("t", any, "missing QUICKLY nothing"), p), 34);
    assert_int_equal(must(match_text("t", any, ""), p), 0);
    assert_int_equal(must(match_text("t", phrase, "quick brown"), p), 1);
    assert_int_equal(must(match_text("t", phrase, "brown quick"), p), 2);
    assert_int_equal(must(match_text("t", phrase, "a a a c"), p), 4);
    assert_int_equal(must(match_text("t", phrase, "a b a a a c"), p), 4);
    assert_int_equal(must(match_text("t", phrase, "a a c"), p), 4);
    assert_int_equal(must(match_text("t", phrase, "a a a a"), p), 0);
    assert_int_equal(must(match_text("t", phrase, ""), p), 0);
}

/* Times compare across offsets and forms at the microsecond; other strings are in no range. */
static void test_datetime_range(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"d\":\"2024-06-15T12:30:45Z\"}",
                                    "{\"d\":\"2024-06-15 14:30:45.000001+02:00\"}",
                                    "{\"d\":\"2024-06-15\"}",
                                    "{\"d\":1718454645}",
                                    "{\"d\":\"noon\"}",
                                    "{\"d\":[\"x\",\"2024-06-15T12:30:45.0000009\"]}",
                                    NULL};
    Qdrant__Condition *cond;
    NEW(Qdrant__DatetimeRange, qdrant__datetime_range__init, range);
    NEW(Google__Protobuf__Timestamp, google__protobuf__timestamp__init, noon);
    field(&cond, "d")->datetime_range = range;
    assert_int_equal(must(cond, p), 1236);
    noon->seconds = 1718454645;
    range->gte = noon;
    assert_int_equal(must(cond, p), 126);
    range->lte = noon;
    assert_int_equal(must(cond, p), 16);
    range->gte = NULL;
    range->lte = NULL;
    range->gt = noon;
    assert_int_equal(must(cond, p), 2);
    range->gt = NULL;
    range->lt = noon;
    assert_int_equal(must(cond, p), 3);
}

/* Each element of the array is judged alone; it has no id, no vector and no slice. */
static void test_nested(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"a\":[{\"x\":1,\"y\":2},{\"x\":3}]}",
                                    "{\"a\":[{\"x\":1},{\"y\":2}]}",
                                    "{\"a\":{\"x\":1,\"y\":2}}",
                                    "{\"a\":[]}",
                                    "{\"a\":[5]}",
                                    "{\"a\":[[{\"x\":1,\"y\":2}]]}",
                                    NULL};
    static const uint64_t ids[] = {1, 2, 3, 4, 5, 6};
    Qdrant__Filter *both = filter_of('m', match_integer("x", 1), match_integer("y", 2));
    assert_int_equal(must(nested("a", both), p), 1);
    assert_int_equal(must(nested("a[]", both), p), 1);
    assert_int_equal(must(nested("a[][]", both), p), 6);
    assert_int_equal(must(nested("a", filter_of('n', match_integer("x", 1), NULL)), p), 1256);
    assert_int_equal(must(nested("a", filter_of('m', NULL, NULL)), p), 1256);
    assert_int_equal(must(nested("a", filter_of('m', is_empty("x"), NULL)), p), 256);
    assert_int_equal(must(nested("a", filter_of('m', has_id(ids, 6, NULL), NULL)), p), 0);
    assert_int_equal(must(nested("a", filter_of('n', has_id(ids, 6, NULL), NULL)), p), 1256);
    assert_int_equal(must(nested("a", filter_of('m', slice(1, 0), NULL)), p), 0);
    assert_int_equal(must(nested("a", filter_of('m', has_vector((char[]){"image"}), NULL)), p), 0);
}

/* At least so many of the conditions; more than there are is never. All clauses hold together. */
static void test_min_should_and_clauses(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"a\":1,\"b\":1}", "{\"a\":1}", "{\"b\":1}", "{}", NULL};
    Qdrant__Condition *a = match_integer("a", 1), *b = match_integer("b", 1);
    assert_int_equal(accepted(min_should(1, a, b), p), 123);
    assert_int_equal(accepted(min_should(2, a, b), p), 1);
    assert_int_equal(accepted(min_should(3, a, b), p), 0);
    assert_int_equal(accepted(min_should(UINT64_MAX, a, b), p), 0);
    assert_int_equal(accepted(min_should(1, NULL, NULL), p), 0);
    Qdrant__Filter *all = filter_of('s', a, b);
    all->must = two(a, NULL);
    all->n_must = 1;
    assert_int_equal(accepted(all, p), 12);
    all->must_not = two(b, NULL);
    all->n_must_not = 1;
    assert_int_equal(accepted(all, p), 2);
    all->min_should = min_should(1, b, NULL)->min_should;
    assert_int_equal(accepted(all, p), 0);
}

/* has_id, has_vector and slice need no payload; the ids of a must are known beforehand, sorted. */
static void test_without_payload(void **state)
{
    (void)state;
    static const char *const p[] = {"{}", "{}", "{}", "{}", NULL};
    static const uint64_t some[] = {4, 2, 9, 2};
    const struct point_id *ids = NULL;
    size_t count = 0;
    assert_int_equal(must(has_id(some, 4, NULL), p), 24);
    assert_int_equal(must_not(has_id(some, 4, NULL), p), 13);
    assert_int_equal(must(has_id(NULL, 0, NULL), p), 0);
    Qdrant__Filter *wire = filter_of('m', slice(1, 0), has_id(some, 4, NULL));
    struct filter *filter = compile(wire);
    assert_false(filter_needs_payload(filter));
    assert_true(filter_ids(filter, &ids, &count));
    assert_int_equal(count, 3);
    assert_true(ids[0].low == 2 && ids[1].low == 4 && ids[2].low == 9);
    assert_false(filter_ids(compile(filter_of('s', has_id(some, 4, NULL), NULL)), &ids, &count));
    assert_false(filter_ids(compile(filter_of('n', has_id(some, 4, NULL), NULL)), &ids, &count));
    assert_false(filter_ids(NULL, &ids, &count));
    filter = compile(filter_of('m', has_vector((char[]){"image"}),
                               has_id(some, 1, "{550e8400-e29b-41d4-a716-446655440000}")));
    struct test_point point;
    point_init(&point, 4, "{}");
    assert_false(filter_check(filter, &point.view));
    point.has_image = true;
    assert_true(filter_check(filter, &point.view));
    assert_true(
        point_id_parse_uuid(SLICE_LITERAL("550e8400e29b41d4a716446655440000"), &point.view.id));
    assert_true(filter_check(filter, &point.view));
    assert_true(filter_needs_payload(compile(filter_of('m', has_id(some, 1, NULL), is_null("k")))));
}

/* The slices of the ids are those of the contract: SipHash-2-4 with a zero key. */
static void test_slices(void **state)
{
    (void)state;
    static const struct {
        const char *id;
        uint32_t slice;
    } rows[] = {{"0", 111652}, {"42", 789127}, {"550e8400-e29b-41d4-a716-446655440000", 590343}};
    for (uint32_t i = 0; i < 3; i++) {
        struct filter *filter = compile(filter_of('m', slice(1000003, rows[i].slice), NULL));
        struct test_point point;
        point_init(&point, 0, "{}");
        assert_true(point_id_parse(slice_text(rows[i].id), &point.view.id));
        assert_true(filter_check(filter, &point.view));
    }
    for (uint64_t id = 0; id < 500; id++) {
        int held = 0;
        for (uint32_t i = 0; i < 7; i++) {
            struct test_point point;
            point_init(&point, id, "{}");
            held += filter_check(compile(filter_of('m', slice(7, i), NULL)), &point.view) ? 1 : 0;
        }
        assert_int_equal(held, 1);
    }
}

/* One part of a field condition decides, in the contract's order: the count before the match. */
static void test_several_parts(void **state)
{
    (void)state;
    static const char *const p[] = {"{\"v\":1}", "{\"v\":[1,2]}", "{\"v\":[5,6]}", NULL};
    Qdrant__Condition *cond = match_integer("v", 1);
    NEW(Qdrant__Range, qdrant__range__init, range);
    range->_gt_case = QDRANT__RANGE___GT_GT;
    range->gt = 100;
    cond->field->range = range;
    assert_int_equal(must(cond, p), 12);
    NEW(Qdrant__ValuesCount, qdrant__values_count__init, count);
    count->_gt_case = QDRANT__VALUES_COUNT___GT_GT;
    count->gt = 1;
    cond->field->values_count = count;
    assert_int_equal(must(cond, p), 23);
}

static void refused(const Qdrant__Filter *wire, const char *text)
{
    struct filter *filter = (struct filter *)&arena;
    struct error err = {0};
    enum status status = filter_compile(wire, NULL, arena, &filter, &err);
    if (status != STATUS_BAD_INPUT || !strstr(err.message, text))
        fail_msg("status %s, message '%s', expected '%s'", status_name(status), err.message, text);
    assert_ptr_equal(filter, &arena);
    assert_int_equal(filter_compile(wire, NULL, arena, &filter, NULL), STATUS_BAD_INPUT);
}

/* Bad input is found while compiling, says what is wrong and where, and leaves the out-parameter
 * alone. */
static void test_refused(void **state)
{
    (void)state;
    Qdrant__Condition *cond;
    NEW(Qdrant__Condition, qdrant__condition__init, no_kind);
    field(&cond, "k");
    refused(filter_of('m', cond, NULL), "At least one field condition must be specified");
    refused(filter_of('m', cond, NULL), "condition on key 'k'");
    refused(filter_of('s', no_kind, NULL), "no kind");
    refused(filter_of('m', match_integer("a[", 1), NULL), "'a['");
    refused(filter_of('n', is_null(""), NULL), "Invalid json path: ''");
    match(&cond, "k", QDRANT__MATCH__MATCH_VALUE__NOT_SET);
    refused(filter_of('m', cond, NULL), "no value");
    refused(min_should(0, no_kind, NULL), "must be 1 or larger");
    refused(filter_of('m', slice(0, 0), NULL), "slice.total");
    refused(filter_of('m', slice(4, 4), NULL), "slice.index: value 4");
    refused(filter_of('m', has_id(NULL, 0, "not-a-uuid"), NULL), "not-a-uuid");
    refused(filter_of('m', nested("a", NULL), NULL), "no filter");
    refused(filter_of('m', nested("a", filter_of('m', no_kind, NULL)), NULL), "no kind");
    refused(
        filter_of('m', exact_range("k", arena_new(arena, Qdrant__ExactNumber), NULL, NULL), NULL),
        "no number");
    refused(filter_of('m', geo_circle("g", geo(10, 91), 5), NULL), "lat = 91");
    refused(filter_of('m', geo_circle("g", NULL, 5), NULL), "lacks a point");
    refused(filter_of('m', geo_box("g", geo(-181, 0), geo(0, 0)), NULL), "lon = -181");
    refused(filter_of('m', geo_box("g", geo(0, (double)NAN), geo(0, 0)), NULL), "outside");
    NEW(Qdrant__GeoPolygon, qdrant__geo_polygon__init, polygon);
    field(&cond, "g")->geo_polygon = polygon;
    refused(filter_of('m', cond, NULL), "0 points");
    polygon->exterior = square(0, 0, 1);
    polygon->exterior->n_points = 4;
    refused(filter_of('m', cond, NULL), "not closed");
    NEW(Qdrant__DatetimeRange, qdrant__datetime_range__init, range);
    NEW(Google__Protobuf__Timestamp, google__protobuf__timestamp__init, never);
    field(&cond, "d")->datetime_range = range;
    range->lt = never;
    never->seconds = INT64_MAX;
    refused(filter_of('m', cond, NULL), "not a valid time");
    never->seconds = 0;
    never->nanos = 1000000000;
    refused(filter_of('m', cond, NULL), "not a valid time");
}

/* Depth, number of conditions, words and memory are bounded; the bounds themselves pass. */
static void test_limits(void **state)
{
    (void)state;
    Qdrant__Filter *wire = filter_of('m', is_null("k"), NULL);
    for (int i = 1; i < 64; i++)
        wire = filter_of('m', i % 2 ? sub_filter(wire) : nested("a", wire), NULL);
    assert_non_null(compile(wire));
    refused(filter_of('m', sub_filter(wire), NULL), "deeper than 64");
    struct filter *filter;
    struct error err;
    struct filter_options limits = {.depth_max = 2, .conditions_max = 3};
    wire = filter_of('m', sub_filter(filter_of('m', is_null("k"), is_null("k"))), NULL);
    assert_int_equal(filter_compile(wire, &limits, arena, &filter, &err), STATUS_OK);
    limits.conditions_max = 2;
    assert_int_equal(filter_compile(wire, &limits, arena, &filter, &err), STATUS_BAD_INPUT);
    assert_non_null(strstr(err.message, "more than 2 conditions"));
    char words[2 * 1025 + 1];
    for (size_t i = 0; i < 1025; i++)
        memcpy(words + 2 * i, "a ", 3);
    refused(filter_of('m', match_text("k", QDRANT__MATCH__MATCH_VALUE_TEXT, words), NULL),
            "more than 1024 words");
    struct arena *small = arena_create(128);
    assert_int_equal(filter_compile(wire, NULL, small, &filter, &err), STATUS_TOO_LARGE);
    arena_destroy(small);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_null_and_empty),
        TEST(test_empty_lists),
        TEST(test_empty_any_inside_should),
        TEST(test_except_and_must_not),
        TEST(test_no_clauses),
        TEST(test_exact_ranges),
        TEST(test_double_ranges),
        TEST(test_geo_box_and_radius),
        TEST(test_geo_polygon),
        TEST(test_empty_array),
        TEST(test_values_count),
        TEST(test_match_value),
        TEST(test_match_words),
        TEST(test_datetime_range),
        TEST(test_nested),
        TEST(test_min_should_and_clauses),
        TEST(test_without_payload),
        TEST(test_slices),
        TEST(test_several_parts),
        TEST(test_refused),
        TEST(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
