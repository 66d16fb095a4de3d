/* Strict mode: what requests on the points of a collection may ask, by its configuration. Here is
 * what can be told from the request itself and the schema; what a collection may hold and how often
 * it may be asked is in budget.h. */
#pragma once
#include "server/api/api.h"

/* NULL: strict mode is off. Lives as long as the view. */
const Qdrant__StrictModeConfig *strict_config(const struct view *view);

enum request_kind {
    REQUEST_OTHER, /* not on points: strict mode has no say */
    REQUEST_READ,
    REQUEST_UPDATE,
    REQUEST_GROWTH, /* an update that may need more memory and disk */
};
/* `*cost`: how many operations it is, for rate limits. */
enum request_kind strict_kind(const ProtobufCMessage *request, uint64_t *cost);

/* BAD_REQUEST names the option, what was asked for, the limit, and what to do. */
enum status strict_check(struct call *call, const struct view *view,
                         const Qdrant__StrictModeConfig *config, const ProtobufCMessage *request);
/* BAD_REQUEST for a number beyond an option; `what` is its name for the client. */
enum status strict_exceeded(struct call *call, const char *option, const char *what, double value,
                            double limit, const char *help);
/* Does the message hold a filter that asks for keys without an index? Calls `each` for each key. */
enum status strict_each_unindexed(struct call *call, const struct view *view,
                                  const ProtobufCMessage *request,
                                  void (*each)(void *ctx, const char *key, enum field_type type),
                                  void *ctx);
