/* Fuzz: bytes of a client through a whole HTTP session on a fake stream.
 *
 * The first byte says how the rest is cut into reads and how the service behaves; the rest is what
 * the client sends. The session's own assertions are the properties, and two more: every begun
 * exchange ends exactly once, and the body that the service gets is never longer than what was
 * sent. */
#include "server/http/session.h"
#include "storage/base/assert.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "tests/lib/fake_stream.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

struct exchange {
    struct session *session;
    uint8_t room[32];
    size_t received;
};

static struct {
    uint8_t mode;
    size_t open, bytes_fed;
    struct exchange *waiting;
} service;

enum { MODE_EARLY = 1, MODE_LATER = 2, MODE_ROOM = 4, MODE_NARROW = 8 };

static void answer(struct session *session)
{
    struct http_reply reply = {.status = 200, .body = SLICE_LITERAL("ok")};
    session_reply(session, &reply);
}

static struct exchange *on_begin(void *self, struct session *session, const struct h1_head *head)
{
    (void)self;
    ASSERT(head->method[0] != '\0' && head->header_count <= H1_HEADERS_MAX);
    if ((service.mode & MODE_EARLY) != 0) {
        answer(session);
        return NULL;
    }
    struct exchange *exchange = mem_zalloc(sizeof(*exchange));
    exchange->session = session;
    service.open++;
    return exchange;
}

static uint8_t *on_room(struct exchange *exchange, size_t *size)
{
    *size = sizeof(exchange->room);
    return (service.mode & MODE_ROOM) != 0 ? exchange->room : NULL;
}

static void on_body(struct exchange *exchange, struct slice data)
{
    exchange->received += data.size;
    ASSERT(exchange->received <= service.bytes_fed);
}

static void finish(struct exchange *exchange)
{
    struct session *session = exchange->session;
    mem_free(exchange);
    service.open--;
    service.waiting = NULL;
    answer(session);
}

static void on_end(struct exchange *exchange)
{
    if ((service.mode & MODE_LATER) != 0) {
        service.waiting = exchange;
    } else {
        finish(exchange);
    }
}

static void on_detach(struct exchange *exchange)
{
    service.waiting = NULL;
    service.open--;
    mem_free(exchange);
}

static void on_overdue(struct exchange *exchange, uint64_t now_ns)
{
    (void)exchange;
    (void)now_ns;
}

static void on_refused(void *self, int status)
{
    (void)self;
    ASSERT(status >= 400 && status < 600);
}

static const struct http_service fuzz_service = {
    .begin = on_begin,
    .room = on_room,
    .body = on_body,
    .end = on_end,
    .detach = on_detach,
    .overdue = on_overdue,
    .refused = on_refused,
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    service.mode = data[0];
    service.bytes_fed = size - 1;
    size_t step = (data[0] >> 4) == 0 ? size : (size_t)(data[0] >> 4);
    struct http_loop loop = {.service = &fuzz_service,
                             .head_bytes_max = 2048,
                             .idle_timeout_ns = 1000000000,
                             .header_timeout_ns = 1000000000,
                             .body_timeout_ns = 1000000000,
                             .cors = true};
    struct fake_stream fake;
    fake_stream_init(&fake);
    fake.window = (service.mode & MODE_NARROW) != 0 ? 50 : fake.window;
    fake_stream_attach(&fake, session_open(&loop, &fake.stream));
    for (size_t at = 1; at < size && !fake.closing; at += step) {
        fake_stream_feed(&fake, slice_of(data + at, size - at < step ? size - at : step));
        if (service.waiting != NULL && at % 2 == 0) {
            finish(service.waiting);
        }
        if (at % 3 == 0) {
            fake_stream_drain(&fake);
        }
    }
    if (!fake.closing) {
        fake.user->ops->sweep(fake.user, clock_monotonic_ns() + UINT64_C(10000000000));
    }
    fake_stream_deinit(&fake);
    ASSERT(service.open == 0);
    return 0;
}
