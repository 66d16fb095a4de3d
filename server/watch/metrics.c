/* Request metrics: counters by answer code and a latency histogram for each operation and protocol.
 *
 * Recording is a handful of relaxed atomic additions. Answer codes take a slot at their first
 * appearance (compare and swap on an empty slot); an operation gives few different codes, and one
 * that finds no slot is counted in the last. Threads: all functions may be called from any thread.
 * Nothing fails but memory at creation. */
#include "server/watch/metrics.h"

#include "storage/base/assert.h"
#include "storage/base/mem.h"

/* Upper limits in microseconds: three steps a decade, from 10 microseconds to a minute. */
static const uint64_t bucket_limits_us[METRICS_BUCKETS - 1] = {
    10,    20,     50,     100,    200,     500,     1000,    2000,     5000,     10000,   20000,
    50000, 100000, 200000, 500000, 1000000, 2000000, 5000000, 10000000, 30000000, 60000000};

struct cell {
    atomic_uint_fast64_t count, failed, duration_ns_sum, duration_ns_max;
    atomic_uint_fast64_t bucket[METRICS_BUCKETS];
    atomic_int code[METRICS_CODES]; /* code + 1; 0: the slot is free */
    atomic_uint_fast64_t code_count[METRICS_CODES];
};

struct metrics {
    size_t op_count;
    struct cell cells[]; /* [protocol][op] */
};

struct metrics *metrics_create(size_t op_count)
{
    ASSERT(op_count < 65536);
    struct metrics *metrics =
        mem_zalloc(sizeof(*metrics) + METRICS_PROTOCOL_COUNT * op_count * sizeof(struct cell));
    metrics->op_count = op_count;
    return metrics;
}

void metrics_destroy(struct metrics *metrics)
{
    mem_free(metrics);
}

static size_t code_slot(struct cell *cell, int code)
{
    for (size_t i = 0; i < METRICS_CODES - 1; i++) {
        int have = atomic_load_explicit(&cell->code[i], memory_order_relaxed);
        if (have == 0 &&
            atomic_compare_exchange_strong_explicit(&cell->code[i], &have, code + 1,
                                                    memory_order_relaxed, memory_order_relaxed)) {
            return i;
        }
        if (have == code + 1) {
            return i;
        }
    }
    atomic_store_explicit(&cell->code[METRICS_CODES - 1], code + 1, memory_order_relaxed);
    return METRICS_CODES - 1;
}

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void raise(atomic_uint_fast64_t *maximum, uint64_t value)
{
    uint_fast64_t have = atomic_load_explicit(maximum, memory_order_relaxed);
    while (have < value && !atomic_compare_exchange_weak_explicit(
                               maximum, &have, value, memory_order_relaxed, memory_order_relaxed)) {
    }
}

void metrics_record(struct metrics *metrics, enum metrics_protocol protocol, size_t op_index,
                    int code, uint64_t duration_ns)
{
    ASSERT(op_index < metrics->op_count);
    ASSERT(protocol < METRICS_PROTOCOL_COUNT);
    struct cell *cell = &metrics->cells[(size_t)protocol * metrics->op_count + op_index];
    size_t bucket = 0;
    while (bucket < METRICS_BUCKETS - 1 && duration_ns > metrics_bucket_limit_ns(bucket)) {
        bucket++;
    }
    add(&cell->bucket[bucket], 1);
    add(&cell->code_count[code_slot(cell, code)], 1);
    add(&cell->duration_ns_sum, duration_ns);
    raise(&cell->duration_ns_max, duration_ns);
    if (protocol == METRICS_REST ? code >= 400 : code != 0) {
        add(&cell->failed, 1);
    }
    add(&cell->count, 1);
}

void metrics_read(const struct metrics *metrics, enum metrics_protocol protocol, size_t op_index,
                  struct op_metrics *out)
{
    ASSERT(op_index < metrics->op_count);
    ASSERT(protocol < METRICS_PROTOCOL_COUNT);
    const struct cell *cell = &metrics->cells[(size_t)protocol * metrics->op_count + op_index];
    out->count = atomic_load_explicit(&cell->count, memory_order_relaxed);
    out->failed = atomic_load_explicit(&cell->failed, memory_order_relaxed);
    out->duration_ns_sum = atomic_load_explicit(&cell->duration_ns_sum, memory_order_relaxed);
    out->duration_ns_max = atomic_load_explicit(&cell->duration_ns_max, memory_order_relaxed);
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        out->bucket[i] = atomic_load_explicit(&cell->bucket[i], memory_order_relaxed);
    }
    out->codes_count = 0;
    for (size_t i = 0; i < METRICS_CODES; i++) {
        int code = atomic_load_explicit(&cell->code[i], memory_order_relaxed);
        if (code == 0) {
            continue;
        }
        size_t at = out->codes_count++;
        out->codes[at].code = code - 1;
        out->codes[at].count = atomic_load_explicit(&cell->code_count[i], memory_order_relaxed);
    }
}

uint64_t metrics_bucket_limit_ns(size_t bucket)
{
    ASSERT(bucket < METRICS_BUCKETS);
    return bucket == METRICS_BUCKETS - 1 ? UINT64_MAX : bucket_limits_us[bucket] * 1000;
}

size_t metrics_op_count(const struct metrics *metrics)
{
    return metrics->op_count;
}
