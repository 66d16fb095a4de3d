/* The state machine: one function per command. Deterministic: reads no clock, no configuration,
 * nothing random. A user's error is a result, the same on every replica; IO and CORRUPT stop the
 * node. */
#pragma once
#include "index/collection/engine_int.h"

struct apply {
    struct engine *engine;
    uint64_t index; /* of the command in the log */
    struct kv_batch *batch;
    struct arena *arena;
    struct fsm_result *out;
};
enum status apply_create_collection(struct apply *apply, const Sagitta__CreateCollection *command);
enum status apply_update_collection(struct apply *apply, const Sagitta__UpdateCollection *command);
enum status apply_delete_collection(struct apply *apply, const Sagitta__DeleteCollection *command);
enum status apply_create_field_index(struct apply *apply, const Sagitta__CreateFieldIndex *command);
enum status apply_delete_field_index(struct apply *apply, const Sagitta__DeleteFieldIndex *command);
enum status apply_change_aliases(struct apply *apply, const Sagitta__ChangeAliases *command);
enum status apply_set_quotas(struct apply *apply, const Sagitta__Quotas *command);
enum status apply_write_points(struct apply *apply, struct collection *collection,
                               const Sagitta__WritePoints *command);
