/* Running independent pieces of work on several threads.
 *
 * The calling thread and threads-1 others claim indices in order. Who does which piece varies from
 * run to run, so pieces must not depend on each other. Nothing fails but by cancelling: fewer
 * threads than asked for only make it slower. */
#include "index/cluster/cluster.h"
#include "storage/base/assert.h"

#include <pthread.h>

enum { THREADS_MAX = 256 };

struct pieces {
    size_t count;
    atomic_size_t next;
    const atomic_bool *cancelled;
    atomic_bool stopped;
    void (*body)(void *ctx, size_t i);
    void *ctx;
};

static void *run_pieces(void *arg)
{
    struct pieces *pieces = arg;
    for (;;) {
        if (pieces->cancelled != NULL &&
            atomic_load_explicit(pieces->cancelled, memory_order_relaxed)) {
            atomic_store_explicit(&pieces->stopped, true, memory_order_relaxed);
            return NULL;
        }
        size_t i = atomic_fetch_add_explicit(&pieces->next, 1, memory_order_relaxed);
        if (i >= pieces->count) {
            return NULL;
        }
        pieces->body(pieces->ctx, i);
    }
}

bool parallel_for(uint32_t threads, size_t count, const atomic_bool *cancelled,
                  void (*body)(void *ctx, size_t i), void *ctx)
{
    struct pieces pieces = {.count = count, .cancelled = cancelled, .body = body, .ctx = ctx};
    pthread_t others[THREADS_MAX];
    size_t wanted = threads < THREADS_MAX ? threads : THREADS_MAX;
    wanted = wanted < count ? wanted : count;
    size_t started = 0;
    while (started + 1 < wanted &&
           pthread_create(&others[started], NULL, run_pieces, &pieces) == 0) {
        started++;
    }
    run_pieces(&pieces);
    for (size_t i = 0; i < started; i++) {
        ASSERT(pthread_join(others[i], NULL) == 0);
    }
    return !atomic_load_explicit(&pieces.stopped, memory_order_relaxed);
}
