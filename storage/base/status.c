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

/* The longest part of the text, up to `size`, that does not end inside of a UTF-8 character:
 * messages go to clients. */
static size_t whole_characters(const char *text, size_t size)
{
    size_t lead = size;
    while (lead > 0 && size - lead < 3 && (text[lead - 1] & 0xc0) == 0x80) {
        lead--;
    }
    if (lead == 0 || (text[lead - 1] & 0xc0) != 0xc0) {
        return size;
    }
    unsigned char first = (unsigned char)text[lead - 1];
    size_t wanted = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    return size - (lead - 1) < wanted ? lead - 1 : size;
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
    size_t kept = size < 0 ? 0 : strnlen(text, sizeof(text) - 1);
    if (size >= (int)sizeof(text)) {
        kept = whole_characters(text, kept);
    }
    err->code = code;
    memcpy(err->message, text, kept);
    err->message[kept] = '\0';
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
    if (prefix[prefix_size] || printed >= (int)sizeof(prefix) - 2) {
        prefix_size = whole_characters(prefix, prefix_size);
    }
    memcpy(prefix + prefix_size, ": ", 2);
    prefix_size += 2;

    size_t kept = tail_size < room - prefix_size ? tail_size : room - prefix_size;
    while (kept > 0 && kept < tail_size && (err->message[tail_size - kept] & 0xc0) == 0x80) {
        kept--;
    }
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
