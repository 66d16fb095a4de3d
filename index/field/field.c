/* What every index of a payload key keeps, whatever its kind: which points have values, several,
 * foreign ones, none, null, and how many. Conditions on those are answered here; conditions on the
 * values themselves by the kind, whose answer is completed with what it cannot know: points with
 * foreign values may match, and `except` is the complement among the points that have a value. */
#include "index/field/field.h"

#include "index/field/field_int.h"
#include "index/payload/presence.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

static const struct {
    enum field_type type;
    const struct field_kind *kind;
} kinds[] = {
#define X(type, kind) {type, &field_##kind},
#include "index/field/kinds.def"
#undef X
};

const struct field_kind *field_kind_of(enum field_type type)
{
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        if (kinds[i].type == type) {
            return kinds[i].kind;
        }
    }
    ASSERT(false);
    return NULL;
}

/* ---- life ---- */

static const char *const *copy_words(struct arena *arena, const char *const *words, size_t count)
{
    char **copy = arena_new_array(arena, char *, count + 1);
    ASSERT(copy); /* the arena has no limit */
    for (size_t i = 0; i < count; i++) {
        copy[i] = arena_strndup(arena, words[i], strlen(words[i]));
    }
    return (const char *const *)copy;
}

static const char *copy_text(struct arena *arena, const char *text)
{
    return text ? arena_strndup(arena, text, strlen(text)) : NULL;
}

enum status field_init(struct field *field, const struct field_kind *kind,
                       const struct field_spec *spec, struct error *err)
{
    struct arena *arena = arena_create(0);
    struct path *path = NULL;
    enum status status = path_parse(slice_text(spec->key), arena, &path, err);
    if (status != STATUS_OK) {
        arena_destroy(arena);
        return status;
    }
    *field = (struct field){.kind = kind,
                            .spec = *spec,
                            .arena = arena,
                            .path = path,
                            .points = roaring_bitmap_create(),
                            .present = roaring_bitmap_create(),
                            .many = roaring_bitmap_create(),
                            .foreign = roaring_bitmap_create(),
                            .empty = roaring_bitmap_create(),
                            .null = roaring_bitmap_create()};
    struct tokenizer_params *text = &field->spec.text;
    field->spec.key = copy_text(arena, spec->key);
    field->spec.path = path;
    text->stemmer = copy_text(arena, text->stemmer);
    text->languages = copy_words(arena, text->languages, text->languages_count);
    text->stopwords = copy_words(arena, text->stopwords, text->stopwords_count);
    return STATUS_OK;
}

void field_deinit(struct field *field)
{
    roaring_bitmap_free(field->points);
    roaring_bitmap_free(field->present);
    roaring_bitmap_free(field->many);
    roaring_bitmap_free(field->foreign);
    roaring_bitmap_free(field->empty);
    roaring_bitmap_free(field->null);
    for (size_t i = 0; i < field->counts_count; i++) {
        roaring_bitmap_free(field->counts[i].points);
    }
    mem_free(field->counts);
    arena_destroy(field->arena);
}

enum status field_create(const struct field_spec *spec, struct field **out, struct error *err)
{
    return field_kind_of(spec->type)->create(spec, out, err);
}

void field_destroy(struct field *field)
{
    field->kind->destroy(field);
}

const struct field_spec *field_spec(const struct field *field)
{
    return &field->spec;
}

const struct path *field_path(const struct field *field)
{
    return field->path;
}

size_t field_points(const struct field *field)
{
    return roaring_bitmap_get_cardinality(field->present);
}

const roaring_bitmap_t *field_foreign(const struct field *field)
{
    return field->foreign;
}

size_t field_memory(const struct field *field)
{
    const roaring_bitmap_t *const sets[] = {field->points,  field->present, field->many,
                                            field->foreign, field->empty,   field->null};
    size_t bytes = field->kind->memory(field);
    for (size_t i = 0; i < sizeof(sets) / sizeof(sets[0]); i++) {
        bytes += roaring_bitmap_size_in_bytes(sets[i]);
    }
    for (size_t i = 0; i < field->counts_count; i++) {
        bytes += roaring_bitmap_size_in_bytes(field->counts[i].points);
    }
    return bytes;
}

/* ---- changing ---- */

/* The set of a count; made when it is not there. */
static roaring_bitmap_t *count_points(struct field *field, uint64_t count)
{
    size_t low = 0;
    size_t high = field->counts_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (field->counts[middle].count < count) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    if (low == field->counts_count || field->counts[low].count != count) {
        size_t size = (field->counts_count + 1) * sizeof(field->counts[0]);
        field->counts = mem_realloc(field->counts, size);
        memmove(&field->counts[low + 1], &field->counts[low],
                (field->counts_count - low) * sizeof(field->counts[0]));
        field->counts[low] = (struct count_set){.count = count, .points = roaring_bitmap_create()};
        field->counts_count++;
    }
    return field->counts[low].points;
}

struct adding {
    struct field *field;
    point_offset point;
    size_t values;
};

static void add_count(void *ctx, uint64_t count)
{
    const struct adding *adding = ctx;
    roaring_bitmap_add(count_points(adding->field, count), adding->point);
}

static void add_value(void *ctx, struct json_view value)
{
    struct adding *adding = ctx;
    adding->values++;
    if (!adding->field->kind->add(adding->field, adding->point, value)) {
        roaring_bitmap_add(adding->field->foreign, adding->point);
    }
}

void field_add(struct field *field, point_offset point, struct json_view payload)
{
    struct adding adding = {.field = field, .point = point};
    const struct payload_visitor visitor = {.value = add_value, .count = add_count, .ctx = &adding};
    roaring_bitmap_add(field->points, point);
    struct presence presence = payload_visit(field->path, payload, &visitor);
    if (adding.values > 0) {
        roaring_bitmap_add(field->present, point);
    }
    if (adding.values > 1) {
        roaring_bitmap_add(field->many, point);
    }
    if (presence.empty) {
        roaring_bitmap_add(field->empty, point);
    }
    if (presence.null) {
        roaring_bitmap_add(field->null, point);
    }
}

void field_remove(struct field *field, point_offset point)
{
    if (!roaring_bitmap_remove_checked(field->points, point)) {
        return;
    }
    if (roaring_bitmap_remove_checked(field->present, point)) {
        field->kind->remove(field, point);
        roaring_bitmap_remove(field->many, point);
        roaring_bitmap_remove(field->foreign, point);
    }
    roaring_bitmap_remove(field->empty, point);
    roaring_bitmap_remove(field->null, point);
    for (size_t i = 0; i < field->counts_count; i++) {
        roaring_bitmap_remove(field->counts[i].points, point);
    }
}

/* ---- finding ---- */

static roaring_bitmap_t *find_counts(const struct field *field, const struct field_query *query)
{
    roaring_bitmap_t *found = roaring_bitmap_create();
    for (size_t i = 0; i < field->counts_count; i++) {
        uint64_t count = field->counts[i].count;
        if (count >= query->count_min && count <= query->count_max) {
            roaring_bitmap_or_inplace(found, field->counts[i].points);
        }
    }
    return found;
}

static roaring_bitmap_t *wanted(const struct field *field, const roaring_bitmap_t *set,
                                bool is_wanted)
{
    return is_wanted ? roaring_bitmap_copy(set) : roaring_bitmap_andnot(field->points, set);
}

/* From the points that have one of the values to those that have another one. */
static void complement(const struct field *field, bool foreign, struct field_found *found)
{
    const roaring_bitmap_t *listed = found->possible ? found->possible : found->sure;
    roaring_bitmap_t *sure = roaring_bitmap_andnot(field->present, field->many);
    roaring_bitmap_andnot_inplace(sure, field->foreign);
    roaring_bitmap_andnot_inplace(sure, listed);
    roaring_bitmap_t *possible = roaring_bitmap_or(sure, field->many);
    roaring_bitmap_or_inplace(possible, field->foreign);
    if (!foreign) { /* a value that cannot be in the list is another one */
        roaring_bitmap_or_inplace(sure, field->foreign);
    }
    if (found->possible) {
        roaring_bitmap_t *unsure = roaring_bitmap_andnot(found->possible, found->sure);
        roaring_bitmap_or_inplace(possible, unsure);
        roaring_bitmap_free(unsure);
        roaring_bitmap_free(found->possible);
    }
    roaring_bitmap_free(found->sure);
    *found = (struct field_found){.sure = sure, .possible = possible};
}

/* Points with foreign values may match too. */
static void widen(const struct field *field, struct field_found *found)
{
    if (roaring_bitmap_is_empty(field->foreign)) {
        return;
    }
    if (!found->possible) {
        found->possible = roaring_bitmap_copy(found->sure);
    }
    roaring_bitmap_or_inplace(found->possible, field->foreign);
}

static bool find_values(const struct field *field, const struct field_query *query,
                        struct field_found *out)
{
    struct field_query plain = *query;
    struct field_found found = {0};
    bool foreign = true;
    plain.except = false;
    if (!field->kind->find(field, &plain, &found, &foreign)) {
        return false;
    }
    if (query->except) {
        complement(field, foreign, &found);
    } else if (foreign) {
        widen(field, &found);
    }
    if (found.possible && roaring_bitmap_equals(found.sure, found.possible)) {
        roaring_bitmap_free(found.possible);
        found.possible = NULL;
    }
    *out = found;
    return true;
}

bool field_find(const struct field *field, const struct field_query *query, struct field_found *out)
{
    switch (query->kind) {
    case QUERY_EMPTY:
        *out = (struct field_found){.sure = wanted(field, field->empty, query->wanted)};
        return true;
    case QUERY_NULL:
        *out = (struct field_found){.sure = wanted(field, field->null, query->wanted)};
        return true;
    case QUERY_COUNT:
        *out = (struct field_found){.sure = find_counts(field, query)};
        return true;
    default:
        return find_values(field, query, out);
    }
}
