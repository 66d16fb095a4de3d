/* By how much an update may make a collection grow: for limits on what it may hold. */
#pragma once
#include "index/collection/view.h"
#include "server/api/op.h"

struct growth {
    uint64_t points, vector_bytes, payload_bytes;
};
/* An upper bound from the request alone; `points` is their number now, which bounds
 * what a filter selects. */
void growth_bound(const struct view *view, const ProtobufCMessage *request, uint64_t points,
                  struct growth *out);
/* The same with a look at the points as they are: what is replaced is subtracted, ids that are
 * given twice count once, filters are asked. Still never too little, but for points that change
 * meanwhile. */
enum status growth_measure(struct call *call, const struct view *view,
                           const ProtobufCMessage *request, struct growth *out);
