/* The index of one payload key of one segment: which points have which values there.
 *
 * What a condition means is defined by checking the payload (index/filter); a field only finds
 * points. It sees exactly the values that checks see (payload_each_value), so the points it is sure
 * of need no check, and of those it cannot be sure of (values that its kind cannot hold, cells of a
 * geo shape, except on several values) it says so.
 *
 * field.c keeps for every kind alike: the points that have a value (not null), those with more than
 * one, those with a value foreign to the kind, the empty, the null, and points by number of values.
 * The kind keeps its own values. No locks here: field_set.h. */
#pragma once
#include "index/field/query.h"
#include "index/payload/path.h"
#include "index/text/tokenizer.h"
#include "index/vectors.h"
#include "storage/base/buffer.h"
#include "storage/base/reader.h"
#include "storage/base/status.h"

#include <roaring/roaring.h>

enum field_type {
    FIELD_KEYWORD = 1, /* numbers of the contract's PayloadSchemaType */
    FIELD_INTEGER,
    FIELD_FLOAT,
    FIELD_GEO,
    FIELD_TEXT,
    FIELD_BOOL,
    FIELD_DATETIME,
    FIELD_UUID,
};
struct field_spec {
    const char *key;         /* as the client wrote it */
    const struct path *path; /* the same, read; NULL: nobody has yet */
    enum field_type type;
    bool is_tenant, is_principal;
    bool lookup, range; /* integer: which queries it is for; both by default */
    bool phrases;       /* text: keep positions */
    bool patterns;      /* keyword, text: keep trigrams for substrings and expressions */
    struct tokenizer_params text;
    uint64_t fingerprint; /* of everything above: images of other specs are not taken */
};

/* Matching points: sure <= matches <= possible. */
struct field_found {
    roaring_bitmap_t *sure;     /* the caller's, to free */
    roaring_bitmap_t *possible; /* NULL: the same as `sure` */
};
/* One value of a point, for facets and orders. */
struct field_value {
    enum { VALUE_INTEGER, VALUE_REAL, VALUE_BOOL, VALUE_TEXT, VALUE_DATETIME } kind;
    union {
        int64_t integer; /* DATETIME: microseconds */
        double real;
        bool boolean;
        struct slice text; /* valid during the call */
    };
};

struct field; /* each kind's struct begins with one; its members are field_int.h's */
struct field_kind {
    const char *name;
    enum status (*create)(const struct field_spec *spec, struct field **out, struct error *err);
    void (*destroy)(struct field *field);
    /* One value of a point, never null, an array never unless the path says so. A value that the
     * point has already is not counted again. False: no value of this kind. */
    bool (*add)(struct field *field, point_offset point, struct json_view value);
    /* All values of a point; it may have none. */
    void (*remove)(struct field *field, point_offset point);
    /* Points one of whose own values the query accepts; `except` is false, and EMPTY, NULL and
     * COUNT never come. Not *foreign: values foreign to the kind cannot match either. False: the
     * kind cannot tell (or only at the price of looking at most values): nothing was made. */
    bool (*find)(const struct field *field, const struct field_query *query,
                 struct field_found *out, bool *foreign);
    /* Every value with the number of points that have it, of those in `among` (NULL: all; counts of
     * 0 are left out); in no order. Stops when `each` returns true. NULL: no facets. */
    void (*each_value)(const struct field *field, const roaring_bitmap_t *among,
                       bool (*each)(void *ctx, const struct field_value *value, uint64_t count),
                       void *ctx);
    /* (value, point) in the order of values, equal values in no order, beginning with the first
     * value at or beyond `from` (NULL: at the end); stops when `each` returns true. A point comes
     * once a value. NULL: no order. */
    void (*each_in_order)(
        const struct field *field, bool descending, const struct json_number *from,
        bool (*each)(void *ctx, const struct field_value *value, point_offset point), void *ctx);
    /* All values, as one image; and back into an empty field: CORRUPT when it is damaged. */
    void (*save)(const struct field *field, struct buffer *out);
    enum status (*load)(struct field *field, struct reader *image, struct error *err);
    size_t (*memory)(const struct field *field);
};
const struct field_kind *field_kind_of(enum field_type type); /* never NULL */

/* BAD_INPUT: the key is no path, or the kind refuses the spec. */
enum status field_create(const struct field_spec *spec, struct field **out, struct error *err);
void field_destroy(struct field *field);
const struct field_spec *field_spec(const struct field *field);
const struct path *field_path(const struct field *field);
void field_add(struct field *field, point_offset point, struct json_view payload);
void field_remove(struct field *field, point_offset point);
/* Any query. False: the field cannot tell. */
bool field_find(const struct field *field, const struct field_query *query,
                struct field_found *out);
size_t field_points(const struct field *field); /* that have a value */
/* Points with a value that the kind cannot hold, of which each_value and each_in_order do not tell;
 * the field's own. */
const roaring_bitmap_t *field_foreign(const struct field *field);
void field_save(const struct field *field, struct buffer *out);
enum status field_load(struct field *field, struct reader *image, struct error *err);
size_t field_memory(const struct field *field);
