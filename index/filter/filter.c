/* Filters: compiling the wire message into a tree of conditions, and asking the tree about one
 * point.
 *
 * Compiling is the only place where bad input is found: filter_compile walks the clauses, counts
 * depth and conditions against the limits, and lets each kind (kinds.def) read its own message.
 * Checking cannot fail. The payload is asked for once a point, by the first condition that needs
 * it. Compiled filters are immutable; any number of threads may check. The recursion of both walks
 * is bounded by `depth_max`. */
#include "index/filter/filter.h"

#include "index/filter/filter_int.h"
#include "storage/base/assert.h"

#include <stdarg.h>
#include <stdio.h>

enum { DEPTH_MAX_DEFAULT = 64, CONDITIONS_MAX_DEFAULT = 65536 };

enum status compiler_refuse(struct compiler *compiler, const char *format, ...)
{
    char text[sizeof(compiler->err->message)];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    return error_set(compiler->err, STATUS_BAD_INPUT, "%s", text);
}

enum status compiler_no_memory(struct compiler *compiler)
{
    return error_set(compiler->err, STATUS_TOO_LARGE, "the filter needs too much memory");
}

void *compiler_alloc(struct compiler *compiler, size_t count, size_t size)
{
    void *memory =
        arena_zalloc_array(compiler->arena, count > 0 ? count : 1, size, _Alignof(max_align_t));
    if (!memory)
        (void)compiler_no_memory(compiler);
    return memory;
}

enum status compiler_path(struct compiler *compiler, const char *key, struct path **out)
{
    return path_parse(slice_text(key ? key : ""), compiler->arena, out, compiler->err);
}

enum status cond_locate(struct compiler *compiler, struct cond *cond, const char *key)
{
    cond->key = arena_printf(compiler->arena, "%s%s", compiler->prefix, key ? key : "");
    if (!cond->key)
        return compiler_no_memory(compiler);
    if (!compiler->prefix[0]) {
        cond->index_path = cond->path;
        return STATUS_OK;
    }
    struct path *path = NULL;
    enum status status = compiler_path(compiler, cond->key, &path);
    cond->index_path = path;
    return status;
}

struct field_query *compiler_query(struct compiler *compiler, enum query_kind kind)
{
    struct field_query *query = compiler_alloc(compiler, 1, sizeof(*query));
    if (query)
        query->kind = kind;
    return query;
}

struct condition_kind {
    Qdrant__Condition__ConditionOneOfCase arm;
    const char *name;
    enum status (*compile)(struct compiler *compiler, const void *wire, struct cond **out);
};

static const struct condition_kind condition_kinds[] = {
#define CONDITION(CASE, name)                                                                      \
    {QDRANT__CONDITION__CONDITION_ONE_OF_##CASE, #name, cond_##name##_compile},
#include "index/filter/kinds.def"
#undef CONDITION
};

static enum status compile_condition(struct compiler *compiler, const Qdrant__Condition *wire,
                                     struct cond **out)
{
    if (++compiler->conditions_count > compiler->conditions_max)
        return compiler_refuse(compiler, "The filter has more than %u conditions",
                               compiler->conditions_max);
    for (size_t i = 0; i < sizeof(condition_kinds) / sizeof(condition_kinds[0]); i++) {
        const struct condition_kind *kind = &condition_kinds[i];
        if (kind->arm != wire->condition_one_of_case)
            continue;
        const void *message = wire->field; /* every arm of the union is a pointer to a message */
        if (!message)
            return compiler_refuse(compiler, "A %s condition is empty", kind->name);
        return kind->compile(compiler, message, out);
    }
    return compiler_refuse(compiler, "A condition of the filter has no kind");
}

static enum status compile_clause(struct compiler *compiler, Qdrant__Condition *const *wire,
                                  size_t count, struct clause *out)
{
    struct cond **conds = compiler_alloc(compiler, count, sizeof(*conds));
    if (!conds)
        return STATUS_TOO_LARGE;
    for (size_t i = 0; i < count; i++) {
        if (!wire[i])
            return compiler_refuse(compiler, "A condition of the filter is empty");
        enum status status = compile_condition(compiler, wire[i], &conds[i]);
        if (status != STATUS_OK)
            return status;
    }
    *out = (struct clause){.conds = conds, .count = count};
    return STATUS_OK;
}

static enum status compile_min_should(struct compiler *compiler, const Qdrant__MinShould *wire,
                                      struct filter *filter)
{
    if (wire->min_count < 1)
        return compiler_refuse(compiler,
                               "min_should.min_count: value 0 invalid, must be 1 or larger");
    filter->has_min_should = true;
    filter->min_count = wire->min_count;
    return compile_clause(compiler, wire->conditions, wire->n_conditions, &filter->min_should);
}

static enum status compile_clauses(struct compiler *compiler, const Qdrant__Filter *wire,
                                   struct filter *filter)
{
    enum status status = compile_clause(compiler, wire->must, wire->n_must, &filter->must);
    if (status == STATUS_OK)
        status = compile_clause(compiler, wire->should, wire->n_should, &filter->should);
    if (status == STATUS_OK)
        status = compile_clause(compiler, wire->must_not, wire->n_must_not, &filter->must_not);
    if (status == STATUS_OK && wire->min_should)
        status = compile_min_should(compiler, wire->min_should, filter);
    return status;
}

static bool clause_needs_payload(const struct clause *clause)
{
    for (size_t i = 0; i < clause->count; i++) {
        if (clause->conds[i]->needs_payload)
            return true;
    }
    return false;
}

enum status compile_filter(struct compiler *compiler, const Qdrant__Filter *wire,
                           struct filter **out)
{
    if (wire->n_must + wire->n_should + wire->n_must_not == 0 && !wire->min_should) {
        *out = NULL;
        return STATUS_OK;
    }
    if (compiler->depth == compiler->depth_max)
        return compiler_refuse(compiler, "The filter is nested deeper than %u levels",
                               compiler->depth_max);
    struct filter *filter = compiler_alloc(compiler, 1, sizeof(*filter));
    if (!filter)
        return STATUS_TOO_LARGE;
    compiler->depth++;
    enum status status = compile_clauses(compiler, wire, filter);
    compiler->depth--;
    if (status != STATUS_OK)
        return status;
    filter->needs_payload =
        clause_needs_payload(&filter->must) || clause_needs_payload(&filter->should) ||
        clause_needs_payload(&filter->must_not) || clause_needs_payload(&filter->min_should);
    *out = filter;
    return STATUS_OK;
}

enum status filter_compile(const Qdrant__Filter *wire, const struct filter_options *options,
                           struct arena *arena, struct filter **out, struct error *err)
{
    struct error local; /* so that messages can be wrapped without asking */
    struct compiler compiler = {.arena = arena,
                                .prefix = "",
                                .err = err ? err : &local,
                                .depth_max = DEPTH_MAX_DEFAULT,
                                .conditions_max = CONDITIONS_MAX_DEFAULT};
    if (options && options->depth_max > 0)
        compiler.depth_max = options->depth_max;
    if (options && options->conditions_max > 0)
        compiler.conditions_max = options->conditions_max;
    if (options) {
        compiler.text_fields = options->text_fields;
        compiler.text_fields_count = options->text_fields_count;
    }
    if (!wire) {
        *out = NULL;
        return STATUS_OK;
    }
    enum status status = compile_filter(&compiler, wire, out);
    if (status != STATUS_OK || !*out) {
        return status;
    }
    /* Packing walks the message by recursion: safe only now that its depth is known. */
    size_t size = qdrant__filter__get_packed_size(wire);
    uint8_t *key = compiler_alloc(&compiler, size, 1);
    if (!key) {
        return STATUS_TOO_LARGE;
    }
    (*out)->key = slice_of(key, qdrant__filter__pack(wire, key));
    return STATUS_OK;
}

struct slice filter_key(const struct filter *filter)
{
    return filter->key;
}

struct json_view checker_payload(struct checker *checker)
{
    if (!checker->payload_known) {
        struct slice text = checker->point->payload(checker->point);
        ASSERT(text.size >= 2 && text.data[0] == '{');
        checker->payload = json_view_of(text);
        checker->payload_known = true;
    }
    return checker->payload;
}

static bool check_condition(const struct cond *cond, struct checker *checker)
{
    return cond->kind->check(cond, checker);
}

/* Do at least `wanted` conditions hold? */
static bool check_some(const struct clause *clause, uint64_t wanted, struct checker *checker)
{
    uint64_t held = 0;
    for (size_t i = 0; i < clause->count && held < wanted; i++) {
        if (wanted - held > clause->count - i)
            return false;
        held += check_condition(clause->conds[i], checker) ? 1 : 0;
    }
    return held >= wanted;
}

bool check_filter(const struct filter *filter, struct checker *checker)
{
    if (!filter)
        return true;
    for (size_t i = 0; i < filter->must.count; i++) {
        if (!check_condition(filter->must.conds[i], checker))
            return false;
    }
    for (size_t i = 0; i < filter->must_not.count; i++) {
        if (check_condition(filter->must_not.conds[i], checker))
            return false;
    }
    if (filter->should.count > 0 && !check_some(&filter->should, 1, checker))
        return false;
    return !filter->has_min_should || check_some(&filter->min_should, filter->min_count, checker);
}

bool filter_check(const struct filter *filter, struct point_view *point)
{
    struct checker checker = {.point = point};
    return check_filter(filter, &checker);
}

bool filter_needs_payload(const struct filter *filter)
{
    return filter && filter->needs_payload;
}
