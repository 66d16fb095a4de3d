/* Operations: one row each in ops.def, implemented once on messages. REST and gRPC only fill and
 * print the messages.
 *
 * A read is one function on a compute thread. A write is two: `propose` turns the request into
 * command bytes (checking it whole against the schema), and `reply` builds the answer from what
 * apply reported. Handlers never wait. */
#pragma once
#include "replication/fsm.h"
#include "storage/base/arena.h"
#include "storage/base/buffer.h"
#include "storage/base/status.h"

#include <protobuf-c/protobuf-c.h>
#include <stdatomic.h>
#include <stdint.h>

struct engine;
struct guard;       /* server/api/guard.h */
struct server_info; /* what the service endpoints report; server/watch/info.h */

struct call {
    struct arena *arena; /* the request's */
    struct error *err;
    struct engine *engine;
    const struct server_info *info;
    const atomic_bool
        *cancelled;            /* the client left, or the deadline passed: long loops look at it */
    uint64_t deadline_ns;      /* clock_monotonic_ns; 0: none */
    struct guard *guard;       /* limits on collections and on the node; NULL in tests: none */
    uint32_t *retry_after_sec; /* set with RATE_LIMITED; may be NULL */
};

enum op_flag {
    OP_READ = 1u << 0,
    OP_WRITE = 1u << 1,
    OP_ADMIN = 1u << 2,  /* changes collections or the server */
    OP_INLINE = 1u << 3, /* small and bounded: runs on the loop */
    OP_PUBLIC = 1u << 4, /* needs no key */
};

struct op {
    const char *name;          /* metrics label, log field, auth rule: the same word everywhere */
    const char *method, *path; /* "POST", "/collections/{collection_name}/points/search" */
    const char *grpc;          /* "/qdrant.Points/Search", or NULL */
    unsigned flags;
    const ProtobufCMessageDescriptor *input, *output;
    enum status (*run)(struct call *call, const void *input, void *output); /* reads */
    /* Writes. Leaves `command` empty when nothing needs to be logged (say, a delete of no ids):
     * then `reply` is called at once with index 0. */
    enum status (*propose)(struct call *call, const void *input, struct buffer *command);
    enum status (*reply)(struct call *call, const void *input, const struct fsm_result *result,
                         void *output);
    /* Writes: answer when logged (false), or when applied (true)? NULL: always true. */
    bool (*wait)(const void *input);
};

/* All rows, in the order of ops.def. */
extern const struct op op_table[];
extern const size_t op_count;
const struct op *op_find(const char *name);
/* One index per op, for tables beside this one: OP_upsert, OP_search ... */
#define X(id, ...) OP_##id,
enum op_id {
#include "server/api/ops.def"
    OP_COUNT
};
#undef X
