/* Grouping the points of a ranking.
 *
 * The ranking is run in rounds. The first takes as many points as the answer may hold; as long as
 * groups are missing or not full and there were more points, the next round asks for more. Where an
 * index makes it cheap, or many points did not help, it asks only for those that still may: points
 * with a value whose group is not full, once all groups are known, or else points with any value
 * that is not that of a full group. Points seen before count once. Rounds end because the number
 * asked for passes the number of points.
 *
 * Groups and hits are put in order at the end: an index may find a better point later.
 * Failures: those of searching, and no memory in the arena. */
#define _GNU_SOURCE /* qsort_r */
#include "server/api/groups.h"

#include "index/payload/presence.h"
#include "storage/base/buffer.h"
#include "storage/base/hashmap.h"

#include <stdlib.h>

enum {
    FIRST_ROUND_MAX = 1 << 14,
    NARROW_FROM = 1 << 13, /* points: reading so many costs less than a filter without an index */
    MORE_POINTS = 4,
    MORE_NARROWED = 2,
    PAYLOADS_AT_ONCE = 256,
    CAPACITY_FIRST = 4
};

struct collecting {
    struct call *call;
    const struct view *view;
    const struct ranking *ranking;
    const struct grouping *grouping;
    struct groups groups;
    struct hashmap *by_value; /* kind and value -> struct group */
    struct hashmap *seen;     /* id -> not NULL */
    size_t full_count;
    struct buffer key; /* of the value at hand */
    /* Of the point at hand. */
    struct arena *scratch; /* of its texts */
    struct group *values;
    size_t values_count, values_capacity;
    bool ungroupable;
    enum status status;
};

/* ---- the values of a point ---- */

static bool grow(struct call *call, void **items, size_t count, size_t *capacity, size_t bytes)
{
    if (count < *capacity) {
        return true;
    }
    size_t more = *capacity ? *capacity * 2 : CAPACITY_FIRST;
    void *larger = arena_zalloc_array(call->arena, more, bytes, _Alignof(max_align_t));
    if (!larger) {
        return false;
    }
    if (count > 0) {
        memcpy(larger, *items, count * bytes);
    }
    *items = larger;
    *capacity = more;
    return true;
}

/* False: the value is none of a group. */
static bool read_value(struct collecting *c, struct json_view view, struct group *out)
{
    *out = (struct group){0};
    if (json_view_kind(view) == JSON_NUMBER) {
        out->number = json_view_number(view);
        return out->number.kind != NUMBER_REAL;
    }
    if (json_view_kind(view) != JSON_STRING) {
        return false;
    }
    struct slice raw = json_view_raw_string(view);
    char *text = arena_alloc(c->scratch, raw.size + 1, 1);
    if (!text) {
        c->status = api_no_memory(c->call);
        return false;
    }
    size_t size = json_string_unescape(raw, (uint8_t *)text);
    text[size] = 0;
    out->is_text = true;
    out->text = text;
    return memchr(text, 0, size) == NULL; /* no message can hold U+0000 */
}

static bool add_value(void *ctx, struct json_view view)
{
    struct collecting *c = ctx;
    struct group value;
    if (!read_value(c, view, &value)) {
        c->ungroupable = true;
        return true;
    }
    void *values = c->values;
    if (!grow(c->call, &values, c->values_count, &c->values_capacity, sizeof(value))) {
        c->status = api_no_memory(c->call);
        return true;
    }
    c->values = values;
    c->values[c->values_count++] = value;
    return false;
}

/* ---- points into groups ---- */

static struct slice group_key(struct collecting *c, const struct group *value)
{
    buffer_clear(&c->key);
    buffer_append_byte(&c->key, value->is_text);
    if (value->is_text) {
        buffer_append_text(&c->key, value->text);
    } else { /* both kinds of integers are 8 bytes, and never the same number */
        buffer_append_byte(&c->key, (uint8_t)value->number.kind);
        buffer_append(&c->key, &value->number.unsigned_value, sizeof(uint64_t));
    }
    return buffer_slice(&c->key);
}

static struct group *create_group(struct collecting *c, const struct group *value)
{
    void *items = c->groups.items;
    struct group *group = arena_memdup(c->call->arena, value, sizeof(*value));
    if (!group || !grow(c->call, &items, c->groups.count, &c->groups.capacity, sizeof(group))) {
        return NULL;
    }
    if (value->is_text) {
        group->text = arena_strndup(c->call->arena, value->text, strlen(value->text));
        if (!group->text) {
            return NULL;
        }
    }
    c->groups.items = items;
    c->groups.items[c->groups.count++] = group;
    return group;
}

/* The group of the value; *out NULL: it is unknown, and there are groups enough. */
static enum status find_group(struct collecting *c, const struct group *value, struct group **out)
{
    struct slice key = group_key(c, value);
    *out = hashmap_get(c->by_value, key);
    if (*out || c->groups.count >= c->grouping->limit) {
        return STATUS_OK;
    }
    struct group *group = create_group(c, value);
    if (!group) {
        return api_no_memory(c->call);
    }
    (void)hashmap_put(c->by_value, key, group);
    *out = group;
    return STATUS_OK;
}

static bool is_full(const struct collecting *c, const struct group *group)
{
    return group->hits_count >= c->grouping->group_size;
}

static enum status add_hit(struct collecting *c, struct group *group, const struct found *point)
{
    void *hits = group->hits;
    bool repeated = group->hits_count > 0 &&
                    point_id_compare(group->hits[group->hits_count - 1].id, point->id) == 0;
    if (repeated || is_full(c, group)) { /* a point may have a value twice */
        return STATUS_OK;
    }
    if (!grow(c->call, &hits, group->hits_count, &group->hits_capacity, sizeof(*point))) {
        return api_no_memory(c->call);
    }
    group->hits = hits;
    group->hits[group->hits_count++] = *point;
    c->full_count += is_full(c, group);
    return STATUS_OK;
}

static enum status offer(struct collecting *c, const struct found *point, struct slice payload)
{
    c->values_count = 0;
    c->ungroupable = false;
    payload_each_value(c->grouping->path, json_view_of(payload), add_value, c);
    if (c->status != STATUS_OK || c->ungroupable) {
        return c->status;
    }
    enum status status = STATUS_OK;
    for (size_t i = 0; i < c->values_count && status == STATUS_OK; i++) {
        struct group *group = NULL;
        status = find_group(c, &c->values[i], &group);
        if (status == STATUS_OK && group) {
            status = add_hit(c, group, point);
        }
    }
    return status;
}

static bool is_done(const struct collecting *c)
{
    return c->groups.count >= c->grouping->limit && c->full_count == c->groups.count;
}

/* Moves points that were not seen before to the front; returns how many. */
static size_t keep_unseen(struct collecting *c, struct found *points, size_t count)
{
    size_t kept = 0;
    for (size_t i = 0; i < count; i++) {
        uint8_t id[POINT_ID_KEY_BYTES];
        struct slice key = slice_of(id, point_id_encode(points[i].id, id));
        if (!hashmap_get(c->seen, key)) {
            (void)hashmap_put(c->seen, key, c);
            points[kept++] = points[i];
        }
    }
    return kept;
}

static enum status offer_all(struct collecting *c, struct found *points, size_t count)
{
    struct slice payloads[PAYLOADS_AT_ONCE];
    struct arena *arena = arena_create(0);
    enum status status = STATUS_OK;
    c->scratch = arena;
    count = keep_unseen(c, points, count);
    for (size_t from = 0; from < count && status == STATUS_OK && !is_done(c);) {
        size_t part = count - from < PAYLOADS_AT_ONCE ? count - from : PAYLOADS_AT_ONCE;
        status = api_check_cancelled(c->call);
        if (status == STATUS_OK) {
            status = view_payloads(c->view, points + from, part, arena, payloads, c->call->err);
        }
        for (size_t i = 0; i < part && status == STATUS_OK; i++) {
            status = payloads[i].data ? offer(c, &points[from + i], payloads[i]) : STATUS_OK;
        }
        arena_reset(arena);
        from += part;
    }
    arena_destroy(arena);
    return status;
}

/* ---- filters of later rounds ---- */

/* Values of groups, as the lists of match conditions. */
struct value_lists {
    Qdrant__RepeatedStrings strings;
    Qdrant__RepeatedIntegers integers;
    bool whole; /* no value was left out: a list holds integers with a sign only */
};

static enum status list_values(struct collecting *c, bool full, struct value_lists *out)
{
    *out = (struct value_lists){.strings = QDRANT__REPEATED_STRINGS__INIT,
                                .integers = QDRANT__REPEATED_INTEGERS__INIT,
                                .whole = true};
    out->strings.strings = arena_new_array(c->call->arena, char *, c->groups.count + 1);
    out->integers.integers = arena_new_array(c->call->arena, int64_t, c->groups.count + 1);
    if (!out->strings.strings || !out->integers.integers) {
        return api_no_memory(c->call);
    }
    for (size_t i = 0; i < c->groups.count; i++) {
        const struct group *group = c->groups.items[i];
        if (is_full(c, group) != full) {
            continue;
        }
        if (group->is_text) {
            out->strings.strings[out->strings.n_strings++] = (char *)group->text;
        } else if (group->number.kind == NUMBER_SIGNED) {
            out->integers.integers[out->integers.n_integers++] = group->number.signed_value;
        } else {
            out->whole = false;
        }
    }
    return STATUS_OK;
}

static Qdrant__Condition *match_condition(struct collecting *c, Qdrant__Match__MatchValueCase kind,
                                          struct value_lists *lists)
{
    struct call *call = c->call;
    Qdrant__Condition *condition = api_new(call, &qdrant__condition__descriptor);
    Qdrant__FieldCondition *field = api_new(call, &qdrant__field_condition__descriptor);
    Qdrant__Match *match = api_new(call, &qdrant__match__descriptor);
    if (!condition || !field || !match) {
        return NULL;
    }
    match->match_value_case = kind;
    if (kind == QDRANT__MATCH__MATCH_VALUE_KEYWORDS) {
        match->keywords = &lists->strings;
    } else if (kind == QDRANT__MATCH__MATCH_VALUE_EXCEPT_KEYWORDS) {
        match->except_keywords = &lists->strings;
    } else if (kind == QDRANT__MATCH__MATCH_VALUE_INTEGERS) {
        match->integers = &lists->integers;
    } else {
        match->except_integers = &lists->integers;
    }
    field->key = (char *)(uintptr_t)c->grouping->key;
    field->match = match;
    condition->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_FIELD;
    condition->field = field;
    return condition;
}

/* Points that may still help: `one_of`: with one of the values, else: with a value beside them. */
static enum status help_filter(struct collecting *c, bool one_of, struct value_lists *lists,
                               struct filter **out)
{
    struct call *call = c->call;
    Qdrant__Filter *filter = api_new(call, &qdrant__filter__descriptor);
    Qdrant__Condition **conditions = arena_new_array(call->arena, Qdrant__Condition *, 2);
    Qdrant__Condition *own = api_new(call, &qdrant__condition__descriptor);
    Qdrant__Condition **must = arena_new_array(call->arena, Qdrant__Condition *, 3);
    if (!filter || !conditions || !own || !must) {
        return api_no_memory(call);
    }
    conditions[0] = match_condition(c,
                                    one_of ? QDRANT__MATCH__MATCH_VALUE_KEYWORDS
                                           : QDRANT__MATCH__MATCH_VALUE_EXCEPT_KEYWORDS,
                                    lists);
    conditions[1] = match_condition(c,
                                    one_of ? QDRANT__MATCH__MATCH_VALUE_INTEGERS
                                           : QDRANT__MATCH__MATCH_VALUE_EXCEPT_INTEGERS,
                                    lists);
    if (!conditions[0] || !conditions[1]) {
        return api_no_memory(call);
    }
    if (one_of) {
        filter->should = conditions;
        filter->n_should = 2;
    } else {
        must[0] = conditions[0];
        must[1] = conditions[1];
        filter->n_must = 2;
    }
    if (c->grouping->filter) {
        own->condition_one_of_case = QDRANT__CONDITION__CONDITION_ONE_OF_FILTER;
        own->filter = (Qdrant__Filter *)(uintptr_t)c->grouping->filter;
        must[filter->n_must++] = own;
    }
    filter->must = must;
    return api_filter(call, c->view, filter, out);
}

static enum status next_filter(struct collecting *c, struct filter **out)
{
    struct value_lists lists;
    bool one_of = c->groups.count >= c->grouping->limit;
    enum status status = list_values(c, !one_of, &lists);
    if (status == STATUS_OK && one_of && !lists.whole) {
        one_of = false;
        status = list_values(c, true, &lists);
    }
    return status == STATUS_OK ? help_filter(c, one_of, &lists, out) : status;
}

/* ---- rounds ---- */

static uint64_t first_limit(const struct grouping *grouping)
{
    uint64_t product;
    if (__builtin_mul_overflow(grouping->limit, grouping->group_size, &product) ||
        product > FIRST_ROUND_MAX) {
        return FIRST_ROUND_MAX;
    }
    return product;
}

static bool is_indexed(const struct schema *schema, const char *key)
{
    for (uint32_t i = 0; i < schema->fields_count; i++) {
        if (strcmp(schema->fields[i].key, key) == 0) {
            return true;
        }
    }
    return false;
}

static enum status run_rounds(struct collecting *c)
{
    bool indexed = is_indexed(c->view->schema, c->grouping->key);
    uint64_t limit = first_limit(c->grouping);
    struct filter *filter = NULL;
    enum status status = api_filter(c->call, c->view, c->grouping->filter, &filter);
    while (status == STATUS_OK) {
        struct arena *arena = arena_create(0);
        struct found *points = NULL;
        size_t count = 0;
        status = ranking_run(c->call, c->view, c->ranking, filter, limit, arena, &points, &count);
        if (status == STATUS_OK) {
            status = offer_all(c, points, count);
        }
        arena_destroy(arena);
        if (status != STATUS_OK || count < limit || is_done(c) || limit > UINT32_MAX) {
            return status;
        }
        bool narrow = indexed || limit >= NARROW_FROM;
        limit *= narrow ? MORE_NARROWED : MORE_POINTS;
        status = narrow ? next_filter(c, &filter) : STATUS_OK;
    }
    return status;
}

static int compare_hits(const void *a, const void *b, void *ranking)
{
    return ranking_compare(ranking, a, b);
}

static int compare_groups(const void *a, const void *b, void *ranking)
{
    const struct group *left = *(struct group *const *)a;
    const struct group *right = *(struct group *const *)b;
    return ranking_compare(ranking, left->hits, right->hits);
}

static void sort_groups(const struct ranking *ranking, struct groups *groups)
{
    void *ctx = (void *)(uintptr_t)ranking;
    for (size_t i = 0; i < groups->count; i++) {
        qsort_r(groups->items[i]->hits, groups->items[i]->hits_count, sizeof(struct found),
                compare_hits, ctx);
    }
    if (groups->count > 1) {
        qsort_r(groups->items, groups->count, sizeof(groups->items[0]), compare_groups, ctx);
    }
}

enum status groups_find(struct call *call, const struct view *view, const struct ranking *ranking,
                        const struct grouping *grouping, struct groups *out)
{
    struct collecting c = {.call = call,
                           .view = view,
                           .ranking = ranking,
                           .grouping = grouping,
                           .by_value = hashmap_create(),
                           .seen = hashmap_create()};
    buffer_init(&c.key, 0);
    enum status status = run_rounds(&c);
    if (status == STATUS_OK) {
        sort_groups(ranking, &c.groups);
        *out = c.groups;
    }
    buffer_deinit(&c.key);
    hashmap_destroy(c.seen);
    hashmap_destroy(c.by_value);
    return status;
}
