/* Who may do what: keys from the settings. */
#pragma once
#include "server/config.h"
#include "storage/base/slice.h"

enum auth_right { AUTH_NONE, AUTH_READ, AUTH_ALL };
/* The right that a key gives; compared in a time that does not tell how much of it was right. With
 * no key configured everybody has AUTH_ALL. `key` is empty when the client sent none. */
enum auth_right auth_right_of(const struct settings *settings, struct slice key);
/* The key in "Bearer <key>"; empty when the header says something else. */
struct slice auth_bearer(struct slice authorization);
