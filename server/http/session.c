/* An HTTP/1 connection's life.
 *
 *      +--------> IDLE --first byte--> HEAD --head whole--> BODY --message whole--> ANSWER
 *      |            |                   |                    |                        |
 *      +------------|-------------------|--------------------|------- answered -------+
 *                   |                   |                    |                        |
 *                   +---- time, error, "close", peer gone ---+------------------------+--> CLOSING
 * --> closed
 *
 * IDLE, HEAD, BODY: bytes go to the parser as they come. ANSWER: the request runs; bytes that come
 * meanwhile (pipelined requests) wait in `pending`, and past a limit reading is paused. An answer
 * may come early, in BODY: small rests of bodies are then read and dropped so that the connection
 * can stay; otherwise the session closes. CLOSING: the answer is on its way; what the peer still
 * sends is dropped for a while, because closing on unread bytes would reset the connection and
 * could take the answer with it.
 *
 * The next request is begun only when the answer before it has left for the socket, so a peer that
 * does not read costs one answer of memory.
 *
 * pump() is the only place that steps the parser, and it is not entered twice: an answer given from
 * within it is noticed when it looks at the phase again. Memory goes in on_closed, which comes from
 * the loop, never from inside a call. Threads: the loop's. Failures: bad HTTP is answered and
 * closes; nothing else. */
#include "server/http/session.h"

#include "storage/base/assert.h"
#include "storage/base/buffer.h"
#include "storage/base/clock.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"

enum {
    PENDING_MAX = 256 << 10, /* pipelined bytes that wait */
    PENDING_KEPT = 16 << 10,
    DISCARD_MAX = 1 << 20,    /* rest of an unwanted body that is read to keep the connection */
    BODY_RATE_MIN = 16 << 10, /* bytes a second that a body must bring after its time is over */
};
#define SECOND_NS     UINT64_C(1000000000)
#define LINGER_NS     (2 * SECOND_NS)
#define LINGER_MAX_NS (30 * SECOND_NS)

enum phase { PHASE_IDLE, PHASE_HEAD, PHASE_BODY, PHASE_ANSWER, PHASE_CLOSING };

struct session {
    struct stream_user user; /* first */
    struct stream *stream;
    struct http_loop *loop;
    struct h1 *h1;
    enum phase phase;
    uint64_t phase_since_ns;
    struct exchange *exchange; /* not answered yet */
    struct buffer pending;     /* bytes not parsed yet, from pending_begin on */
    size_t pending_begin;
    /* Of the current message. */
    bool answered, keep_alive, version_1_0, is_head, expects_continue, chunked, cors, preflight;
    struct slice cors_headers; /* in the parser's memory */
    uint64_t content_length, body_received;
    /* Of the connection. */
    bool draining, ended, pumping, finished;
    uint64_t heard_ns;  /* CLOSING: last time the peer sent something */
    size_t unsent_seen; /* to notice a reader that stalls */
    uint64_t unsent_since_ns;
};

static void pump(struct session *session);

static void session_check(const struct session *session)
{
    ASSERT(session->exchange == NULL || !session->answered);
    ASSERT(session->exchange == NULL || session->phase == PHASE_BODY ||
           session->phase == PHASE_ANSWER);
    ASSERT(session->phase != PHASE_ANSWER || session->exchange != NULL);
    ASSERT(session->pending_begin <= session->pending.size);
}

static void move(struct session *session, enum phase phase)
{
    static const unsigned allowed[] = {
        [PHASE_IDLE] = 1u << PHASE_HEAD | 1u << PHASE_BODY | 1u << PHASE_CLOSING,
        [PHASE_HEAD] = 1u << PHASE_BODY | 1u << PHASE_CLOSING,
        [PHASE_BODY] = 1u << PHASE_ANSWER | 1u << PHASE_IDLE | 1u << PHASE_CLOSING,
        [PHASE_ANSWER] = 1u << PHASE_IDLE | 1u << PHASE_CLOSING,
        [PHASE_CLOSING] = 0,
    };
    ASSERT((allowed[session->phase] >> phase & 1) != 0);
    session->phase = phase;
    session->phase_since_ns = clock_monotonic_ns();
    session->heard_ns = session->phase_since_ns;
}

/* The message is over, the next may come. */
static void next_message(struct session *session)
{
    move(session, PHASE_IDLE);
    session->answered = session->is_head = session->cors = session->preflight = false;
    session->version_1_0 = session->expects_continue = session->chunked = false;
    session->content_length = session->body_received = 0;
    session->cors_headers = slice_of(NULL, 0);
}

static const char *date_now(struct http_loop *loop)
{
    time_t now = (time_t)(clock_realtime_ms() / 1000);
    if (now != loop->date_of) {
        loop->date_of = now;
        http_date_format(now, loop->date);
    }
    return loop->date;
}

/* The last answer was given: tell the peer when it is out. */
static void finish(struct session *session)
{
    if (session->phase == PHASE_CLOSING && !session->finished &&
        session->stream->ops->unsent(session->stream) == 0) {
        session->finished = true;
        session->stream->ops->finish(session->stream);
    }
}

static void send_reply(struct session *session, const struct http_reply *reply, bool close)
{
    struct http_head_options options = {
        .date = date_now(session->loop),
        .close = close,
        .keep_alive_1_0 = session->version_1_0 && !close,
        .cors = session->cors,
        .preflight = session->preflight,
        .cors_headers = session->cors_headers,
    };
    char head[HTTP_HEAD_SIZE_MAX];
    size_t head_size = http_head_format(head, reply, &options);
    struct slice body = session->is_head ? slice_of(NULL, 0) : reply->body;
    session->answered = true;
    session->stream->ops->send(session->stream, slice_of(head, head_size), body, reply->memory);
}

void session_reply(struct session *session, const struct http_reply *reply)
{
    ASSERT(!session->answered && !session->ended);
    ASSERT(session->phase == PHASE_BODY || session->phase == PHASE_ANSWER);
    bool close = reply->close || !session->keep_alive || session->draining;
    if (session->phase == PHASE_BODY) {
        /* Early: the client may not send the body now (100-continue), or has too much to send. */
        close = close || session->expects_continue || session->chunked ||
                session->content_length - session->body_received > DISCARD_MAX;
    }
    session->exchange = NULL;
    send_reply(session, reply, close);
    if (session->ended) {
        return; /* the socket failed while sending */
    }
    if (close) {
        move(session, PHASE_CLOSING);
        finish(session);
    } else if (session->phase == PHASE_ANSWER) {
        next_message(session);
    }
    session_check(session);
    pump(session);
}

/* Answers without the service and closes. */
static void refuse(struct session *session, int status, const char *text)
{
    struct exchange *exchange = session->exchange;
    session->exchange = NULL;
    if (exchange != NULL) {
        session->loop->service->detach(exchange);
    }
    session->loop->service->refused(session->loop->self, status);
    log_debug("server/http", "refused with %d: %s", status, text);
    if (!session->answered) {
        struct buffer body;
        buffer_init(&body, 0);
        buffer_printf(&body, "{\"status\":{\"error\":\"%s\"},\"time\":0.0}", text);
        struct http_reply reply = {.status = status, .content_type = "application/json"};
        size_t size = 0;
        reply.memory = buffer_take(&body, &size);
        reply.body = slice_of(reply.memory, size);
        send_reply(session, &reply, true);
    }
    if (!session->ended) {
        move(session, PHASE_CLOSING);
        finish(session);
    }
}

/* A browser asks whether a page may send a request. */
static void preflight_reply(struct session *session)
{
    struct http_reply reply = {.status = 200};
    session->preflight = true;
    session_reply(session, &reply);
}

static void on_head(struct session *session, bool more_is_there)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    const struct h1_head *head = h1_head(session->h1);
    move(session, PHASE_BODY);
    session->keep_alive = head->keep_alive;
    session->version_1_0 = head->version_1_0;
    session->is_head = strcmp(head->method, "HEAD") == 0;
    session->expects_continue = head->expects_continue && head->has_body;
    session->chunked = head->chunked;
    session->content_length = head->content_length;
    session->cors = session->loop->cors && h1_header_find(head, "origin") != NULL;
    if (session->cors && strcmp(head->method, "OPTIONS") == 0 &&
        h1_header_find(head, "access-control-request-method") != NULL) {
        const struct slice *wanted = h1_header_find(head, "access-control-request-headers");
        session->cors_headers = wanted != NULL ? *wanted : session->cors_headers;
        preflight_reply(session);
        return;
    }
    struct exchange *exchange = session->loop->service->begin(session->loop->self, session, head);
    if (session->answered) {
        ASSERT(exchange == NULL);
        return;
    }
    ASSERT(exchange != NULL);
    session->exchange = exchange;
    if (session->expects_continue && !session->version_1_0 && !more_is_there) {
        session->expects_continue = false; /* asked for now: the body will come */
        session->stream->ops->send(session->stream, slice_of(go_on, sizeof(go_on) - 1),
                                   slice_of(NULL, 0), NULL);
    }
}

static void on_body(void *ctx, const uint8_t *data, size_t size)
{
    struct session *session = ctx;
    session->body_received += size;
    if (session->exchange != NULL) {
        session->loop->service->body(session->exchange, slice_of(data, size));
    }
}

static void on_end(struct session *session)
{
    if (session->phase == PHASE_CLOSING) {
        return;
    }
    if (session->answered) {
        next_message(session);
        return;
    }
    move(session, PHASE_ANSWER);
    session_check(session);
    session->loop->service->end(session->exchange);
}

/* May the parser be stepped? */
static bool can_parse(const struct session *session)
{
    return !session->ended && session->phase != PHASE_ANSWER && session->phase != PHASE_CLOSING &&
           session->stream->ops->unsent(session->stream) == 0;
}

/* Steps the parser over `bytes` as far as it may. */
static void parse(struct session *session, struct slice *bytes)
{
    session->pumping = true;
    while (can_parse(session)) {
        enum h1_event event = h1_step(session->h1, bytes);
        if (session->ended || session->phase == PHASE_CLOSING) {
            break; /* a body callback answered and closed */
        }
        if (event == H1_MORE) {
            if (session->phase == PHASE_IDLE && h1_begun(session->h1)) {
                move(session, PHASE_HEAD);
            }
            break;
        }
        if (event == H1_HEAD) {
            on_head(session, bytes->size > 0);
        } else if (event == H1_END) {
            on_end(session);
        } else {
            struct h1_failure failure = h1_failure(session->h1);
            refuse(session, failure.http_status, failure.text);
        }
        session_check(session);
    }
    session->pumping = false;
}

static void on_ended(struct stream_user *user)
{
    struct session *session = (struct session *)user; /* the first member */
    session->ended = true;
    struct exchange *exchange = session->exchange;
    session->exchange = NULL;
    if (session->phase != PHASE_CLOSING) {
        move(session, PHASE_CLOSING);
    }
    if (exchange != NULL) {
        session->loop->service->detach(exchange);
    }
}

/* Ends the connection from our side. */
static void close_now(struct session *session)
{
    on_ended(&session->user);
    session->stream->ops->close(session->stream);
}

/* The server stops and no request is open. */
static void retire(struct session *session)
{
    if (session->stream->ops->unsent(session->stream) == 0) {
        close_now(session);
    } else {
        move(session, PHASE_CLOSING); /* the last answer first */
    }
}

/* Goes on with what waits, when it may. */
static void pump(struct session *session)
{
    if (session->pumping || session->ended) {
        return;
    }
    if (can_parse(session)) {
        static const uint8_t nothing[1];
        size_t left = session->pending.size - session->pending_begin;
        struct slice bytes = left > 0
                                 ? slice_of(session->pending.data + session->pending_begin, left)
                                 : slice_of(nothing, 0);
        parse(session, &bytes);
        session->pending_begin = session->pending.size - bytes.size;
    }
    if (session->phase == PHASE_CLOSING || session->pending_begin == session->pending.size) {
        session->pending_begin = 0;
        if (session->pending.capacity > PENDING_KEPT) {
            buffer_deinit(&session->pending);
            buffer_init(&session->pending, 0);
        }
        buffer_clear(&session->pending);
    }
    if (session->draining && session->phase == PHASE_IDLE) {
        retire(session);
        return;
    }
    bool full = session->pending.size - session->pending_begin > PENDING_MAX;
    session->stream->ops->pause(session->stream, full);
}

static void keep(struct session *session, struct slice bytes)
{
    if (session->pending_begin > 0) {
        size_t left = session->pending.size - session->pending_begin;
        memmove(session->pending.data, session->pending.data + session->pending_begin, left);
        session->pending.size = left;
        session->pending_begin = 0;
    }
    buffer_append_slice(&session->pending, bytes);
}

static struct session *session_of(struct stream_user *user)
{
    return (struct session *)user; /* the first member */
}

static uint8_t *on_room(struct stream_user *user, size_t *size)
{
    struct session *session = session_of(user);
    bool plain = session->phase == PHASE_BODY && session->exchange != NULL && !session->chunked &&
                 session->pending.size == 0;
    uint64_t left = plain ? session->content_length - session->body_received : 0;
    if (left == 0) {
        return NULL;
    }
    uint8_t *room = session->loop->service->room(session->exchange, size);
    if (room != NULL && *size > left) {
        *size = (size_t)left;
    }
    return room;
}

static void on_read(struct stream_user *user, struct slice bytes)
{
    struct session *session = session_of(user);
    session->heard_ns = clock_monotonic_ns();
    if (session->phase == PHASE_CLOSING) {
        return; /* dropped */
    }
    if (session->pending.size == 0 && can_parse(session)) {
        parse(session, &bytes);
    }
    if (!session->ended && session->phase != PHASE_CLOSING && bytes.size > 0) {
        keep(session, bytes);
    }
    pump(session);
}

static void on_sent(struct stream_user *user)
{
    struct session *session = session_of(user);
    finish(session);
    pump(session);
}

static void on_closed(struct stream_user *user)
{
    struct session *session = session_of(user);
    ASSERT(session->ended && session->exchange == NULL);
    buffer_deinit(&session->pending);
    h1_destroy(session->h1);
    mem_free(session);
}

/* Has the peer stopped reading? */
static bool stalled(struct session *session, uint64_t now_ns)
{
    size_t unsent = session->stream->ops->unsent(session->stream);
    if (unsent == 0 || unsent != session->unsent_seen) {
        session->unsent_seen = unsent;
        session->unsent_since_ns = now_ns;
        return false;
    }
    return now_ns - session->unsent_since_ns > session->loop->body_timeout_ns;
}

static uint64_t since(uint64_t then_ns, uint64_t now_ns)
{
    return now_ns > then_ns ? now_ns - then_ns : 0;
}

static void on_sweep(struct stream_user *user, uint64_t now_ns)
{
    struct session *session = session_of(user);
    const struct http_loop *loop = session->loop;
    if (stalled(session, now_ns)) {
        close_now(session);
        return;
    }
    uint64_t elapsed_ns = since(session->phase_since_ns, now_ns);
    uint64_t body_ns = loop->body_timeout_ns + session->body_received * SECOND_NS / BODY_RATE_MIN;
    switch (session->phase) {
    case PHASE_IDLE:
        if (elapsed_ns > loop->idle_timeout_ns) {
            close_now(session);
        }
        break;
    case PHASE_HEAD:
        if (elapsed_ns > loop->header_timeout_ns) {
            refuse(session, 408, "the request line and headers took too long");
        }
        break;
    case PHASE_BODY:
        if (elapsed_ns > body_ns) {
            refuse(session, 408, "the request body took too long");
        }
        break;
    case PHASE_ANSWER:
        loop->service->overdue(session->exchange, now_ns);
        break;
    case PHASE_CLOSING:
        if (elapsed_ns > LINGER_MAX_NS ||
            (session->finished && since(session->heard_ns, now_ns) > LINGER_NS)) {
            close_now(session);
        }
        break;
    }
}

static void on_drain(struct stream_user *user)
{
    struct session *session = session_of(user);
    session->draining = true;
    pump(session);
}

static const struct stream_user_ops session_ops = {
    .room = on_room,
    .read = on_read,
    .sent = on_sent,
    .ended = on_ended,
    .closed = on_closed,
    .sweep = on_sweep,
    .drain = on_drain,
};

struct stream_user *session_open(struct http_loop *loop, struct stream *stream)
{
    struct session *session = mem_zalloc(sizeof(*session));
    session->user.ops = &session_ops;
    session->stream = stream;
    session->loop = loop;
    session->phase = PHASE_IDLE;
    session->phase_since_ns = clock_monotonic_ns();
    buffer_init(&session->pending, 0);
    struct h1_options options = {
        .head_bytes_max = loop->head_bytes_max, .body = on_body, .ctx = session};
    session->h1 = h1_create(&options);
    return &session->user;
}
