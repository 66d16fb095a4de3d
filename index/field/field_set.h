/* All field indexes of a segment, and the points they know of.
 *
 * One lock for all: a reader holds it while it looks a whole filter up, so that it sees each
 * command wholly or not at all; the writer takes it once a command, when the command is committed.
 * Writers go first. Readers keep it short: at most some milliseconds at a million points.
 *
 * A new field is filled in the background, in the order of points, and is not asked before it is
 * ready. What is put meanwhile goes into it only below the place where filling has come to. */
#pragma once
#include "index/field/field.h"

struct field_set;
struct field_set *field_set_create(void);
void field_set_destroy(struct field_set *set);

void field_set_lock_read(struct field_set *set);
void field_set_unlock_read(struct field_set *set);
void field_set_lock_write(struct field_set *set);
void field_set_unlock_write(struct field_set *set);

/* ---- with the lock held for writing ---- */
/* Takes the field over, to be filled; one of the same path is replaced. */
void field_set_add(struct field_set *set, struct field *field);
/* The same for a field that holds all points already. */
void field_set_add_ready(struct field_set *set, struct field *field);
bool field_set_drop(struct field_set *set, const struct path *path); /* false: there was none */
/* A point came, or its payload changed. */
void field_set_put(struct field_set *set, point_offset point, struct slice payload);
/* A point that was there before any field is: it has yet to be filled in. */
void field_set_note(struct field_set *set, point_offset point);
void field_set_remove(struct field_set *set, point_offset point);
/* Fills the point into the fields that are at it. All points below `upto` that will ever be have
 * been filled: field_set_filled. */
void field_set_fill(struct field_set *set, point_offset point, struct slice payload);
void field_set_filled(struct field_set *set, point_offset upto, bool ready);

/* ---- with the lock held ---- */
/* Where filling goes on: the lowest place of a field that is not ready; POINT_NONE when all are. */
point_offset field_set_fill_from(const struct field_set *set);
size_t field_set_count(const struct field_set *set);
const struct field *field_set_at(const struct field_set *set, size_t i);
bool field_set_is_ready(const struct field_set *set, size_t i);
/* The ready index of a path, or NULL. */
const struct field *field_set_find(const struct field_set *set, const struct path *path);
/* The ready index of the array whose items the path reaches, or NULL. */
const struct field *field_set_find_whole(const struct field_set *set, const struct path *items);
/* Is there one that serves the path, be it still filled? */
bool field_set_covers(const struct field_set *set, const struct path *path);
/* Every point that was put and not removed. */
const roaring_bitmap_t *field_set_points(const struct field_set *set);
#define POINT_NONE UINT32_MAX
