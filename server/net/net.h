/* Event loops, the listener and the connections.
 *
 * One thread a loop. The first loop accepts and deals connections out in turn, so few connections
 * spread evenly. */
#pragma once
#include "server/net/stream.h"
#include "server/watch/info.h"
#include "storage/base/status.h"

struct mailbox;
struct net;
struct net_options {
    const char *host;
    uint16_t port; /* 0: any free one */
    uint32_t loops;
    uint64_t connections_max;
    struct slice refusal; /* sent to a connection over the limit before it is closed */
    struct server_counters *counters;
    void *ctx;
    /* Once for each loop before it runs, and after it has ended. `home` brings jobs to that loop's
     * thread. */
    void *(*loop_open)(void *ctx, struct mailbox *home);
    void (*loop_close)(void *ctx, void *loop);
    /* A new connection; returns its user. */
    struct stream_user *(*accept)(void *loop, struct stream *stream);
};
/* Binds and starts the loops. IO names address and reason ("address already in use"). */
enum status net_open(const struct net_options *options, struct net **out, struct error *err);
uint16_t net_port(const struct net *net);
/* Stops accepting, lets requests finish for up to `timeout_ms`, then closes all connections.
 * Returns when none is left. Requests may still be on their way between threads: the loops go on
 * running for them. */
void net_drain(struct net *net, uint64_t timeout_ms);
/* Ends the loops. After net_drain, when no job can come to a mailbox any more. */
void net_close(struct net *net);
