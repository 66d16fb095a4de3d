/* A replica on a single node: always the leader, its in-sync list is itself.
 *
 * Story: replica_propose hands the command to the log. The log thread calls on_logged in index
 * order: the task joins the strand of its collection (a strand is a queue served by one apply
 * thread at a time, so a collection's commands run in order while others run beside them). A
 * catalog command puts a fence into every strand; the strand that reaches the fence last runs the
 * command, then all go on.
 *
 * `applied` is the index up to which everything has been applied: tasks also stand in one list in
 * index order, and the watermark moves as the head of that list finishes. The checkpoint thread
 * flushes storage at the watermark and lets old log segments go.
 *
 * Failures: a failed log write is reported to the proposer. When storage fails while applying,
 * memory and disk no longer agree: the process ends; everything acknowledged is in the log. */
#include "replication/replica.h"

#include "index/collection/engine.h"
#include "storage/base/assert.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"
#include "storage/log/log.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { STRANDS = 16, THREADS_MAX = 64, CHECKPOINT_LOOK_MS = 500 };
static const uint64_t BACKLOG_BYTES_MAX = (uint64_t)256 << 20;

struct task {
    struct log_append append; /* first: the log hands it back */
    struct replica *replica;
    struct proposal *proposal;
    struct task *next_in_order;
    bool finished;
};

struct fence {
    struct task *task;
    uint32_t waiting; /* strands that have not reached it */
};

struct item { /* in a strand: a task or a fence */
    struct task *task;
    struct fence *fence;
    struct item *next;
};

struct strand {
    struct item *head, *tail;
    bool busy;   /* a thread serves it, or it waits at a fence */
    bool queued; /* in the ready list */
    struct strand *next_ready;
};

struct replica {
    struct replica_options options;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t ready; /* a strand has work, or stop */
    pthread_cond_t idle;  /* in_flight fell, or backlog_bytes fell */
    struct strand strands[STRANDS];
    struct strand *ready_head, *ready_tail;
    struct task *order_head, *order_tail;
    uint64_t in_flight; /* proposed, not finished */
    uint64_t backlog_bytes;
    uint64_t applied;
    uint64_t checkpointed;
    uint64_t replayed_bytes; /* in the log at the start and not yet under a checkpoint */
    bool stop;
    uint32_t threads_count;
    pthread_t threads[THREADS_MAX];
    pthread_t checkpoint_thread;
};

static void make_ready(struct replica *replica, struct strand *strand)
{
    if (strand->busy || strand->queued || !strand->head) {
        return;
    }
    strand->queued = true;
    strand->next_ready = NULL;
    if (replica->ready_tail) {
        replica->ready_tail->next_ready = strand;
    } else {
        replica->ready_head = strand;
    }
    replica->ready_tail = strand;
    pthread_cond_signal(&replica->ready);
}

static void strand_push(struct replica *replica, struct strand *strand, struct task *task,
                        struct fence *fence)
{
    struct item *item = mem_zalloc(sizeof(*item));
    item->task = task;
    item->fence = fence;
    if (strand->tail) {
        strand->tail->next = item;
    } else {
        strand->head = item;
    }
    strand->tail = item;
    make_ready(replica, strand);
}

static struct item *strand_pop(struct strand *strand)
{
    struct item *item = strand->head;
    strand->head = item->next;
    if (!strand->head) {
        strand->tail = NULL;
    }
    return item;
}

/* The proposer's memory may go once `applied` was called: nothing of the proposal is touched after.
 */
static void finish(struct replica *replica, struct task *task, const struct fsm_result *result)
{
    size_t bytes = task->append.record.size;
    struct proposal *proposal = task->proposal;
    pthread_mutex_lock(&replica->lock);
    task->finished = true;
    while (replica->order_head && replica->order_head->finished) {
        struct task *head = replica->order_head;
        replica->applied = head->append.index;
        replica->order_head = head->next_in_order;
        if (!replica->order_head) {
            replica->order_tail = NULL;
        }
        mem_free(head);
    }
    replica->in_flight--;
    replica->backlog_bytes -= bytes;
    pthread_cond_broadcast(&replica->idle);
    pthread_mutex_unlock(&replica->lock);
    proposal->applied(proposal, result);
}

static bool ends_the_node(enum status code)
{
    return code == STATUS_IO || code == STATUS_CORRUPT || code == STATUS_NO_SPACE;
}

static void run_task(struct replica *replica, struct task *task)
{
    struct fsm_result result;
    engine_apply(replica->options.engine, task->append.index, task->append.record, &result);
    if (ends_the_node(result.code)) {
        log_error("replication", "applying log record %llu failed, the server stops: %s",
                  (unsigned long long)task->append.index, result.error.message);
        _exit(EX_IOERR);
    }
    finish(replica, task, &result);
}

/* Called with the lock held; true: this strand was the last to arrive and the caller runs the
 * fence's task. */
static bool reach_fence(struct fence *fence)
{
    return --fence->waiting == 0;
}

static void leave_fence(struct replica *replica)
{
    pthread_mutex_lock(&replica->lock);
    for (int i = 0; i < STRANDS; i++) {
        replica->strands[i].busy = false;
        make_ready(replica, &replica->strands[i]);
    }
    pthread_mutex_unlock(&replica->lock);
}

static void *run_thread(void *arg)
{
    struct replica *replica = arg;
    pthread_mutex_lock(&replica->lock);
    for (;;) {
        while (!replica->ready_head && !replica->stop) {
            pthread_cond_wait(&replica->ready, &replica->lock);
        }
        if (!replica->ready_head) {
            break;
        }
        struct strand *strand = replica->ready_head;
        replica->ready_head = strand->next_ready;
        if (!replica->ready_head) {
            replica->ready_tail = NULL;
        }
        strand->queued = false;
        strand->busy = true;
        struct item *item = strand_pop(strand);
        bool last = item->fence && reach_fence(item->fence);
        pthread_mutex_unlock(&replica->lock);
        if (item->task) {
            run_task(replica, item->task);
        } else if (last) {
            run_task(replica, item->fence->task);
            mem_free(item->fence);
            leave_fence(replica);
        }
        pthread_mutex_lock(&replica->lock);
        if (item->task) { /* a strand at a fence stays busy until all leave it */
            strand->busy = false;
            make_ready(replica, strand);
        }
        mem_free(item);
    }
    pthread_mutex_unlock(&replica->lock);
    return NULL;
}

static void enqueue(struct replica *replica, struct task *task)
{
    uint32_t collection = engine_command_collection(task->append.record);
    pthread_mutex_lock(&replica->lock);
    if (replica->order_tail) {
        replica->order_tail->next_in_order = task;
    } else {
        replica->order_head = task;
    }
    replica->order_tail = task;
    if (collection) {
        strand_push(replica, &replica->strands[collection % STRANDS], task, NULL);
    } else {
        struct fence *fence = mem_zalloc(sizeof(*fence));
        fence->task = task;
        fence->waiting = STRANDS;
        for (int i = 0; i < STRANDS; i++) {
            strand_push(replica, &replica->strands[i], NULL, fence);
        }
    }
    pthread_mutex_unlock(&replica->lock);
}

static void on_logged(struct log_append *append, enum status status, const struct error *err)
{
    struct task *task = (struct task *)append;
    struct proposal *proposal = task->proposal;
    if (proposal->logged) {
        proposal->logged(proposal, status, err, append->index);
    }
    if (status == STATUS_OK) {
        enqueue(task->replica, task);
        return;
    }
    struct fsm_result result = {.code = status, .error = *err};
    struct replica *replica = task->replica;
    pthread_mutex_lock(&replica->lock);
    replica->in_flight--;
    replica->backlog_bytes -= append->record.size;
    pthread_cond_broadcast(&replica->idle);
    pthread_mutex_unlock(&replica->lock);
    mem_free(task);
    proposal->applied(proposal, &result);
}

void replica_propose(struct replica *replica, struct proposal *proposal)
{
    struct task *task = mem_zalloc(sizeof(*task));
    task->append = (struct log_append){.record = proposal->command, .term = 1, .done = on_logged};
    task->replica = replica;
    task->proposal = proposal;
    pthread_mutex_lock(&replica->lock);
    while (replica->backlog_bytes > BACKLOG_BYTES_MAX) {
        pthread_cond_wait(&replica->idle, &replica->lock);
    }
    replica->in_flight++;
    replica->backlog_bytes += proposal->command.size;
    pthread_mutex_unlock(&replica->lock);
    log_append(replica->options.log, &task->append);
}

/* ---- checkpoints ---- */

static void checkpoint(struct replica *replica, uint64_t applied)
{
    struct error err = {0};
    enum status status = engine_checkpoint(replica->options.engine, applied, &err);
    if (status == STATUS_OK) {
        status = log_truncate_before(replica->options.log, applied + 1, &err);
    }
    if (status != STATUS_OK) {
        log_error("replication", "checkpoint failed, the log keeps growing: %s", err.message);
        return;
    }
    pthread_mutex_lock(&replica->lock);
    replica->checkpointed = applied;
    pthread_mutex_unlock(&replica->lock);
}

static void *run_checkpoints(void *arg)
{
    struct replica *replica = arg;
    struct log_stats stats;
    log_stats(replica->options.log, &stats);
    uint64_t bytes_then = stats.bytes;
    time_t then = time(NULL);
    pthread_mutex_lock(&replica->lock);
    /* What was replayed counts: a server that is killed again and again must not replay ever more.
     */
    uint64_t replayed = replica->replayed_bytes;
    while (!replica->stop) {
        pthread_mutex_unlock(&replica->lock);
        nanosleep(&(struct timespec){.tv_nsec = (long)CHECKPOINT_LOOK_MS * 1000000}, NULL);
        log_stats(replica->options.log, &stats);
        pthread_mutex_lock(&replica->lock);
        uint64_t applied = replica->applied;
        bool changed = applied > replica->checkpointed;
        bool grown = replayed + stats.bytes - bytes_then >= replica->options.checkpoint_log_bytes;
        bool late = replica->options.checkpoint_seconds &&
                    time(NULL) - then >= (time_t)replica->options.checkpoint_seconds;
        if (changed && (grown || late) && !replica->stop) {
            pthread_mutex_unlock(&replica->lock);
            checkpoint(replica, applied);
            pthread_mutex_lock(&replica->lock);
            bytes_then = stats.bytes;
            replayed = 0;
            then = time(NULL);
        }
    }
    pthread_mutex_unlock(&replica->lock);
    return NULL;
}

/* ---- start and stop ---- */

/* The log was cut below what storage holds, and all of it is applied: the next record comes after
 * everything that storage has, or it would be taken for applied. */
static enum status leave_log_behind(struct replica *replica, uint64_t held, struct error *err)
{
    log_warn("replication",
             "the log ends at record %llu, storage holds changes up to %llu: going on after those",
             (unsigned long long)log_last_index(replica->options.log), (unsigned long long)held);
    enum status status = engine_checkpoint(replica->options.engine, held, err);
    if (status == STATUS_OK) {
        status = log_restart(replica->options.log, held + 1, err);
    }
    if (status == STATUS_OK) {
        replica->applied = held;
        replica->checkpointed = held;
        replica->replayed_bytes = 0;
    }
    return status;
}

struct replay {
    struct replica *replica;
    uint64_t count;
    struct error *err;
    enum status status;
};

static bool replay_one(void *ctx, uint64_t index, uint64_t term, struct slice record)
{
    struct replay *replay = ctx;
    struct fsm_result result;
    (void)term; /* one node, one leader */
    engine_apply(replay->replica->options.engine, index, record, &result);
    replay->replica->applied = index;
    replay->count++;
    replay->replica->replayed_bytes += record.size;
    if (ends_the_node(result.code)) {
        replay->status = error_set(replay->err, result.code, "replaying log record %llu: %s",
                                   (unsigned long long)index, result.error.message);
        return false;
    }
    return true;
}

static enum status replay_log(struct replica *replica, struct error *err)
{
    struct log *log = replica->options.log;
    uint64_t from = engine_replay_from(replica->options.engine);
    replica->applied = from - 1;
    replica->checkpointed = from - 1;
    uint64_t held = engine_applied_max(replica->options.engine);
    if (log_last_index(log) < held && !replica->options.drop_damaged_tail) {
        return error_set(err, STATUS_CORRUPT,
                         "storage holds changes up to log record %llu, but the log ends at %llu: "
                         "restore both from one backup, or start with "
                         "storage.wal.drop_damaged_tail=true to go on with what storage holds",
                         (unsigned long long)held, (unsigned long long)log_last_index(log));
    }
    if (log_first_index(log) > from) {
        return error_set(err, STATUS_CORRUPT,
                         "log records %llu to %llu are missing: storage needs them; restore both "
                         "from one backup",
                         (unsigned long long)from, (unsigned long long)(log_first_index(log) - 1));
    }
    struct replay replay = {.replica = replica, .err = err};
    enum status status = log_read(log, from, replay_one, &replay, err);
    if (replay.count) {
        log_info("replication", "replayed %llu log records", (unsigned long long)replay.count);
    }
    status = replay.status != STATUS_OK ? replay.status : status;
    if (status == STATUS_OK && log_last_index(log) < held) {
        status = leave_log_behind(replica, held, err);
    }
    return status;
}

enum status replica_open(const struct replica_options *options, struct replica **out,
                         struct error *err)
{
    ASSERT(options->apply_threads >= 1);
    struct replica *replica = mem_zalloc(sizeof(*replica));
    replica->options = *options;
    ASSERT(pthread_mutex_init(&replica->lock, NULL) == 0);
    ASSERT(pthread_cond_init(&replica->ready, NULL) == 0);
    ASSERT(pthread_cond_init(&replica->idle, NULL) == 0);
    enum status status = replay_log(replica, err);
    if (status != STATUS_OK) {
        mem_free(replica);
        return status;
    }
    replica->threads_count =
        options->apply_threads < THREADS_MAX ? options->apply_threads : THREADS_MAX;
    for (uint32_t i = 0; i < replica->threads_count; i++) {
        ASSERT(pthread_create(&replica->threads[i], NULL, run_thread, replica) == 0);
    }
    ASSERT(pthread_create(&replica->checkpoint_thread, NULL, run_checkpoints, replica) == 0);
    *out = replica;
    return STATUS_OK;
}

void replica_close(struct replica *replica)
{
    pthread_mutex_lock(&replica->lock);
    while (replica->in_flight > 0) {
        pthread_cond_wait(&replica->idle, &replica->lock);
    }
    replica->stop = true;
    pthread_cond_broadcast(&replica->ready);
    pthread_mutex_unlock(&replica->lock);
    for (uint32_t i = 0; i < replica->threads_count; i++) {
        pthread_join(replica->threads[i], NULL);
    }
    pthread_join(replica->checkpoint_thread, NULL);
    if (replica->applied > replica->checkpointed) {
        checkpoint(replica, replica->applied);
    }
    pthread_cond_destroy(&replica->idle);
    pthread_cond_destroy(&replica->ready);
    pthread_mutex_destroy(&replica->lock);
    mem_free(replica);
}

uint64_t replica_queue_length(const struct replica *replica)
{
    struct replica *mutable_replica = (struct replica *)replica;
    pthread_mutex_lock(&mutable_replica->lock);
    uint64_t length = replica->in_flight;
    pthread_mutex_unlock(&mutable_replica->lock);
    return length;
}
