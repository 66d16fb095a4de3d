/* REST's half of an operation: JSON to message and message to JSON, by shape.
 *
 * Texts of errors are the contract's: "Format error in JSON body: ...", "Validation error in JSON
 * body: [...]". A field that a shape does not know is ignored. Message memory comes from the arena;
 * JSON strings are copied into it. */
#pragma once
#include "server/api/op.h"

enum { REST_PADDING = 64 }; /* readable bytes that must follow a body */

struct rest_param {
    struct slice name, value; /* value: percent-decoded */
};
struct rest_request {
    const struct rest_param *path; /* "collection_name", "id" */
    size_t path_count;
    const struct rest_param *query; /* wait, ordering, timeout, consistency ... */
    size_t query_count;
    struct slice body; /* REST_PADDING readable bytes follow */
};
/* A JSON parser with its buffers; one per compute thread, kept between requests and shrunk when it
 * has grown large. */
struct rest_parser;
struct rest_parser *rest_parser_create(void);
void rest_parser_destroy(struct rest_parser *parser);

/* Fills a message of op->input. FORMAT, VALIDATION or BAD_REQUEST with a text that names the field.
 */
enum status rest_decode(const struct op *op, const struct rest_request *request,
                        struct rest_parser *parser, struct arena *arena, ProtobufCMessage **out,
                        struct error *err);
/* Body and content type of a success: the contract's envelope
 * {"result":..,"status":"ok","time":seconds}, or the text itself for operations whose output is a
 * TextReply. Returns the HTTP status. */
int rest_encode(const struct op *op, const ProtobufCMessage *output, double seconds,
                struct buffer *out, const char **content_type);
/* {"status":{"error":"<prefix><message>"},"time":seconds} */
void rest_encode_error(const struct error *err, double seconds, struct buffer *out);
