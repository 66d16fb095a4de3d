/* Hash map from bytes to a pointer. Open addressing, grows at 3/4. Keys are copied and owned by the
 * map; values are the caller's. Not thread-safe. Iteration order is unspecified: sort where a user
 * sees it. */
#pragma once
#include "storage/base/slice.h"

#include <stddef.h>

struct hashmap;
struct hashmap *hashmap_create(void);
void hashmap_destroy(struct hashmap *map); /* values are not touched */
size_t hashmap_count(const struct hashmap *map);
void *hashmap_get(const struct hashmap *map, struct slice key); /* NULL: not there */
void *hashmap_put(struct hashmap *map, struct slice key,
                  void *value); /* returns the value replaced, or NULL */
void *hashmap_remove(struct hashmap *map,
                     struct slice key); /* returns the value removed, or NULL */
/* `*cursor` starts at 0. False: no more. The map must not change between calls. */
bool hashmap_next(const struct hashmap *map, size_t *cursor, struct slice *key, void **value);
