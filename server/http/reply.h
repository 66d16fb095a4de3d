/* Answers: what a handler gives, and how its head looks on the wire. */
#pragma once
#include "storage/base/slice.h"
#include "storage/base/status.h"

#include <time.h>

struct http_reply {
    int status;
    const char *content_type; /* NULL: none */
    struct slice body;
    void *memory;      /* holds the body, mem_free()d when it is sent; NULL: the body is constant */
    const char *allow; /* for 405; NULL: none */
    uint32_t retry_after_sec; /* 0: none */
    bool gzip;                /* the body is packed */
    bool varies;              /* it could have been packed for another client */
    bool close;               /* close the connection afterwards */
};

/* The head's parts that depend on the connection and the request. */
struct http_head_options {
    const char *date; /* "Sun, 06 Nov 1994 08:49:37 GMT" */
    bool close;
    bool keep_alive_1_0;       /* tell an HTTP/1.0 client that the connection stays */
    bool cors;                 /* let any page read the answer */
    bool preflight;            /* answer to a browser's question before the request */
    struct slice cors_headers; /* what the browser asked for; in a preflight */
};
enum { HTTP_HEAD_SIZE_MAX = 2048, HTTP_DATE_SIZE = 32, HTTP_CORS_HEADERS_MAX = 1024 };

/* Writes the head and returns its size. `out` holds HTTP_HEAD_SIZE_MAX bytes. */
size_t http_head_format(char *out, const struct http_reply *reply,
                        const struct http_head_options *options);
void http_date_format(time_t seconds, char out[HTTP_DATE_SIZE]);
const char *http_reason(int status); /* "Not Found"; "" for a status we do not use */
