/* HTTP/1 requests: llhttp in strict mode, and the checks that it leaves to us.
 *
 * Story of a message: llhttp calls back with pieces of target, names and values, which are copied
 * into one text buffer with offsets beside; at the end of the head it is paused, the head is
 * checked and given out as H1_HEAD. Body pieces go straight to options.body. At the end of the
 * message it is paused again: H1_END. Trailers are counted and dropped.
 *
 * The head's size is counted in bytes eaten, not in bytes called back, because blanks before values
 * are never called back. Framing bytes of a chunked body (sizes, extensions, trailers) are bounded
 * against the body they carry. Folded headers are found in the raw bytes: within a head, a blank
 * after a line feed.
 *
 * Threads: one owner. Failures: H1_ERROR with the HTTP status to answer; nothing else. */
#include "server/http/h1.h"

#include "storage/base/assert.h"
#include "storage/base/buffer.h"
#include "storage/base/mem.h"

#include <llhttp.h>
#include <strings.h>

enum { FRAMING_PER_BODY_BYTE = 16, TEXT_SIZE_KEPT = 8 << 10 };

struct span {
    uint32_t begin, size;
};

enum h1_phase { PHASE_HEAD, PHASE_BODY, PHASE_FAILED };

struct h1 {
    llhttp_t parser;
    llhttp_settings_t settings;
    struct h1_options options;
    enum h1_phase phase;
    bool ended;         /* H1_END was given out last */
    bool paused;        /* llhttp must be resumed before it goes on */
    bool after_newline; /* last byte of the head so far was a line feed */
    bool in_value;      /* the current header's value has begun */
    uint64_t head_bytes, body_bytes, framing_bytes;
    struct buffer text; /* target, then names and values */
    struct span target;
    size_t header_count;
    struct span names[H1_HEADERS_MAX], values[H1_HEADERS_MAX];
    struct h1_header headers[H1_HEADERS_MAX];
    struct h1_head head;
    struct h1_failure failure;
};

static void fail(struct h1 *h1, int http_status, const char *text)
{
    h1->phase = PHASE_FAILED;
    h1->failure = (struct h1_failure){.http_status = http_status, .text = text};
}

static struct slice span_slice(const struct h1 *h1, struct span span)
{
    return slice_of(h1->text.data + span.begin, span.size);
}

/* Appends bytes to the text and to the span that they continue. */
static int span_add(struct h1 *h1, struct span *span, const char *at, size_t size)
{
    buffer_append(&h1->text, at, size);
    if (h1->text.failed) {
        fail(h1, 431, "the request line and headers are too large");
        return HPE_USER;
    }
    span->size += (uint32_t)size;
    return 0;
}

static int on_url(llhttp_t *parser, const char *at, size_t size)
{
    struct h1 *h1 = parser->data;
    return span_add(h1, &h1->target, at, size);
}

static int on_header_field(llhttp_t *parser, const char *at, size_t size)
{
    struct h1 *h1 = parser->data;
    if (h1->phase != PHASE_HEAD) {
        return 0;
    }
    if (h1->in_value || h1->header_count == 0) {
        if (h1->header_count == H1_HEADERS_MAX) {
            fail(h1, 431, "there are too many headers");
            return HPE_USER;
        }
        uint32_t begin = (uint32_t)h1->text.size;
        h1->names[h1->header_count] = (struct span){.begin = begin};
        h1->values[h1->header_count] = (struct span){.begin = begin};
        h1->header_count++;
        h1->in_value = false;
    }
    return span_add(h1, &h1->names[h1->header_count - 1], at, size);
}

static int on_header_value(llhttp_t *parser, const char *at, size_t size)
{
    struct h1 *h1 = parser->data;
    if (h1->phase != PHASE_HEAD) {
        return 0;
    }
    ASSERT(h1->header_count > 0);
    struct span *value = &h1->values[h1->header_count - 1];
    if (!h1->in_value) {
        value->begin = (uint32_t)h1->text.size;
        h1->in_value = true;
    }
    return span_add(h1, value, at, size);
}

/* A header without a value has no value callback: note here that it is over. */
static int on_header_value_complete(llhttp_t *parser)
{
    struct h1 *h1 = parser->data;
    h1->in_value = true;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    if (parser->method != HTTP_CONNECT) {
        parser->upgrade = 0; /* no protocol is upgraded to: the message goes on as HTTP/1 */
    }
    return HPE_PAUSED;
}

static int on_body(llhttp_t *parser, const char *at, size_t size)
{
    struct h1 *h1 = parser->data;
    h1->body_bytes += size;
    h1->options.body(h1->options.ctx, (const uint8_t *)at, size);
    return 0;
}

static int on_message_complete(llhttp_t *parser)
{
    (void)parser;
    return HPE_PAUSED;
}

static void begin_message(struct h1 *h1)
{
    h1->phase = PHASE_HEAD;
    h1->ended = false;
    h1->after_newline = false;
    h1->in_value = false;
    h1->head_bytes = h1->body_bytes = h1->framing_bytes = 0;
    h1->target = (struct span){0};
    h1->header_count = 0;
    if (h1->text.capacity > TEXT_SIZE_KEPT) {
        size_t bytes_max = h1->text.bytes_max;
        buffer_deinit(&h1->text);
        buffer_init(&h1->text, bytes_max);
    }
    buffer_clear(&h1->text);
}

struct h1 *h1_create(const struct h1_options *options)
{
    ASSERT(options->body != NULL);
    ASSERT(options->head_bytes_max > 0 && options->head_bytes_max < UINT32_MAX);
    struct h1 *h1 = mem_zalloc(sizeof(*h1));
    h1->options = *options;
    llhttp_settings_init(&h1->settings);
    h1->settings.on_url = on_url;
    h1->settings.on_header_field = on_header_field;
    h1->settings.on_header_value = on_header_value;
    h1->settings.on_header_value_complete = on_header_value_complete;
    h1->settings.on_headers_complete = on_headers_complete;
    h1->settings.on_body = on_body;
    h1->settings.on_message_complete = on_message_complete;
    llhttp_init(&h1->parser, HTTP_REQUEST, &h1->settings);
    h1->parser.data = h1;
    buffer_init(&h1->text, options->head_bytes_max);
    begin_message(h1);
    return h1;
}

void h1_destroy(struct h1 *h1)
{
    buffer_deinit(&h1->text);
    mem_free(h1);
}

const struct slice *h1_header_find(const struct h1_head *head, const char *name)
{
    struct slice wanted = slice_text(name);
    for (size_t i = 0; i < head->header_count; i++) {
        if (slice_equal(head->headers[i].name, wanted)) {
            return &head->headers[i].value;
        }
    }
    return NULL;
}

static bool equal_ignoring_case(struct slice value, const char *word)
{
    return value.size == strlen(word) &&
           strncasecmp((const char *)value.data, word, value.size) == 0;
}

static struct slice trimmed(struct slice s)
{
    while (s.size > 0 && (s.data[0] == ' ' || s.data[0] == '\t')) {
        s.data++;
        s.size--;
    }
    while (s.size > 0 && (s.data[s.size - 1] == ' ' || s.data[s.size - 1] == '\t')) {
        s.size--;
    }
    return s;
}

/* Cuts `rest` at the first `mark` and returns what stood before it. */
static struct slice cut(struct slice *rest, char mark)
{
    const uint8_t *at = rest->size > 0 ? memchr(rest->data, mark, rest->size) : NULL;
    struct slice word = *rest;
    if (at != NULL) {
        word.size = (size_t)(at - rest->data);
        *rest = slice_of(at + 1, rest->size - word.size - 1);
    } else {
        *rest = slice_of(rest->data + rest->size, 0);
    }
    return trimmed(word);
}

/* "q=0", "q=0.0", "q=0.000" */
static bool weight_is_zero(struct slice parameter)
{
    if (parameter.size < 3 || (parameter.data[0] | 0x20) != 'q' || parameter.data[1] != '=') {
        return false;
    }
    for (size_t i = 2; i < parameter.size; i++) {
        if (parameter.data[i] != '0' && parameter.data[i] != '.') {
            return false;
        }
    }
    return true;
}

bool h1_list_has(struct slice value, const char *token)
{
    while (value.size > 0) {
        struct slice word = cut(&value, ',');
        bool same = equal_ignoring_case(cut(&word, ';'), token);
        bool refused = false;
        while (word.size > 0) {
            refused = weight_is_zero(cut(&word, ';')) || refused;
        }
        if (same) {
            return !refused;
        }
    }
    return false;
}

/* Makes the head out of the spans. */
static void head_fill(struct h1 *h1)
{
    for (size_t i = 0; i < h1->header_count; i++) {
        for (size_t j = 0; j < h1->names[i].size; j++) {
            uint8_t *c = &h1->text.data[h1->names[i].begin + j];
            *c = *c >= 'A' && *c <= 'Z' ? (uint8_t)(*c | 0x20) : *c;
        }
        h1->headers[i].name = span_slice(h1, h1->names[i]);
        h1->headers[i].value = trimmed(span_slice(h1, h1->values[i]));
    }
    const llhttp_t *parser = &h1->parser;
    h1->head = (struct h1_head){
        .method = llhttp_method_name((llhttp_method_t)parser->method),
        .target = span_slice(h1, h1->target),
        .headers = h1->headers,
        .header_count = h1->header_count,
        .version_1_0 = parser->http_minor == 0,
        .chunked = (parser->flags & F_CHUNKED) != 0,
        .content_length = (parser->flags & F_CONTENT_LENGTH) != 0 ? parser->content_length : 0,
    };
    h1->head.has_body = h1->head.chunked || h1->head.content_length > 0;
    h1->head.keep_alive = (parser->flags & F_CONNECTION_CLOSE) == 0 &&
                          (!h1->head.version_1_0 || (parser->flags & F_CONNECTION_KEEP_ALIVE) != 0);
}

/* What llhttp does not check. */
static void head_check(struct h1 *h1)
{
    struct h1_head *head = &h1->head;
    size_t hosts = 0;
    for (size_t i = 0; i < head->header_count; i++) {
        const struct h1_header *header = &head->headers[i];
        if (slice_equal(header->name, SLICE_LITERAL("host"))) {
            hosts++;
        } else if (slice_equal(header->name, SLICE_LITERAL("expect"))) {
            head->expects_continue = equal_ignoring_case(header->value, "100-continue");
            if (!head->expects_continue) {
                fail(h1, 417, "only 100-continue can be expected");
            }
        } else if (slice_equal(header->name, SLICE_LITERAL("transfer-encoding")) &&
                   !equal_ignoring_case(header->value, "chunked")) {
            fail(h1, 501, "no transfer coding other than chunked is understood");
        }
    }
    if (h1->parser.http_major != 1 || h1->parser.http_minor > 1) {
        fail(h1, 505, "the version must be HTTP/1.0 or HTTP/1.1");
    } else if (hosts > 1 || (hosts == 0 && !head->version_1_0)) {
        fail(h1, 400, "exactly one Host header is needed");
    } else if (head->chunked && head->version_1_0) {
        fail(h1, 400, "HTTP/1.0 has no chunked bodies");
    } else if (h1->parser.method == HTTP_CONNECT) {
        fail(h1, 501, "CONNECT is not served");
    }
}

/* Looks for a folded header in bytes of the head. */
static bool has_fold(struct h1 *h1, struct slice eaten)
{
    for (size_t i = 0; i < eaten.size;) {
        if (h1->after_newline && (eaten.data[i] == ' ' || eaten.data[i] == '\t')) {
            return true;
        }
        const uint8_t *line = memchr(eaten.data + i, '\n', eaten.size - i);
        h1->after_newline = line != NULL;
        i = line != NULL ? (size_t)(line - eaten.data) + 1 : eaten.size;
    }
    return false;
}

static void count(struct h1 *h1, enum h1_phase phase, struct slice eaten, uint64_t body_before)
{
    if (phase == PHASE_HEAD) {
        h1->head_bytes += eaten.size;
        if (h1->head_bytes > h1->options.head_bytes_max) {
            fail(h1, 431, "the request line and headers are too large");
        } else if (has_fold(h1, eaten)) {
            fail(h1, 400, "a header is folded over lines");
        }
        return;
    }
    h1->framing_bytes += eaten.size - (h1->body_bytes - body_before);
    if (h1->framing_bytes > h1->options.head_bytes_max + FRAMING_PER_BODY_BYTE * h1->body_bytes) {
        fail(h1, 400, "the chunks of the body are mostly framing");
    }
}

static void fail_parser(struct h1 *h1, llhttp_errno_t code)
{
    if (h1->phase == PHASE_FAILED) {
        return; /* a callback found it and said why */
    }
    switch (code) {
    case HPE_PAUSED_H2_UPGRADE:
        fail(h1, 505, "HTTP/2 is not spoken on this port");
        break;
    case HPE_INVALID_VERSION:
        fail(h1, 505, "the version must be HTTP/1.0 or HTTP/1.1");
        break;
    default: {
        const char *reason = llhttp_get_error_reason(&h1->parser);
        fail(h1, 400, reason != NULL ? reason : "this is not HTTP");
        break;
    }
    }
}

enum h1_event h1_step(struct h1 *h1, struct slice *bytes)
{
    ASSERT(bytes->data != NULL);
    if (h1->phase == PHASE_FAILED) {
        return H1_ERROR;
    }
    if (h1->paused) {
        h1->paused = false;
        llhttp_resume(&h1->parser);
        if (h1->ended) {
            begin_message(h1);
        }
    } else if (bytes->size == 0) {
        return H1_MORE;
    }
    enum h1_phase phase = h1->phase;
    uint64_t body_before = h1->body_bytes;
    const char *at = (const char *)bytes->data;
    llhttp_errno_t code = llhttp_execute(&h1->parser, at, bytes->size);
    size_t eaten = bytes->size;
    if (code == HPE_PAUSED) {
        eaten = (size_t)(llhttp_get_error_pos(&h1->parser) - at);
        h1->paused = true;
    } else if (code != HPE_OK) {
        fail_parser(h1, code);
        return H1_ERROR;
    }
    ASSERT(eaten <= bytes->size);
    count(h1, phase, slice_of(bytes->data, eaten), body_before);
    *bytes = slice_of(bytes->data + eaten, bytes->size - eaten);
    if (h1->phase != PHASE_FAILED && code == HPE_PAUSED && phase == PHASE_HEAD) {
        h1->phase = PHASE_BODY;
        head_fill(h1);
        head_check(h1);
        return h1->phase == PHASE_FAILED ? H1_ERROR : H1_HEAD;
    }
    if (h1->phase == PHASE_FAILED) {
        return H1_ERROR;
    }
    if (code == HPE_PAUSED) {
        h1->ended = true; /* the next step begins another message */
        return H1_END;
    }
    return H1_MORE;
}

const struct h1_head *h1_head(const struct h1 *h1)
{
    return &h1->head;
}

struct h1_failure h1_failure(const struct h1 *h1)
{
    ASSERT(h1->phase == PHASE_FAILED);
    return h1->failure;
}

bool h1_begun(const struct h1 *h1)
{
    return !h1->ended && (h1->phase != PHASE_HEAD || h1->head_bytes > 0);
}
