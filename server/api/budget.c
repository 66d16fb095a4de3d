/* Budgets by collection number.
 *
 * Rates: a token bucket for reads and one for updates. Sizes: what the collection holds, what is
 * under way, and what the request may add are compared with the option; first with a cheap bound
 * of what the request adds, then, when that is too much, with what it really adds.
 *
 * The sum of all payloads is not kept anywhere, so it is counted when it is needed: the sum of the
 * last count and of everything admitted since is never too small, as long as the configuration is
 * the same; when that passes the limit, the payloads are counted anew. Counting many takes at most
 * one part in COUNT_SHARE of the time; between counts the sum is believed.
 *
 * Locks: `lock` of the table guards the map and the references, `lock` of a budget the rest of it.
 * A budget is counted under its lock: other updates of the collection wait for the result. */
#include "server/api/budget.h"

#include "index/collection/usage.h"
#include "server/api/strict.h"
#include "server/api/token_bucket.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/hashmap.h"
#include "storage/base/mem.h"

#include <pthread.h>

enum { COUNT_SHARE = 20, COUNT_FREE_POINTS = 10000, SWEEP_FIRST = 256, MINUTE_SEC = 60 };
#define IDLE_NS (UINT64_C(600) * 1000000000) /* by then the buckets are full again */

struct budget {
    uint32_t number;
    unsigned refs;    /* the table's lock */
    uint64_t used_ns; /* the table's lock */
    pthread_mutex_t lock;
    struct token_bucket reads, updates;
    struct growth under_way;
    struct schema *counted_by; /* the schema at the last count of payloads; NULL: none was made */
    uint64_t payload_counted;  /* bytes, at the last count */
    uint64_t payload_admitted; /* since then; at the count: what was under way */
    uint64_t count_next_ns;    /* not before */
};

struct budgets {
    pthread_mutex_t lock;
    struct hashmap *by_number;
    size_t sweep_at;
};

struct budgets *budgets_create(void)
{
    struct budgets *budgets = mem_zalloc(sizeof(*budgets));
    pthread_mutex_init(&budgets->lock, NULL);
    budgets->by_number = hashmap_create();
    budgets->sweep_at = SWEEP_FIRST;
    return budgets;
}

static void destroy_one(struct budget *budget)
{
    ASSERT(budget->refs == 0);
    schema_unref(budget->counted_by);
    pthread_mutex_destroy(&budget->lock);
    mem_free(budget);
}

void budgets_destroy(struct budgets *budgets)
{
    size_t cursor = 0;
    struct slice key;
    void *budget = NULL;
    while (hashmap_next(budgets->by_number, &cursor, &key, &budget)) {
        destroy_one(budget);
    }
    hashmap_destroy(budgets->by_number);
    pthread_mutex_destroy(&budgets->lock);
    mem_free(budgets);
}

size_t budgets_count(struct budgets *budgets)
{
    pthread_mutex_lock(&budgets->lock);
    size_t count = hashmap_count(budgets->by_number);
    pthread_mutex_unlock(&budgets->lock);
    return count;
}

static struct slice number_slice(const uint32_t *number)
{
    return slice_of(number, sizeof(*number));
}

/* Collections come and go: budgets that nobody uses go too, now and then. */
static void sweep(struct budgets *budgets, uint64_t now_ns)
{
    struct hashmap *kept = hashmap_create();
    size_t cursor = 0;
    struct slice key;
    void *at = NULL;
    while (hashmap_next(budgets->by_number, &cursor, &key, &at)) {
        struct budget *budget = at;
        if (budget->refs == 0 && now_ns - budget->used_ns > IDLE_NS) {
            destroy_one(budget);
        } else {
            (void)hashmap_put(kept, key, budget);
        }
    }
    hashmap_destroy(budgets->by_number);
    budgets->by_number = kept;
    budgets->sweep_at = 2 * hashmap_count(kept) + SWEEP_FIRST;
}

void budgets_forget_idle(struct budgets *budgets, uint64_t now_ns)
{
    pthread_mutex_lock(&budgets->lock);
    sweep(budgets, now_ns);
    pthread_mutex_unlock(&budgets->lock);
}

static struct budget *pin(struct budgets *budgets, uint32_t number)
{
    uint64_t now_ns = clock_monotonic_ns();
    pthread_mutex_lock(&budgets->lock);
    struct budget *budget = hashmap_get(budgets->by_number, number_slice(&number));
    if (!budget) {
        if (hashmap_count(budgets->by_number) >= budgets->sweep_at) {
            sweep(budgets, now_ns);
        }
        budget = mem_zalloc(sizeof(*budget));
        budget->number = number;
        pthread_mutex_init(&budget->lock, NULL);
        (void)hashmap_put(budgets->by_number, number_slice(&budget->number), budget);
    }
    budget->refs++;
    budget->used_ns = now_ns;
    pthread_mutex_unlock(&budgets->lock);
    return budget;
}

static void unpin(struct budgets *budgets, struct budget *budget)
{
    pthread_mutex_lock(&budgets->lock);
    ASSERT(budget->refs > 0);
    budget->refs--;
    pthread_mutex_unlock(&budgets->lock);
}

/* ---- rates ---- */

static enum status take_tokens(struct call *call, struct token_bucket *bucket, const char *option,
                               uint32_t per_minute, uint64_t cost)
{
    uint32_t wait_sec = token_bucket_take(bucket, per_minute, cost, clock_monotonic_ns());
    if (wait_sec == 0) {
        return STATUS_OK;
    }
    if (call->retry_after_sec) {
        *call->retry_after_sec = wait_sec < MINUTE_SEC ? wait_sec : MINUTE_SEC;
    }
    if (wait_sec == TOKEN_WAIT_NEVER) {
        return error_set(call->err, STATUS_RATE_LIMITED,
                         "%s allows %u operations a minute, and this request alone has %llu. Help: "
                         "Send smaller batches.",
                         option, per_minute, (unsigned long long)cost);
    }
    return error_set(call->err, STATUS_RATE_LIMITED,
                     "%s allows %u operations a minute; %llu asked for, %u left. Retry after %us",
                     option, per_minute, (unsigned long long)cost, (unsigned)bucket->tokens,
                     wait_sec);
}

enum status budget_read(struct budgets *budgets, struct call *call,
                        const struct budget_request *request)
{
    const Qdrant__StrictModeConfig *config = request->config;
    if (!config->_read_rate_limit_case || config->read_rate_limit == 0 || request->cost == 0) {
        return STATUS_OK;
    }
    struct budget *budget = pin(budgets, request->view->number);
    pthread_mutex_lock(&budget->lock);
    enum status status = take_tokens(call, &budget->reads, "read_rate_limit",
                                     config->read_rate_limit, request->cost);
    pthread_mutex_unlock(&budget->lock);
    unpin(budgets, budget);
    return status;
}

/* ---- sizes ---- */

static uint64_t sum_of(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t sum = 0;
    return __builtin_add_overflow(a, b, &sum) || __builtin_add_overflow(sum, c, &sum) ? UINT64_MAX
                                                                                      : sum;
}

static enum status refuse(struct call *call, const char *option, const char *what, uint64_t sum,
                          uint64_t max)
{
    return strict_exceeded(call, option, what, (double)sum, (double)max,
                           "Delete points, or keep the collection");
}

static enum status check_points(const struct budget *budget, struct call *call,
                                const struct budget_request *request, const struct growth *growth)
{
    const Qdrant__StrictModeConfig *config = request->config;
    struct usage usage;
    view_usage(request->view, &usage);
    uint64_t points = sum_of(usage.points, budget->under_way.points, growth->points);
    uint64_t bytes =
        sum_of(usage.vector_bytes, budget->under_way.vector_bytes, growth->vector_bytes);
    if (config->_max_points_count_case && growth->points > 0 && points > config->max_points_count) {
        return refuse(call, "max_points_count", "points", points, config->max_points_count);
    }
    if (config->_max_collection_vector_size_bytes_case && growth->vector_bytes > 0 &&
        bytes > config->max_collection_vector_size_bytes) {
        return refuse(call, "max_collection_vector_size_bytes", "bytes of vectors", bytes,
                      config->max_collection_vector_size_bytes);
    }
    return STATUS_OK;
}

/* Under another configuration updates may have passed unseen. */
static bool is_counted(const struct budget *budget, const struct view *view)
{
    return budget->counted_by == view->schema;
}

static enum status count_payloads(struct budget *budget, struct call *call, const struct view *view)
{
    uint64_t begun_ns = clock_monotonic_ns();
    if (is_counted(budget, view) && begun_ns < budget->count_next_ns) {
        return STATUS_OK;
    }
    uint64_t bytes = 0;
    enum status status = view_payload_bytes(view, call->cancelled, &bytes, call->err);
    if (status == STATUS_OK) {
        uint64_t end_ns = clock_monotonic_ns();
        schema_unref(budget->counted_by);
        budget->counted_by = schema_ref((struct schema *)view->schema);
        budget->payload_counted = bytes;
        budget->payload_admitted = budget->under_way.payload_bytes;
        struct usage usage;
        view_usage(view, &usage);
        bool cheap = usage.points <= COUNT_FREE_POINTS;
        budget->count_next_ns = cheap ? end_ns : end_ns + (end_ns - begun_ns) * COUNT_SHARE;
    }
    return status;
}

static enum status check_payloads(struct budget *budget, struct call *call,
                                  const struct budget_request *request, const struct growth *growth)
{
    const Qdrant__StrictModeConfig *config = request->config;
    if (!config->_max_collection_payload_size_bytes_case || growth->payload_bytes == 0) {
        return STATUS_OK;
    }
    uint64_t max = config->max_collection_payload_size_bytes;
    uint64_t sum = sum_of(budget->payload_counted, budget->payload_admitted, growth->payload_bytes);
    if (!is_counted(budget, request->view) || sum > max) {
        enum status status = count_payloads(budget, call, request->view);
        if (status != STATUS_OK) {
            return status;
        }
        sum = sum_of(budget->payload_counted, budget->payload_admitted, growth->payload_bytes);
    }
    return sum > max
               ? refuse(call, "max_collection_payload_size_bytes", "bytes of payloads", sum, max)
               : STATUS_OK;
}

static enum status check_sizes(struct budget *budget, struct call *call,
                               const struct budget_request *request, const struct growth *growth)
{
    enum status status = check_points(budget, call, request, growth);
    return status == STATUS_OK ? check_payloads(budget, call, request, growth) : status;
}

static enum status check_growth(struct budget *budget, struct call *call,
                                const struct budget_request *request, struct growth *growth)
{
    const Qdrant__StrictModeConfig *config = request->config;
    if (!request->grows ||
        !(config->_max_points_count_case || config->_max_collection_vector_size_bytes_case ||
          config->_max_collection_payload_size_bytes_case)) {
        return STATUS_OK;
    }
    struct usage usage;
    view_usage(request->view, &usage);
    growth_bound(request->view, request->message, usage.points, growth);
    enum status status = check_sizes(budget, call, request, growth);
    if (status != STATUS_BAD_REQUEST) {
        return status;
    }
    status = growth_measure(call, request->view, request->message, growth);
    return status == STATUS_OK ? check_sizes(budget, call, request, growth) : status;
}

enum status budget_update(struct budgets *budgets, struct call *call,
                          const struct budget_request *request, struct hold *out)
{
    const Qdrant__StrictModeConfig *config = request->config;
    struct growth growth = {0};
    struct budget *budget = pin(budgets, request->view->number);
    pthread_mutex_lock(&budget->lock);
    enum status status = check_growth(budget, call, request, &growth);
    if (status == STATUS_OK && config->_write_rate_limit_case && config->write_rate_limit > 0 &&
        request->cost > 0) {
        status = take_tokens(call, &budget->updates, "write_rate_limit", config->write_rate_limit,
                             request->cost);
    }
    if (status == STATUS_OK) {
        budget->under_way.points += growth.points;
        budget->under_way.vector_bytes += growth.vector_bytes;
        budget->under_way.payload_bytes += growth.payload_bytes;
        budget->payload_admitted = sum_of(budget->payload_admitted, growth.payload_bytes, 0);
    }
    pthread_mutex_unlock(&budget->lock);
    if (status != STATUS_OK) {
        unpin(budgets, budget);
        return status;
    }
    *out = (struct hold){.budgets = budgets, .budget = budget, .growth = growth};
    return STATUS_OK;
}

void budget_release(struct hold *hold)
{
    struct budget *budget = hold->budget;
    if (!budget) {
        return;
    }
    pthread_mutex_lock(&budget->lock);
    budget->under_way.points -= hold->growth.points;
    budget->under_way.vector_bytes -= hold->growth.vector_bytes;
    budget->under_way.payload_bytes -= hold->growth.payload_bytes;
    pthread_mutex_unlock(&budget->lock);
    unpin(hold->budgets, budget);
    *hold = (struct hold){0};
}
