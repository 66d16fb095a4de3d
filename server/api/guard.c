/* Admission: the checks that stand before every operation.
 *
 * In order: strict mode by the request alone, the node's quotas, strict mode by what the collection
 * holds and how often it is asked. So a refused request costs no tokens, and nothing of it is kept.
 * A request that names no collection, or one that does not exist, is the operation's affair.
 *
 * A read that was slow is looked at once more afterwards: the keys that it filtered on without an
 * index become issues. Any compute thread; failures are those of the checks. */
#include "server/api/guard.h"

#include "server/api/message_walk.h"
#include "server/api/strict.h"
#include "server/watch/info.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

struct guard *guard_create(const struct settings *settings)
{
    struct guard *guard = mem_zalloc(sizeof(*guard));
    guard->budgets = budgets_create();
    guard->quota = quota_create(settings->storage.storage_path, NULL, NULL);
    guard->issues = issues_create();
    guard->slow_ns = (uint64_t)(settings->service.slow_query_secs * 1e9);
    return guard;
}

void guard_destroy(struct guard *guard)
{
    budgets_destroy(guard->budgets);
    quota_destroy(guard->quota);
    issues_destroy(guard->issues);
    mem_free(guard);
}

/* False: the request names no collection that exists. */
static bool find_view(struct call *call, const ProtobufCMessage *request, struct view *out)
{
    struct error ignored;
    const char *name = message_text(request, "collection_name");
    return name && engine_pin(call->engine, name, call->arena, out, &ignored) == STATUS_OK;
}

static enum status check_memory(struct call *call, const Qdrant__StrictModeConfig *config)
{
    struct quota_limits limits;
    struct quota_reading reading;
    struct quota_state state;
    if (!config->_max_resident_memory_percent_case || !call->guard) {
        return STATUS_OK;
    }
    engine_quotas(call->engine, &limits);
    quota_look(call->guard->quota, &limits, clock_monotonic_ns(), &reading, &state);
    if (!reading.memory_known || reading.memory_percent <= config->max_resident_memory_percent) {
        return STATUS_OK;
    }
    return strict_exceeded(call, "max_resident_memory_percent", "resident memory",
                           reading.memory_percent, config->max_resident_memory_percent,
                           "Delete points or collections until memory is");
}

static enum status admit(struct call *call, const void *input, struct hold *hold)
{
    const ProtobufCMessage *request = input;
    struct budget_request asked = {.message = request};
    struct view view;
    enum request_kind kind = strict_kind(request, &asked.cost);
    if (kind == REQUEST_OTHER || !find_view(call, request, &view)) {
        return STATUS_OK;
    }
    asked.view = &view;
    asked.grows = kind == REQUEST_GROWTH;
    asked.config = strict_config(&view);
    enum status status =
        asked.config ? strict_check(call, &view, asked.config, request) : STATUS_OK;
    if (status == STATUS_OK && asked.grows && asked.config) {
        status = check_memory(call, asked.config);
    }
    if (status == STATUS_OK && asked.grows && call->guard) {
        status = quota_check(call->guard->quota, call);
    }
    if (status != STATUS_OK || !asked.config || !call->guard) {
        return status;
    }
    return kind == REQUEST_READ ? budget_read(call->guard->budgets, call, &asked)
                                : budget_update(call->guard->budgets, call, &asked, hold);
}

struct note {
    struct issues *issues;
    const struct view *view;
};

static void note_key(void *ctx, const char *key, enum field_type type)
{
    const struct note *note = ctx;
    issues_note(note->issues, note->view, key, type);
}

static void note_slow(struct call *call, const ProtobufCMessage *request)
{
    struct view view;
    uint64_t cost = 0;
    if (strict_kind(request, &cost) != REQUEST_READ || !find_view(call, request, &view)) {
        return;
    }
    struct error ignored;
    struct call quiet = *call;
    quiet.err = &ignored; /* the request has its answer */
    struct note note = {.issues = call->guard->issues, .view = &view};
    (void)strict_each_unindexed(&quiet, &view, request, note_key, &note);
}

enum status guard_run(struct call *call, const struct op *op, const void *input, void *output)
{
    enum status status = admit(call, input, NULL);
    if (status != STATUS_OK) {
        return status;
    }
    uint64_t begun_ns = clock_monotonic_ns();
    status = op->run(call, input, output);
    if (call->guard && clock_monotonic_ns() - begun_ns > call->guard->slow_ns) {
        note_slow(call, input);
    }
    return status;
}

enum status guard_propose(struct call *call, const struct op *op, const void *input,
                          struct buffer *command, struct hold *out)
{
    *out = (struct hold){0};
    enum status status = admit(call, input, out);
    if (status == STATUS_OK) {
        status = op->propose(call, input, command);
    }
    if (status != STATUS_OK || command->size == 0) {
        budget_release(out);
    }
    return status;
}
