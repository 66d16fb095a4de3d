/* Advice: what made requests slow and can be changed. One issue for each key of a collection that a
 * slow request filtered on without an index. Kept in memory, bounded in number; an issue is over
 * when its collection is gone or the key has got an index. Thread-safe. */
#pragma once
#include "index/collection/view.h"
#include "server/api/op.h"

enum { ISSUES_MAX = 256 }; /* past it the oldest one makes room */

struct issues;
struct issues *issues_create(void);
void issues_destroy(struct issues *issues);
/* A slow request filtered on `key`, for which an index of the type would help. */
void issues_note(struct issues *issues, const struct view *view, const char *key,
                 enum field_type type);
void issues_clear(struct issues *issues);
/* {"issues":[...]}, oldest first, without those that are over. */
void issues_write(struct issues *issues, struct call *call, struct buffer *out);
