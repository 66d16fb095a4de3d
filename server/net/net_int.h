/* Shared by net.c and conn.c: what a loop is. */
#pragma once
#include "server/net/net.h"
#include "server/worker.h"

#include <pthread.h>
#include <uv.h>

enum { READ_SIZE = 64 << 10 };

struct conn;
struct loop;
/* Something that another thread tells a loop to do. */
struct order {
    struct job job; /* first */
    struct loop *loop;
};
struct loop {
    struct net *net;
    uv_loop_t uv;
    uv_timer_t timer;
    struct mailbox *mailbox;
    struct conn *connections; /* doubly linked */
    void *user;               /* of options.loop_open */
    bool draining;
    pthread_t thread;
    struct order drain, kill, stop;
    uint8_t read_bytes[READ_SIZE];
};

/* Takes over a connected, non-blocking socket. */
void conn_open(struct loop *loop, int fd);
void conn_sweep_all(struct loop *loop, uint64_t now_ns);
void conn_drain_all(struct loop *loop);
void conn_close_all(struct loop *loop);
/* A connection is gone: net.c counts it. Any thread. */
void net_connection_closed(struct net *net);
const struct net_options *net_options_of(const struct net *net);
