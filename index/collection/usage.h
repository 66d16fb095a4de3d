/* How much a collection holds, for limits on collections. */
#pragma once
#include "index/collection/view.h"

struct usage {
    uint64_t points;
    uint64_t vector_bytes; /* of the stored rows */
};
/* Cheap. */
void view_usage(const struct view *view, struct usage *out);
/* Bytes of all payloads, as JSON text: reads all of them. CANCELLED. */
enum status view_payload_bytes(const struct view *view, const atomic_bool *cancelled, uint64_t *out,
                               struct error *err);
/* Does a point found a moment ago have this vector? */
bool view_has_vector(const struct view *view, const struct found *point, uint32_t slot);
/* Keys that the filter asks for but that no payload index serves, with the type of the index that
 * would. */
void view_each_unindexed(const struct view *view, const struct filter *filter,
                         void (*each)(void *ctx, const char *key, enum field_type type), void *ctx);
