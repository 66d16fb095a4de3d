/* Compute threads, and the way back to an event loop.
 *
 * A job is embedded in what it works on and is in one queue at a time: putting it there hands the
 * object over. */
#pragma once
#include "storage/base/status.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct job {
    /* `local` is the running thread's own data (see below); NULL when run from a mailbox. */
    void (*run)(struct job *job, void *local);
    struct job *next; /* the queue's */
};

struct worker_pool;
struct worker_pool_options {
    uint32_t threads;
    uint32_t queue_max;               /* of worker_pool_submit */
    void *(*local_create)(void *ctx); /* once in each thread; may be NULL */
    void (*local_destroy)(void *ctx, void *local);
    void *ctx;
};
/* INTERNAL when a thread cannot be started. */
enum status worker_pool_create(const struct worker_pool_options *options, struct worker_pool **out,
                               struct error *err);
/* Any thread. False: the queue is full, the job is still the caller's. */
NODISCARD bool worker_pool_submit(struct worker_pool *pool, struct job *job);
/* Any thread. For the second half of work that was let in before: never refused. */
void worker_pool_resume(struct worker_pool *pool, struct job *job);
size_t worker_pool_queue_length(const struct worker_pool *pool);
/* Runs what is queued, then ends the threads. No job will come any more; a submitter may still be
 * on its way out of the call, so the memory goes with worker_pool_destroy, when the submitters'
 * threads have ended. */
void worker_pool_stop(struct worker_pool *pool);
void worker_pool_destroy(struct worker_pool *pool); /* stopped */

/* Jobs to be run on the thread of one libuv loop, in the order posted. */
struct mailbox;
struct uv_loop_s;
/* On the loop's thread, or before it runs. */
enum status mailbox_create(struct uv_loop_s *loop, struct mailbox **out, struct error *err);
/* Any thread. Wakes the loop once for all jobs posted since it last looked. */
void mailbox_post(struct mailbox *mailbox, struct job *job);
/* On the loop's thread: lets the loop end. No job is there or will come; a poster may still be on
 * its way out of mailbox_post, so the memory goes with mailbox_destroy, when the loop and all
 * posters have ended. */
void mailbox_close(struct mailbox *mailbox);
void mailbox_destroy(struct mailbox *mailbox);
