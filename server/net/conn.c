/* A TCP connection as a stream.
 *
 * Story: conn_open wraps the socket and asks the user for itself; reads land where the user says (a
 * request's body, so its bytes are not copied) or in the loop's buffer; send tries to write at once
 * and queues only what the socket does not take. Closing, from either side, is uv_close; its
 * callback is the only place that frees.
 *
 * Threads: the loop's. Failures: any error of the socket ends the connection; the user hears
 * `ended`. */
#include "server/net/net_int.h"
#include "storage/base/assert.h"
#include "storage/base/logger.h"
#include "storage/base/mem.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

struct conn {
    struct stream stream;
    uv_tcp_t tcp;
    struct loop *loop;
    struct stream_user *user;
    struct conn *previous, *next;
    bool closing;
    bool paused;
};

/* One write that the socket did not take at once. */
struct pending_send {
    uv_write_t write;
    struct conn *conn;
    void *memory; /* of the body */
    uint8_t head[];
};

static struct conn *conn_of(const struct stream *stream)
{
    return (struct conn *)(uintptr_t)stream; /* the first member */
}

static void add(atomic_uint_fast64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void on_closed(uv_handle_t *handle)
{
    struct conn *conn = handle->data;
    struct loop *loop = conn->loop;
    if (conn->previous != NULL) {
        conn->previous->next = conn->next;
    } else {
        loop->connections = conn->next;
    }
    if (conn->next != NULL) {
        conn->next->previous = conn->previous;
    }
    if (conn->user != NULL) {
        conn->user->ops->closed(conn->user);
    }
    mem_free(conn);
    net_connection_closed(loop->net);
}

static void conn_close(struct stream *stream)
{
    struct conn *conn = conn_of(stream);
    if (!conn->closing) {
        conn->closing = true;
        uv_close((uv_handle_t *)&conn->tcp, on_closed);
    }
}

/* The peer is gone, or the socket failed. */
static void conn_end(struct conn *conn)
{
    if (!conn->closing) {
        conn_close(&conn->stream);
        conn->user->ops->ended(conn->user);
    }
}

static void on_written(uv_write_t *write, int status)
{
    struct pending_send *pending = write->data;
    struct conn *conn = pending->conn;
    mem_free(pending->memory);
    mem_free(pending);
    if (conn->closing) {
        return;
    }
    if (status != 0) {
        conn_end(conn);
    } else if (uv_stream_get_write_queue_size((uv_stream_t *)&conn->tcp) == 0) {
        conn->user->ops->sent(conn->user);
    }
}

static void send_rest(struct conn *conn, struct slice head, struct slice body, void *memory)
{
    struct pending_send *pending = mem_alloc(sizeof(*pending) + head.size);
    pending->conn = conn;
    pending->memory = memory;
    pending->write.data = pending;
    if (head.size > 0) {
        memcpy(pending->head, head.data, head.size);
    }
    uv_buf_t bufs[2] = {
        {.base = (char *)pending->head, .len = head.size},
        {.base = (char *)(uintptr_t)body.data, .len = body.size},
    };
    unsigned first = head.size == 0 ? 1 : 0;
    int rc =
        uv_write(&pending->write, (uv_stream_t *)&conn->tcp, bufs + first, 2 - first, on_written);
    if (rc != 0) {
        mem_free(memory);
        mem_free(pending);
        conn_end(conn);
    }
}

static void conn_send(struct stream *stream, struct slice head, struct slice body, void *memory)
{
    struct conn *conn = conn_of(stream);
    if (conn->closing) {
        mem_free(memory);
        return;
    }
    add(&net_options_of(conn->loop->net)->counters->bytes_sent, head.size + body.size);
    uv_buf_t bufs[2] = {
        {.base = (char *)(uintptr_t)head.data, .len = head.size},
        {.base = (char *)(uintptr_t)body.data, .len = body.size},
    };
    int written = uv_try_write((uv_stream_t *)&conn->tcp, bufs, body.size > 0 ? 2 : 1);
    if (written < 0 && written != UV_EAGAIN) {
        mem_free(memory);
        conn_end(conn);
        return;
    }
    size_t done = written > 0 ? (size_t)written : 0;
    if (done == head.size + body.size) {
        mem_free(memory);
        return;
    }
    size_t from_head = done < head.size ? done : head.size;
    size_t from_body = done - from_head;
    send_rest(conn, slice_of(head.data + from_head, head.size - from_head),
              slice_of(body.data != NULL ? body.data + from_body : NULL, body.size - from_body),
              memory);
}

static size_t conn_unsent(const struct stream *stream)
{
    return uv_stream_get_write_queue_size((const uv_stream_t *)&conn_of(stream)->tcp);
}

static void conn_finish(struct stream *stream)
{
    struct conn *conn = conn_of(stream);
    uv_os_fd_t fd = -1;
    if (!conn->closing && uv_fileno((uv_handle_t *)&conn->tcp, &fd) == 0) {
        (void)shutdown(fd, SHUT_WR); /* fails only when the peer is gone, which reading will tell */
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct conn *conn = handle->data;
    size_t size = 0;
    uint8_t *room = conn->user->ops->room(conn->user, &size);
    if (room != NULL) {
        ASSERT(size > 0);
        *buf = uv_buf_init((char *)room, (unsigned)(size < (1U << 30) ? size : 1U << 30));
    } else {
        *buf = uv_buf_init((char *)conn->loop->read_bytes, READ_SIZE);
    }
}

static void on_read(uv_stream_t *tcp, ssize_t size, const uv_buf_t *buf)
{
    struct conn *conn = tcp->data;
    if (conn->closing || size == 0) {
        return;
    }
    if (size < 0) {
        conn_end(conn);
        return;
    }
    add(&net_options_of(conn->loop->net)->counters->bytes_received, (uint64_t)size);
    conn->user->ops->read(conn->user, slice_of(buf->base, (size_t)size));
}

static void conn_pause(struct stream *stream, bool paused)
{
    struct conn *conn = conn_of(stream);
    if (conn->closing || conn->paused == paused) {
        return;
    }
    conn->paused = paused;
    if (paused) {
        uv_read_stop((uv_stream_t *)&conn->tcp);
    } else if (uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) != 0) {
        conn_end(conn);
    }
}

static const struct stream_ops conn_ops = {
    .send = conn_send,
    .unsent = conn_unsent,
    .pause = conn_pause,
    .finish = conn_finish,
    .close = conn_close,
};

void conn_open(struct loop *loop, int fd)
{
    struct conn *conn = mem_zalloc(sizeof(*conn));
    conn->stream.ops = &conn_ops;
    conn->loop = loop;
    if (uv_tcp_init(&loop->uv, &conn->tcp) != 0) {
        (void)close(fd);
        mem_free(conn);
        net_connection_closed(loop->net);
        return;
    }
    conn->tcp.data = conn;
    conn->next = loop->connections;
    if (conn->next != NULL) {
        conn->next->previous = conn;
    }
    loop->connections = conn;
    if (uv_tcp_open(&conn->tcp, fd) != 0) {
        (void)close(fd);
        conn_close(&conn->stream);
        return;
    }
    (void)uv_tcp_nodelay(&conn->tcp, 1); /* without it answers are only slower */
    conn->user = net_options_of(loop->net)->accept(loop->user, &conn->stream);
    if (uv_read_start((uv_stream_t *)&conn->tcp, on_alloc, on_read) != 0) {
        conn_end(conn);
    } else if (loop->draining) {
        conn->user->ops->drain(conn->user);
    }
}

void conn_sweep_all(struct loop *loop, uint64_t now_ns)
{
    for (struct conn *conn = loop->connections; conn != NULL; conn = conn->next) {
        if (!conn->closing) {
            conn->user->ops->sweep(conn->user, now_ns);
        }
    }
}

void conn_drain_all(struct loop *loop)
{
    for (struct conn *conn = loop->connections; conn != NULL; conn = conn->next) {
        if (!conn->closing) {
            conn->user->ops->drain(conn->user);
        }
    }
}

void conn_close_all(struct loop *loop)
{
    for (struct conn *conn = loop->connections; conn != NULL; conn = conn->next) {
        conn_end(conn);
    }
}
