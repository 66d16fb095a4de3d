/* What conditions ask of the index of a payload key. A query is part of a compiled filter: the
 * filter's arena owns all of it. */
#pragma once
#include "index/payload/geo.h"
#include "index/payload/json_view.h"
#include "index/text/text_query.h"

struct number_bound {
    bool present, inclusive;
    struct json_number number; /* no NaN */
};
struct number_range {
    struct number_bound low, high;
};
struct pattern; /* index/text/pattern.h */

enum query_kind {
    QUERY_WORDS,    /* a string equal to one of some */
    QUERY_INTEGERS, /* an integer equal to one of some */
    QUERY_BOOL,
    QUERY_PREFIX,    /* a string that begins so */
    QUERY_PATTERN,   /* substring, wildcard, regular expression */
    QUERY_RANGE,     /* a number within bounds */
    QUERY_DATETIMES, /* a point in time within bounds, microseconds */
    QUERY_GEO,       /* a place within a shape */
    QUERY_TEXT,      /* words of a text */
    QUERY_EMPTY,
    QUERY_NULL,
    QUERY_COUNT, /* answered for every kind of index */
};
struct field_query {
    enum query_kind kind;
    bool except; /* WORDS, INTEGERS: a value that is there, not null, and not one of these */
    union {
        struct {
            const struct slice *words; /* unescaped, ascending */
            size_t words_count;
        };
        struct {
            const int64_t *integers; /* ascending */
            size_t integers_count;
        };
        bool boolean;
        bool wanted; /* EMPTY, NULL: is it, or is it not? */
        struct slice prefix;
        const struct pattern *pattern;
        struct number_range range; /* RANGE; DATETIMES: signed microseconds */
        struct {
            const struct geo_box *boxes; /* together they cover the shape */
            size_t boxes_count;
            /* Is it in the shape? */
            bool (*contains)(const void *shape, struct geo_point point);
            /* How does a cell lie to it? */
            enum geo_relation (*relate)(const void *shape, struct geo_box cell);
            const void *shape;
        };
        const struct text_query *text;
        struct {
            uint64_t count_min, count_max; /* inclusive; min > max: nothing */
        };
    };
};
