/* How much a collection holds: what its one segment does. */
#include "index/collection/usage.h"

#include "index/collection/engine_int.h"
#include "index/segment/segment_usage.h"

void view_usage(const struct view *view, struct usage *out)
{
    *out = (struct usage){
        .points = segment_points_count(view->collection->segment),
        .vector_bytes = segment_stored_vector_bytes(view->collection->segment),
    };
}

enum status view_payload_bytes(const struct view *view, const atomic_bool *cancelled, uint64_t *out,
                               struct error *err)
{
    return segment_stored_payload_bytes(view->collection->segment, cancelled, out, err);
}

bool view_has_vector(const struct view *view, const struct found *point, uint32_t slot)
{
    return segment_found_vector(view->collection->segment, point->offset, slot).data != NULL;
}

void view_each_unindexed(const struct view *view, const struct filter *filter,
                         void (*each)(void *ctx, const char *key, enum field_type type), void *ctx)
{
    segment_each_unindexed(view->collection->segment, filter, each, ctx);
}
