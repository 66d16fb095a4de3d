/* Values that are strings, and the points that have them: what the kinds `keyword` and `uuid` are
 * made of. A value is kept as a key, which may be shorter than its text. One writer, or any
 * readers.
 */
#pragma once
#include "index/field/column.h"
#include "index/field/dictionary.h"
#include "index/field/field.h"
#include "index/field/gather.h"
#include "index/field/trigrams.h"

enum { WORDS_TEXT_BYTES = 64 };
/* The text that a key stands for: the key itself, or written into `room`. NULL: always the key. */
typedef struct slice (*words_text)(struct slice key, uint8_t room[WORDS_TEXT_BYTES]);

struct words {
    words_text text_of;
    struct dictionary keys;
    struct posting *postings; /* of points, by the key's id */
    size_t postings_capacity;
    struct column column;
    struct trigrams *trigrams; /* of texts, by id; NULL: not kept */
    size_t large_count;        /* postings that are bitmaps */
    uint64_t small_points;     /* in the other postings */
};
void words_init(struct words *words, words_text text_of, bool patterns);
void words_deinit(struct words *words);
/* Nothing happens when the point has the key already. */
void words_add(struct words *words, point_offset point, struct slice key);
void words_remove(struct words *words, point_offset point); /* all of the point's keys */

/* Adds the points that have a key. */
void words_gather(const struct words *words, struct slice key, struct gather *gather);
void words_gather_all(const struct words *words, struct gather *gather); /* any key */
/* A key from `low` to below `high` that is accepted (NULL: all are). */
void words_gather_between(const struct words *words, struct slice low, struct slice high,
                          bool (*accepts)(struct slice key), struct gather *gather);
/* False: it would take too long to tell. */
bool words_find_pattern(const struct words *words, const struct pattern *pattern,
                        struct field_found *out);
/* A JSON string without its escapes; `scratch` is used when it has some. */
struct slice words_string(struct json_view string, struct buffer *scratch);
/* As field_kind's each_value. */
void words_each_value(const struct words *words, const roaring_bitmap_t *among,
                      bool (*each)(void *ctx, const struct field_value *value, uint64_t count),
                      void *ctx);
void words_save(const struct words *words, struct buffer *out);
/* Into empty words. No point is above `point_max`; `any_points`: there may be points at all. */
enum status words_load(struct words *words, struct reader *image, bool any_points,
                       point_offset point_max, struct error *err);
size_t words_memory(const struct words *words);
