/* Algebra on pairs of sets: what matches for sure, and what may.
 *
 * NULL stands for every point, so unknown conditions and empty clauses cost nothing. The negation
 * of a pair is (every less possible, every less sure); `must` intersects, `should` unites,
 * min_should keeps, for each n up to its count, the points that meet at least n of the conditions
 * seen so far.
 *
 * An index of `k` holds all values that `k[]` reaches, and perhaps more: it bounds such a condition
 * from above. */
#include "index/filter/candidates.h"

#include "index/filter/filter_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

enum { MIN_SHOULD_STEPS_MAX = 4096 };

struct lookup {
    const struct candidate_source *source;
    bool nested; /* inside a nested condition */
};

/* ---- sets; NULL is every point ---- */

static void set_free(roaring_bitmap_t *set)
{
    if (set) {
        roaring_bitmap_free(set);
    }
}

static roaring_bitmap_t *set_copy(const roaring_bitmap_t *set)
{
    return set ? roaring_bitmap_copy(set) : NULL;
}

/* `into` is the caller's before and after. */
static void intersect(roaring_bitmap_t **into, const roaring_bitmap_t *other)
{
    if (!other) {
        return;
    }
    if (*into) {
        roaring_bitmap_and_inplace(*into, other);
    } else {
        *into = roaring_bitmap_copy(other);
    }
}

static void unite(roaring_bitmap_t **into, const roaring_bitmap_t *other)
{
    if (*into && other) {
        roaring_bitmap_or_inplace(*into, other);
    } else {
        set_free(*into);
        *into = NULL;
    }
}

static roaring_bitmap_t *complement(const struct lookup *lookup, const roaring_bitmap_t *set)
{
    return set ? roaring_bitmap_andnot(field_set_points(lookup->source->fields), set)
               : roaring_bitmap_create();
}

/* ---- pairs ---- */

static void pair_free(struct pair *pair)
{
    set_free(pair->sure);
    set_free(pair->possible);
}

static struct pair nothing_known(void)
{
    return (struct pair){.sure = roaring_bitmap_create(), .possible = NULL};
}

static struct pair none(void)
{
    return (struct pair){.sure = roaring_bitmap_create(), .possible = roaring_bitmap_create()};
}

static void pair_and(struct pair *into, const struct pair *other)
{
    intersect(&into->sure, other->sure);
    intersect(&into->possible, other->possible);
}

static void pair_or(struct pair *into, const struct pair *other)
{
    unite(&into->sure, other->sure);
    unite(&into->possible, other->possible);
}

static void pair_not(const struct lookup *lookup, struct pair *pair)
{
    struct pair old = *pair;
    *pair = lookup->nested ? nothing_known()
                           : (struct pair){.sure = complement(lookup, old.possible),
                                           .possible = complement(lookup, old.sure)};
    pair_free(&old);
}

/* ---- conditions ---- */

static struct pair of_found(struct field_found found)
{
    roaring_bitmap_t *possible = found.possible ? found.possible : roaring_bitmap_copy(found.sure);
    return (struct pair){.sure = found.sure, .possible = possible};
}

static bool is_about_presence(const struct field_query *query)
{
    return query->kind == QUERY_EMPTY || query->kind == QUERY_NULL || query->kind == QUERY_COUNT;
}

static struct pair ask_fields(const struct cond *cond, const struct lookup *lookup)
{
    const struct field_set *fields = lookup->source->fields;
    struct field_found found = {0};
    if (!cond->query || (lookup->nested && is_about_presence(cond->query))) {
        return nothing_known();
    }
    const struct field *field = field_set_find(fields, cond->index_path);
    if (field && field_find(field, cond->query, &found)) {
        return of_found(found);
    }
    field = field_set_find_whole(fields, cond->index_path);
    if (field && !is_about_presence(cond->query) && field_find(field, cond->query, &found)) {
        struct pair pair = of_found(found);
        roaring_bitmap_free(pair.sure);
        pair.sure = roaring_bitmap_create();
        return pair;
    }
    return nothing_known();
}

static struct pair ask(const struct cond *cond, const struct lookup *lookup)
{
    struct pair pair;
    if (cond->kind->candidates) {
        cond->kind->candidates(cond, lookup, &pair);
        return pair;
    }
    return ask_fields(cond, lookup);
}

void lookup_ids(const struct lookup *lookup, const struct point_id *ids, size_t count,
                struct pair *out)
{
    *out = none();
    if (!lookup->nested) { /* an element has no id */
        lookup->source->locate(lookup->source->ctx, ids, count, out->sure);
        roaring_bitmap_or_inplace(out->possible, out->sure);
    }
}

/* ---- clauses ---- */

static struct pair any_of(const struct clause *clause, const struct lookup *lookup)
{
    struct pair result = none();
    for (size_t i = 0; i < clause->count; i++) {
        struct pair pair = ask(clause->conds[i], lookup);
        pair_or(&result, &pair);
        pair_free(&pair);
    }
    return result;
}

static struct pair some_of(const struct clause *clause, uint64_t wanted,
                           const struct lookup *lookup)
{
    if (wanted > clause->count) {
        return none();
    }
    if (wanted * clause->count > MIN_SHOULD_STEPS_MAX) {
        return nothing_known();
    }
    /* reached[n]: points that meet at least n of the conditions so far */
    struct pair *reached = mem_zalloc((wanted + 1) * sizeof(reached[0]));
    for (uint64_t n = 1; n <= wanted; n++) {
        reached[n] = none();
    }
    for (size_t i = 0; i < clause->count; i++) {
        struct pair pair = ask(clause->conds[i], lookup);
        for (uint64_t n = wanted; n > 0; n--) {
            struct pair step = {.sure = set_copy(pair.sure), .possible = set_copy(pair.possible)};
            pair_and(&step, &reached[n - 1]);
            pair_or(&reached[n], &step);
            pair_free(&step);
        }
        pair_free(&pair);
    }
    struct pair result = reached[wanted];
    for (uint64_t n = 1; n < wanted; n++) {
        pair_free(&reached[n]);
    }
    mem_free(reached);
    return result;
}

static void narrow(struct pair *result, struct pair pair)
{
    pair_and(result, &pair);
    pair_free(&pair);
}

void lookup_filter(const struct filter *filter, const struct lookup *lookup, struct pair *out)
{
    struct pair result = {0}; /* every point */
    if (filter) {
        for (size_t i = 0; i < filter->must.count; i++) {
            narrow(&result, ask(filter->must.conds[i], lookup));
        }
        for (size_t i = 0; i < filter->must_not.count; i++) {
            struct pair pair = ask(filter->must_not.conds[i], lookup);
            pair_not(lookup, &pair);
            narrow(&result, pair);
        }
        if (filter->should.count > 0) {
            narrow(&result, any_of(&filter->should, lookup));
        }
        if (filter->has_min_should) {
            narrow(&result, some_of(&filter->min_should, filter->min_count, lookup));
        }
    }
    *out = result;
}

void lookup_nested(const struct filter *filter, const struct lookup *lookup, struct pair *out)
{
    struct lookup inside = {.source = lookup->source, .nested = true};
    lookup_filter(filter, &inside, out);
    set_free(out->sure);
    out->sure = roaring_bitmap_create();
}

bool filter_candidates(const struct filter *filter, const struct candidate_source *source,
                       struct candidates *out)
{
    struct lookup lookup = {.source = source};
    struct pair pair;
    lookup_filter(filter, &lookup, &pair);
    if (!pair.possible && pair.sure && roaring_bitmap_is_empty(pair.sure)) {
        pair_free(&pair);
        return false;
    }
    const roaring_bitmap_t *points = field_set_points(source->fields);
    *out = (struct candidates){.sure = pair.sure ? pair.sure : roaring_bitmap_copy(points),
                               .possible =
                                   pair.possible ? pair.possible : roaring_bitmap_copy(points)};
    if (roaring_bitmap_equals(out->sure, out->possible)) {
        roaring_bitmap_free(out->possible);
        out->possible = NULL;
    }
    return true;
}

void candidates_free(struct candidates *candidates)
{
    set_free(candidates->sure);
    set_free(candidates->possible);
    *candidates = (struct candidates){0};
}

/* ---- advice ---- */

static enum field_type type_for(const struct field_query *query)
{
    switch (query->kind) {
    case QUERY_INTEGERS:
        return FIELD_INTEGER;
    case QUERY_BOOL:
        return FIELD_BOOL;
    case QUERY_RANGE:
        return FIELD_FLOAT;
    case QUERY_DATETIMES:
        return FIELD_DATETIME;
    case QUERY_GEO:
        return FIELD_GEO;
    case QUERY_TEXT:
        return FIELD_TEXT;
    default:
        return FIELD_KEYWORD;
    }
}

struct advice {
    const struct field_set *fields;
    void (*each)(void *ctx, const char *key, enum field_type type);
    void *ctx;
};

static void advise_filter(const struct filter *filter, const struct advice *advice);

static void advise_clause(const struct clause *clause, const struct advice *advice)
{
    for (size_t i = 0; i < clause->count; i++) {
        const struct cond *cond = clause->conds[i];
        if (cond->kind->inside) {
            advise_filter(cond->kind->inside(cond), advice);
        } else if (cond->key && !field_set_covers(advice->fields, cond->index_path)) {
            advice->each(advice->ctx, cond->key,
                         cond->query ? type_for(cond->query) : FIELD_KEYWORD);
        }
    }
}

static void advise_filter(const struct filter *filter, const struct advice *advice)
{
    if (filter) {
        advise_clause(&filter->must, advice);
        advise_clause(&filter->should, advice);
        advise_clause(&filter->must_not, advice);
        advise_clause(&filter->min_should, advice);
    }
}

void filter_each_unindexed(const struct filter *filter, const struct field_set *fields,
                           void (*each)(void *ctx, const char *key, enum field_type type),
                           void *ctx)
{
    struct advice advice = {.fields = fields, .each = each, .ctx = ctx};
    advise_filter(filter, &advice);
}
