/* Keys: a client's key is compared with each configured one, always with all of them and over all
 * bytes.
 *
 * Threads: any. Nothing fails. */
#include "server/watch/auth.h"

#include <strings.h>

/* Looks at every byte of `given` whatever it finds, so time tells only the length of what the
 * client itself sent. */
static bool key_equal(const char *configured, struct slice given)
{
    size_t size = strlen(configured);
    if (size == 0) {
        return false;
    }
    volatile uint8_t different = size != given.size;
    for (size_t i = 0; i < given.size; i++) {
        different = (uint8_t)(different | (given.data[i] ^ (uint8_t)configured[i % size]));
    }
    return different == 0;
}

enum auth_right auth_right_of(const struct settings *settings, struct slice key)
{
    bool full = key_equal(settings->service.api_key, key);
    bool alternative = key_equal(settings->service.alt_api_key, key);
    bool reading = key_equal(settings->service.read_only_api_key, key);
    bool open = settings->service.api_key[0] == '\0' && settings->service.alt_api_key[0] == '\0' &&
                settings->service.read_only_api_key[0] == '\0';
    if (full || alternative || open) {
        return AUTH_ALL;
    }
    return reading ? AUTH_READ : AUTH_NONE;
}

struct slice auth_bearer(struct slice authorization)
{
    static const char scheme[] = "bearer ";
    size_t size = sizeof(scheme) - 1;
    if (authorization.size <= size ||
        strncasecmp((const char *)authorization.data, scheme, size) != 0) {
        return slice_of("", 0);
    }
    return slice_of(authorization.data + size, authorization.size - size);
}
