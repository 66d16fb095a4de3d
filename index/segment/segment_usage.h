/* How much a segment's points hold, for limits on collections. */
#pragma once
#include "index/filter/candidates.h"
#include "index/segment/segment.h"

/* Of the stored rows of vectors that points have now. */
uint64_t segment_stored_vector_bytes(const struct segment *segment);
/* Of the payloads that points have now, as JSON text: walks over all of them. CANCELLED. */
enum status segment_stored_payload_bytes(const struct segment *segment,
                                         const atomic_bool *cancelled, uint64_t *out,
                                         struct error *err);
/* filter_each_unindexed with the segment's payload indexes. */
void segment_each_unindexed(const struct segment *segment, const struct filter *filter,
                            void (*each)(void *ctx, const char *key, enum field_type type),
                            void *ctx);
