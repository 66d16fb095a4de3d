/* One HTTP/1 connection: messages in, answers out, in order.
 *
 * A session reads one request at a time, hands it to the service, and goes on when it was answered.
 * Time limits, keep-alive, 100-continue, preflights, discarding of bodies that nobody wants, and
 * closing are settled here; what a request means is the service's. All on the thread of the
 * session's loop. */
#pragma once
#include "server/http/h1.h"
#include "server/http/reply.h"
#include "server/net/stream.h"

struct exchange; /* the service's: one request */
struct session;

struct http_service {
    /* The head is there. Returns the exchange; or NULL, having answered: the body is then
     * discarded. */
    struct exchange *(*begin)(void *self, struct session *session, const struct h1_head *head);
    /* Where the next body bytes should go; NULL: no wish. */
    uint8_t *(*room)(struct exchange *exchange, size_t *size);
    /* Body bytes; `data` may lie in the room given before. May answer: the rest is then discarded.
     */
    void (*body)(struct exchange *exchange, struct slice data);
    /* The request is whole. It is answered now or later, once, with session_reply. */
    void (*end)(struct exchange *exchange);
    /* The session does not want an answer any more (the client left, or broke off). It must not be
     * named again. */
    void (*detach)(struct exchange *exchange);
    /* Looks at the exchange's deadline. May answer. */
    void (*overdue)(struct exchange *exchange, uint64_t now_ns);
    /* The session answered by itself: bad HTTP, or too slow. For the statistics. */
    void (*refused)(void *self, int status);
};

/* What all sessions of one loop share. */
struct http_loop {
    const struct http_service *service;
    void *self; /* of the service */
    size_t head_bytes_max;
    uint64_t idle_timeout_ns, header_timeout_ns, body_timeout_ns;
    bool cors;
    time_t date_of; /* cache of the Date header */
    char date[HTTP_DATE_SIZE];
};

/* For net_options.accept. */
struct stream_user *session_open(struct http_loop *loop, struct stream *stream);
/* Answers the current exchange, which is then over for the session. Takes reply->memory. */
void session_reply(struct session *session, const struct http_reply *reply);
