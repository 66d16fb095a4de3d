/* What happens to a request on a compute thread: unpack and decode the body, run the operation,
 * encode the answer; for a write, propose its command and, when the log and the state machine have
 * had it, make the answer. Limits stand before both (server/api/guard.h).
 *
 * A write's command lives apart from its request, in `struct write`, because the two end at
 * different times: with wait=false the client is answered when the command is on disk, and the
 * request may be gone before the command is applied. The write is freed in on_applied, which comes
 * last.
 *
 * Threads: see each function; on_logged runs on the log's thread, on_applied on an apply thread.
 * Failures become answers. */
#include "replication/replica.h"
#include "server/request_int.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

enum { PACK_SIZE_MIN = 1024 };

struct write {
    struct proposal proposal; /* first */
    struct buffer command;
    struct exchange *request; /* NULL: it was given back */
    struct hold hold;         /* what it may add to its collection */
    bool wait;
};

double request_seconds(const struct exchange *request)
{
    return (double)(clock_monotonic_ns() - request->begun_ns) / 1e9;
}

void request_fail(struct exchange *request)
{
    ASSERT(request->err.code != STATUS_OK);
    buffer_clear(&request->answer);
    request->answer.failed = false;
    rest_encode_error(&request->err, request_seconds(request), &request->answer);
    request->status = status_http(request->err.code);
    request->content_type = "application/json";
    request->answer_packed = false;
}

static struct call call_of(struct exchange *request)
{
    return (struct call){
        .arena = request->arena,
        .err = &request->err,
        .engine = request->service->options.engine,
        .info = request->service->options.info,
        .cancelled = &request->cancelled,
        .deadline_ns = request->deadline_ns,
        .guard = request->service->guard,
        .retry_after_sec = &request->retry_after_sec,
    };
}

static ProtobufCMessage *message_new(struct exchange *request)
{
    const ProtobufCMessageDescriptor *type = request->route.op->output;
    ProtobufCMessage *message = arena_zalloc(request->arena, type->sizeof_message, 16);
    if (message == NULL) {
        (void)error_set(&request->err, STATUS_TOO_LARGE, "the request needs too much memory");
        return NULL;
    }
    type->message_init(message);
    return message;
}

/* Packs the answer when the client takes that and it becomes smaller. */
static void pack_answer(struct exchange *request, struct gzip *gzip)
{
    if (!request->accepts_gzip || request->answer.size <= PACK_SIZE_MIN) {
        return;
    }
    struct buffer packed;
    buffer_init(&packed, 0);
    if (gzip_pack(gzip, buffer_slice(&request->answer), &packed) &&
        packed.size < request->answer.size) {
        buffer_deinit(&request->answer);
        request->answer = packed;
        request->answer_packed = true;
    } else {
        buffer_deinit(&packed);
    }
}

static void succeed(struct exchange *request, const ProtobufCMessage *output,
                    struct request_local *local)
{
    request->status = rest_encode(request->route.op, output, request_seconds(request),
                                  &request->answer, &request->content_type);
    if (request->answer.failed) {
        (void)error_set(&request->err, STATUS_INTERNAL, "the answer is larger than %zu bytes",
                        request->answer.bytes_max);
        request_fail(request);
        return;
    }
    pack_answer(request, local->gzip);
}

/* An operation gave an error code: it should have said why. */
static void fail_with(struct exchange *request, enum status status)
{
    if (request->err.code == STATUS_OK) {
        (void)error_set(&request->err, status, "%s",
                        status == STATUS_CANCELLED ? "the request was given up"
                                                   : status_name(status));
    }
    request_fail(request);
}

void request_reply(struct exchange *request, struct request_local *local)
{
    const struct op *op = request->route.op;
    if (request->result.code != STATUS_OK) {
        request->err = request->result.error;
        request->err.code = request->result.code;
        request_fail(request);
        return;
    }
    ProtobufCMessage *output = message_new(request);
    struct call call = call_of(request);
    enum status status = output == NULL
                             ? request->err.code
                             : op->reply(&call, request->input, &request->result, output);
    if (status == STATUS_OK) {
        succeed(request, output, local);
    } else {
        fail_with(request, status);
    }
}

static void on_logged(struct proposal *proposal, enum status status, const struct error *err,
                      uint64_t index)
{
    struct write *write = (struct write *)proposal;
    struct exchange *request = write->request;
    if (write->wait || request == NULL) {
        return; /* on_applied answers */
    }
    write->request = NULL;
    request->result = (struct fsm_result){.index = index, .code = status};
    if (err != NULL && status != STATUS_OK) {
        request->result.error = *err;
    }
    request_decided(request);
}

static void on_applied(struct proposal *proposal, const struct fsm_result *result)
{
    struct write *write = (struct write *)proposal;
    struct exchange *request = write->request;
    budget_release(&write->hold);
    if (request != NULL) {
        request->result = *result;
        request_decided(request);
    }
    buffer_deinit(&write->command);
    mem_free(write);
}

/* True: answered. False: the command is on its way, and the request with it. */
static bool propose(struct exchange *request, struct request_local *local)
{
    const struct op *op = request->route.op;
    struct call call = call_of(request);
    struct write *write = mem_zalloc(sizeof(*write));
    buffer_init(&write->command, request->service->arena_bytes_max);
    enum status status = guard_propose(&call, op, request->input, &write->command, &write->hold);
    if (status == STATUS_OK && write->command.failed) {
        budget_release(&write->hold);
        status = error_set(&request->err, STATUS_TOO_LARGE, "the request needs too much memory");
    }
    if (status != STATUS_OK || write->command.size == 0) {
        buffer_deinit(&write->command);
        mem_free(write);
        if (status != STATUS_OK) {
            fail_with(request, status);
        } else {
            request->result = (struct fsm_result){.code = STATUS_OK}; /* nothing to do */
            request_reply(request, local);
        }
        return true;
    }
    write->request = request;
    write->wait = op->wait == NULL || op->wait(request->input);
    write->proposal = (struct proposal){
        .command = buffer_slice(&write->command), .logged = on_logged, .applied = on_applied};
    request_move(request, REQUEST_PROPOSED);
    replica_propose(request->service->options.replica, &write->proposal);
    return false;
}

static enum status unpack_body(struct exchange *request, struct gzip *gzip)
{
    struct buffer plain;
    buffer_init(&plain, 0);
    enum status status =
        gzip_unpack(gzip, slice_of(request->body, request->body_size),
                    request->service->body_bytes_max, REST_PADDING, &plain, &request->err);
    if (status != STATUS_OK) {
        buffer_deinit(&plain);
        return status;
    }
    /* The plain body takes the packed one's place, and its share of the memory for bodies. */
    atomic_uint_fast64_t *held = &request->service->options.info->counters.body_bytes;
    atomic_fetch_add_explicit(held, plain.capacity, memory_order_relaxed);
    atomic_fetch_sub_explicit(held, request->body_capacity, memory_order_relaxed);
    mem_free(request->body);
    request->body_capacity = plain.capacity;
    request->body = buffer_take(&plain, &request->body_size);
    return STATUS_OK;
}

static enum status decode(struct exchange *request, struct request_local *local)
{
    static const uint8_t no_body[REST_PADDING];
    enum status status = request->packed ? unpack_body(request, local->gzip) : STATUS_OK;
    if (status != STATUS_OK) {
        return status;
    }
    struct rest_request rest = {
        .path = request->route.path,
        .path_count = request->route.path_count,
        .query = request->route.query,
        .query_count = request->route.query_count,
        .body = slice_of(request->body != NULL ? request->body : no_body, request->body_size),
    };
    return rest_decode(request->route.op, &rest, local->parser, request->arena, &request->input,
                       &request->err);
}

bool request_run(struct exchange *request, struct request_local *local)
{
    const struct op *op = request->route.op;
    if (atomic_load_explicit(&request->cancelled, memory_order_relaxed)) {
        fail_with(request, STATUS_CANCELLED); /* nobody will read it: late work is not begun */
        return true;
    }
    enum status status = decode(request, local);
    if (status != STATUS_OK) {
        fail_with(request, status);
        return true;
    }
    if (op->run == NULL) {
        return propose(request, local);
    }
    ProtobufCMessage *output = message_new(request);
    struct call call = call_of(request);
    status = output == NULL ? request->err.code : guard_run(&call, op, request->input, output);
    if (status == STATUS_OK) {
        succeed(request, output, local);
    } else {
        fail_with(request, status);
    }
    return true;
}
