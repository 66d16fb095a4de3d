/* Shared by request.c (states and hand-overs) and request_run.c (what happens on a compute thread).
 */
#pragma once
#include "server/api/guard.h"
#include "server/http/gzip.h"
#include "server/http/route.h"
#include "server/request.h"

struct request_service {
    struct request_options options;
    struct worker_pool *pool;
    struct router *router;
    struct guard *guard;
    size_t body_bytes_max;
    size_t arena_bytes_max;
    size_t held_bytes_max; /* bodies of all requests together */
};

/* What a thread that runs requests keeps between them. */
struct request_local {
    struct rest_parser *parser;
    struct gzip *gzip;
};

struct request_front {
    struct request_service *service;
    struct mailbox *home;
    struct request_local local; /* for operations that run on the loop */
};

enum request_state {
    REQUEST_READING,  /* loop: the body is coming */
    REQUEST_QUEUED,   /* queue: waits for a compute thread */
    REQUEST_RUNNING,  /* compute thread, or the loop for small ones */
    REQUEST_PROPOSED, /* nobody: its command is in the log's hands */
    REQUEST_DECIDED,  /* queue: the command's result is there, waits for a compute thread */
    REQUEST_REPLYING, /* compute thread: makes the answer of a write */
    REQUEST_ANSWERED, /* mailbox: on its way to its loop */
    REQUEST_DONE,     /* loop */
    REQUEST_STATE_COUNT
};

struct exchange {
    struct job job; /* first */
    enum request_state state;
    struct request_service *service;
    struct request_front *front;
    struct arena *arena; /* the request itself lives in it */
    struct route route;
    uint64_t begun_ns, deadline_ns;
    unsigned timeout_sec;
    bool packed;       /* the body is gzip */
    bool accepts_gzip; /* the answer may be */
    /* The body: heap memory with REST_PADDING bytes of room behind. */
    uint8_t *body;
    size_t body_size, body_capacity;
    uint64_t body_expected; /* 0: not known */
    /* The loop's, whoever owns the request. */
    struct session *session; /* NULL: answered, or the client has left */
    bool whole;              /* the body is complete */
    int status_sent;         /* HTTP status; 0: none yet */
    uint64_t sent_ns;
    atomic_bool cancelled; /* set by the loop, read by anyone */
    /* The owner's. */
    ProtobufCMessage *input;
    struct fsm_result result; /* of a write */
    struct error err;
    uint32_t retry_after_sec; /* 0: by the status */
    int status;               /* of the answer */
    const char *content_type;
    struct buffer answer;
    bool answer_packed;
};

void request_move(struct exchange *request, enum request_state state);
/* On the thread that owns the request: runs it until the answer is made (true), or its command was
 * given away (false; the request must not be touched any more). */
NODISCARD bool request_run(struct exchange *request, struct request_local *local);
/* Makes the answer of a write from its result. */
void request_reply(struct exchange *request, struct request_local *local);
/* Makes an error the answer. */
void request_fail(struct exchange *request);
double request_seconds(const struct exchange *request);
/* Gives a write's request back to the compute threads; called on a foreign thread. */
void request_decided(struct exchange *request);
