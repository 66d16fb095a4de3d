/* A set of words, numbered in the order they came. One owner while it grows; then any readers. */
#pragma once
#include "storage/base/buffer.h"

enum { WORD_SET_MAX = 1 << 24 }; /* words */
#define WORD_NONE UINT32_MAX

struct word_entry {
    size_t at; /* in bytes */
    size_t size;
    uint64_t hash;
};
struct word_set {
    struct buffer bytes;
    struct word_entry *entries;
    uint32_t *slots; /* number + 1; 0: empty */
    uint32_t count, slots_count;
    uint64_t seed; /* words come from clients, who must not choose colliding ones */
};
void word_set_init(struct word_set *set);
void word_set_deinit(struct word_set *set);
/* Its number, new or old; WORD_NONE when the set is full. Copies the word. */
uint32_t word_set_add(struct word_set *set, struct slice word);
uint32_t word_set_find(const struct word_set *set, struct slice word); /* WORD_NONE: not there */
struct slice word_set_at(const struct word_set *set, uint32_t number);
