/* Getting commands into the log and applied, in order. On a single node this is a replica that is
 * always the leader and whose in-sync list is itself.
 *
 * Life of a command: replica_propose -> log (group commit, synced) -> `logged` -> apply in log
 * order (one strand per collection, strands in parallel; catalog commands wait for all strands) ->
 * `applied`. */
#pragma once
#include "replication/fsm.h"

struct engine;
struct log;
struct replica;

struct proposal {
    struct slice command; /* valid until `applied` was called */
    /* Called on the log thread once the command is on disk, or not (status says). May be NULL. */
    void (*logged)(struct proposal *proposal, enum status status, const struct error *err,
                   uint64_t index);
    /* Called exactly once on an apply thread with the result; after a failed log write with that
     * status. */
    void (*applied)(struct proposal *proposal, const struct fsm_result *result);
    void *ctx;
};
/* Any thread; may block while the log's queue is full. Callbacks may run before this returns. */
void replica_propose(struct replica *replica, struct proposal *proposal);

struct replica_options {
    struct log *log;       /* borrowed */
    struct engine *engine; /* borrowed */
    uint32_t apply_threads;
    /* A checkpoint lets old log segments go: made when the log has grown by this many bytes, or
     * after this many seconds with any change; 0 seconds: never by time. */
    uint64_t checkpoint_log_bytes;
    uint32_t checkpoint_seconds;
    /* The log was allowed to be cut at damage: where it ends before what storage holds, go on with
     * what storage holds. Otherwise that is CORRUPT: later commands would be taken for old ones. */
    bool drop_damaged_tail;
};
/* Replays the log into the engine, then starts the apply threads and the checkpoint thread. */
enum status replica_open(const struct replica_options *options, struct replica **out,
                         struct error *err);
/* Waits until everything logged is applied, then stops. */
void replica_close(struct replica *replica);
uint64_t replica_queue_length(const struct replica *replica);
