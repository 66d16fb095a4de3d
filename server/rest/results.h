/* How each kind of answer is printed under "result"; the column `result` of ops.def picks one. */
#pragma once
#include "server/rest/json_writer.h"

#include <protobuf-c/protobuf-c.h>

typedef void (*rest_result)(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_plain(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_collections(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_collection_info(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_aliases(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_scroll(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_hits(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_points(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_points_batch(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_hits_batch(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_json(struct json_writer *writer, const ProtobufCMessage *output);
void rest_result_text(struct json_writer *writer, const ProtobufCMessage *output);
