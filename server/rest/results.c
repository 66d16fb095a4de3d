/* The parts of answers that differ from one operation to another. Each prints one JSON value; see
 * results.h. */
#include "server/rest/results.h"

#include "collections.pb-c.h"
#include "points.pb-c.h"
#include "sagitta.pb-c.h"

#include "server/rest/shape.h"
#include "storage/base/assert.h"

static const ProtobufCFieldDescriptor *result_field(const ProtobufCMessage *output)
{
    const ProtobufCFieldDescriptor *field = field_of(output, "result");
    ASSERT(field);
    return field;
}

void rest_result_plain(struct json_writer *writer, const ProtobufCMessage *output)
{
    const ProtobufCFieldDescriptor *field = result_field(output);
    if (field->label == PROTOBUF_C_LABEL_REPEATED || field_present(output, field))
        write_field(writer, output, field);
    else
        json_null(writer);
}

static void one_member(struct json_writer *writer, const ProtobufCMessage *output, const char *name,
                       const ProtobufCFieldDescriptor *field)
{
    json_begin_object(writer);
    json_key(writer, name);
    write_field(writer, output, field);
    json_end_object(writer);
}

void rest_result_collections(struct json_writer *writer, const ProtobufCMessage *output)
{
    one_member(writer, output, "collections", field_of(output, "collections"));
}

void rest_result_collection_info(struct json_writer *writer, const ProtobufCMessage *output)
{
    rest_result_plain(writer, output);
}

void rest_result_aliases(struct json_writer *writer, const ProtobufCMessage *output)
{
    one_member(writer, output, "aliases", field_of(output, "aliases"));
}

void rest_result_scroll(struct json_writer *writer, const ProtobufCMessage *output)
{
    const ProtobufCFieldDescriptor *next = field_of(output, "next_page_offset");
    json_begin_object(writer);
    json_key(writer, "points");
    write_field(writer, output, result_field(output));
    json_key(writer, "next_page_offset");
    if (field_present(output, next))
        write_field(writer, output, next);
    else
        json_null(writer);
    json_end_object(writer);
}

void rest_result_hits(struct json_writer *writer, const ProtobufCMessage *output)
{
    one_member(writer, output, "hits", field_of(output, "hits"));
}

void rest_result_points(struct json_writer *writer, const ProtobufCMessage *output)
{
    const ProtobufCFieldDescriptor *explain = field_of(output, "explain_json");
    json_begin_object(writer);
    json_key(writer, "points");
    write_field(writer, output, result_field(output));
    const ProtobufCBinaryData *text = explain ? field_place(output, explain) : NULL;
    if (text && text->len > 0) {
        json_key(writer, "explain");
        json_raw(writer, slice_of(text->data, text->len));
    }
    json_end_object(writer);
}

void rest_result_points_batch(struct json_writer *writer, const ProtobufCMessage *output)
{
    const Qdrant__QueryBatchResponse *response = (const Qdrant__QueryBatchResponse *)output;
    json_begin_list(writer);
    for (size_t i = 0; i < response->n_result; i++)
        rest_result_points(writer, &response->result[i]->base);
    json_end_list(writer);
}

void rest_result_hits_batch(struct json_writer *writer, const ProtobufCMessage *output)
{
    const Qdrant__SearchBatchResponse *response = (const Qdrant__SearchBatchResponse *)output;
    json_begin_list(writer);
    for (size_t i = 0; i < response->n_result; i++)
        rest_result_plain(writer, &response->result[i]->base);
    json_end_list(writer);
}

void rest_result_json(struct json_writer *writer, const ProtobufCMessage *output)
{
    const Sagitta__JsonReply *reply = (const Sagitta__JsonReply *)output;
    if (reply->json.len)
        json_raw(writer, slice_of(reply->json.data, reply->json.len));
    else
        json_null(writer);
}

void rest_result_text(struct json_writer *writer, const ProtobufCMessage *output)
{
    const Sagitta__TextReply *reply = (const Sagitta__TextReply *)output;
    buffer_append(writer->out, reply->body.data, reply->body.len);
}
