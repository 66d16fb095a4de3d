/* For the kinds' files. */
#pragma once
#include "index/field/field.h"

struct count_set { /* points that have a value of so many items */
    uint64_t count;
    roaring_bitmap_t *points;
};
struct field {
    const struct field_kind *kind;
    struct field_spec spec; /* a copy of its own */
    struct arena *arena;    /* of spec and path */
    struct path *path;
    roaring_bitmap_t *points;  /* all that were added */
    roaring_bitmap_t *present; /* with a value that is not null */
    roaring_bitmap_t *many;    /* with more than one */
    roaring_bitmap_t *foreign; /* with one that the kind cannot hold */
    roaring_bitmap_t *empty, *null;
    struct count_set *counts; /* ascending */
    size_t counts_count;
};
/* What a kind's create calls first and its destroy last. */
enum status field_init(struct field *field, const struct field_kind *kind,
                       const struct field_spec *spec, struct error *err);
void field_deinit(struct field *field);
/* A set of points in an image. Loading replaces *out (may be NULL). */
void set_save(const roaring_bitmap_t *set, struct buffer *out);
enum status set_load(struct reader *image, roaring_bitmap_t **out, struct error *err);
#define X(type, kind) extern const struct field_kind field_##kind;
#include "index/field/kinds.def"
#undef X
