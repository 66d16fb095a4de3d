/* Shared by vectors.c and vectors_file.c only. */
#pragma once
#include "index/vectors.h"

/* Presence bytes: a state and a flag. Only the writer takes a row out of PRESENT, only the thread
 * that gives rows back changes it afterwards. */
enum presence {
    ABSENT,
    PRESENT,
    RETIRED,
    DEAD,
    FREED, /* absent, but its page has not been given back yet */
    STATE_MASK = 7,
    UNREFERRED = 8,
};

static inline _Atomic uint8_t *presence_at(const struct vectors *vectors, point_offset offset)
{
    return blocks_at(&vectors->present, offset);
}
static inline enum presence presence_state(const struct vectors *vectors, point_offset offset)
{
    uint8_t byte = atomic_load_explicit(presence_at(vectors, offset), memory_order_acquire);
    return (enum presence)(byte & STATE_MASK);
}
/* Does the row hold bytes that somebody may need? */
static inline bool is_filled(const struct vectors *vectors, point_offset offset)
{
    enum presence state = presence_state(vectors, offset);
    return state == PRESENT || state == RETIRED || state == DEAD;
}
/* Everything but the rows. */
enum status vectors_prepare(struct vectors *vectors, enum distance distance, enum element element,
                            size_t dim, struct error *err);
size_t vectors_stride(size_t dim, enum element element);
/* vectors_file.c */
void seal_destroy(struct seal *seal);
/* The record without the rows that are FREED; before their pages go. */
enum status seal_without_freed(struct vectors *vectors, struct error *err);
