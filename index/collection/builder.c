/* The builder: one background thread that looks after the graphs of all collections. It is woken by
 * applied commands and looks by itself twice a second; while there is work it goes round the
 * collections, so none starves. */
#include "index/collection/engine_int.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"

#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { BUILDER_NICE = 10, PAUSE_MS = 500, SETTLE_MS = 20 };

static const uint64_t PURGE_INTERVAL_NS = 5000000000u;

struct builder {
    struct engine *engine;
    pthread_t thread;
    pthread_mutex_t lock; /* guards woken */
    pthread_cond_t wake;
    bool woken;
    atomic_bool stop;
};

static void pause_builder(struct builder *builder)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_nsec += (long)PAUSE_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&builder->lock);
    while (!builder->woken && !atomic_load(&builder->stop)) {
        if (pthread_cond_timedwait(&builder->wake, &builder->lock, &until) != 0) {
            break;
        }
    }
    builder->woken = false;
    pthread_mutex_unlock(&builder->lock);
    /* A burst of small writes is linked in fewer, larger steps. */
    nanosleep(&(struct timespec){.tv_nsec = (long)SETTLE_MS * 1000000}, NULL);
}

static void purge_one(struct collection *collection)
{
    struct error err = {0};
    if (!atomic_load(&collection->dropped) &&
        segment_purge(collection->segment, &err) != STATUS_OK) {
        log_error("index/collection", "collection `%s`: old rows cannot be removed: %s",
                  collection->name, err.message);
        collection_fail(collection, &err);
    }
}

static bool build_one(struct builder *builder, struct collection *collection)
{
    /* Moves first: an index vacuumed or built after them holds none of the places they leave. */
    if (collection_move(collection)) {
        return true;
    }
    if (atomic_load(&collection->dropped) || !segment_build_due(collection->segment)) {
        return false;
    }
    struct error err = {0};
    enum status status = segment_build(collection->segment, &builder->stop, &err);
    if (status != STATUS_OK && status != STATUS_CANCELLED) {
        log_error("index/collection", "collection `%s`: background work failed: %s",
                  collection->name, err.message);
        collection_fail(collection, &err);
        return false;
    }
    return true;
}

static bool maintain_one(struct collection *collection)
{
    bool more = false;
    struct error err = {0};
    if (!atomic_load(&collection->dropped) &&
        segment_maintain(collection->segment, &more, &err) != STATUS_OK) {
        log_error("index/collection", "collection `%s`: files of vectors: %s", collection->name,
                  err.message);
        return false;
    }
    return more;
}

static void *run_builder(void *arg)
{
    struct builder *builder = arg;
    /* Searches and writes go first. Threads of a build inherit it; refused, it only means less
     * politeness. */
    (void)setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), BUILDER_NICE);
    uint64_t purged_ns = clock_monotonic_ns();
    while (!atomic_load(&builder->stop)) {
        struct collection **list = NULL;
        size_t count = catalog_list(builder->engine, &list);
        bool worked = false;
        bool purge = clock_monotonic_ns() - purged_ns > PURGE_INTERVAL_NS;
        purged_ns = purge ? clock_monotonic_ns() : purged_ns;
        for (size_t i = 0; i < count; i++) {
            if (!atomic_load(&builder->stop)) {
                worked |= build_one(builder, list[i]);
                worked |= maintain_one(list[i]);
                if (purge) {
                    purge_one(list[i]);
                }
            }
            collection_unref(list[i]);
        }
        mem_free(list);
        if (!worked) {
            pause_builder(builder);
        }
    }
    return NULL;
}

struct builder *builder_start(struct engine *engine)
{
    struct builder *builder = mem_zalloc(sizeof(*builder));
    builder->engine = engine;
    ASSERT(pthread_mutex_init(&builder->lock, NULL) == 0);
    ASSERT(pthread_cond_init(&builder->wake, NULL) == 0);
    ASSERT(pthread_create(&builder->thread, NULL, run_builder, builder) == 0);
    return builder;
}

void builder_wake(struct builder *builder)
{
    pthread_mutex_lock(&builder->lock);
    if (!builder->woken) {
        builder->woken = true;
        pthread_cond_signal(&builder->wake);
    }
    pthread_mutex_unlock(&builder->lock);
}

void builder_stop(struct builder *builder)
{
    atomic_store(&builder->stop, true);
    builder_wake(builder);
    pthread_join(builder->thread, NULL);
    pthread_cond_destroy(&builder->wake);
    pthread_mutex_destroy(&builder->lock);
    mem_free(builder);
}
