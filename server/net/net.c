/* Loops and listener.
 *
 * Story: net_open binds the socket, prepares every loop, starts the threads. The first loop polls
 * the listening socket and accepts; a connection goes to the loops in turn through their mailboxes.
 * (One socket for each loop, shared by the kernel, spreads a handful of connections badly: two of
 * them may well meet on one loop.) A timer on every loop sweeps its connections for time limits.
 *
 * Stopping has two steps, because requests travel between threads: net_drain until no connection is
 * left, net_close when no request is left. Orders reach a loop as jobs in its mailbox.
 *
 * Threads: net_* are called by the thread that opened; the rest runs on the loops. Failures: at
 * opening only; when the process has no file descriptors left, accepting rests for a moment. */
#define _GNU_SOURCE /* accept4 */
#include "server/net/net.h"

#include "server/net/net_int.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"

#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { SWEEP_MS = 100, BACKLOG = 1024, ACCEPT_BATCH = 64 };

struct net {
    struct net_options options;
    int listener;
    uint16_t port;
    uv_poll_t poll;      /* on the first loop */
    bool accept_resting; /* first loop only */
    uint32_t next_loop;  /* first loop only */
    pthread_mutex_t mutex;
    pthread_cond_t none_left; /* the last connection has gone */
    atomic_uint_fast64_t connections;
    uint32_t started;
    uint32_t loop_count;
    struct loop *loops;
};

/* A connection on its way to another loop. */
struct handoff {
    struct job job;
    struct loop *loop;
    int fd;
};

const struct net_options *net_options_of(const struct net *net)
{
    return &net->options;
}

uint16_t net_port(const struct net *net)
{
    return net->port;
}

void net_connection_closed(struct net *net)
{
    atomic_fetch_sub_explicit(&net->options.counters->connections_open, 1, memory_order_relaxed);
    pthread_mutex_lock(&net->mutex);
    if (atomic_fetch_sub(&net->connections, 1) == 1) {
        pthread_cond_broadcast(&net->none_left);
    }
    pthread_mutex_unlock(&net->mutex);
}

static void handoff_run(struct job *job, void *local)
{
    (void)local;
    struct handoff *handoff = (struct handoff *)job;
    conn_open(handoff->loop, handoff->fd);
    mem_free(handoff);
}

static void refuse(struct net *net, int fd)
{
    const struct net_options *options = &net->options;
    atomic_fetch_add_explicit(&options->counters->connections_refused, 1, memory_order_relaxed);
    (void)send(fd, options->refusal.data, options->refusal.size, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)shutdown(fd, SHUT_WR);
    (void)close(fd);
}

static void take_connection(struct net *net, int fd)
{
    if (atomic_load(&net->connections) >= net->options.connections_max) {
        refuse(net, fd);
        return;
    }
    atomic_fetch_add(&net->connections, 1);
    atomic_fetch_add_explicit(&net->options.counters->connections_open, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&net->options.counters->connections_accepted, 1,
                              memory_order_relaxed);
    uint32_t turn = net->next_loop;
    net->next_loop = (turn + 1) % net->loop_count;
    if (turn == 0) {
        conn_open(&net->loops[0], fd);
        return;
    }
    struct handoff *handoff = mem_zalloc(sizeof(*handoff));
    handoff->job.run = handoff_run;
    handoff->loop = &net->loops[turn];
    handoff->fd = fd;
    mailbox_post(handoff->loop->mailbox, &handoff->job);
}

static void on_acceptable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct net *net = poll->data;
    for (int i = 0; status == 0 && i < ACCEPT_BATCH; i++) {
        int fd = accept4(net->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            take_connection(net, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM || errno == ENOBUFS) {
            log_warn("server/net", "connections wait: %s", uv_strerror(-errno));
            net->accept_resting = true;
            uv_poll_stop(poll);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return; /* nobody waits any more */
        }
    }
}

static void on_timer(uv_timer_t *timer)
{
    struct loop *loop = timer->data;
    struct net *net = loop->net;
    if (loop == &net->loops[0] && net->accept_resting && !loop->draining) {
        net->accept_resting = false;
        (void)uv_poll_start(&net->poll, UV_READABLE, on_acceptable);
    }
    conn_sweep_all(loop, clock_monotonic_ns());
}

static void drain_run(struct job *job, void *local)
{
    (void)local;
    struct loop *loop = ((struct order *)job)->loop;
    loop->draining = true;
    if (loop == &loop->net->loops[0]) {
        uv_poll_stop(&loop->net->poll);
    }
    conn_drain_all(loop);
}

static void kill_run(struct job *job, void *local)
{
    (void)local;
    conn_close_all(((struct order *)job)->loop);
}

static void stop_run(struct job *job, void *local)
{
    (void)local;
    struct loop *loop = ((struct order *)job)->loop;
    ASSERT(loop->connections == NULL);
    uv_close((uv_handle_t *)&loop->timer, NULL);
    if (loop == &loop->net->loops[0]) {
        uv_close((uv_handle_t *)&loop->net->poll, NULL);
    }
    mailbox_close(loop->mailbox);
}

static void *loop_main(void *arg)
{
    struct loop *loop = arg;
    (void)uv_run(&loop->uv, UV_RUN_DEFAULT); /* until stop_run has closed its handles */
    return NULL;
}

enum order_kind { ORDER_DRAIN, ORDER_KILL, ORDER_STOP };

static void post_all(struct net *net, enum order_kind kind)
{
    for (uint32_t i = 0; i < net->started; i++) {
        struct loop *loop = &net->loops[i];
        struct order *order = kind == ORDER_DRAIN  ? &loop->drain
                              : kind == ORDER_KILL ? &loop->kill
                                                   : &loop->stop;
        mailbox_post(loop->mailbox, &order->job);
    }
}

/* Waits for the last connection; 0: as long as it takes. False: time is up. */
static bool wait_none_left(struct net *net, uint64_t timeout_ms)
{
    struct timespec until;
    (void)clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000;
    }
    int rc = 0;
    pthread_mutex_lock(&net->mutex);
    while (rc == 0 && atomic_load(&net->connections) > 0) {
        rc = timeout_ms == 0 ? pthread_cond_wait(&net->none_left, &net->mutex)
                             : pthread_cond_timedwait(&net->none_left, &net->mutex, &until);
    }
    bool none = atomic_load(&net->connections) == 0;
    pthread_mutex_unlock(&net->mutex);
    return none;
}

void net_drain(struct net *net, uint64_t timeout_ms)
{
    post_all(net, ORDER_DRAIN);
    if (timeout_ms == 0 || !wait_none_left(net, timeout_ms)) {
        post_all(net, ORDER_KILL);
        (void)wait_none_left(net, 0);
    }
}

/* Before a loop runs, or after it has ended. */
static void loop_deinit(struct loop *loop)
{
    if (loop->user != NULL) {
        loop->net->options.loop_close(loop->net->options.ctx, loop->user);
    }
    int rc = uv_loop_close(&loop->uv);
    ASSERT(rc == 0);
    mailbox_destroy(loop->mailbox);
}

static enum status loop_init(struct net *net, struct loop *loop, struct error *err)
{
    loop->net = net;
    loop->drain = (struct order){.job.run = drain_run, .loop = loop};
    loop->kill = (struct order){.job.run = kill_run, .loop = loop};
    loop->stop = (struct order){.job.run = stop_run, .loop = loop};
    int rc = uv_loop_init(&loop->uv);
    if (rc != 0) {
        return error_set(err, STATUS_INTERNAL, "an event loop cannot be made: %s", uv_strerror(rc));
    }
    enum status status = mailbox_create(&loop->uv, &loop->mailbox, err);
    if (status != STATUS_OK) {
        (void)uv_loop_close(&loop->uv);
        return status;
    }
    (void)uv_timer_init(&loop->uv, &loop->timer);
    loop->timer.data = loop;
    (void)uv_timer_start(&loop->timer, on_timer, SWEEP_MS, SWEEP_MS);
    loop->user = net->options.loop_open(net->options.ctx, loop->mailbox);
    return STATUS_OK;
}

static int bind_first(const struct addrinfo *list)
{
    int error = EADDRNOTAVAIL;
    for (const struct addrinfo *at = list; at != NULL; at = at->ai_next) {
        int fd = socket(at->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0) {
            error = errno;
            continue;
        }
        int on = 1;
        (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
        if (bind(fd, at->ai_addr, at->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0) {
            return fd;
        }
        error = errno;
        (void)close(fd);
    }
    return -error;
}

static enum status listener_open(struct net *net, struct error *err)
{
    char port[8];
    (void)snprintf(port, sizeof(port), "%u", net->options.port);
    struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    struct addrinfo *list = NULL;
    int rc = getaddrinfo(net->options.host, port, &hints, &list);
    if (rc != 0) {
        return error_set(err, STATUS_IO, "the address %s cannot be listened on: %s",
                         net->options.host, gai_strerror(rc));
    }
    net->listener = bind_first(list);
    freeaddrinfo(list);
    if (net->listener < 0) {
        return error_set(err, STATUS_IO, "cannot listen on %s port %s: %s", net->options.host, port,
                         uv_strerror(net->listener));
    }
    struct sockaddr_storage name;
    socklen_t size = sizeof(name);
    char service[8] = "";
    if (getsockname(net->listener, (struct sockaddr *)&name, &size) == 0) {
        (void)getnameinfo((struct sockaddr *)&name, size, NULL, 0, service, sizeof(service),
                          NI_NUMERICSERV);
    }
    net->port = (uint16_t)strtoul(service, NULL, 10);
    return STATUS_OK;
}

/* Ends the threads that run and frees all. */
static void net_free(struct net *net, uint32_t prepared)
{
    post_all(net, ORDER_STOP);
    for (uint32_t i = 0; i < prepared; i++) {
        if (i < net->started) {
            pthread_join(net->loops[i].thread, NULL);
        } else {
            stop_run(&net->loops[i].stop.job, NULL);
            (void)uv_run(&net->loops[i].uv, UV_RUN_DEFAULT);
        }
        loop_deinit(&net->loops[i]);
    }
    (void)close(net->listener);
    pthread_cond_destroy(&net->none_left);
    pthread_mutex_destroy(&net->mutex);
    mem_free(net->loops);
    mem_free(net);
}

void net_close(struct net *net)
{
    ASSERT(atomic_load(&net->connections) == 0);
    net_free(net, net->loop_count);
}

enum status net_open(const struct net_options *options, struct net **out, struct error *err)
{
    ASSERT(options->loops > 0);
    struct net *net = mem_zalloc(sizeof(*net));
    net->options = *options;
    net->loop_count = options->loops;
    net->loops = mem_zalloc(options->loops * sizeof(net->loops[0]));
    pthread_mutex_init(&net->mutex, NULL);
    pthread_cond_init(&net->none_left, NULL);
    uint32_t prepared = 0;
    enum status status = listener_open(net, err);
    if (status != STATUS_OK) {
        pthread_cond_destroy(&net->none_left);
        pthread_mutex_destroy(&net->mutex);
        mem_free(net->loops);
        mem_free(net);
        return status;
    }
    for (; prepared < options->loops && status == STATUS_OK; prepared++) {
        status = loop_init(net, &net->loops[prepared], err);
        if (status != STATUS_OK) {
            break;
        }
        if (prepared == 0) {
            (void)uv_poll_init(&net->loops[0].uv, &net->poll, net->listener);
            net->poll.data = net;
            (void)uv_poll_start(&net->poll, UV_READABLE, on_acceptable);
        }
    }
    while (status == STATUS_OK && net->started < options->loops) {
        struct loop *loop = &net->loops[net->started];
        if (pthread_create(&loop->thread, NULL, loop_main, loop) != 0) {
            status = error_set(err, STATUS_INTERNAL, "an event loop's thread cannot be started");
        } else {
            net->started++;
        }
    }
    if (status != STATUS_OK) {
        net_free(net, prepared);
        return status;
    }
    *out = net;
    return STATUS_OK;
}
