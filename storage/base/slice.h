/* Borrowed bytes. A slice never owns; its maker says how long it lives. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct slice {
    const uint8_t *data;
    size_t size;
};

static inline struct slice slice_of(const void *data, size_t size)
{
    return (struct slice){.data = (const uint8_t *)data, .size = size};
}
static inline struct slice slice_text(const char *text)
{
    return slice_of(text, strlen(text));
}
#define SLICE_LITERAL(text)                                                                        \
    ((struct slice){.data = (const uint8_t *)(text), .size = sizeof(text) - 1})
static inline bool slice_equal(struct slice a, struct slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}
/* Bytewise order, shorter first when one is a prefix of the other. */
static inline int slice_compare(struct slice a, struct slice b)
{
    size_t n = a.size < b.size ? a.size : b.size;
    int order = n ? memcmp(a.data, b.data, n) : 0;
    return order ? order : (a.size > b.size) - (a.size < b.size);
}
static inline bool slice_has_prefix(struct slice s, struct slice prefix)
{
    return s.size >= prefix.size && memcmp(s.data, prefix.data, prefix.size) == 0;
}
