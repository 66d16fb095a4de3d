/* Telemetry: the server, its machine, its collections and its requests as JSON. details_level 0 is
 * gives counts only; from 1 on
 * the collections are listed one by one. */
#include "index/kernel/kernel.h"
#include "server/api/api.h"
#include "server/api/guard.h"
#include "server/api/ops.h"
#include "server/api/process.h"
#include "server/api/quota_json.h"
#include "server/watch/info.h"
#include "storage/base/clock.h"

static void add_app(const struct server_info *info, struct buffer *out)
{
    char started[40];
    bool debug = false;
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    debug = true;
#endif
    clock_format_utc(info->started_ms, started);
    buffer_printf(out,
                  "\"app\":{\"name\":\"qdrant\",\"version\":\"%s\",\"features\":{\"debug\":%s,"
                  "\"service_debug_feature\":false,\"recovery_mode\":false,\"gpu\":false,"
                  "\"rocksdb\":true,\"staging\":false},\"system\":{\"is_docker\":%s,"
                  "\"cores\":%u,\"ram_size\":%llu,\"cpu_flags\":\"%s\",\"cpu_endian\":\"little\"},"
                  "\"jwt_rbac\":%s,\"startup\":\"%s\"}",
                  info->api_version, debug ? "true" : "false",
                  process_in_container() ? "true" : "false", process_cores(),
                  (unsigned long long)(process_ram_bytes() / 1024), kernel_isa(),
                  info->settings && info->settings->service.jwt_rbac ? "true" : "false", started);
}

static void add_collection(struct buffer *out, const struct view *view, bool anonymize)
{
    struct view_stats stats;
    view_stats(view, &stats);
    if (anonymize) {
        buffer_printf(out, "{\"id\":\"%u\"", view->number);
    } else {
        buffer_append_text(out, "{\"id\":");
        api_json_string(out, view->name);
    }
    buffer_printf(out,
                  ",\"points\":%llu,\"vectors\":%llu,\"indexed_vectors\":%llu,\"segments\":%llu,"
                  "\"vector_bytes\":%llu,\"index_bytes\":%llu,\"building\":%s}",
                  (unsigned long long)stats.points, (unsigned long long)stats.vectors,
                  (unsigned long long)stats.indexed_vectors, (unsigned long long)stats.segments,
                  (unsigned long long)stats.vector_bytes, (unsigned long long)stats.index_bytes,
                  stats.building ? "true" : "false");
}

static enum status add_collections(struct call *call, const Sagitta__ServiceQuery *request,
                                   struct buffer *out)
{
    const char *const *names = NULL;
    size_t count = 0, listed = 0;
    if (engine_collections(call->engine, call->arena, &names, &count) != STATUS_OK) {
        return api_no_memory(call);
    }
    buffer_printf(out, ",\"collections\":{\"number_of_collections\":%zu", count);
    if (request->details_level > 0) {
        buffer_append_text(out, ",\"collections\":[");
        for (size_t i = 0; i < count; i++) {
            struct view view;
            enum status status = api_check_cancelled(call);
            if (status != STATUS_OK) {
                return status;
            }
            if (api_pin(call, names[i], &view) != STATUS_OK) {
                continue; /* deleted meanwhile */
            }
            if (listed++) {
                buffer_append_byte(out, ',');
            }
            add_collection(out, &view, request->anonymize);
        }
        buffer_append_byte(out, ']');
    }
    buffer_append_byte(out, '}');
    return STATUS_OK;
}

static void add_operation(struct buffer *out, const struct op_metrics *m)
{
    for (size_t i = 0; i < m->codes_count; i++) {
        buffer_printf(out, "%s\"%d\":{\"count\":%llu", i ? "," : "", m->codes[i].code,
                      (unsigned long long)m->codes[i].count);
        if (m->codes_count == 1) { /* durations are kept for an operation, not for each code */
            buffer_printf(out,
                          ",\"avg_duration_micros\":%.3f,\"max_duration_micros\":%.3f,"
                          "\"total_duration_micros\":%llu",
                          (double)m->duration_ns_sum / 1e3 / (double)m->count,
                          (double)m->duration_ns_max / 1e3,
                          (unsigned long long)(m->duration_ns_sum / 1000));
        }
        buffer_append_byte(out, '}');
    }
}

static void add_requests(struct call *call, enum metrics_protocol protocol, struct buffer *out)
{
    bool first = true;
    buffer_append_text(out, "{\"responses\":{");
    for (size_t i = 0; i < op_count; i++) {
        const struct op *op = &op_table[i];
        struct op_metrics m;
        metrics_read(call->info->metrics, protocol, i, &m);
        if (m.count == 0 || (protocol == METRICS_GRPC && !op->grpc)) {
            continue;
        }
        buffer_append_text(out, first ? "" : ",");
        first = false;
        if (protocol == METRICS_REST) {
            buffer_printf(out, "\"%s %s\":{", op->method, op->path);
        } else {
            buffer_printf(out, "\"%s\":{", op->grpc);
        }
        add_operation(out, &m);
        buffer_append_byte(out, '}');
    }
    buffer_append_text(out, "}}");
}

static void add_memory(struct buffer *out)
{
    struct process_memory memory;
    process_memory(&memory);
    buffer_printf(out,
                  ",\"memory\":{\"active_bytes\":%llu,\"allocated_bytes\":%llu,"
                  "\"metadata_bytes\":%llu,\"resident_bytes\":%llu,\"retained_bytes\":%llu}",
                  (unsigned long long)memory.active, (unsigned long long)memory.allocated,
                  (unsigned long long)memory.metadata, (unsigned long long)memory.resident,
                  (unsigned long long)memory.retained);
}

/* Which kernels compute the distances on this machine: the best set, all that it could run, and the
 * cell in use for each pair of distance and element. */
static void add_kernels(struct buffer *out)
{
    buffer_printf(out, ",\"kernels\":{\"set\":\"%s\",\"usable\":[", kernel_isa());
    for (size_t i = 0; kernel_set_usable(i) != NULL; i++) {
        buffer_printf(out, "%s\"%s\"", i ? "," : "", kernel_set_usable(i));
    }
    buffer_append_text(out, "],\"cells\":[");
    for (size_t i = 0; i < (size_t)DISTANCE_COUNT * ELEMENT_COUNT; i++) {
        const struct kernel *kernel =
            kernel_get((enum distance)(i / ELEMENT_COUNT), (enum element)(i % ELEMENT_COUNT));
        buffer_printf(out, "%s\"%s\"", i ? "," : "", kernel->name);
    }
    buffer_append_text(out, "]}");
}

static void add_quota(struct call *call, struct buffer *out)
{
    struct quota_limits limits;
    struct quota_reading reading;
    struct quota_state state;
    if (!call->guard) {
        return;
    }
    engine_quotas(call->engine, &limits);
    quota_look(call->guard->quota, &limits, clock_monotonic_ns(), &reading, &state);
    buffer_append_text(out, ",\"quota\":{\"config\":");
    quota_json_config(&limits, out);
    buffer_append_text(out, ",\"exceeded\":");
    quota_json_exceeded(&limits, &reading, &state, out);
    buffer_append_byte(out, '}');
}

enum status run_telemetry(struct call *call, const void *input, void *output)
{
    const Sagitta__ServiceQuery *request = input;
    Sagitta__JsonReply *reply = output;
    struct buffer json;
    buffer_init(&json, 0);
    buffer_printf(&json, "{\"id\":\"%s\",", call->info->uuid);
    add_app(call->info, &json);
    enum status status = add_collections(call, request, &json);
    if (status != STATUS_OK) {
        buffer_deinit(&json);
        return status;
    }
    buffer_append_text(&json, ",\"cluster\":{\"enabled\":false},\"requests\":{\"rest\":");
    add_requests(call, METRICS_REST, &json);
    buffer_append_text(&json, ",\"grpc\":");
    add_requests(call, METRICS_GRPC, &json);
    buffer_append_byte(&json, '}');
    add_memory(&json);
    add_quota(call, &json);
    add_kernels(&json);
    buffer_append_byte(&json, '}');
    return api_take(call, &json, &reply->json);
}
