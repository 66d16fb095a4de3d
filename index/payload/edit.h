/* Changing payload text. All take and give minified object text (empty input: `{}`), append the
 * result to `out`, and keep the bytes of what they do not touch. */
#pragma once
#include "index/payload/path.h"
#include "storage/base/buffer.h"

/* Members of `patch` replace or join those of `payload` at the root. */
void payload_merge(struct slice payload, struct slice patch, struct buffer *out);
/* The same below `path`, as the contract's `key`: missing objects on the way are made, a non-object
 * on the way is replaced by an object, `[]` merges into every item, and an index beyond the array
 * is left alone. */
void payload_merge_at(struct slice payload, const struct path *path, struct slice patch,
                      struct buffer *out);
/* Removes what the path reaches; nothing when it reaches nothing. */
void payload_remove(struct slice payload, const struct path *path, struct buffer *out);
/* Only the paths listed (include), or all but them (exclude), as the contract's with_payload
 * selectors do. */
void payload_include(struct slice payload, struct path *const *paths, size_t count,
                     struct buffer *out);
void payload_exclude(struct slice payload, struct path *const *paths, size_t count,
                     struct buffer *out);
