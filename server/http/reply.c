/* Heads of answers.
 *
 * Everything that is put into a head is ours or was checked, so no client can smuggle a line into
 * it: the only text of the client is the list of header names of a preflight, which the parser let
 * through as a header value (no control bytes) and which is cut at a limit. Threads: any. Nothing
 * fails: the sizes are bounded so that a head fits. */
#include "server/http/reply.h"

#include "storage/base/assert.h"

#include <stdarg.h>
#include <stdio.h>

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *text;
    } reasons[] = {
        {200, "OK"},
        {202, "Accepted"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {408, "Request Timeout"},
        {409, "Conflict"},
        {413, "Payload Too Large"},
        {415, "Unsupported Media Type"},
        {417, "Expectation Failed"},
        {422, "Unprocessable Entity"},
        {429, "Too Many Requests"},
        {431, "Request Header Fields Too Large"},
        {499, "Client Closed Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {505, "HTTP Version Not Supported"},
        {507, "Insufficient Storage"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
        if (reasons[i].status == status) {
            return reasons[i].text;
        }
    }
    return "";
}

void http_date_format(time_t seconds, char out[HTTP_DATE_SIZE])
{
    /* Not strftime: its names follow the locale. */
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    struct tm tm;
    (void)gmtime_r(&seconds, &tm);
    int size = snprintf(out, HTTP_DATE_SIZE, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                        days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
                        (tm.tm_year + 1900) % 10000, tm.tm_hour, tm.tm_min, tm.tm_sec);
    ASSERT(size > 0 && size < HTTP_DATE_SIZE);
}

struct head {
    char *out;
    size_t size;
};

static void put(struct head *head, const char *format, ...) PRINTF(2, 3);
static void put(struct head *head, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    size_t room = HTTP_HEAD_SIZE_MAX - head->size;
    int size = vsnprintf(head->out + head->size, room, format, args);
    va_end(args);
    ASSERT(size >= 0 && (size_t)size < room);
    head->size += (size_t)size;
}

static void put_cors(struct head *head, const struct http_head_options *options)
{
    put(head, "access-control-allow-origin: *\r\n");
    if (!options->preflight) {
        put(head, "access-control-expose-headers: *\r\n");
        return;
    }
    put(head, "access-control-allow-methods: GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS\r\n"
              "access-control-max-age: 3600\r\n");
    if (options->cors_headers.size > 0 && options->cors_headers.size <= HTTP_CORS_HEADERS_MAX) {
        put(head, "access-control-allow-headers: %.*s\r\n", (int)options->cors_headers.size,
            (const char *)options->cors_headers.data);
    }
}

size_t http_head_format(char *out, const struct http_reply *reply,
                        const struct http_head_options *options)
{
    struct head head = {.out = out};
    put(&head, "HTTP/1.1 %d %s\r\ncontent-length: %zu\r\n", reply->status,
        http_reason(reply->status), reply->body.size);
    if (reply->content_type != NULL) {
        put(&head, "content-type: %.128s\r\n", reply->content_type);
    }
    if (reply->gzip) {
        put(&head, "content-encoding: gzip\r\n");
    }
    if (reply->gzip || reply->varies) {
        put(&head, "vary: accept-encoding\r\n");
    }
    if (reply->allow != NULL) {
        put(&head, "allow: %.128s\r\n", reply->allow);
    }
    if (reply->retry_after_sec > 0) {
        put(&head, "retry-after: %u\r\n", reply->retry_after_sec);
    }
    if (options->cors) {
        put_cors(&head, options);
    }
    if (options->close) {
        put(&head, "connection: close\r\n");
    } else if (options->keep_alive_1_0) {
        put(&head, "connection: keep-alive\r\n");
    }
    put(&head, "date: %s\r\n\r\n", options->date);
    return head.size;
}
