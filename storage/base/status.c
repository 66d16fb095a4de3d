/* Status codes and error messages.
 *
 * The facts of each status come from STATUS_LIST. A message is at most 511 bytes. When wrapping
 * makes it longer, the middle goes: the new prefix is cut to half the room at most, and of the
 * older message the tail is kept, because the place where the fault was found says more than what
 * lies between.
 *
 * Thread-safe: nothing here has state. Nothing can fail. */
#include "storage/base/status.h"

#include "storage/base/assert.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct status_facts {
    const char *name;
    int http;
    int grpc;
    const char *prefix;
    bool retry;
};

#define X(name, http, grpc, prefix, retry) {#name, http, grpc, prefix, retry},
static const struct status_facts FACTS[STATUS_COUNT] = {STATUS_LIST(X)};
#undef X

static const struct status_facts *facts_of(enum status code)
{
    ASSERT((unsigned)code < STATUS_COUNT);
    return &FACTS[code];
}

enum status error_set(struct error *err, enum status code, const char *format, ...)
{
    if (!err) {
        return code;
    }
    /* The old message may be an argument of the new one, so it is printed aside first. */
    char text[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    int size = vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (size < 0) {
        text[0] = '\0';
    }
    err->code = code;
    memcpy(err->message, text, strlen(text) + 1);
    return code;
}

enum status error_wrap(struct error *err, const char *format, ...)
{
    if (!err) {
        return STATUS_INTERNAL;
    }
    const size_t room = sizeof(err->message) - 1;
    char prefix[sizeof(err->message)];
    va_list args;
    va_start(args, format);
    int printed = vsnprintf(prefix, sizeof(prefix) - 2, format, args);
    va_end(args);
    size_t prefix_size = printed < 0 ? 0 : strnlen(prefix, sizeof(prefix) - 3);
    size_t tail_size = strnlen(err->message, room);
    if (prefix_size + 2 + tail_size > room && prefix_size + 2 > room / 2) {
        size_t needed = prefix_size + 2 + tail_size - room;
        size_t spare = prefix_size + 2 - room / 2;
        prefix_size -= needed < spare ? needed : spare;
    }
    memcpy(prefix + prefix_size, ": ", 2);
    prefix_size += 2;

    size_t kept = tail_size < room - prefix_size ? tail_size : room - prefix_size;
    memmove(err->message + prefix_size, err->message + tail_size - kept, kept);
    memcpy(err->message, prefix, prefix_size);
    err->message[prefix_size + kept] = '\0';
    return err->code;
}

const char *status_name(enum status code)
{
    return facts_of(code)->name;
}

int status_http(enum status code)
{
    return facts_of(code)->http;
}

int status_grpc(enum status code)
{
    return facts_of(code)->grpc;
}

const char *status_prefix(enum status code)
{
    return facts_of(code)->prefix;
}

bool status_retryable(enum status code)
{
    return facts_of(code)->retry;
}
