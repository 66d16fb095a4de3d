/* Shared by the files of this folder: ids, vectors, selections and answers between the contract's
 * messages and the engine. Everything lives in the call's arena. Functions that return a status set
 * call->err; functions that return a pointer give NULL when the arena is full, and the caller then
 * returns api_no_memory. */
#pragma once
#include "command.pb-c.h"
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "index/collection/engine.h"
#include "server/api/op.h"
#include "storage/base/slice.h"

/* common.c */
enum status api_no_memory(struct call *call);
/* BAD_REQUEST "<field> is not served by this version". */
enum status api_refuse(struct call *call, const char *field);
/* An initialised message. */
void *api_new(struct call *call, const ProtobufCMessageDescriptor *descriptor);
enum status api_pin(struct call *call, const char *collection_name, struct view *out);
/* CANCELLED once the client has left. */
enum status api_check_cancelled(struct call *call);
/* Compiles a filter as the collection reads it; *out NULL: none. */
enum status api_filter(struct call *call, const struct view *view, const Qdrant__Filter *wire,
                       struct filter **out);
/* Shard keys choose among custom shards, which this version does not have. */
enum status api_check_shard_key(struct call *call, const Qdrant__ShardKeySelector *selector);
/* A result whose code is not OK becomes the call's error. */
enum status api_result_status(struct call *call, const struct fsm_result *result);
/* Hands the bytes of `buffer` to the arena and empties it; INTERNAL when an append failed. */
enum status api_take(struct call *call, struct buffer *buffer, ProtobufCBinaryData *out);
void api_json_string(struct buffer *out, const char *text); /* quoted and escaped */

/* ids.c */
enum status id_read(struct call *call, const Qdrant__PointId *id, struct point_id *out);
Qdrant__PointId *id_message(struct call *call, struct point_id id);
/* The ids of a list, checked, as the log keeps them. */
enum status id_keys(struct call *call, Qdrant__PointId *const *ids, size_t count,
                    Sagitta__PointKey ***out);
enum status id_not_found(struct call *call, struct point_id id);

/* vector_input.c */
/* BAD_INPUT "Not existing vector name error: X". */
enum status vector_spec_find(struct call *call, const struct schema *schema, const char *name,
                             const struct vector_spec **out);
/* The stored form of a client's numbers; checks dimension and values. */
enum status vector_stored(struct call *call, const struct vector_spec *spec, const float *numbers,
                          size_t count, void **out);
/* The same for what is searched for. */
enum status vector_query(struct call *call, const struct vector_spec *spec, const float *numbers,
                         size_t count, void **out);
/* The vectors of a written point. `vectors` NULL: none. */
enum status vectors_stored(struct call *call, const struct schema *schema,
                           const Qdrant__Vectors *vectors, Sagitta__StoredPoint *out);

/* selectors.c: what of a point goes into an answer. */
struct projection {
    const struct view *view;
    enum { PAYLOAD_NONE, PAYLOAD_ALL, PAYLOAD_INCLUDE, PAYLOAD_EXCLUDE } payload;
    struct path **paths;
    size_t paths_count;
    bool vectors;    /* any at all */
    uint32_t *slots; /* in the order asked for */
    size_t slots_count;
};
/* The default is what counts when `payload` says nothing. */
enum status projection_read(struct call *call, const struct view *view,
                            const Qdrant__WithPayloadSelector *payload, bool payload_default,
                            const Qdrant__WithVectorsSelector *vectors, struct projection *out);
enum status project_retrieved(struct call *call, const struct projection *projection,
                              const struct found *points, size_t count, size_t *out_count,
                              Qdrant__RetrievedPoint ***out);
enum status project_scored(struct call *call, const struct projection *projection,
                           const struct found *points, size_t count, size_t *out_count,
                           Qdrant__ScoredPoint ***out);

/* write_points.c: one operation on points, checked against the schema. */
struct write {
    struct call *call;
    struct view view;
    Sagitta__PointsOperation **operations;
    size_t operations_count, operations_room;
};
enum status write_begin(struct call *call, const char *collection_name, size_t operations_max,
                        struct write *out);
/* Packs what was added; nothing when nothing was. */
enum status write_end(struct write *write, struct buffer *command);
enum status write_upsert(struct write *write, Qdrant__PointStruct *const *points, size_t count,
                         Qdrant__Filter *update_filter, Qdrant__UpdateMode mode);
enum status write_delete(struct write *write, const Qdrant__PointsSelector *selector);
enum status write_update_vectors(struct write *write, Qdrant__PointVectors *const *points,
                                 size_t count, Qdrant__Filter *update_filter);
enum status write_delete_vectors(struct write *write, const Qdrant__PointsSelector *selector,
                                 const Qdrant__VectorsSelector *names);
struct payload_write {
    const Qdrant__PointsSelector *selector;
    ProtobufCBinaryData json; /* an object's text */
    const char *key;          /* NULL: the root */
};
enum status write_set_payload(struct write *write, const struct payload_write *payload,
                              bool overwrite);
enum status write_delete_payload(struct write *write, const Qdrant__PointsSelector *selector,
                                 char **keys, size_t keys_count);
enum status write_clear_payload(struct write *write, const Qdrant__PointsSelector *selector);
/* The answer to one operation. */
Qdrant__UpdateResult *write_result(struct call *call, const struct fsm_result *result,
                                   bool completed);
/* The answer to a request of one operation. */
enum status write_reply(struct call *call, const struct fsm_result *result, bool completed,
                        void *output);
/* Packs a command into the buffer. */
enum status command_pack(struct call *call, const Sagitta__Command *message,
                         struct buffer *command);
