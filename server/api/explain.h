/* How a query was answered, for people: the plan with its estimates, and what came of it. */
#pragma once
#include "index/collection/view.h"
#include "server/api/api.h"

/* An object's text in the call's arena. A report without steps is of an order or of nothing. */
enum status explain_write(struct call *call, const struct search_report *report,
                          ProtobufCBinaryData *out);
