/* The compute pool and the mailboxes.
 *
 * Pool: one list of jobs in order of arrival, a mutex, a condition. A submitter signals only when a
 * thread sleeps, so under load a hand-over is one short critical section. The list is bounded for
 * new work; the second half of a write (its answer) always gets in, because its request was counted
 * when it came.
 *
 * Mailbox: a lock-free stack that posters push on; the loop takes the whole stack at once, turns it
 * round and runs it. Only the poster that finds the stack empty wakes the loop: one wake-up (a
 * system call) for a burst.
 *
 * Threads: everything here is the meeting point of threads; see each function. Failures: only at
 * creation. */
#include "server/worker.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct worker_pool {
    struct worker_pool_options options;
    pthread_mutex_t mutex; /* guards head, tail, sleeping, stopping; length is written under it */
    pthread_cond_t wake;
    struct job *head, *tail;
    atomic_size_t length;
    uint32_t sleeping;
    bool stopping;
    uint32_t started;
    pthread_t threads[];
};

/* Takes the oldest job, sleeping while there is none. NULL: the pool stops and the list is empty.
 */
static struct job *pool_take(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    while (pool->head == NULL && !pool->stopping) {
        pool->sleeping++;
        pthread_cond_wait(&pool->wake, &pool->mutex);
        pool->sleeping--;
    }
    struct job *job = pool->head;
    if (job != NULL) {
        pool->head = job->next;
        if (pool->head == NULL) {
            pool->tail = NULL;
        }
        atomic_fetch_sub_explicit(&pool->length, 1, memory_order_relaxed);
    }
    pthread_mutex_unlock(&pool->mutex);
    return job;
}

static void *worker_main(void *arg)
{
    struct worker_pool *pool = arg;
    const struct worker_pool_options *options = &pool->options;
    void *local = options->local_create != NULL ? options->local_create(options->ctx) : NULL;
    for (struct job *job = pool_take(pool); job != NULL; job = pool_take(pool)) {
        job->next = NULL;
        job->run(job, local);
    }
    if (options->local_destroy != NULL) {
        options->local_destroy(options->ctx, local);
    }
    return NULL;
}

static bool pool_put(struct worker_pool *pool, struct job *job, size_t length_max)
{
    ASSERT(job->run != NULL);
    job->next = NULL;
    pthread_mutex_lock(&pool->mutex);
    ASSERT(!pool->stopping);
    bool fits = atomic_load_explicit(&pool->length, memory_order_relaxed) < length_max;
    bool wake = false;
    if (fits) {
        if (pool->tail != NULL) {
            pool->tail->next = job;
        } else {
            pool->head = job;
        }
        pool->tail = job;
        atomic_fetch_add_explicit(&pool->length, 1, memory_order_relaxed);
        wake = pool->sleeping > 0;
    }
    pthread_mutex_unlock(&pool->mutex);
    if (wake) {
        pthread_cond_signal(&pool->wake);
    }
    return fits;
}

bool worker_pool_submit(struct worker_pool *pool, struct job *job)
{
    return pool_put(pool, job, pool->options.queue_max);
}

void worker_pool_resume(struct worker_pool *pool, struct job *job)
{
    bool fits = pool_put(pool, job, SIZE_MAX);
    ASSERT(fits);
}

size_t worker_pool_queue_length(const struct worker_pool *pool)
{
    return atomic_load_explicit(&pool->length, memory_order_relaxed);
}

void worker_pool_stop(struct worker_pool *pool)
{
    pthread_mutex_lock(&pool->mutex);
    pool->stopping = true;
    pthread_mutex_unlock(&pool->mutex);
    pthread_cond_broadcast(&pool->wake);
    for (uint32_t i = 0; i < pool->started; i++) {
        pthread_join(pool->threads[i], NULL);
    }
    ASSERT(pool->head == NULL);
}

void worker_pool_destroy(struct worker_pool *pool)
{
    ASSERT(pool->stopping);
    pthread_cond_destroy(&pool->wake);
    pthread_mutex_destroy(&pool->mutex);
    mem_free(pool);
}

enum status worker_pool_create(const struct worker_pool_options *options, struct worker_pool **out,
                               struct error *err)
{
    ASSERT(options->threads > 0);
    ASSERT(options->queue_max > 0);
    struct worker_pool *pool =
        mem_zalloc(sizeof(*pool) + options->threads * sizeof(pool->threads[0]));
    pool->options = *options;
    pthread_mutex_init(&pool->mutex, NULL);
    pthread_cond_init(&pool->wake, NULL);
    for (; pool->started < options->threads; pool->started++) {
        if (pthread_create(&pool->threads[pool->started], NULL, worker_main, pool) != 0) {
            worker_pool_stop(pool);
            worker_pool_destroy(pool);
            return error_set(err, STATUS_INTERNAL, "a compute thread cannot be started");
        }
    }
    *out = pool;
    return STATUS_OK;
}

struct mailbox {
    uv_async_t async;
    _Atomic(struct job *) newest;
};

static void on_mail(uv_async_t *async)
{
    struct mailbox *mailbox = async->data;
    struct job *newest = atomic_exchange_explicit(&mailbox->newest, NULL, memory_order_acquire);
    struct job *oldest = NULL;
    while (newest != NULL) {
        struct job *before = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = before;
    }
    while (oldest != NULL) {
        struct job *job = oldest;
        oldest = job->next; /* the job may be gone after it ran */
        job->next = NULL;
        job->run(job, NULL);
    }
}

enum status mailbox_create(struct uv_loop_s *loop, struct mailbox **out, struct error *err)
{
    struct mailbox *mailbox = mem_zalloc(sizeof(*mailbox));
    int rc = uv_async_init(loop, &mailbox->async, on_mail);
    if (rc != 0) {
        mem_free(mailbox);
        return error_set(err, STATUS_INTERNAL, "an event loop cannot be woken: %s",
                         uv_strerror(rc));
    }
    mailbox->async.data = mailbox;
    *out = mailbox;
    return STATUS_OK;
}

void mailbox_post(struct mailbox *mailbox, struct job *job)
{
    ASSERT(job->run != NULL);
    struct job *before = atomic_load_explicit(&mailbox->newest, memory_order_relaxed);
    do {
        job->next = before;
    } while (!atomic_compare_exchange_weak_explicit(&mailbox->newest, &before, job,
                                                    memory_order_release, memory_order_relaxed));
    if (before == NULL) {
        uv_async_send(&mailbox->async);
    }
}

void mailbox_close(struct mailbox *mailbox)
{
    ASSERT(atomic_load(&mailbox->newest) == NULL);
    uv_close((uv_handle_t *)&mailbox->async, NULL);
}

void mailbox_destroy(struct mailbox *mailbox)
{
    mem_free(mailbox);
}
