/* All field indexes of a segment, and the points they know of.
 *
 * One lock for all: a reader holds it while it looks a whole filter up, so that it sees each
 * command wholly or not at all; the writer takes it once a command, when the command is committed.
 * Readers keep it short: at most some milliseconds at a million points. */
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
/* Takes the field over; it knows no points yet: fill it by field_set_fill, it is not asked before
 * field_set_ready. One of the same key is replaced. */
void field_set_add(struct field_set *set, struct field *field);
bool field_set_drop(struct field_set *set, const char *key); /* false: there was none */
/* A point came or its payload changed. */
void field_set_put(struct field_set *set, point_offset point, struct slice payload);
void field_set_remove(struct field_set *set, point_offset point);

/* ---- with the lock held ---- */
size_t field_set_count(const struct field_set *set);
struct field *field_set_at(const struct field_set *set, size_t i);
bool field_set_is_ready(const struct field_set *set, size_t i);
/* The ready index of a path, or NULL. */
const struct field *field_set_find(const struct field_set *set, const struct path *path);
/* Every point that was put and not removed. */
const roaring_bitmap_t *field_set_points(const struct field_set *set);
