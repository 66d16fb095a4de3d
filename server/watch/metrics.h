/* Counters and latency histograms of requests, one set per operation and protocol. Lock-free: any
 * thread records, any thread reads; a reading is not a snapshot of one instant. */
#pragma once
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

enum metrics_protocol { METRICS_REST, METRICS_GRPC, METRICS_PROTOCOL_COUNT };
enum { METRICS_BUCKETS = 22, METRICS_CODES = 16 };

struct metrics;
/* `op_count` operations, numbered as in op_table. */
struct metrics *metrics_create(size_t op_count);
void metrics_destroy(struct metrics *metrics);

/* `code` is the HTTP status (REST) or the gRPC code. */
void metrics_record(struct metrics *metrics, enum metrics_protocol protocol, size_t op_index,
                    int code, uint64_t duration_ns);

/* What was recorded for one operation. bucket[i] counts requests that took at most
 * metrics_bucket_limit_ns(i) and more than the limit before (not cumulative); the last bucket has
 * no limit (UINT64_MAX). */
struct op_metrics {
    uint64_t count, failed; /* failed: HTTP 4xx and 5xx, or gRPC code other than 0 */
    uint64_t duration_ns_sum, duration_ns_max;
    uint64_t bucket[METRICS_BUCKETS];
    struct {
        int code;
        uint64_t count;
    } codes[METRICS_CODES]; /* in order of first appearance */
    size_t codes_count;
};
void metrics_read(const struct metrics *metrics, enum metrics_protocol protocol, size_t op_index,
                  struct op_metrics *out);
uint64_t metrics_bucket_limit_ns(size_t bucket);
size_t metrics_op_count(const struct metrics *metrics);
