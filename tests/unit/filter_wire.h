/* Makers of wire filters for tests. Everything they make lives in `arena`, which the including test
 * sets. */
#pragma once
#include "index/filter/filter.h"

#define MAKER static __attribute__((unused))

static struct arena *arena; /* lives for one test */

#define NEW(type, init, name)                                                                      \
    type *name = arena_new(arena, type);                                                           \
    init(name)

MAKER Qdrant__FieldCondition *field(Qdrant__Condition **cond, const char *key)
{
    NEW(Qdrant__FieldCondition, qdrant__field_condition__init, out);
    NEW(Qdrant__Condition, qdrant__condition__init, parent);
    out->key = arena_strndup(arena, key, strlen(key));
    parent->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_FIELD;
    parent->field = out;
    *cond = parent;
    return out;
}

MAKER Qdrant__Match *match(Qdrant__Condition **cond, const char *key,
                           Qdrant__Match__MatchValueCase kind)
{
    NEW(Qdrant__Match, qdrant__match__init, out);
    field(cond, key)->match = out;
    out->match_value_case = kind;
    return out;
}

MAKER Qdrant__Condition *match_text(const char *key, Qdrant__Match__MatchValueCase kind,
                                    const char *text)
{
    Qdrant__Condition *cond;
    match(&cond, key, kind)->keyword = arena_strndup(arena, text, strlen(text));
    return cond;
}

MAKER Qdrant__Condition *match_keyword(const char *key, const char *text)
{
    return match_text(key, QDRANT__MATCH__MATCH_VALUE_KEYWORD, text);
}

MAKER Qdrant__Condition *match_integer(const char *key, int64_t number)
{
    Qdrant__Condition *cond;
    match(&cond, key, QDRANT__MATCH__MATCH_VALUE_INTEGER)->integer = number;
    return cond;
}

MAKER Qdrant__Condition *match_boolean(const char *key, bool value)
{
    Qdrant__Condition *cond;
    match(&cond, key, QDRANT__MATCH__MATCH_VALUE_BOOLEAN)->boolean = value;
    return cond;
}

MAKER Qdrant__Condition *match_integers(const char *key, bool except, const int64_t *numbers,
                                        size_t count)
{
    Qdrant__Condition *cond;
    NEW(Qdrant__RepeatedIntegers, qdrant__repeated_integers__init, list);
    match(&cond, key,
          except ? QDRANT__MATCH__MATCH_VALUE_EXCEPT_INTEGERS : QDRANT__MATCH__MATCH_VALUE_INTEGERS)
        ->integers = list;
    list->integers = count ? arena_memdup(arena, numbers, count * sizeof(*numbers)) : NULL;
    list->n_integers = count;
    return cond;
}

MAKER Qdrant__Condition *match_keywords(const char *key, bool except, const char *const *words,
                                        size_t count)
{
    Qdrant__Condition *cond;
    NEW(Qdrant__RepeatedStrings, qdrant__repeated_strings__init, list);
    match(&cond, key,
          except ? QDRANT__MATCH__MATCH_VALUE_EXCEPT_KEYWORDS : QDRANT__MATCH__MATCH_VALUE_KEYWORDS)
        ->keywords = list;
    list->strings = count ? arena_memdup(arena, words, count * sizeof(*words)) : NULL;
    list->n_strings = count;
    return cond;
}

MAKER Qdrant__Condition *is_empty(const char *key)
{
    NEW(Qdrant__IsEmptyCondition, qdrant__is_empty_condition__init, out);
    NEW(Qdrant__Condition, qdrant__condition__init, parent);
    out->key = arena_strndup(arena, key, strlen(key));
    parent->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_IS_EMPTY;
    parent->is_empty = out;
    return parent;
}

MAKER Qdrant__Condition *is_null(const char *key)
{
    NEW(Qdrant__IsNullCondition, qdrant__is_null_condition__init, out);
    NEW(Qdrant__Condition, qdrant__condition__init, parent);
    out->key = arena_strndup(arena, key, strlen(key));
    parent->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_IS_NULL;
    parent->is_null = out;
    return parent;
}

MAKER Qdrant__Condition *field_is_empty(const char *key, bool wanted)
{
    Qdrant__Condition *cond;
    Qdrant__FieldCondition *out = field(&cond, key);
    out->_is_empty_case = QDRANT__FIELD_CONDITION___IS_EMPTY_IS_EMPTY;
    out->is_empty = wanted;
    return cond;
}

MAKER Qdrant__Condition *field_is_null(const char *key, bool wanted)
{
    Qdrant__Condition *cond;
    Qdrant__FieldCondition *out = field(&cond, key);
    out->_is_null_case = QDRANT__FIELD_CONDITION___IS_NULL_IS_NULL;
    out->is_null = wanted;
    return cond;
}

MAKER Qdrant__ValuesCount *values_count(Qdrant__Condition **cond, const char *key)
{
    NEW(Qdrant__ValuesCount, qdrant__values_count__init, out);
    field(cond, key)->values_count = out;
    return out;
}

MAKER Qdrant__Condition *values_count_lt(const char *key, uint64_t bound)
{
    Qdrant__Condition *cond;
    Qdrant__ValuesCount *out = values_count(&cond, key);
    out->_lt_case = QDRANT__VALUES_COUNT___LT_LT;
    out->lt = bound;
    return cond;
}

MAKER Qdrant__Condition *has_id(const uint64_t *numbers, size_t count, const char *uuid)
{
    NEW(Qdrant__HasIdCondition, qdrant__has_id_condition__init, out);
    NEW(Qdrant__Condition, qdrant__condition__init, parent);
    out->has_id = arena_zalloc_array(arena, count + 1, sizeof(*out->has_id), 8);
    out->n_has_id = count + (uuid ? 1 : 0);
    for (size_t i = 0; i < out->n_has_id; i++) {
        NEW(Qdrant__PointId, qdrant__point_id__init, id);
        out->has_id[i] = id;
        id->point_id_options_case = i < count ? QDRANT__POINT_ID__POINT_ID_OPTIONS_NUM
                                              : QDRANT__POINT_ID__POINT_ID_OPTIONS_UUID;
        if (i < count)
            id->num = numbers[i];
        else
            id->uuid = arena_strndup(arena, uuid, strlen(uuid));
    }
    parent->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_HAS_ID;
    parent->has_id = out;
    return parent;
}

MAKER Qdrant__Condition *has_vector(char *name)
{
    NEW(Qdrant__HasVectorCondition, qdrant__has_vector_condition__init, out);
    NEW(Qdrant__Condition, qdrant__condition__init, parent);
    out->has_vector = name;
    parent->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_HAS_VECTOR;
    parent->has_vector = out;
    return parent;
}

MAKER Qdrant__Condition *slice(uint32_t total, uint32_t index)
{
    NEW(Qdrant__SliceCondition, qdrant__slice_condition__init, out);
    NEW(Qdrant__Condition, qdrant__condition__init, parent);
    out->total = total;
    out->index = index;
    parent->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_SLICE;
    parent->slice = out;
    return parent;
}

MAKER Qdrant__Condition *sub_filter(Qdrant__Filter *filter)
{
    NEW(Qdrant__Condition, qdrant__condition__init, parent);
    parent->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_FILTER;
    parent->filter = filter;
    return parent;
}

MAKER Qdrant__Condition *nested(const char *key, Qdrant__Filter *filter)
{
    NEW(Qdrant__NestedCondition, qdrant__nested_condition__init, out);
    NEW(Qdrant__Condition, qdrant__condition__init, parent);
    out->key = arena_strndup(arena, key, strlen(key));
    out->filter = filter;
    parent->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_NESTED;
    parent->nested = out;
    return parent;
}

MAKER Qdrant__Condition **two(Qdrant__Condition *a, Qdrant__Condition *b)
{
    Qdrant__Condition **list = arena_new_array(arena, Qdrant__Condition *, 2);
    list[0] = a;
    list[1] = b;
    return list;
}

MAKER Qdrant__Filter *filter_of(char clause, Qdrant__Condition *a, Qdrant__Condition *b)
{
    NEW(Qdrant__Filter, qdrant__filter__init, out);
    size_t count = (a ? 1u : 0u) + (b ? 1u : 0u);
    Qdrant__Condition **list = two(a, b);
    if (clause == 'm') {
        out->must = list;
        out->n_must = count;
    } else if (clause == 's') {
        out->should = list;
        out->n_should = count;
    } else if (clause == 'n') {
        out->must_not = list;
        out->n_must_not = count;
    }
    return out;
}

MAKER Qdrant__ExactNumber *exact(int64_t number)
{
    NEW(Qdrant__ExactNumber, qdrant__exact_number__init, out);
    out->kind_case = QDRANT__EXACT_NUMBER__KIND_SIGNED_VALUE;
    out->signed_value = number;
    return out;
}

MAKER Qdrant__Condition *exact_range(const char *key, Qdrant__ExactNumber *gt,
                                     Qdrant__ExactNumber *gte, Qdrant__ExactNumber *lte)
{
    Qdrant__Condition *cond;
    NEW(Qdrant__ExactRange, qdrant__exact_range__init, out);
    out->gt = gt;
    out->gte = gte;
    out->lte = lte;
    field(&cond, key)->exact_range = out;
    return cond;
}

MAKER Qdrant__Range *double_range(Qdrant__Condition **cond, const char *key)
{
    NEW(Qdrant__Range, qdrant__range__init, out);
    field(cond, key)->range = out;
    return out;
}

MAKER Qdrant__GeoPoint *geo(double lon, double lat)
{
    NEW(Qdrant__GeoPoint, qdrant__geo_point__init, out);
    out->lon = lon;
    out->lat = lat;
    return out;
}

MAKER Qdrant__Condition *geo_box(const char *key, Qdrant__GeoPoint *top_left,
                                 Qdrant__GeoPoint *bottom_right)
{
    Qdrant__Condition *cond;
    NEW(Qdrant__GeoBoundingBox, qdrant__geo_bounding_box__init, out);
    out->top_left = top_left;
    out->bottom_right = bottom_right;
    field(&cond, key)->geo_bounding_box = out;
    return cond;
}

MAKER Qdrant__Condition *geo_circle(const char *key, Qdrant__GeoPoint *center, float radius_m)
{
    Qdrant__Condition *cond;
    NEW(Qdrant__GeoRadius, qdrant__geo_radius__init, out);
    out->center = center;
    out->radius = radius_m;
    field(&cond, key)->geo_radius = out;
    return cond;
}

MAKER Qdrant__GeoLineString *square(double lon, double lat, double half)
{
    NEW(Qdrant__GeoLineString, qdrant__geo_line_string__init, out);
    out->n_points = 5;
    out->points = arena_new_array(arena, Qdrant__GeoPoint *, 5);
    out->points[0] = geo(lon - half, lat - half);
    out->points[1] = geo(lon + half, lat - half);
    out->points[2] = geo(lon + half, lat + half);
    out->points[3] = geo(lon - half, lat + half);
    out->points[4] = geo(lon - half, lat - half);
    return out;
}

MAKER Qdrant__Filter *min_should(uint64_t min_count, Qdrant__Condition *a, Qdrant__Condition *b)
{
    NEW(Qdrant__MinShould, qdrant__min_should__init, out);
    out->conditions = two(a, b);
    out->n_conditions = (a ? 1u : 0u) + (b ? 1u : 0u);
    out->min_count = min_count;
    Qdrant__Filter *filter = filter_of('m', NULL, NULL);
    filter->min_should = out;
    return filter;
}
