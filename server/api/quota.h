/* Quotas of the node: how much of its memory and disk may be in use before growing writes are
 * refused. The limits are the catalog's (engine_quotas); what is in use is read here, at most once
 * a second. A resource that has reached its limit is over until it falls a margin below.
 * Thread-safe. */
#pragma once
#include "index/collection/engine.h"
#include "server/api/op.h"

struct quota_reading { /* percent, rounded down */
    bool memory_known, disk_known;
    uint32_t memory_percent, disk_percent;
};
struct quota_state { /* zeroed: nothing is over */
    bool memory_over, disk_over;
};
/* What is over after this reading. */
void quota_judge(struct quota_state *state, const struct quota_limits *limits,
                 const struct quota_reading *reading);
/* What counts when the limits say no margin, and never so much that nothing is below it. */
uint32_t quota_margin(const struct quota_limits *limits, uint32_t max_percent);

struct quota;
/* `data_path`: a folder on the disk that counts. `read` NULL: the system is asked; tests give
 * another. */
typedef void (*quota_read)(void *ctx, struct quota_reading *out);
struct quota *quota_create(const char *data_path, quota_read read, void *ctx);
void quota_destroy(struct quota *quota);

/* The last reading, a second old at most, and what is over by these limits. */
void quota_look(struct quota *quota, const struct quota_limits *limits, uint64_t now_ns,
                struct quota_reading *reading, struct quota_state *state);
/* NO_SPACE names what is over, by how much, and from when on writes will be taken again. */
enum status quota_check(struct quota *quota, struct call *call);
