/* What the kinds of conditions share. Compiling puts everything into the arena; a compiled
 * condition is never written again, so checks need no locks. */
#pragma once
#include "index/field/field_set.h"
#include "index/filter/filter.h"
#include "index/payload/path.h"
#include "index/text/pattern.h"

struct compiler {
    struct arena *arena;
    struct error *err;
    uint32_t depth, depth_max;
    uint32_t conditions_count, conditions_max;
    uint32_t patterns_count;
    const char *prefix; /* path of the array whose elements are looked at, with `[].`; "": none */
    const struct text_field *text_fields;
    size_t text_fields_count;
};
/* The state of one check of one point. */
struct checker {
    struct point_view *point;
    struct json_view payload; /* of the point, or the array element inside a nested condition */
    bool payload_known;
    bool inside_nested; /* an element has no id and no vectors */
};
struct cond;
struct lookup; /* candidates.c */
/* Matching points: sure <= matches <= possible; NULL: every point. */
struct pair {
    roaring_bitmap_t *sure, *possible;
};
struct cond_kind {
    const char *name;
    bool needs_payload;
    bool (*check)(const struct cond *cond, struct checker *checker);
    /* What indexes tell; NULL: whatever the condition's query says. *out is {none, every} when they
     * tell nothing. */
    void (*candidates)(const struct cond *cond, const struct lookup *lookup, struct pair *out);
    /* The filter inside the condition, or NULL. */
    const struct filter *(*inside)(const struct cond *cond);
};
/* First member of each kind's struct. */
struct cond {
    const struct cond_kind *kind;
    bool needs_payload;      /* the kind's, or what the conditions inside need */
    const struct path *path; /* of the values; inside a nested condition, from the element */
    /* What an index of `index_path` (named by `key`) is asked; NULL: no index can tell. */
    const struct field_query *query;
    const struct path *index_path; /* from the root */
    const char *key;
};
/* A test of one value; first member of each test's struct. Arrays are taken apart by the field
 * condition. */
struct value_test {
    bool (*test)(const struct value_test *self, struct json_view value);
};
struct clause {
    struct cond **conds;
    size_t count;
};
struct filter {
    struct clause must, should, must_not, min_should;
    uint64_t min_count;
    bool has_min_should;
    bool needs_payload;
    struct slice key; /* of the outermost filter; see filter_key */
};

extern const struct cond_kind cond_has_id_kind;

/* Tells the condition by which key, seen from the root, an index knows its values. */
enum status cond_locate(struct compiler *compiler, struct cond *cond, const char *key);
/* For kinds with a filter inside. In a nested condition one element meets all of it: what indexes
 * say of whole points only bounds it from above, and never through a negation. */
void lookup_filter(const struct filter *filter, const struct lookup *lookup, struct pair *out);
void lookup_nested(const struct filter *filter, const struct lookup *lookup, struct pair *out);
void lookup_ids(const struct lookup *lookup, const struct point_id *ids, size_t count,
                struct pair *out);
enum status compile_filter(struct compiler *compiler, const Qdrant__Filter *wire,
                           struct filter **out);
bool check_filter(const struct filter *filter, struct checker *checker);
struct json_view checker_payload(struct checker *checker);

/* `wire` is the message of the arm and not NULL. */
#define CONDITION(CASE, name)                                                                      \
    enum status cond_##name##_compile(struct compiler *compiler, const void *wire,                 \
                                      struct cond **out);
#define FIELD_PART(name, present)                                                                  \
    enum status part_##name##_compile(struct compiler *compiler, const struct path *path,          \
                                      const Qdrant__FieldCondition *wire, struct cond **out);
#include "index/filter/kinds.def"
#undef CONDITION
#undef FIELD_PART

/* A condition that holds when any value at the path passes the test. `query` asks an index the
 * same; NULL: no index can tell. */
enum status cond_values_create(struct compiler *compiler, const struct path *path,
                               const struct value_test *test, const struct field_query *query,
                               struct cond **out);
/* A condition on what is at a path, whatever its values: EMPTY or NULL. */
enum status cond_presence_create(struct compiler *compiler, const struct cond_kind *kind,
                                 enum query_kind query, const struct path *path, bool wanted,
                                 struct cond **out);
/* A condition's query, empty; NULL with the error set. */
struct field_query *compiler_query(struct compiler *compiler, enum query_kind kind);
enum bound_side { BOUND_LOW, BOUND_HIGH };
bool number_in_range(struct json_number number, const struct number_range *range);
/* Keeps the narrower of the range's bound and this one. */
void number_range_narrow(struct number_range *range, enum bound_side side, bool inclusive,
                         struct json_number number);
/* The parts of `match` that read text as words; `key` as the condition has it. */
enum status text_test_create(struct compiler *compiler, const char *key, const char *text,
                             enum text_mode mode, const struct value_test **out,
                             struct field_query **query);

/* The parts of `match` that are patterns. */
enum status pattern_test_create(struct compiler *compiler, enum pattern_kind kind, const char *text,
                                const struct value_test **out, struct field_query **query);

enum status compiler_path(struct compiler *compiler, const char *key, struct path **out);
/* BAD_INPUT; `what` is a sentence. */
enum status compiler_refuse(struct compiler *compiler, const char *format, ...) PRINTF(2, 3);
enum status compiler_no_memory(struct compiler *compiler);
/* Zeroed; NULL with the error set. `count` may be 0. */
void *compiler_alloc(struct compiler *compiler, size_t count, size_t size);
