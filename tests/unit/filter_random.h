/* Random payloads as trees, random filters with their wire messages, and a slow evaluator that
 * works on the trees and shares no code with the filters. Included by the tests that need them. */
#pragma once
#include "storage/base/buffer.h"
#include "storage/base/random.h"
#include "tests/unit/filter_wire.h"

enum { CHILDREN_MAX = 3, REACHED_MAX = 64, RULES_MAX = 3 };

/* A payload as a tree. */
struct node {
    enum json_kind kind;
    bool is_real;
    int64_t integer; /* of a real: its half */
    const char *text;
    const char *keys[CHILDREN_MAX];
    struct node *children[CHILDREN_MAX];
    size_t count;
};
struct step {
    const char *key; /* NULL: an item of an array */
    int at;          /* -1: every item */
};
struct way {
    const char *path;
    struct step steps[3];
    size_t count;
};
static const struct way WAYS[] = {
    {"a", {{"a", 0}}, 1},
    {"b", {{"b", 0}}, 1},
    {"a.b", {{"a", 0}, {"b", 0}}, 2},
    {"a[]", {{"a", 0}, {NULL, -1}}, 2},
    {"b[1]", {{"b", 0}, {NULL, 1}}, 2},
    {"a[].b", {{"a", 0}, {NULL, -1}, {"b", 0}}, 3},
    {"b[0].a", {{"b", 0}, {NULL, 0}, {"a", 0}}, 3},
    {"\"c.d\"", {{"c.d", 0}}, 1},
};
static const char *const KEYS[] = {"a", "b", "c.d"};
static const char *const WORDS[] = {"x", "y", "y\"z", "x y", "\n"};

/* A condition or a filter, for the evaluator; the wire message is made beside it. */
enum rule_kind {
    MATCH,
    EXCEPT,
    KEYWORD,
    BOOLEAN,
    RANGE,
    COUNT,
    EMPTY,
    IS_NULL,
    PREFIX,
    NESTED,
    FILTER
};
struct rule {
    enum rule_kind kind;
    const struct way *way;
    int64_t low, high;
    const char *text;
    bool wanted;
    char clause; /* FILTER, NESTED: 'm' must, 's' should, 'n' must_not, 'c' min_should */
    struct rule *inner[RULES_MAX];
    size_t count;
};

static struct random rng;

static int64_t pick(int64_t bound)
{
    return (int64_t)random_below(&rng, (uint64_t)bound);
}

static struct node *make_node(int depth)
{
    struct node *node = arena_new(arena, struct node);
    int64_t die = pick(depth > 0 ? 12 : 7);
    if (die < 2) {
        node->kind = JSON_NUMBER;
        node->is_real = die == 1 && pick(2) == 0;
        node->integer = pick(5) - 1;
    } else if (die == 2) {
        node->kind = JSON_STRING;
        node->text = WORDS[pick(5)];
    } else if (die < 5) {
        node->kind = die == 3 ? JSON_NULL : pick(2) ? JSON_TRUE : JSON_FALSE;
    } else if (die < 7) {
        node->kind = die == 5 ? JSON_ARRAY : JSON_OBJECT; /* empty */
    } else {
        node->kind = die < 10 ? JSON_ARRAY : JSON_OBJECT;
        node->count = (size_t)pick(CHILDREN_MAX + 1);
        for (size_t i = 0; i < node->count; i++) {
            node->keys[i] = KEYS[i];
            node->children[i] = make_node(depth - 1);
        }
    }
    return node;
}

static struct node *make_payload(void)
{
    struct node *node = arena_new(arena, struct node);
    node->kind = JSON_OBJECT;
    for (size_t i = 0; i < CHILDREN_MAX; i++) {
        if (pick(5) == 0)
            continue;
        node->keys[node->count] = KEYS[i];
        node->children[node->count++] = make_node(3);
    }
    return node;
}

static void write_text(struct buffer *out, const char *text)
{
    buffer_append_byte(out, '"');
    for (; *text; text++) {
        if (*text == '"' || *text == '\n' || pick(8) == 0)
            buffer_printf(out, "\\u%04x", (unsigned)*text);
        else
            buffer_append_byte(out, (uint8_t)*text);
    }
    buffer_append_byte(out, '"');
}

static void write_node(struct buffer *out, const struct node *node)
{
    static const char *const words[] = {"null", "false", "true"};
    if (node->kind == JSON_NUMBER && node->is_real)
        buffer_printf(out, "%.1f", (double)node->integer / 2);
    else if (node->kind == JSON_NUMBER)
        buffer_printf(out, "%lld", (long long)node->integer);
    else if (node->kind == JSON_STRING)
        write_text(out, node->text);
    else if (node->kind <= JSON_TRUE)
        buffer_append_text(out, words[node->kind]);
    else {
        buffer_append_byte(out, node->kind == JSON_ARRAY ? '[' : '{');
        for (size_t i = 0; i < node->count; i++) {
            if (i > 0)
                buffer_append_byte(out, ',');
            if (node->kind == JSON_OBJECT) {
                write_text(out, node->keys[i]);
                buffer_append_byte(out, ':');
            }
            write_node(out, node->children[i]);
        }
        buffer_append_byte(out, node->kind == JSON_ARRAY ? ']' : '}');
    }
}

/* The slow evaluator. */
static size_t reach(const struct node *node, const struct way *way, const struct node **out)
{
    const struct node *now[REACHED_MAX] = {node}, *next[REACHED_MAX];
    size_t count = 1;
    for (size_t s = 0; s < way->count; s++) {
        size_t kept = 0;
        for (size_t i = 0; i < count; i++) {
            bool wants_object = way->steps[s].key != NULL;
            if (now[i]->kind != (wants_object ? JSON_OBJECT : JSON_ARRAY))
                continue;
            for (size_t c = 0; c < now[i]->count; c++) {
                bool wanted = wants_object ? strcmp(now[i]->keys[c], way->steps[s].key) == 0
                                           : way->steps[s].at < 0 || way->steps[s].at == (int)c;
                if (wanted)
                    next[kept++] = now[i]->children[c];
            }
        }
        memcpy(now, next, kept * sizeof(now[0]));
        count = kept;
    }
    memcpy(out, now, count * sizeof(now[0]));
    return count;
}

static bool test_one(const struct rule *rule, const struct node *v)
{
    double number = v->is_real ? (double)v->integer / 2 : (double)v->integer;
    bool is_integer = v->kind == JSON_NUMBER && !v->is_real;
    bool in_list = is_integer && (v->integer == rule->low || v->integer == rule->high);
    switch (rule->kind) {
    case MATCH:
        return in_list;
    case EXCEPT:
        return v->kind != JSON_NULL && !in_list;
    case KEYWORD:
        return v->kind == JSON_STRING && strcmp(v->text, rule->text) == 0;
    case PREFIX:
        return v->kind == JSON_STRING && strncmp(v->text, rule->text, strlen(rule->text)) == 0;
    case BOOLEAN:
        return v->kind == (rule->wanted ? JSON_TRUE : JSON_FALSE);
    case RANGE:
        return v->kind == JSON_NUMBER && number > (double)rule->low && number <= (double)rule->high;
    default:
        return false;
    }
}

static bool any_value(const struct rule *rule, const struct node **values, size_t count)
{
    bool spread = rule->way->steps[rule->way->count - 1].key != NULL;
    for (size_t i = 0; i < count; i++) {
        if (!spread || values[i]->kind != JSON_ARRAY) {
            if (test_one(rule, values[i]))
                return true;
            continue;
        }
        for (size_t c = 0; c < values[i]->count; c++) {
            if (test_one(rule, values[i]->children[c]))
                return true;
        }
    }
    return false;
}

static bool any_count(const struct rule *rule, const struct node **values, size_t count)
{
    if (count == 0)
        return rule->low <= 0;
    for (size_t i = 0; i < count; i++) {
        int64_t n = values[i]->kind == JSON_ARRAY  ? (int64_t)values[i]->count
                    : values[i]->kind == JSON_NULL ? 0
                                                   : 1;
        if (n >= rule->low && n <= rule->high)
            return true;
    }
    return false;
}

static bool any_null(const struct node **values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (values[i]->kind == JSON_NULL)
            return true;
        for (size_t c = 0; values[i]->kind == JSON_ARRAY && c < values[i]->count; c++) {
            if (values[i]->children[c]->kind == JSON_NULL)
                return true;
        }
    }
    return false;
}

static bool all_empty(const struct node **values, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool empty = values[i]->kind == JSON_NULL ||
                     (values[i]->kind == JSON_ARRAY && values[i]->count == 0);
        if (!empty)
            return false;
    }
    return true;
}

static bool evaluate(const struct rule *rule, const struct node *payload);

static bool evaluate_clause(const struct rule *rule, const struct node *payload)
{
    size_t held = 0;
    for (size_t i = 0; i < rule->count; i++)
        held += evaluate(rule->inner[i], payload) ? 1u : 0u;
    if (rule->clause == 'm')
        return held == rule->count;
    if (rule->clause == 's')
        return held > 0 || rule->count == 0;
    return rule->clause == 'n' ? held == 0 : (int64_t)held >= rule->low;
}

static bool evaluate(const struct rule *rule, const struct node *payload)
{
    const struct node *values[REACHED_MAX];
    if (rule->kind == FILTER)
        return evaluate_clause(rule, payload);
    struct way way = *rule->way;
    /* A nested condition takes the items of an array, with or without `[]` at the end of its key.
     */
    if (rule->kind == NESTED && !way.steps[way.count - 1].key && way.steps[way.count - 1].at < 0)
        way.count--;
    size_t count = reach(payload, &way, values);
    if (rule->kind == COUNT)
        return any_count(rule, values, count);
    if (rule->kind == EMPTY)
        return all_empty(values, count) == rule->wanted;
    if (rule->kind == IS_NULL)
        return any_null(values, count) == rule->wanted;
    if (rule->kind != NESTED)
        return any_value(rule, values, count);
    for (size_t i = 0; i < count; i++) {
        for (size_t c = 0; values[i]->kind == JSON_ARRAY && c < values[i]->count; c++) {
            if (evaluate_clause(rule, values[i]->children[c]))
                return true;
        }
    }
    return false;
}

static Qdrant__Condition *range_wire(const struct rule *rule)
{
    Qdrant__Condition *cond;
    if (rule->wanted) {
        Qdrant__ExactNumber *high = exact(rule->high);
        return exact_range(rule->way->path, exact(rule->low), NULL, high);
    }
    Qdrant__Range *range = double_range(&cond, rule->way->path);
    range->_gt_case = QDRANT__RANGE___GT_GT;
    range->gt = (double)rule->low;
    range->_lte_case = QDRANT__RANGE___LTE_LTE;
    range->lte = (double)rule->high;
    return cond;
}

static Qdrant__Condition *count_wire(const struct rule *rule)
{
    Qdrant__Condition *cond;
    Qdrant__ValuesCount *count = values_count(&cond, rule->way->path);
    count->_gte_case = QDRANT__VALUES_COUNT___GTE_GTE;
    count->gte = (uint64_t)rule->low;
    count->_lt_case = QDRANT__VALUES_COUNT___LT_LT;
    count->lt = (uint64_t)rule->high + 1;
    return cond;
}

static Qdrant__Condition *leaf_wire(const struct rule *rule)
{
    const char *path = rule->way->path;
    const int64_t list[2] = {rule->low, rule->high};
    switch (rule->kind) {
    case MATCH:
    case EXCEPT:
        return match_integers(path, rule->kind == EXCEPT, list, 2);
    case KEYWORD:
        return match_keyword(path, rule->text);
    case PREFIX:
        return match_text(path, QDRANT__MATCH__MATCH_VALUE_PREFIX, rule->text);
    case BOOLEAN:
        return match_boolean(path, rule->wanted);
    case RANGE:
        return range_wire(rule);
    case COUNT:
        return count_wire(rule);
    case EMPTY:
        return rule->wanted && rule->low ? is_empty(path) : field_is_empty(path, rule->wanted);
    default:
        return rule->wanted && rule->low ? is_null(path) : field_is_null(path, rule->wanted);
    }
}

static struct rule *make_rule(int depth, Qdrant__Condition **wire);

/* Fills the rule's clause and makes the same filter for the wire. */
static Qdrant__Filter *make_clause(struct rule *rule, int depth)
{
    Qdrant__Condition **list = arena_new_array(arena, Qdrant__Condition *, RULES_MAX);
    Qdrant__Filter *filter = filter_of('m', NULL, NULL);
    rule->clause = "msnc"[pick(4)];
    rule->count = (size_t)pick(RULES_MAX + 1);
    rule->low = 1 + pick(3);
    for (size_t i = 0; i < rule->count; i++)
        rule->inner[i] = make_rule(depth - 1, &list[i]);
    if (rule->clause == 'm') {
        filter->must = list;
        filter->n_must = rule->count;
    } else if (rule->clause == 's') {
        filter->should = list;
        filter->n_should = rule->count;
    } else if (rule->clause == 'n') {
        filter->must_not = list;
        filter->n_must_not = rule->count;
    } else {
        filter->min_should = min_should((uint64_t)rule->low, NULL, NULL)->min_should;
        filter->min_should->conditions = list;
        filter->min_should->n_conditions = rule->count;
    }
    return filter;
}

static struct rule *make_rule(int depth, Qdrant__Condition **wire)
{
    struct rule *rule = arena_new(arena, struct rule);
    rule->kind = (enum rule_kind)pick(depth > 0 ? FILTER + 1 : NESTED);
    rule->way = &WAYS[pick(sizeof(WAYS) / sizeof(WAYS[0]))];
    rule->low = pick(4);
    rule->high = rule->low + pick(3);
    rule->text = WORDS[pick(5)];
    rule->wanted = pick(2) != 0;
    if (rule->kind == FILTER)
        *wire = sub_filter(make_clause(rule, depth));
    else if (rule->kind == NESTED)
        *wire = nested(rule->way->path, make_clause(rule, depth));
    else
        *wire = leaf_wire(rule);
    return rule;
}
