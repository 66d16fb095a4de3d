/* A parsed JSON value as text again, and the members of an object without duplicates. */
#pragma once
#include "server/rest/json_shim.h"
#include "server/rest/json_writer.h"
#include "storage/base/arena.h"

struct dom_member {
    struct slice key;
    struct dom_value value;
};
/* Members in the order of their keys' last appearance; of equal keys the last one stays. The array
 * is the arena's. */
NODISCARD bool dom_unique_members(struct dom_value object, struct arena *arena,
                                  struct dom_member **out, size_t *count);
/* Minified text: integers exact, other numbers in their shortest form with ".0" kept, no duplicate
 * keys. False: the arena is full. */
NODISCARD bool dom_write(struct dom_value value, struct arena *arena, struct json_writer *writer);
