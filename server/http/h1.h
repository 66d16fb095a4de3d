/* HTTP/1 requests from bytes: strict parsing, limits, no sockets.
 *
 * The reader is pulled: h1_step eats bytes up to the next event. No pointer into the fed bytes
 * survives a step. Refused, in short: both lengths, folded headers, missing or double Host, bodies
 * in codings other than chunked, HTTP/1.0 with chunks, versions other than 1.0 and 1.1, heads over
 * the limits. */
#pragma once
#include "storage/base/slice.h"

enum { H1_HEADERS_MAX = 100 };

struct h1_header {
    struct slice name; /* in lower case */
    struct slice value;
};
struct h1_head {
    const char *method;  /* "GET" */
    struct slice target; /* as sent */
    const struct h1_header *headers;
    size_t header_count;
    bool keep_alive;
    bool version_1_0;
    bool expects_continue;
    bool has_body;
    bool chunked;
    uint64_t content_length; /* 0 when chunked */
};

enum h1_event {
    H1_MORE,  /* all bytes are eaten, nothing happened yet */
    H1_HEAD,  /* h1_head is valid until the next H1_END was returned and h1_step called again */
    H1_END,   /* the message is complete */
    H1_ERROR, /* h1_failure tells; the connection cannot go on */
};
struct h1_failure {
    int http_status;
    const char *text;
};

struct h1;
struct h1_options {
    size_t head_bytes_max; /* request line and headers; also framing bytes of a chunked body */
    /* Body bytes, in order; `data` points into the fed bytes. */
    void (*body)(void *ctx, const uint8_t *data, size_t size);
    void *ctx;
};
struct h1 *h1_create(const struct h1_options *options);
void h1_destroy(struct h1 *h1);
/* Eats from *bytes (data never NULL) and advances it. Call again (also with no bytes) after H1_HEAD
 * and H1_END. */
enum h1_event h1_step(struct h1 *h1, struct slice *bytes);
const struct h1_head *h1_head(const struct h1 *h1);
struct h1_failure h1_failure(const struct h1 *h1);
/* Has any byte of the next message been eaten? */
bool h1_begun(const struct h1 *h1);
/* Value of a header, or NULL. `name` in lower case. */
const struct slice *h1_header_find(const struct h1_head *head, const char *name);
/* Is `token` (lower case) among the comma-separated words of a header value, not weighted to zero?
 */
bool h1_list_has(struct slice value, const char *token);
