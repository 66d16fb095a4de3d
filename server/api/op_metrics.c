/* Metrics in the text format of Prometheus. Names that the contract has keep its words; what only
 * this server has begins with sagitta_. Durations are in seconds. */
#include "replication/replica.h"
#include "server/api/api.h"
#include "server/api/ops.h"
#include "server/api/process.h"
#include "server/watch/info.h"
#include "storage/log/log.h"

#include <stdio.h>

static void family(struct buffer *out, const char *name, const char *type, const char *help)
{
    buffer_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

static void single(struct buffer *out, const char *name, const char *type, const char *help,
                   uint64_t value)
{
    family(out, name, type, help);
    buffer_printf(out, "%s %llu\n", name, (unsigned long long)value);
}

static void add_collections(struct call *call, struct buffer *out)
{
    struct engine_stats stats;
    engine_stats(call->engine, &stats);
    single(out, "collections_total", "gauge", "number of collections", stats.collections);
    single(out, "collections_vector_total", "gauge", "vectors in all collections", stats.vectors);
    single(out, "sagitta_points", "gauge", "points in all collections", stats.points);
    single(out, "sagitta_indexed_vectors", "gauge", "vectors found through a graph",
           stats.indexed_vectors);
    single(out, "sagitta_vector_bytes", "gauge", "memory of vectors", stats.vector_bytes);
    single(out, "sagitta_index_bytes", "gauge", "memory of vector indexes", stats.index_bytes);
    single(out, "sagitta_payload_index_bytes", "gauge", "memory of payload indexes",
           stats.payload_index_bytes);
    single(out, "sagitta_storage_memory_bytes", "gauge", "memory of storage",
           stats.storage_memory_bytes);
    single(out, "sagitta_storage_disk_bytes", "gauge", "disk space of storage",
           stats.storage_disk_bytes);
}

/* A label's value: quotes, backslashes and line ends are escaped. */
static void label(struct buffer *out, const char *text)
{
    for (const char *at = text; *at; at++) {
        if (*at == '"' || *at == '\\') {
            buffer_append_byte(out, '\\');
        }
        buffer_append_byte(out, (uint8_t)*at);
    }
}

static enum status add_each_collection(struct call *call, struct buffer *out)
{
    const char *const *names = NULL;
    size_t count = 0;
    if (engine_collections(call->engine, call->arena, &names, &count) != STATUS_OK) {
        return api_no_memory(call);
    }
    family(out, "collection_points", "gauge", "points of a collection");
    for (size_t i = 0; i < count; i++) {
        struct view view;
        struct view_stats stats;
        enum status status = api_check_cancelled(call);
        if (status != STATUS_OK) {
            return status;
        }
        if (api_pin(call, names[i], &view) != STATUS_OK) {
            continue; /* deleted meanwhile */
        }
        view_stats(&view, &stats);
        buffer_append_text(out, "collection_points{id=\"");
        label(out, names[i]);
        buffer_printf(out, "\"} %llu\n", (unsigned long long)stats.points);
    }
    return STATUS_OK;
}

struct protocol_words {
    enum metrics_protocol protocol;
    const char *prefix; /* of the names */
};
static const struct protocol_words protocols[] = {{METRICS_REST, "rest"}, {METRICS_GRPC, "grpc"}};

/* The labels that name an operation, without braces. */
static void operation_labels(struct buffer *out, const struct protocol_words *words,
                             const struct op *op)
{
    if (words->protocol == METRICS_REST) {
        buffer_printf(out, "method=\"%s\",endpoint=\"%s\"", op->method, op->path);
    } else {
        buffer_printf(out, "endpoint=\"%s\"", op->grpc);
    }
}

static void add_responses(struct buffer *out, const struct protocol_words *words,
                          const struct op *op, const struct op_metrics *m)
{
    for (size_t i = 0; i < m->codes_count; i++) {
        buffer_printf(out, "%s_responses_total{", words->prefix);
        operation_labels(out, words, op);
        buffer_printf(out, ",status=\"%d\"} %llu\n", m->codes[i].code,
                      (unsigned long long)m->codes[i].count);
    }
}

static void add_durations(struct buffer *out, const struct protocol_words *words,
                          const struct op *op, const struct op_metrics *m)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < METRICS_BUCKETS; i++) {
        sum += m->bucket[i];
        buffer_printf(out, "%s_responses_duration_seconds_bucket{", words->prefix);
        operation_labels(out, words, op);
        if (metrics_bucket_limit_ns(i) == UINT64_MAX) {
            buffer_append_text(out, ",le=\"+Inf\"} ");
        } else {
            buffer_printf(out, ",le=\"%g\"} ", (double)metrics_bucket_limit_ns(i) / 1e9);
        }
        buffer_printf(out, "%llu\n", (unsigned long long)sum);
    }
    buffer_printf(out, "%s_responses_duration_seconds_sum{", words->prefix);
    operation_labels(out, words, op);
    buffer_printf(out, "} %.9f\n", (double)m->duration_ns_sum / 1e9);
    buffer_printf(out, "%s_responses_duration_seconds_count{", words->prefix);
    operation_labels(out, words, op);
    buffer_printf(out, "} %llu\n", (unsigned long long)sum);
}

static void add_requests(struct call *call, struct buffer *out, const struct protocol_words *words)
{
    char name[64];
    for (int durations = 0; durations < 2; durations++) {
        (void)snprintf(name, sizeof(name), "%s_responses_%s", words->prefix,
                       durations ? "duration_seconds" : "total");
        family(out, name, durations ? "histogram" : "counter",
               durations ? "time to answer" : "answers given");
        for (size_t i = 0; i < op_count; i++) {
            struct op_metrics m;
            metrics_read(call->info->metrics, words->protocol, i, &m);
            if (m.count == 0 || (words->protocol == METRICS_GRPC && !op_table[i].grpc)) {
                continue;
            }
            if (durations) {
                add_durations(out, words, &op_table[i], &m);
            } else {
                add_responses(out, words, &op_table[i], &m);
            }
        }
    }
}

static void add_memory(struct buffer *out)
{
    struct process_memory memory;
    process_memory(&memory);
    single(out, "memory_active_bytes", "gauge", "memory that the allocator holds in use",
           memory.active);
    single(out, "memory_allocated_bytes", "gauge", "memory that was allocated", memory.allocated);
    single(out, "memory_metadata_bytes", "gauge", "memory of the allocator itself",
           memory.metadata);
    single(out, "memory_resident_bytes", "gauge", "memory in RAM", memory.resident);
    single(out, "memory_retained_bytes", "gauge", "memory kept free by the allocator",
           memory.retained);
}

static uint64_t counter(const atomic_uint_fast64_t *value)
{
    return atomic_load_explicit(value, memory_order_relaxed);
}

static void add_transport(const struct server_counters *c, struct buffer *out)
{
    single(out, "sagitta_connections_open", "gauge", "connections now",
           counter(&c->connections_open));
    single(out, "sagitta_connections_accepted_total", "counter", "connections accepted",
           counter(&c->connections_accepted));
    single(out, "sagitta_connections_refused_total", "counter", "connections refused",
           counter(&c->connections_refused));
    single(out, "sagitta_requests_open", "gauge", "requests now", counter(&c->requests_open));
    single(out, "sagitta_requests_rejected_total", "counter", "requests refused for load",
           counter(&c->requests_rejected));
    single(out, "sagitta_requests_unrouted_total", "counter", "requests of no operation",
           counter(&c->requests_unrouted));
    single(out, "sagitta_requests_timed_out_total", "counter", "requests past their deadline",
           counter(&c->requests_timed_out));
    single(out, "sagitta_requests_abandoned_total", "counter", "requests whose client left",
           counter(&c->requests_abandoned));
    single(out, "sagitta_received_bytes_total", "counter", "bytes received",
           counter(&c->bytes_received));
    single(out, "sagitta_sent_bytes_total", "counter", "bytes sent", counter(&c->bytes_sent));
    single(out, "sagitta_body_bytes", "gauge", "request bodies held now", counter(&c->body_bytes));
}

static void add_log(const struct server_info *info, struct buffer *out)
{
    if (info->replica) {
        single(out, "sagitta_apply_queue_length", "gauge", "commands logged and not applied",
               replica_queue_length(info->replica));
    }
    if (!info->log) {
        return;
    }
    struct log_stats stats;
    log_stats(info->log, &stats);
    single(out, "sagitta_log_appends_total", "counter", "commands appended", stats.appends);
    single(out, "sagitta_log_syncs_total", "counter", "times the log was synced", stats.syncs);
    single(out, "sagitta_log_bytes_total", "counter", "bytes appended", stats.bytes);
    single(out, "sagitta_log_segments", "gauge", "segment files", stats.segments);
    single(out, "sagitta_log_disk_bytes", "gauge", "disk space of the log", stats.disk_bytes);
    single(out, "sagitta_log_failed", "gauge", "1: writes are refused until a restart",
           log_failed(info->log));
    single(out, "sagitta_log_last_index", "gauge", "newest command in the log",
           log_last_index(info->log));
    family(out, "sagitta_log_sync_seconds_total", "counter", "time spent syncing");
    buffer_printf(out, "sagitta_log_sync_seconds_total %.9f\n", (double)stats.sync_ns_sum / 1e9);
    family(out, "sagitta_log_sync_seconds_max", "gauge", "longest sync");
    buffer_printf(out, "sagitta_log_sync_seconds_max %.9f\n", (double)stats.sync_ns_max / 1e9);
}

enum status run_metrics(struct call *call, const void *input, void *output)
{
    const Sagitta__ServiceQuery *request = input;
    Sagitta__TextReply *reply = output;
    const struct server_info *info = call->info;
    struct buffer text;
    enum status status = STATUS_OK;
    buffer_init(&text, 0);
    family(&text, "app_info", "gauge", "name and version of the server");
    buffer_printf(&text, "app_info{name=\"qdrant\",version=\"%s\"} 1\n", info->api_version);
    family(&text, "sagitta_info", "gauge", "version of this program");
    buffer_printf(&text, "sagitta_info{version=\"%s\"} 1\n", info->version);
    single(&text, "cluster_enabled", "gauge", "is cluster support enabled", 0);
    add_collections(call, &text);
    if (!request->anonymize) {
        status = add_each_collection(call, &text);
    }
    for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
        add_requests(call, &text, &protocols[i]);
    }
    add_memory(&text);
    add_transport(&info->counters, &text);
    add_log(info, &text);
    if (status != STATUS_OK) {
        buffer_deinit(&text);
        return status;
    }
    reply->content_type = (char *)"text/plain; version=0.0.4; charset=utf-8";
    return api_take(call, &text, &reply->body);
}
