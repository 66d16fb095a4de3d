/* The life of a request.
 *
 *      READING --whole--> QUEUED --> RUNNING --------------------------------> ANSWERED --> DONE
 *         |                             |                                         |
 *         |                             +-> PROPOSED --> DECIDED --> REPLYING ----+
 *         +-- (inline: RUNNING on the loop) ... answered or left early ----------------> DONE
 *
 * At every moment one thread owns a request, and ownership passes only through a queue: pool, log,
 * mailbox. The enum in request_int.h says who owns it in each state; request_move checks that a
 * move is allowed and what must hold after it. The loop keeps a few fields for itself whoever is
 * the owner: the session, what was sent, and the flag `cancelled`.
 *
 * A client that leaves, and a deadline that passes, look the same from here: the loop forgets the
 * session (after answering 408, for a deadline) and sets `cancelled`; the request goes on to its
 * end, and its answer is dropped when it comes home. A command that was given to the log is never
 * taken back.
 *
 * Memory: the request lives in its own arena and goes with it in request_destroy, on its loop,
 * once. Bodies are heap memory under a common limit. Failures: every one is an answer. */
#include "server/request.h"

#include "server/request_int.h"
#include "server/watch/auth.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"

#include <stdio.h>
#include <time.h>

enum {
    BODY_STEP_MIN = 16 << 10, /* first room for a body of unknown or great length */
    TIMEOUT_SEC_MAX = 86400,
    WAIT_STEP_NS = 2000000,
};

static void request_check(const struct exchange *request)
{
    ASSERT(request->arena != NULL && request->route.op != NULL);
    ASSERT(request->body_size <= request->body_capacity);
    switch (request->state) {
    case REQUEST_READING:
        ASSERT(!request->whole && request->input == NULL);
        break;
    case REQUEST_QUEUED:
        ASSERT(request->input == NULL && request->answer.size == 0);
        break;
    case REQUEST_PROPOSED:
    case REQUEST_DECIDED:
    case REQUEST_REPLYING:
        ASSERT(request->input != NULL && request->answer.size == 0);
        break;
    case REQUEST_ANSWERED:
        ASSERT(request->status >= 200);
        break;
    case REQUEST_RUNNING:
    case REQUEST_DONE:
    case REQUEST_STATE_COUNT:
        break;
    }
}

#define TO(state) (1u << REQUEST_##state)
void request_move(struct exchange *request, enum request_state state)
{
    static const unsigned allowed[REQUEST_STATE_COUNT] = {
        [REQUEST_READING] = TO(QUEUED) | TO(RUNNING) | TO(DONE),
        [REQUEST_QUEUED] = TO(RUNNING) | TO(DONE),
        [REQUEST_RUNNING] = TO(PROPOSED) | TO(ANSWERED),
        [REQUEST_PROPOSED] = TO(DECIDED),
        [REQUEST_DECIDED] = TO(REPLYING),
        [REQUEST_REPLYING] = TO(ANSWERED),
        [REQUEST_ANSWERED] = TO(DONE),
        [REQUEST_DONE] = 0,
    };
    ASSERT((allowed[request->state] >> state & 1) != 0);
    request->state = state;
    request_check(request);
}

static struct server_counters *counters(const struct request_service *service)
{
    return &service->options.info->counters;
}

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* Logs, counts, frees. On the loop, in any state that it owns. */
static void request_destroy(struct exchange *request)
{
    struct request_service *service = request->service;
    const struct op *op = request->route.op;
    ASSERT(request->session == NULL);
    request_move(request, REQUEST_DONE);
    uint64_t end_ns = request->sent_ns != 0 ? request->sent_ns : clock_monotonic_ns();
    int status = request->status_sent != 0 ? request->status_sent : status_http(STATUS_CANCELLED);
    metrics_record(service->options.info->metrics, METRICS_REST,
                   (size_t)(op - service->options.ops), status, end_ns - request->begun_ns);
    log_debug("server/http", "%s %d in %zu bytes, %.3f ms", op->name, status, request->body_size,
              (double)(end_ns - request->begun_ns) / 1e6);
    atomic_fetch_sub_explicit(&counters(service)->body_bytes, request->body_capacity,
                              memory_order_relaxed);
    mem_free(request->body);
    buffer_deinit(&request->answer);
    struct arena *arena = request->arena;
    arena_destroy(arena);
    /* Last: whoever waits for zero may take the service down. */
    atomic_fetch_sub_explicit(&counters(service)->requests_open, 1, memory_order_release);
}

/* Sends an answer; the request is then over for the session. */
static void send_answer(struct exchange *request, struct http_reply *reply)
{
    struct session *session = request->session;
    request->session = NULL;
    request->status_sent = reply->status;
    request->sent_ns = clock_monotonic_ns();
    session_reply(session, reply);
}

/* 503 and 429 say when to come again. */
static uint32_t retry_after_sec(int status)
{
    return status == 503 || status == 429 ? 1 : 0;
}

/* The request is home with its answer. */
static void request_finish(struct exchange *request)
{
    if (request->session == NULL) {
        if (request->status_sent == 0) {
            add(&counters(request->service)->requests_abandoned, 1);
        }
        request_destroy(request);
        return;
    }
    struct http_reply reply = {
        .status = request->status,
        .content_type = request->content_type,
        .gzip = request->answer_packed,
        .varies = request->accepts_gzip,
        .retry_after_sec = request->retry_after_sec != 0 ? request->retry_after_sec
                                                         : retry_after_sec(request->status),
    };
    size_t size = 0;
    reply.memory = buffer_take(&request->answer, &size);
    reply.body = slice_of(reply.memory, size);
    send_answer(request, &reply);
    request_destroy(request);
}

static void on_home(struct job *job, void *local)
{
    (void)local;
    request_finish((struct exchange *)job);
}

static void go_home(struct exchange *request)
{
    request_move(request, REQUEST_ANSWERED);
    request->job.run = on_home;
    mailbox_post(request->front->home, &request->job);
}

static void on_worker_reply(struct job *job, void *local)
{
    struct exchange *request = (struct exchange *)job;
    request_move(request, REQUEST_REPLYING);
    request_reply(request, local);
    go_home(request);
}

void request_decided(struct exchange *request)
{
    request_move(request, REQUEST_DECIDED);
    request->job.run = on_worker_reply;
    worker_pool_resume(request->service->pool, &request->job);
}

static void on_worker_run(struct job *job, void *local)
{
    struct exchange *request = (struct exchange *)job;
    request_move(request, REQUEST_RUNNING);
    if (request_run(request, local)) {
        go_home(request);
    }
}

/* Answers with an error from the loop, before the request has run. */
static void fail_early(struct exchange *request, enum status status, const char *text)
{
    (void)error_set(&request->err, status, "%s", text);
    struct buffer body;
    buffer_init(&body, 0);
    rest_encode_error(&request->err, request_seconds(request), &body);
    int http = status_http(status);
    struct http_reply reply = {.status = http,
                               .content_type = "application/json",
                               .retry_after_sec = retry_after_sec(http),
                               .close = status == STATUS_TOO_LARGE};
    size_t size = 0;
    reply.memory = buffer_take(&body, &size);
    reply.body = slice_of(reply.memory, size);
    send_answer(request, &reply);
}

static void on_end(struct exchange *request)
{
    request->whole = true;
    if ((request->route.op->flags & OP_INLINE) != 0) {
        request_move(request, REQUEST_RUNNING);
        bool answered = request_run(request, &request->front->local);
        ASSERT(answered); /* writes are not inline */
        request_move(request, REQUEST_ANSWERED);
        request_finish(request);
        return;
    }
    request_move(request, REQUEST_QUEUED);
    request->job.run = on_worker_run;
    if (!worker_pool_submit(request->service->pool, &request->job)) {
        add(&counters(request->service)->requests_rejected, 1);
        fail_early(request, STATUS_UNAVAILABLE, "too many requests are waiting");
        request_destroy(request);
    }
}

/* Makes room for `size` more bytes and the padding. False: over the common limit, or no memory. */
static bool body_grow(struct exchange *request, size_t size)
{
    size_t needed = request->body_size + size + REST_PADDING;
    if (needed <= request->body_capacity) {
        return true;
    }
    size_t capacity = request->body_capacity * 2;
    size_t expected =
        request->body_expected > BODY_STEP_MIN ? BODY_STEP_MIN : (size_t)request->body_expected;
    size_t least =
        expected > 0 && expected + REST_PADDING > needed ? expected + REST_PADDING : needed;
    capacity = capacity > least ? capacity : least;
    uint64_t more = capacity - request->body_capacity;
    atomic_uint_fast64_t *held = &counters(request->service)->body_bytes;
    uint64_t before = atomic_fetch_add_explicit(held, more, memory_order_relaxed);
    uint8_t *body = before + more <= request->service->held_bytes_max
                        ? mem_try_realloc(request->body, capacity)
                        : NULL;
    if (body == NULL) {
        atomic_fetch_sub_explicit(held, more, memory_order_relaxed);
        return false;
    }
    request->body = body;
    request->body_capacity = capacity;
    return true;
}

static uint8_t *on_room(struct exchange *request, size_t *size)
{
    uint64_t left = request->body_expected - request->body_size;
    if (request->body_expected <= request->body_size ||
        !body_grow(request, left < BODY_STEP_MIN ? (size_t)left : BODY_STEP_MIN)) {
        return NULL;
    }
    *size = request->body_capacity - REST_PADDING - request->body_size;
    return request->body + request->body_size;
}

static void on_body(struct exchange *request, struct slice data)
{
    if (request->body_size + data.size > request->service->body_bytes_max) {
        char text[96];
        (void)snprintf(text, sizeof(text), "Payload is larger than allowed (limit: %zu bytes)",
                       request->service->body_bytes_max);
        fail_early(request, STATUS_TOO_LARGE, text);
        request_destroy(request);
        return;
    }
    if (data.data == request->body + request->body_size && request->body != NULL) {
        request->body_size += data.size; /* it was read in place */
        return;
    }
    if (!body_grow(request, data.size)) {
        add(&counters(request->service)->requests_rejected, 1);
        fail_early(request, STATUS_UNAVAILABLE, "no memory for the request body");
        request_destroy(request);
        return;
    }
    memcpy(request->body + request->body_size, data.data, data.size);
    request->body_size += data.size;
}

static void on_detach(struct exchange *request)
{
    ASSERT(request->session != NULL);
    request->session = NULL;
    atomic_store_explicit(&request->cancelled, true, memory_order_relaxed);
    if (!request->whole) {
        add(&counters(request->service)->requests_abandoned, 1);
        request_destroy(request);
    }
}

static void on_overdue(struct exchange *request, uint64_t now_ns)
{
    if (request->deadline_ns == 0 || now_ns < request->deadline_ns) {
        return;
    }
    /* The owner may be writing to request->err: make the answer apart from it. */
    struct error err;
    (void)error_set(&err, STATUS_TIMEOUT, "Operation timed out after %us", request->timeout_sec);
    struct buffer body;
    buffer_init(&body, 0);
    rest_encode_error(&err, request_seconds(request), &body);
    struct http_reply reply = {.status = status_http(STATUS_TIMEOUT),
                               .content_type = "application/json"};
    size_t size = 0;
    reply.memory = buffer_take(&body, &size);
    reply.body = slice_of(reply.memory, size);
    add(&counters(request->service)->requests_timed_out, 1);
    atomic_store_explicit(&request->cancelled, true, memory_order_relaxed);
    send_answer(request, &reply);
}

static void on_refused(void *self, int status)
{
    (void)status;
    struct request_front *front = self;
    add(&counters(front->service)->requests_unrouted, 1);
}

/* Answers a head that leads to no operation. */
static void answer_head(struct request_front *front, struct session *session, int status,
                        const char *text, const char *allow)
{
    add(&counters(front->service)->requests_unrouted, 1);
    struct http_reply reply = {.status = status, .allow = allow};
    if (text != NULL) {
        reply.content_type = "text/plain; charset=utf-8";
        reply.body = slice_text(text);
    }
    session_reply(session, &reply);
}

/* The same with an error of the envelope's form. */
static void answer_error(struct request_front *front, struct session *session, enum status status,
                         const char *text)
{
    add(&counters(front->service)->requests_unrouted, 1);
    struct error err;
    struct buffer body;
    (void)error_set(&err, status, "%s", text);
    buffer_init(&body, 0);
    rest_encode_error(&err, 0, &body);
    struct http_reply reply = {.status = status_http(status), .content_type = "application/json"};
    size_t size = 0;
    reply.memory = buffer_take(&body, &size);
    reply.body = slice_of(reply.memory, size);
    session_reply(session, &reply);
}

static enum auth_right right_of(const struct settings *settings, const struct h1_head *head)
{
    const struct slice *key = h1_header_find(head, "api-key");
    const struct slice *authorization = h1_header_find(head, "authorization");
    struct slice given = key != NULL             ? *key
                         : authorization != NULL ? auth_bearer(*authorization)
                                                 : slice_of("", 0);
    return auth_right_of(settings, given);
}

/* May this head go on? False: it was answered. */
static bool admit(struct request_front *front, struct session *session, const struct h1_head *head,
                  const struct route *route, enum route_result found)
{
    const struct settings *settings = front->service->options.info->settings;
    bool public = found == ROUTE_FOUND && (route->op->flags & OP_PUBLIC) != 0;
    enum auth_right right = public ? AUTH_ALL : right_of(settings, head);
    if (right == AUTH_NONE) {
        answer_head(front, session, 401, "Invalid api key", NULL);
    } else if (found == ROUTE_UNKNOWN) {
        answer_head(front, session, 404, NULL, NULL);
    } else if (found == ROUTE_BAD_METHOD) {
        answer_head(front, session, 405, NULL, route->methods);
    } else if (found == ROUTE_BAD_TARGET) {
        answer_error(front, session, STATUS_BAD_REQUEST,
                     "the path or the query is not well-formed");
    } else if (right == AUTH_READ && (route->op->flags & OP_WRITE) != 0) {
        answer_error(front, session, STATUS_FORBIDDEN, "this key may only read");
    } else {
        return true;
    }
    return false;
}

/* Decimal seconds of the query parameter `timeout`; 0: none, or not a number (decoding tells the
 * client). */
static unsigned timeout_of(const struct route *route)
{
    for (size_t i = 0; i < route->query_count; i++) {
        struct slice value = route->query[i].value;
        if (!slice_equal(route->query[i].name, SLICE_LITERAL("timeout")) || value.size == 0) {
            continue;
        }
        unsigned seconds = 0;
        for (size_t j = 0; j < value.size; j++) {
            if (value.data[j] < '0' || value.data[j] > '9' || seconds > TIMEOUT_SEC_MAX) {
                return 0;
            }
            seconds = seconds * 10 + (unsigned)(value.data[j] - '0');
        }
        return seconds < TIMEOUT_SEC_MAX ? seconds : TIMEOUT_SEC_MAX;
    }
    return 0;
}

/* Looks at the headers that concern the body. False: it was answered, and the request is gone. */
static bool admit_body(struct exchange *request, const struct h1_head *head)
{
    const struct slice *coding = h1_header_find(head, "content-encoding");
    const struct slice *accepted = h1_header_find(head, "accept-encoding");
    request->accepts_gzip = accepted != NULL && h1_list_has(*accepted, "gzip");
    request->packed = head->has_body && coding != NULL && h1_list_has(*coding, "gzip") &&
                      coding->size == strlen("gzip");
    request->body_expected = head->content_length;
    if (head->content_length > request->service->body_bytes_max) {
        char text[96];
        (void)snprintf(text, sizeof(text), "Payload is larger than allowed (limit: %zu bytes)",
                       request->service->body_bytes_max);
        fail_early(request, STATUS_TOO_LARGE, text);
    } else if (head->has_body && coding != NULL && !request->packed &&
               !h1_list_has(*coding, "identity")) {
        struct http_reply reply = {.status = 415};
        send_answer(request, &reply);
    } else {
        return true;
    }
    request_destroy(request);
    return false;
}

static struct exchange *on_begin(void *self, struct session *session, const struct h1_head *head)
{
    struct request_front *front = self;
    struct request_service *service = front->service;
    struct arena *arena = arena_create(service->arena_bytes_max);
    struct exchange *request = arena_new(arena, struct exchange);
    if (request == NULL) {
        arena_destroy(arena);
        answer_error(front, session, STATUS_UNAVAILABLE, "no memory for the request");
        return NULL;
    }
    enum route_result found =
        router_find(service->router, head->method, head->target, arena, &request->route);
    if (!admit(front, session, head, &request->route, found)) {
        arena_destroy(arena);
        return NULL;
    }
    add(&counters(service)->requests_open, 1);
    request->service = service;
    request->front = front;
    request->arena = arena;
    request->session = session;
    request->begun_ns = clock_monotonic_ns();
    request->timeout_sec = timeout_of(&request->route);
    if (request->timeout_sec > 0) {
        request->deadline_ns =
            request->begun_ns + (uint64_t)request->timeout_sec * UINT64_C(1000000000);
    }
    buffer_init(&request->answer, service->arena_bytes_max);
    request_check(request);
    return admit_body(request, head) ? request : NULL;
}

const struct http_service request_http_service = {
    .begin = on_begin,
    .room = on_room,
    .body = on_body,
    .end = on_end,
    .detach = on_detach,
    .overdue = on_overdue,
    .refused = on_refused,
};

static void *local_create(void *ctx)
{
    (void)ctx;
    struct request_local *local = mem_zalloc(sizeof(*local));
    local->parser = rest_parser_create();
    local->gzip = gzip_create();
    return local;
}

static void local_destroy(void *ctx, void *at)
{
    (void)ctx;
    struct request_local *local = at;
    rest_parser_destroy(local->parser);
    gzip_destroy(local->gzip);
    mem_free(local);
}

enum status request_service_create(const struct request_options *options,
                                   struct request_service **out, struct error *err)
{
    const struct settings *settings = options->info->settings;
    struct request_service *service = mem_zalloc(sizeof(*service));
    service->options = *options;
    service->body_bytes_max = (size_t)settings->service.max_request_size_mb << 20;
    service->arena_bytes_max = (size_t)settings->service.request_memory_mb << 20;
    service->held_bytes_max = (size_t)settings->service.body_memory_mb << 20;
    struct worker_pool_options pool = {
        .threads = (uint32_t)settings->storage.performance.max_search_threads,
        .queue_max = (uint32_t)settings->service.queue_length_max,
        .local_create = local_create,
        .local_destroy = local_destroy,
    };
    enum status status = worker_pool_create(&pool, &service->pool, err);
    if (status != STATUS_OK) {
        mem_free(service);
        return status;
    }
    service->router = router_create(options->ops, options->ops_count);
    service->guard = guard_create(settings);
    *out = service;
    return STATUS_OK;
}

void request_service_stop(struct request_service *service)
{
    /* At most as long as the slowest request needs to see that it was cancelled, or the disk to
     * sync. */
    while (atomic_load_explicit(&counters(service)->requests_open, memory_order_acquire) > 0) {
        (void)nanosleep(&(struct timespec){.tv_nsec = WAIT_STEP_NS}, NULL);
    }
    worker_pool_stop(service->pool);
}

void request_service_destroy(struct request_service *service)
{
    worker_pool_destroy(service->pool);
    router_destroy(service->router);
    guard_destroy(service->guard);
    mem_free(service);
}

size_t request_service_queue_length(const struct request_service *service)
{
    return worker_pool_queue_length(service->pool);
}

struct request_front *request_front_create(struct request_service *service, struct mailbox *home)
{
    struct request_front *front = mem_zalloc(sizeof(*front));
    front->service = service;
    front->home = home;
    front->local = (struct request_local){.parser = rest_parser_create(), .gzip = gzip_create()};
    return front;
}

void request_front_destroy(struct request_front *front)
{
    rest_parser_destroy(front->local.parser);
    gzip_destroy(front->local.gzip);
    mem_free(front);
}
