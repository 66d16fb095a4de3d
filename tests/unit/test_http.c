/* server/http: the parser's refusals, and the session over a stream without a socket. */
#include "server/http/session.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"
#include "tests/lib/fake_stream.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <string.h>

/* A service that collects bodies and answers at once, early, or when the test says so. */
struct exchange {
    struct session *session;
    struct buffer body;
};
static struct {
    bool early, later;
    struct exchange *open;
    size_t begun, ended, detached, refused;
    char target[64];
    struct buffer body; /* of the last whole request */
    size_t answer_size;
} service;

static void answer(struct session *session, int status)
{
    struct http_reply reply = {.status = status, .content_type = "text/plain"};
    reply.memory = mem_alloc(service.answer_size + 1);
    memset(reply.memory, 'a', service.answer_size + 1);
    reply.body = slice_of(reply.memory, service.answer_size);
    session_reply(session, &reply);
}

static struct exchange *on_begin(void *self, struct session *session, const struct h1_head *head)
{
    (void)self;
    service.begun++;
    (void)snprintf(service.target, sizeof(service.target), "%.*s", (int)head->target.size,
                   (const char *)head->target.data);
    if (service.early) {
        answer(session, 404);
        return NULL;
    }
    struct exchange *exchange = mem_zalloc(sizeof(*exchange));
    exchange->session = session;
    buffer_init(&exchange->body, 0);
    service.open = exchange;
    return exchange;
}

static uint8_t *on_room(struct exchange *exchange, size_t *size)
{
    *size = 7; /* small, so that reads are cut */
    return buffer_reserve(&exchange->body, 7);
}

static void on_body(struct exchange *exchange, struct slice data)
{
    if (data.data == exchange->body.data + exchange->body.size) {
        buffer_commit(&exchange->body, data.size);
    } else {
        buffer_append_slice(&exchange->body, data);
    }
}

static void exchange_free(struct exchange *exchange)
{
    buffer_deinit(&exchange->body);
    mem_free(exchange);
    service.open = NULL;
}

static void answer_open(void)
{
    struct exchange *exchange = service.open;
    struct session *session = exchange->session;
    exchange_free(exchange);
    answer(session, 200);
}

static void on_end(struct exchange *exchange)
{
    service.ended++;
    buffer_clear(&service.body);
    buffer_append_slice(&service.body, buffer_slice(&exchange->body));
    if (!service.later) {
        answer_open();
    }
}

static void on_detach(struct exchange *exchange)
{
    service.detached++;
    exchange_free(exchange);
}

static void on_overdue(struct exchange *exchange, uint64_t now_ns)
{
    (void)exchange;
    (void)now_ns;
}

static void on_refused(void *self, int status)
{
    (void)self;
    (void)status;
    service.refused++;
}

static const struct http_service test_service = {
    .begin = on_begin,
    .room = on_room,
    .body = on_body,
    .end = on_end,
    .detach = on_detach,
    .overdue = on_overdue,
    .refused = on_refused,
};
#define SECOND_NS UINT64_C(1000000000)
static struct http_loop loop;
static struct fake_stream fake;

static int open_session(void **state)
{
    (void)state;
    memset(&service, 0, sizeof(service));
    buffer_init(&service.body, 0);
    service.answer_size = 2;
    loop = (struct http_loop){
        .service = &test_service,
        .head_bytes_max = 4096,
        .idle_timeout_ns = 60 * SECOND_NS,
        .header_timeout_ns = 10 * SECOND_NS,
        .body_timeout_ns = 20 * SECOND_NS,
        .cors = true,
    };
    fake_stream_init(&fake);
    fake_stream_attach(&fake, session_open(&loop, &fake.stream));
    return 0;
}

static int close_session(void **state)
{
    (void)state;
    fake_stream_deinit(&fake);
    buffer_deinit(&service.body);
    return service.open != NULL;
}

/* What was sent since the last look, as text. */
static const char *sent(void)
{
    static char text[65536];
    size_t size = fake.sent.size < sizeof(text) - 1 ? fake.sent.size : sizeof(text) - 1;
    if (size > 0) {
        memcpy(text, fake.sent.data, size);
    }
    text[size] = '\0';
    buffer_clear(&fake.sent);
    return text;
}

static void expect(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        print_error("'%s' lacks '%s'\n", text, part);
        fail();
    }
}

static size_t count(const char *text, const char *part)
{
    size_t n = 0;
    for (const char *at = strstr(text, part); at != NULL; at = strstr(at + 1, part)) {
        n++;
    }
    return n;
}

static void sweep_after(uint64_t seconds)
{
    if (!fake.closing) {
        fake.user->ops->sweep(fake.user, clock_monotonic_ns() + seconds * SECOND_NS);
    }
}

static void test_refused_bytes(void **state)
{
    /* Proves: what must not pass is answered with the right status, and the connection is finished.
     * Each case is fed whole and byte by byte: both must agree. */
    static const struct {
        const char *bytes;
        int status;
    } cases[] = {
        {"GET / HTTP/1.1\r\n\r\n", 400},                          /* no Host */
        {"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400},    /* two */
        {"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400},              /* blank before colon */
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400}, /* folded */
        {"GET / HTTP/1.1\r\nHost: a\r\nX:\r\n\tb\r\n\r\n", 400},  /* folded after nothing */
        {"GET / HTTP/1.1\r\n Host: a\r\n\r\n", 400},              /* blank before the first */
        {"GET / HTTP/1.1\r\nHost: a\r\nX: a\rY: b\r\n\r\n", 400}, /* bare CR */
        {"GET / HTTP/1.1\r\nHost: a\r\nX-A:\rTransfer-Encoding: chunked\r\n\r\n", 400},
        {"GET / HTTP/1.1\nHost: a\n\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
         400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501},
        {"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", 400},
        {"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n11111111111111111\r\n",
         400},
        {"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/1.2\r\nHost: a\r\n\r\n", 505},
        {"GET / HTTP/0.9\r\n\r\n", 505},
        {"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505},
        {"CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n", 501},
        {"GET / HTTP/1.1\r\nHost: a\r\nExpect: magic\r\n\r\n", 417},
        {"GARBAGE / HTTP/1.1\r\nHost: a\r\n\r\n", 400},
        {"\x16\x03\x01\x02", 400}, /* TLS */
    };
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
        const char *bytes = cases[i / 2].bytes;
        if (i % 2 == 0) {
            fake_stream_text(&fake, bytes);
        } else {
            for (size_t j = 0; j < strlen(bytes); j++) {
                fake_stream_feed(&fake, slice_of(bytes + j, 1));
            }
        }
        char line[32];
        (void)snprintf(line, sizeof(line), "HTTP/1.1 %d ", cases[i / 2].status);
        const char *text = sent();
        if (strncmp(text, line, strlen(line)) != 0) {
            print_error("case %zu: '%s' gave '%.60s'\n", i, bytes, text);
            fail();
        }
        expect(text, "connection: close\r\n");
        assert_int_equal(count(text, "HTTP/1.1 "), 1);
        assert_true(fake.finished);
        assert_int_equal(service.ended, 0);
        assert_null(service.open);
        close_session(state);
        open_session(state);
    }
}

static void test_good_request(void **state)
{
    /* Proves: a body arrives as sent, whole or byte by byte, plain or chunked with extensions and
     * trailers; the answer is complete and the connection stays. */
    (void)state;
    static const char *const requests[] = {
        "POST /a?b HTTP/1.1\r\nHost: x\r\nContent-Length: 20\r\n\r\n01234567890123456789",
        "POST /a?b HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
        "5;x=y\r\n01234\r\nF\r\n567890123456789\r\n0\r\nTrailer: t\r\n\r\n",
        "POST /a?b HTTP/1.1\r\nHost: x\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n"
        "Content-Length: 20\r\n\r\n01234567890123456789",
    };
    for (size_t i = 0; i < 2 * sizeof(requests) / sizeof(requests[0]); i++) {
        const char *bytes = requests[i / 2];
        for (size_t j = 0; i % 2 == 1 && j < strlen(bytes); j++) {
            fake_stream_feed(&fake, slice_of(bytes + j, 1));
        }
        if (i % 2 == 0) {
            fake_stream_text(&fake, bytes);
        }
        assert_int_equal(service.ended, i + 1);
        assert_string_equal(service.target, "/a?b");
        assert_true(
            slice_equal(buffer_slice(&service.body), SLICE_LITERAL("01234567890123456789")));
        const char *text = sent();
        expect(text, "HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-type: text/plain\r\n");
        expect(text, "date: ");
        expect(text, "GMT\r\n\r\naa");
        assert_int_equal(count(text, "connection:"), 0);
    }
    assert_false(fake.finished);
}

static void test_pipeline(void **state)
{
    /* Proves: requests sent in one go are answered one after the other in order, and while one runs
     * the rest waits. */
    (void)state;
    service.later = true;
    struct buffer bytes;
    buffer_init(&bytes, 0);
    for (int i = 0; i < 20; i++) {
        buffer_printf(&bytes, "POST /%d HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\n%03d", i,
                      i);
    }
    fake_stream_feed(&fake, buffer_slice(&bytes));
    buffer_deinit(&bytes);
    for (int i = 0; i < 20; i++) {
        char wanted[8];
        assert_int_equal(service.begun, i + 1);
        assert_int_equal(service.ended, i + 1);
        (void)snprintf(wanted, sizeof(wanted), "/%d", i);
        assert_string_equal(service.target, wanted);
        (void)snprintf(wanted, sizeof(wanted), "%03d", i);
        assert_true(slice_equal(buffer_slice(&service.body), slice_text(wanted)));
        assert_int_equal(count(sent(), "HTTP/1.1 200"), i == 0 ? 0 : 1);
        answer_open();
    }
    assert_int_equal(count(sent(), "HTTP/1.1 200"), 1);
    assert_int_equal(service.begun, 20);
}

static void test_back_pressure(void **state)
{
    /* Proves: a peer that does not read is not served the next request; one that sends without end
     * while a request runs is paused, and goes on afterwards. */
    (void)state;
    static const char get[] = "GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    fake.window = 10;
    for (int i = 0; i < 3; i++) {
        fake_stream_text(&fake, get);
    }
    assert_int_equal(service.begun, 1);
    fake_stream_drain(&fake);
    assert_int_equal(service.begun, 3);
    service.later = true;
    size_t fed = 0;
    while (!fake.paused && fed < 100000) {
        fake_stream_text(&fake, get);
        fed++;
    }
    assert_true(fake.paused);
    assert_int_equal(service.begun, 4);
    service.later = false;
    answer_open();
    assert_false(fake.paused);
    assert_int_equal(service.begun, 3 + fed);
}

static void test_early_answers(void **state)
{
    /* Proves: an answer before the body keeps the connection when the rest is small, and closes it
     * when the rest is large, chunked, or held back by 100-continue. */
    service.early = true;
    fake_stream_text(&fake, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab");
    expect(sent(), "HTTP/1.1 404");
    service.early = false;
    fake_stream_text(&fake, "cdeGET /next HTTP/1.1\r\nHost: a\r\n\r\n");
    expect(sent(), "HTTP/1.1 200");
    assert_string_equal(service.target, "/next");
    static const char *const closing[] = {
        "Content-Length: 5000000\r\n\r\nab",
        "Transfer-Encoding: chunked\r\n\r\n1\r\na\r\n",
        "Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
    };
    for (size_t i = 0; i < 3; i++) {
        service.early = true;
        fake_stream_text(&fake, "POST / HTTP/1.1\r\nHost: a\r\n");
        fake_stream_text(&fake, closing[i]);
        const char *text = sent();
        expect(text, "HTTP/1.1 404");
        expect(text, "connection: close");
        assert_int_equal(count(text, "100 Continue"), 0);
        assert_true(fake.finished);
        fake_stream_text(&fake, "GET /more HTTP/1.1\r\nHost: a\r\n\r\n"); /* dropped */
        assert_int_equal(fake.sent.size, 0);
        sweep_after(3);
        assert_true(fake.closing);
        close_session(state);
        open_session(state);
    }
}

static void test_continue(void **state)
{
    /* Proves: 100-continue is said once, before the body, and not when the body is there already or
     * to HTTP/1.0. */
    (void)state;
    fake_stream_text(&fake, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                            "Expect: 100-continue\r\n\r\n");
    assert_string_equal(sent(), "HTTP/1.1 100 Continue\r\n\r\n");
    fake_stream_text(&fake, "ab");
    expect(sent(), "HTTP/1.1 200");
    fake_stream_text(&fake, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n"
                            "Expect: 100-continue\r\n\r\nab");
    assert_int_equal(count(sent(), "100 Continue"), 0);
    fake_stream_text(&fake, "POST / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    assert_int_equal(fake.sent.size, 0);
    fake_stream_text(&fake, "ab");
    expect(sent(), "connection: close");
}

static void test_limits(void **state)
{
    /* Proves: heads over the limit in size or number of headers are 431, also when they are blanks
     * that no header owns, and a body of chunks that are mostly framing is refused. */
    fake_stream_text(&fake, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 101 && !fake.finished; i++) {
        fake_stream_text(&fake, "A: b\r\n");
    }
    expect(sent(), "HTTP/1.1 431");
    close_session(state);
    open_session(state);
    fake_stream_text(&fake, "GET / HTTP/1.1\r\nHost:");
    for (int i = 0; i < 500 && !fake.finished; i++) {
        fake_stream_text(&fake, "          ");
    }
    expect(sent(), "HTTP/1.1 431");
    close_session(state);
    open_session(state);
    fake_stream_text(&fake, "GET /");
    for (int i = 0; i < 500 && !fake.finished; i++) {
        fake_stream_text(&fake, "aaaaaaaaaa");
    }
    expect(sent(), "HTTP/1.1 431");
    close_session(state);
    open_session(state);
    fake_stream_text(&fake, "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1;");
    for (int i = 0; i < 500 && !fake.finished; i++) {
        fake_stream_text(&fake, "aaaaaaaaaa");
    }
    expect(sent(), "HTTP/1.1 400");
    assert_int_equal(service.detached, 1);
}

static void test_time_limits(void **state)
{
    /* Proves: idle connections close silently, slow heads and bodies get 408, a body that keeps its
     * pace does not, and a peer that never reads is cut. */
    sweep_after(59);
    assert_false(fake.closing);
    sweep_after(61);
    assert_true(fake.closing);
    assert_int_equal(fake.sent.size, 0);
    close_session(state);
    open_session(state);
    fake_stream_text(&fake, "GET / HT");
    sweep_after(9);
    assert_int_equal(fake.sent.size, 0);
    sweep_after(11);
    expect(sent(), "HTTP/1.1 408");
    close_session(state);
    open_session(state);
    fake_stream_text(&fake, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1000000\r\n\r\n");
    for (int i = 0; i < 1000; i++) {
        char piece[640];
        memset(piece, 'x', sizeof(piece));
        fake_stream_feed(&fake, slice_of(piece, sizeof(piece)));
    }
    sweep_after(50); /* 640,000 bytes buy 39 seconds */
    assert_int_equal(fake.sent.size, 0);
    sweep_after(61);
    expect(sent(), "HTTP/1.1 408");
    assert_int_equal(service.detached, 1);
    close_session(state);
    open_session(state);
    fake.window = 5;
    fake_stream_text(&fake, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    sweep_after(0);
    sweep_after(19);
    assert_false(fake.closing);
    sweep_after(22);
    assert_true(fake.closing);
}

static void test_cors(void **state)
{
    /* Proves: a preflight is answered without the service; answers to pages carry the permission,
     * others do not. */
    (void)state;
    fake_stream_text(&fake, "OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n"
                            "Access-Control-Request-Method: PUT\r\n"
                            "Access-Control-Request-Headers: api-key, content-type\r\n\r\n");
    const char *text = sent();
    expect(text, "HTTP/1.1 200");
    expect(text, "access-control-allow-origin: *\r\n");
    expect(text, "access-control-allow-headers: api-key, content-type\r\n");
    expect(text, "access-control-allow-methods: GET");
    assert_int_equal(service.begun, 0);
    fake_stream_text(&fake, "GET /x HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n\r\n");
    text = sent();
    expect(text, "access-control-allow-origin: *\r\n");
    assert_int_equal(count(text, "allow-headers"), 0);
    fake_stream_text(&fake, "GET /x HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_int_equal(count(sent(), "access-control"), 0);
    loop.cors = false;
    fake_stream_text(&fake, "OPTIONS /x HTTP/1.1\r\nHost: a\r\nOrigin: http://b\r\n"
                            "Access-Control-Request-Method: PUT\r\n\r\n");
    assert_int_equal(count(sent(), "access-control"), 0);
    assert_int_equal(service.begun, 3);
}

static void test_keep_alive_and_head(void **state)
{
    /* Proves: HTTP/1.0 stays only when asked, "close" closes after the answer, HEAD gets no body
     * but its length. */
    fake_stream_text(&fake, "GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    expect(sent(), "connection: keep-alive\r\n");
    fake_stream_text(&fake, "HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    const char *text = sent();
    expect(text, "content-length: 2\r\n");
    assert_string_equal(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    fake_stream_text(&fake, "GET / HTTP/1.0\r\n\r\n");
    expect(sent(), "connection: close\r\n");
    assert_true(fake.finished);
    close_session(state);
    open_session(state);
    fake_stream_text(&fake, "GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    expect(sent(), "connection: close\r\n");
    assert_true(fake.finished);
}

static void test_leaving_and_draining(void **state)
{
    /* Proves: a client that leaves detaches its request; a server that stops lets the open request
     * end and closes, and an idle connection closes at once. */
    service.later = true;
    fake_stream_text(&fake, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    fake_stream_deinit(&fake);
    assert_int_equal(service.detached, 1);
    buffer_deinit(&service.body);
    open_session(state);
    service.later = true;
    fake_stream_text(&fake, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    fake.user->ops->drain(fake.user);
    assert_false(fake.closing);
    answer_open();
    expect(sent(), "connection: close\r\n");
    assert_true(fake.finished);
    close_session(state);
    open_session(state);
    fake_stream_text(&fake, "GET / HTTP/1.1\r\nHost: a\r\n\r\n");
    fake.user->ops->drain(fake.user);
    assert_true(fake.closing);
}

static void test_lists(void **state)
{
    /* Proves: Accept-Encoding is read with its weights. */
    (void)state;
    assert_true(h1_list_has(SLICE_LITERAL("gzip"), "gzip"));
    assert_true(h1_list_has(SLICE_LITERAL("deflate, GZIP;q=0.5"), "gzip"));
    assert_true(h1_list_has(SLICE_LITERAL("br ,gzip ; q=1"), "gzip"));
    assert_false(h1_list_has(SLICE_LITERAL("gzip;q=0"), "gzip"));
    assert_false(h1_list_has(SLICE_LITERAL("gzip; q=0.000, br"), "gzip"));
    assert_false(h1_list_has(SLICE_LITERAL("xgzip, gzipx"), "gzip"));
    assert_false(h1_list_has(SLICE_LITERAL(""), "gzip"));
    assert_false(h1_list_has(SLICE_LITERAL(",,;"), "gzip"));
}

#define SESSION_TEST(f) cmocka_unit_test_setup_teardown(f, open_session, close_session)
int main(void)
{
    const struct CMUnitTest tests[] = {
        SESSION_TEST(test_refused_bytes),
        SESSION_TEST(test_good_request),
        SESSION_TEST(test_pipeline),
        SESSION_TEST(test_back_pressure),
        SESSION_TEST(test_early_answers),
        SESSION_TEST(test_continue),
        SESSION_TEST(test_limits),
        SESSION_TEST(test_time_limits),
        SESSION_TEST(test_cors),
        SESSION_TEST(test_keep_alive_and_head),
        SESSION_TEST(test_leaving_and_draining),
        cmocka_unit_test(test_lists),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
