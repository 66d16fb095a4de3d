/* Status codes and errors.
 *
 * A fallible function returns `enum status`. The message is set once, where the fault is found, and
 * wrapped by callers that know more. Each status has the HTTP and gRPC code of the wire contract
 * and the text that goes before a message. */
#pragma once
#include <stdbool.h>

#define NODISCARD    __attribute__((warn_unused_result))
#define PRINTF(a, b) __attribute__((format(printf, a, b)))

#define STATUS_LIST(X)                                                                             \
    /* name                 http  grpc  prefix                            retry */                 \
    X(OK, 200, 0, "", false)                                                                       \
    X(BAD_INPUT, 400, 3, "Wrong input: ", false)                                                   \
    X(BAD_REQUEST, 400, 3, "Bad request: ", false)                                                 \
    X(FORMAT, 400, 3, "", false)     /* malformed body or parameter: the text says all */          \
    X(VALIDATION, 422, 3, "", false) /* a value outside its limits: "Validation error in ..." */   \
    X(UNAUTHENTICATED, 401, 16, "", false)                                                         \
    X(FORBIDDEN, 403, 7, "Forbidden: ", false)                                                     \
    X(NOT_FOUND, 404, 5, "Not found: ", false)                                                     \
    X(STANDALONE, 405, 12, "", false)                                                              \
    X(TIMEOUT, 408, 4, "Timeout: ", true)                                                          \
    X(ALREADY_EXISTS, 409, 6, "Wrong input: ", false)                                              \
    X(TOO_LARGE, 413, 8, "", false)                                                                \
    X(RATE_LIMITED, 429, 8, "Rate limiting exceeded: ", true)                                      \
    X(CANCELLED, 499, 1, "", false)                                                                \
    X(INTERNAL, 500, 13, "Service internal error: ", false)                                        \
    X(CORRUPT, 500, 15, "Service internal error: ", false) /* stored data is damaged */            \
    X(IO, 500, 13, "Service internal error: ", false)      /* the disk or the network failed */    \
    X(UNIMPLEMENTED, 501, 12, "", false)                                                           \
    X(UNAVAILABLE, 503, 14, "Shard temporarily unavailable: ", true)                               \
    X(NO_SPACE, 507, 8, "Insufficient storage: ", false)

#define X(name, http, grpc, prefix, retry) STATUS_##name,
enum status { STATUS_LIST(X) STATUS_COUNT };
#undef X

struct error {
    enum status code;
    char message[512];
};

/* Sets code and message; returns the code. `err` may be NULL. */
enum status error_set(struct error *err, enum status code, const char *format, ...) PRINTF(3, 4);
/* Puts "<text>: " before the message; returns the code it has. `err` may be NULL (returns INTERNAL
 * then). */
enum status error_wrap(struct error *err, const char *format, ...) PRINTF(2, 3);

const char *status_name(enum status code);   /* "NOT_FOUND" */
int status_http(enum status code);           /* 404 */
int status_grpc(enum status code);           /* 5 */
const char *status_prefix(enum status code); /* "Not found: " */
bool status_retryable(enum status code);
