/* server/request: reads, writes, deadlines and refusals over real loops, with operations and a log
 * made for the test.
 *
 * The link takes rest_* and replica_propose from this file, so nothing below the server is needed.
 * The fake log answers on a thread of its own, `logged` first and `applied` when the test lets it.
 */
#include "sagitta.pb-c.h"

#include "replication/replica.h"
#include "server/net/net.h"
#include "server/request.h"
#include "server/rest/rest.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "tests/lib/unit.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The REST half, as small as can be: the input is empty, the answer is a text. */
struct rest_parser {
    int unused;
};

struct rest_parser *rest_parser_create(void)
{
    return mem_zalloc(sizeof(struct rest_parser));
}

void rest_parser_destroy(struct rest_parser *parser)
{
    mem_free(parser);
}

enum status rest_decode(const struct op *op, const struct rest_request *request,
                        struct rest_parser *parser, struct arena *arena, ProtobufCMessage **out,
                        struct error *err)
{
    assert_non_null(parser);
    for (size_t i = 0; i < REST_PADDING; i++) { /* the padding is readable */
        (void)((volatile const uint8_t *)request->body.data)[request->body.size + i];
    }
    if (slice_equal(request->body, SLICE_LITERAL("bad"))) {
        return error_set(err, STATUS_FORMAT, "Format error in JSON body: bad");
    }
    Sagitta__TextReply *message = arena_new(arena, Sagitta__TextReply);
    sagitta__text_reply__init(message);
    message->body.data = arena_memdup(arena, request->body.data, request->body.size + 1);
    message->body.len = request->body.size;
    *out = &message->base;
    return op->input != NULL ? STATUS_OK : STATUS_INTERNAL;
}

int rest_encode(const struct op *op, const ProtobufCMessage *output, double seconds,
                struct buffer *out, const char **content_type)
{
    (void)op;
    assert_true(seconds >= 0);
    const Sagitta__TextReply *reply = (const Sagitta__TextReply *)output;
    buffer_append(out, reply->body.data, reply->body.len);
    *content_type = "text/plain";
    return 200;
}

void rest_encode_error(const struct error *err, double seconds, struct buffer *out)
{
    (void)seconds;
    buffer_printf(out, "error: %s%s", status_prefix(err->code), err->message);
}

/* The fake log: one proposal at a time. */
static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;
static atomic_bool hold_applied, fail_log;
static atomic_int proposals, applied_count;
static pthread_t log_threads[64];
static int log_threads_count; /* guarded by log_mutex */

static void *log_main(void *arg)
{
    struct proposal *proposal = arg;
    struct error err;
    bool failing = atomic_load(&fail_log);
    (void)error_set(&err, failing ? STATUS_IO : STATUS_OK, "the disk is gone");
    pthread_mutex_lock(&log_mutex);
    proposal->logged(proposal, err.code, &err, 7);
    pthread_mutex_unlock(&log_mutex);
    while (atomic_load(&hold_applied)) {
        usleep(1000);
    }
    assert_true(slice_equal(proposal->command, SLICE_LITERAL("command"))); /* still valid */
    struct fsm_result result = {.index = 7, .code = err.code, .error = err, .changed = 3};
    atomic_fetch_add(&applied_count, 1);
    proposal->applied(proposal, &result);
    return NULL;
}

void replica_propose(struct replica *replica, struct proposal *proposal)
{
    (void)replica;
    atomic_fetch_add(&proposals, 1);
    pthread_mutex_lock(&log_mutex);
    assert_true(log_threads_count < 64);
    assert_int_equal(pthread_create(&log_threads[log_threads_count++], NULL, log_main, proposal),
                     0);
    pthread_mutex_unlock(&log_mutex);
}

static void log_threads_join(void)
{
    for (int i = 0; i < log_threads_count; i++) {
        pthread_join(log_threads[i], NULL);
    }
    log_threads_count = 0;
}

static void say(struct call *call, void *output, const char *text)
{
    Sagitta__TextReply *reply = output;
    reply->body.data = (uint8_t *)arena_strndup(call->arena, text, strlen(text));
    reply->body.len = strlen(text);
}

static enum status run_echo(struct call *call, const void *input, void *output)
{
    (void)call;
    const Sagitta__TextReply *from = input;
    ((Sagitta__TextReply *)output)->body = from->body;
    return STATUS_OK;
}

static enum status run_missing(struct call *call, const void *input, void *output)
{
    (void)input;
    (void)output;
    return error_set(call->err, STATUS_NOT_FOUND, "Collection x not found");
}

static atomic_int slow_ended;
static enum status run_slow(struct call *call, const void *input, void *output)
{
    (void)input;
    (void)output;
    for (int i = 0; i < 20000 && !atomic_load(call->cancelled); i++) {
        usleep(1000);
    }
    atomic_fetch_add(&slow_ended, 1);
    return error_set(call->err, STATUS_CANCELLED, "given up");
}

static enum status propose_write(struct call *call, const void *input, struct buffer *command)
{
    const Sagitta__TextReply *from = input;
    struct slice body = slice_of(from->body.data, from->body.len);
    if (slice_equal(body, SLICE_LITERAL("refuse"))) {
        return error_set(call->err, STATUS_BAD_INPUT, "no");
    }
    if (!slice_equal(body, SLICE_LITERAL("nothing"))) {
        buffer_append_text(command, "command");
    }
    return STATUS_OK;
}

static enum status reply_write(struct call *call, const void *input,
                               const struct fsm_result *result, void *output)
{
    assert_non_null(input);
    char text[64];
    (void)snprintf(text, sizeof(text), "index %llu changed %llu", (unsigned long long)result->index,
                   (unsigned long long)result->changed);
    say(call, output, text);
    return STATUS_OK;
}

static bool wait_write(const void *input)
{
    const Sagitta__TextReply *from = input;
    return from->body.len == 0 || from->body.data[0] == 'w';
}

#define MESSAGES                                                                                   \
    .input = &sagitta__text_reply__descriptor, .output = &sagitta__text_reply__descriptor
static const struct op ops[] = {
    {.name = "echo",
     .method = "POST",
     .path = "/echo",
     .flags = OP_READ,
     MESSAGES,
     .run = run_echo},
    {.name = "inline",
     .method = "POST",
     .path = "/inline",
     .flags = OP_READ | OP_INLINE,
     MESSAGES,
     .run = run_echo},
    {.name = "missing",
     .method = "GET",
     .path = "/missing",
     .flags = OP_READ,
     MESSAGES,
     .run = run_missing},
    {.name = "slow", .method = "GET", .path = "/slow", .flags = OP_READ, MESSAGES, .run = run_slow},
    {.name = "write",
     .method = "PUT",
     .path = "/write",
     .flags = OP_WRITE,
     MESSAGES,
     .propose = propose_write,
     .reply = reply_write,
     .wait = wait_write},
};
enum { OPS = sizeof(ops) / sizeof(ops[0]) };

static struct settings settings;
static struct server_info info;
static struct metrics *metrics;
static struct request_service *service;
static struct net *net;

struct parts {
    struct http_loop http;
    struct request_front *front;
};

static void *on_loop_open(void *ctx, struct mailbox *home)
{
    (void)ctx;
    struct parts *parts = mem_zalloc(sizeof(*parts));
    parts->front = request_front_create(service, home);
    uint64_t minute_ns = UINT64_C(60000000000);
    parts->http = (struct http_loop){.service = &request_http_service,
                                     .self = parts->front,
                                     .head_bytes_max = 65536,
                                     .idle_timeout_ns = minute_ns,
                                     .header_timeout_ns = minute_ns,
                                     .body_timeout_ns = minute_ns};
    return parts;
}

static void on_loop_close(void *ctx, void *loop)
{
    (void)ctx;
    request_front_destroy(((struct parts *)loop)->front);
    mem_free(loop);
}

static struct stream_user *on_accept(void *loop, struct stream *stream)
{
    return session_open(&((struct parts *)loop)->http, stream);
}

static int start(void **state)
{
    (void)state;
    struct error err;
    config_defaults(&settings);
    settings.storage.performance.max_search_threads = 2;
    settings.service.queue_length_max = 4;
    settings.service.max_request_size_mb = 1;
    metrics = metrics_create(OPS);
    server_info_init(&info, &settings, metrics);
    atomic_store(&hold_applied, false);
    atomic_store(&fail_log, false);
    atomic_store(&slow_ended, 0);
    struct request_options request = {.ops = ops, .ops_count = OPS, .info = &info};
    assert_int_equal(request_service_create(&request, &service, &err), STATUS_OK);
    struct net_options options = {.host = "127.0.0.1",
                                  .loops = 2,
                                  .connections_max = 100,
                                  .refusal = SLICE_LITERAL("full"),
                                  .counters = &info.counters,
                                  .loop_open = on_loop_open,
                                  .loop_close = on_loop_close,
                                  .accept = on_accept};
    assert_int_equal(net_open(&options, &net, &err), STATUS_OK);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    net_drain(net, 5000);
    request_service_stop(service);
    net_close(net);
    log_threads_join();
    request_service_destroy(service);
    assert_int_equal(atomic_load(&info.counters.requests_open), 0);
    assert_int_equal(atomic_load(&info.counters.body_bytes), 0);
    assert_int_equal(atomic_load(&info.counters.connections_open), 0);
    metrics_destroy(metrics);
    config_deinit(&settings);
    return 0;
}

static int dial(void)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(net_port(net))};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    struct timeval limit = {.tv_sec = 20};
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    return fd;
}

static void send_request(int fd, const char *method, const char *path, const char *body)
{
    char text[4096];
    int size =
        snprintf(text, sizeof(text), "%s %s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n%s",
                 method, path, strlen(body), body);
    assert_int_equal(send(fd, text, (size_t)size, MSG_NOSIGNAL), size);
}

/* Reads one answer; returns its status and leaves its body in `body`. */
static char body[8192];
static int receive(int fd)
{
    char head[4096];
    size_t size = 0;
    while (size < 4 || memcmp(head + size - 4, "\r\n\r\n", 4) != 0) {
        assert_true(size + 1 < sizeof(head));
        assert_int_equal(recv(fd, head + size, 1, 0), 1);
        size++;
    }
    head[size] = '\0';
    const char *length = strstr(head, "content-length: ");
    assert_non_null(length);
    size_t want = strtoul(length + 16, NULL, 10);
    assert_true(want < sizeof(body));
    for (size_t have = 0; have < want;) {
        ssize_t got = recv(fd, body + have, want - have, 0);
        assert_true(got > 0);
        have += (size_t)got;
    }
    body[want] = '\0';
    return (int)strtol(head + 9, NULL, 10);
}

static int ask(int fd, const char *method, const char *path, const char *text)
{
    send_request(fd, method, path, text);
    return receive(fd);
}

static void test_reads(void **state)
{
    /* Proves: reads on workers and on the loop answer what the operation said, errors carry prefix
     * and status. */
    (void)state;
    int fd = dial();
    for (int i = 0; i < 200; i++) {
        char text[32];
        (void)snprintf(text, sizeof(text), "hello %d", i);
        assert_int_equal(ask(fd, "POST", i % 2 == 0 ? "/echo" : "/inline", text), 200);
        assert_string_equal(body, text);
    }
    assert_int_equal(ask(fd, "POST", "/echo", "bad"), 400);
    assert_string_equal(body, "error: Format error in JSON body: bad");
    assert_int_equal(ask(fd, "GET", "/missing", ""), 404);
    assert_string_equal(body, "error: Not found: Collection x not found");
    assert_int_equal(ask(fd, "GET", "/nothing", ""), 404);
    assert_string_equal(body, "");
    close(fd);
    struct op_metrics seen;
    metrics_read(metrics, METRICS_REST, 0, &seen);
    assert_int_equal(seen.count, 101);
    assert_int_equal(seen.failed, 1);
    assert_int_equal(seen.codes_count, 2);
}

static void test_writes(void **state)
{
    /* Proves: wait=true answers with what apply gave; wait=false answers when logged, while apply
     * is held back; refusals and empty commands never reach the log; a failed log write is an error
     * for both. */
    (void)state;
    int fd = dial();
    int before = atomic_load(&proposals);
    assert_int_equal(ask(fd, "PUT", "/write", "w"), 200);
    assert_string_equal(body, "index 7 changed 3");
    assert_int_equal(ask(fd, "PUT", "/write", "refuse"), 400);
    assert_string_equal(body, "error: Wrong input: no");
    assert_int_equal(ask(fd, "PUT", "/write", "nothing"), 200);
    assert_string_equal(body, "index 0 changed 0");
    assert_int_equal(atomic_load(&proposals), before + 1);
    int applied = atomic_load(&applied_count);
    atomic_store(&hold_applied, true);
    assert_int_equal(ask(fd, "PUT", "/write", "no wait"), 200);
    assert_string_equal(body, "index 7 changed 0");
    assert_int_equal(atomic_load(&applied_count), applied);
    atomic_store(&hold_applied, false);
    while (atomic_load(&applied_count) == applied) {
        usleep(1000);
    }
    atomic_store(&fail_log, true);
    assert_int_equal(ask(fd, "PUT", "/write", "w"), 500);
    assert_string_equal(body, "error: Service internal error: the disk is gone");
    assert_int_equal(ask(fd, "PUT", "/write", "no wait"), 500);
    close(fd);
}

static void test_deadlines(void **state)
{
    /* Proves: a read past its deadline is answered 408 and its loop hears of it; a write past it is
     * answered 408, is applied all the same, and the connection goes on. */
    (void)state;
    int fd = dial();
    uint64_t begun_ns = clock_monotonic_ns();
    assert_int_equal(ask(fd, "GET", "/slow?timeout=1", ""), 408);
    assert_string_equal(body, "error: Timeout: Operation timed out after 1s");
    assert_true(clock_monotonic_ns() - begun_ns < UINT64_C(5000000000));
    int applied = atomic_load(&applied_count);
    atomic_store(&hold_applied, true);
    assert_int_equal(ask(fd, "PUT", "/write?timeout=1", "w"), 408);
    assert_int_equal(ask(fd, "POST", "/echo", "next"), 200);
    atomic_store(&hold_applied, false);
    while (atomic_load(&applied_count) == applied || atomic_load(&slow_ended) == 0) {
        usleep(1000);
    }
    close(fd);
    assert_int_equal(atomic_load(&info.counters.requests_timed_out), 2);
}

static void test_client_leaves(void **state)
{
    /* Proves: when the client leaves, a running read is told, and nothing leaks: `stop` checks the
     * counters. */
    (void)state;
    for (int i = 0; i < 2; i++) {
        int fd = dial();
        send_request(fd, "GET", "/slow", "");
        usleep(50000);
        close(fd);
    }
    while (atomic_load(&slow_ended) < 2) {
        usleep(1000);
    }
}

static void test_full_queue(void **state)
{
    /* Proves: past queue_length_max requests get 503 at once, and the server recovers. */
    (void)state;
    int fds[12];
    int full = 0;
    for (int i = 0; i < 12; i++) {
        fds[i] = dial();
        send_request(fds[i], "GET", i < 6 ? "/slow?timeout=1" : "/missing", "");
        usleep(20000); /* the first six take both threads and the whole queue */
    }
    for (int i = 0; i < 12; i++) {
        int status = receive(fds[i]);
        assert_int_equal(status, i < 6 ? 408 : 503);
        full += status == 503;
    }
    while (atomic_load(&info.counters.requests_open) > 0) {
        usleep(1000); /* the cancelled ones leave the queue */
    }
    for (int i = 0; i < 12; i++) {
        assert_int_equal(ask(fds[i], "POST", "/echo", "x"), 200);
        close(fds[i]);
    }
    assert_int_equal(full, 6);
    assert_int_equal(atomic_load(&info.counters.requests_rejected), 6);
}

static void test_stop_with_open_requests(void **state)
{
    /* Proves: a server that stops waits for a command in the log's hands, and cancels a read that
     * would run for long. */
    (void)state;
    int reading = dial();
    int writing = dial();
    atomic_store(&hold_applied, true);
    send_request(reading, "GET", "/slow", "");
    send_request(writing, "PUT", "/write", "w");
    usleep(100000);
    net_drain(net, 300);
    atomic_store(&hold_applied, false);
    request_service_stop(service);
    assert_int_equal(atomic_load(&slow_ended), 1);
    net_close(net);
    log_threads_join();
    request_service_destroy(service);
    assert_int_equal(atomic_load(&info.counters.requests_open), 0);
    close(reading);
    close(writing);
    metrics_destroy(metrics);
    config_deinit(&settings);
}

#define SERVER_TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)
int main(void)
{
    const struct CMUnitTest tests[] = {
        SERVER_TEST(test_reads),      SERVER_TEST(test_writes),
        SERVER_TEST(test_deadlines),  SERVER_TEST(test_client_leaves),
        SERVER_TEST(test_full_queue), cmocka_unit_test_setup(test_stop_with_open_requests, start),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
