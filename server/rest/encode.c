/* From an operation's answer, or its error, to the body of a REST response. Pure functions; nothing
 * fails but the buffer, whose owner looks at its flag. */
#include "sagitta.pb-c.h"

#include "server/rest/rest.h"
#include "server/rest/results.h"
#include "storage/base/assert.h"

static const rest_result results[] = {
#define X(id, method, path, grpc, flags, input, output, result) rest_result_##result,
#include "server/api/ops.def"
#undef X
};

static int encode_text(const Sagitta__TextReply *reply, struct buffer *out,
                       const char **content_type)
{
    struct json_writer writer;
    json_writer_init(&writer, out);
    rest_result_text(&writer, &reply->base);
    *content_type = reply->content_type[0] ? reply->content_type : "text/plain; charset=utf-8";
    return reply->http_status ? (int)reply->http_status : 200;
}

int rest_encode(const struct op *op, const ProtobufCMessage *output, double seconds,
                struct buffer *out, const char **content_type)
{
    size_t index = (size_t)(op - op_table);
    ASSERT(index < OP_COUNT);
    if (output->descriptor == &sagitta__text_reply__descriptor)
        return encode_text((const Sagitta__TextReply *)output, out, content_type);
    struct json_writer writer;
    json_writer_init(&writer, out);
    json_begin_object(&writer);
    json_key(&writer, "result");
    results[index](&writer, output);
    json_key(&writer, "status");
    json_text(&writer, "ok");
    json_key(&writer, "time");
    json_double(&writer, seconds);
    json_end_object(&writer);
    *content_type = "application/json";
    return 200;
}

void rest_encode_error(const struct error *err, double seconds, struct buffer *out)
{
    struct json_writer writer;
    struct buffer text;
    buffer_init(&text, 0);
    buffer_append_text(&text, status_prefix(err->code));
    buffer_append_text(&text, err->message);
    json_writer_init(&writer, out);
    json_begin_object(&writer);
    json_key(&writer, "status");
    json_begin_object(&writer);
    json_key(&writer, "error");
    json_slice(&writer, buffer_slice(&text));
    json_end_object(&writer);
    json_key(&writer, "time");
    json_double(&writer, seconds);
    json_end_object(&writer);
    buffer_deinit(&text);
}
