/* Answers of a text index.
 *
 * All: the points of the rarest term, then those of them that the others have too, the lists
 * skipped through by blocks. Any: the union. Phrase: the points that have all terms and, with
 * positions, fit the phrase; positions of a point's values are far apart, so no phrase crosses
 * them. Without positions, for several terms in several values of one point, and for texts that
 * were not indexed, a point is only possible. So is one with more than PLACES_MAX positions of the
 * phrase's terms: a check outside of the lock reads it in linear time.
 *
 * A query whose tokenizer differs from the field's (it was compiled before the index was made or
 * changed) gets no answer. */
#include "index/field/field_text_int.h"
#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <stdlib.h>

enum { PLACES_MAX = 1 << 16, POINTS_BATCH = 1024 };

/* A term of the query. */
struct wanted {
    uint32_t term; /* in the query */
    const struct text_list *list;
    struct text_cursor cursor;
};
struct place {
    uint64_t position;
    uint32_t term; /* in the query */
};
struct finding {
    const struct field_text *field;
    const struct text_query *query;
    struct wanted *terms;
    uint32_t terms_count;
    point_offset *points; /* those that have all terms */
    size_t points_count;
    struct place *places;
    size_t places_count;
};

static int compare_wanted(const void *a, const void *b)
{
    uint32_t left = ((const struct wanted *)a)->list->points_count;
    uint32_t right = ((const struct wanted *)b)->list->points_count;
    return (left > right) - (left < right);
}

/* The lists of the terms that the field has, shortest first. */
static void look_up(struct finding *finding)
{
    const struct text_terms *terms = &finding->field->terms;
    uint32_t count = text_query_terms_count(finding->query);
    finding->terms = mem_alloc(count * sizeof(finding->terms[0]));
    for (uint32_t i = 0; i < count; i++) {
        uint32_t term = text_terms_find(terms, text_query_term(finding->query, i));
        if (term != TERM_NONE) {
            struct wanted *wanted = &finding->terms[finding->terms_count++];
            *wanted = (struct wanted){.term = i, .list = &terms->items[term].list};
            text_cursor_init(&wanted->cursor, wanted->list, terms->lists.positions);
        }
    }
    if (finding->terms_count > 1) {
        qsort(finding->terms, finding->terms_count, sizeof(finding->terms[0]), compare_wanted);
    }
}

static void add_all(struct text_cursor *cursor, roaring_bitmap_t *out)
{
    uint32_t batch[POINTS_BATCH];
    size_t count = 0;
    while (text_cursor_next(cursor)) {
        batch[count++] = cursor->point;
        if (count == POINTS_BATCH) {
            roaring_bitmap_add_many(out, count, batch);
            count = 0;
        }
    }
    if (count > 0) {
        roaring_bitmap_add_many(out, count, batch);
    }
}

static roaring_bitmap_t *find_any(struct finding *finding)
{
    roaring_bitmap_t *found = roaring_bitmap_create();
    for (uint32_t i = 0; i < finding->terms_count; i++) {
        add_all(&finding->terms[i].cursor, found);
    }
    return found;
}

/* Leaves the points that have every term in `points`. */
static void intersect(struct finding *finding)
{
    struct wanted *rarest = &finding->terms[0];
    finding->points = mem_alloc(rarest->list->points_count * sizeof(finding->points[0]));
    while (text_cursor_next(&rarest->cursor)) {
        finding->points[finding->points_count++] = rarest->cursor.point;
    }
    for (uint32_t i = 1; i < finding->terms_count; i++) {
        struct text_cursor *cursor = &finding->terms[i].cursor;
        size_t kept = 0;
        for (size_t j = 0; j < finding->points_count; j++) {
            if (!text_cursor_seek(cursor, finding->points[j])) {
                break;
            }
            if (cursor->point == finding->points[j]) {
                finding->points[kept++] = finding->points[j];
            }
        }
        finding->points_count = kept;
    }
}

static int compare_places(const void *a, const void *b)
{
    uint64_t left = ((const struct place *)a)->position;
    uint64_t right = ((const struct place *)b)->position;
    return (left > right) - (left < right);
}

/* Where the terms stand in the point that the cursors are at; false: at too many places. */
static bool gather_places(struct finding *finding)
{
    finding->places_count = 0;
    for (uint32_t i = 0; i < finding->terms_count; i++) {
        const struct text_cursor *cursor = &finding->terms[i].cursor;
        if (cursor->frequency > PLACES_MAX - finding->places_count) {
            return false;
        }
        const uint8_t *at = cursor->positions.data;
        uint64_t position = 0;
        for (uint32_t j = 0; j < cursor->frequency; j++) {
            position = text_position_next(&at, position);
            finding->places[finding->places_count++] =
                (struct place){.position = position, .term = finding->terms[i].term};
        }
    }
    return true;
}

static void sort_places(struct place *places, size_t count)
{
    enum { FEW = 32 };
    if (count > FEW) {
        qsort(places, count, sizeof(places[0]), compare_places);
        return;
    }
    for (size_t i = 1; i < count; i++) {
        struct place place = places[i];
        size_t at = i;
        for (; at > 0 && places[at - 1].position > place.position; at--) {
            places[at] = places[at - 1];
        }
        places[at] = place;
    }
}

static bool has_phrase(const struct finding *finding)
{
    struct phrase phrase;
    phrase_begin(&phrase, finding->query);
    for (size_t i = 0; i < finding->places_count; i++) {
        if (phrase_feed(&phrase, finding->places[i].position, finding->places[i].term)) {
            return true;
        }
    }
    return phrase_end(&phrase);
}

/* The points that have the phrase; those that have too many places to tell go to `possible`. */
static roaring_bitmap_t *find_phrase(struct finding *finding, roaring_bitmap_t *possible)
{
    size_t kept = 0;
    finding->places = mem_alloc(PLACES_MAX * sizeof(finding->places[0]));
    for (uint32_t i = 0; i < finding->terms_count; i++) {
        struct wanted *wanted = &finding->terms[i];
        text_cursor_init(&wanted->cursor, wanted->list, true);
    }
    for (size_t i = 0; i < finding->points_count; i++) {
        point_offset point = finding->points[i];
        for (uint32_t j = 0; j < finding->terms_count; j++) {
            bool found = text_cursor_seek(&finding->terms[j].cursor, point);
            ASSERT(found);
        }
        if (!gather_places(finding)) {
            roaring_bitmap_add(possible, point);
            continue;
        }
        sort_places(finding->places, finding->places_count);
        if (has_phrase(finding)) {
            finding->points[kept++] = point;
        }
    }
    mem_free(finding->places);
    return roaring_bitmap_of_ptr(kept, finding->points);
}

/* Points that have all terms: which of them match for sure? */
static void judge(struct finding *finding, roaring_bitmap_t **sure, roaring_bitmap_t *possible)
{
    bool is_phrase = text_query_mode(finding->query) == TEXT_PHRASE &&
                     text_query_span(finding->query) > 1; /* one word is all of it */
    if (is_phrase && finding->field->terms.lists.positions) {
        *sure = find_phrase(finding, possible);
        return;
    }
    *sure = roaring_bitmap_of_ptr(finding->points_count, finding->points);
    if (is_phrase) {
        roaring_bitmap_or_inplace(possible, *sure);
        roaring_bitmap_clear(*sure);
    } else if (finding->terms_count > 1) { /* they may be in different values */
        roaring_bitmap_t *many = roaring_bitmap_and(*sure, finding->field->base.many);
        roaring_bitmap_or_inplace(possible, many);
        roaring_bitmap_andnot_inplace(*sure, many);
        roaring_bitmap_free(many);
    }
}

bool text_find(const struct field *field, const struct field_query *query, struct field_found *out,
               bool *foreign)
{
    const struct field_text *self = (const struct field_text *)field;
    if (query->kind != QUERY_TEXT ||
        text_query_fingerprint(query->text) != tokenizer_fingerprint(self->tokenizer)) {
        return false;
    }
    uint32_t count = text_query_terms_count(query->text);
    *foreign = false;
    if (count == 0) {
        *out = (struct field_found){.sure = roaring_bitmap_create()};
        return true;
    }
    struct finding finding = {.field = self, .query = query->text};
    roaring_bitmap_t *sure, *possible = roaring_bitmap_copy(self->unread);
    look_up(&finding);
    if (text_query_mode(query->text) == TEXT_ANY) {
        sure = find_any(&finding);
    } else if (finding.terms_count < count) {
        sure = roaring_bitmap_create();
    } else {
        intersect(&finding);
        judge(&finding, &sure, possible);
    }
    mem_free(finding.terms);
    mem_free(finding.points);
    if (roaring_bitmap_is_subset(possible, sure)) {
        roaring_bitmap_free(possible);
        possible = NULL;
    } else {
        roaring_bitmap_or_inplace(possible, sure);
    }
    *out = (struct field_found){.sure = sure, .possible = possible};
    return true;
}
