/* The terms of a text index: each a number and the list of its points. Numbers of terms that went
 * are used again. One writer, or any readers. */
#pragma once
#include "index/field/text_list.h"

#define TERM_NONE UINT32_MAX

struct text_term {
    uint32_t hash;
    uint32_t size; /* 0: the number is free; then `at` is the next free one */
    uint64_t at;   /* of its text in `texts` */
    struct text_list list;
};
struct text_terms {
    struct text_term *items;
    uint32_t items_count, items_capacity;
    uint32_t free_first; /* TERM_NONE: none is free */
    uint32_t count;      /* in use */
    uint32_t *slots;     /* number + 1; 0: empty */
    uint32_t slots_count;
    uint64_t seed; /* terms come from clients, who must not choose colliding ones */
    struct buffer texts;
    uint64_t dead_bytes; /* in texts */
    struct text_lists lists;
};
void text_terms_init(struct text_terms *terms, bool positions);
void text_terms_deinit(struct text_terms *terms);
uint32_t text_terms_find(const struct text_terms *terms, struct slice text); /* or TERM_NONE */
uint32_t text_terms_put(struct text_terms *terms, struct slice text); /* its number, new or old */
void text_terms_remove(struct text_terms *terms, uint32_t term);      /* its list is empty */
struct slice text_terms_at(const struct text_terms *terms, uint32_t term);
size_t text_terms_memory(const struct text_terms *terms);
