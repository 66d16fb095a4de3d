/* The life of a REST request, from its head to its answer: all asynchronous control flow of the
 * server is in request.c.
 *
 * A request_service serves all loops; each loop has a request_front, which is the `self` of its
 * HTTP service. */
#pragma once
#include "server/api/op.h"
#include "server/http/session.h"
#include "server/watch/info.h"
#include "server/worker.h"

struct replica;
struct request_service;
struct request_front;

struct request_options {
    const struct op *ops;
    size_t ops_count;
    struct engine *engine;
    struct replica *replica;
    struct server_info *info; /* with settings and metrics */
};
/* Everything is borrowed. INTERNAL when the compute threads cannot be started. */
enum status request_service_create(const struct request_options *options,
                                   struct request_service **out, struct error *err);
/* Waits until no request is open (their connections are gone), then ends the compute threads. */
void request_service_stop(struct request_service *service);
/* After the loops and the replica's threads have ended. */
void request_service_destroy(struct request_service *service);
size_t request_service_queue_length(const struct request_service *service);

struct request_front *request_front_create(struct request_service *service, struct mailbox *home);
void request_front_destroy(struct request_front *front);
/* The HTTP service; its `self` is a request_front. */
extern const struct http_service request_http_service;
