/* What the server says of itself in one line: its name and version, and whether it works. */
#include "server/api/api.h"
#include "server/api/ops.h"
#include "server/watch/info.h"
#include "storage/log/log.h"

static enum status text(struct call *call, const char *words, Sagitta__TextReply *reply)
{
    reply->content_type = (char *)"text/plain; charset=utf-8";
    reply->body.len = strlen(words);
    reply->body.data = (uint8_t *)arena_strndup(call->arena, words, reply->body.len);
    return reply->body.data ? STATUS_OK : api_no_memory(call);
}

/* Exactly these three keys: clients compare the title and the version. */
enum status run_root(struct call *call, const void *input, void *output)
{
    (void)input;
    Sagitta__TextReply *reply = output;
    char *body = arena_printf(call->arena,
                              "{\"title\":\"qdrant - vector search engine\",\"version\":\"%s\","
                              "\"commit\":\"%s\"}",
                              call->info->api_version, call->info->commit);
    if (!body) {
        return api_no_memory(call);
    }
    reply->content_type = (char *)"application/json";
    reply->body.data = (uint8_t *)body;
    reply->body.len = strlen(body);
    return STATUS_OK;
}

enum status run_healthz(struct call *call, const void *input, void *output)
{
    (void)input;
    return text(call, "healthz check passed", output);
}

enum status run_livez(struct call *call, const void *input, void *output)
{
    (void)input;
    return text(call, "livez check passed", output);
}

enum status run_readyz(struct call *call, const void *input, void *output)
{
    (void)input;
    Sagitta__TextReply *reply = output;
    bool ready = atomic_load_explicit(&call->info->ready, memory_order_acquire);
    if (call->info->log && log_failed(call->info->log)) {
        reply->http_status = 503;
        return text(call, "the write-ahead log has stopped: restart the server", reply);
    }
    reply->http_status = ready ? 200 : 503;
    return text(call, ready ? "all shards are ready" : "some shards are not ready", reply);
}
