/* Commands for tests of the engine: packed as the log holds them. Memory comes from the arena
 * given. */
#pragma once
#include "command.pb-c.h"

#include "index/point_id.h"
#include "storage/base/arena.h"

struct slice command_create(struct arena *arena, const char *name, uint32_t dim,
                            uint64_t indexing_threshold_kb);
struct slice command_drop(struct arena *arena, const char *name);
struct slice command_alias(struct arena *arena, const char *alias, const char *collection);

/* Operations to be packed together by command_points. Numbers are ids; `vector` NULL: none. */
struct Sagitta__PointsOperation *operation_upsert(struct arena *arena, uint64_t id,
                                                  const float *vector, uint32_t dim,
                                                  const char *payload);
struct Sagitta__PointsOperation *operation_delete(struct arena *arena, uint64_t id);
struct Sagitta__PointsOperation *operation_delete_where(struct arena *arena, const char *key,
                                                        const char *keyword);
struct Sagitta__PointsOperation *operation_set_payload(struct arena *arena, uint64_t id,
                                                       const char *payload);
struct slice command_points(struct arena *arena, uint32_t collection,
                            struct Sagitta__PointsOperation **operations, size_t count);
/* Filter `key` == `keyword`. */
Qdrant__Filter *filter_keyword(struct arena *arena, const char *key, const char *keyword);
