/* Quotas as the contract shows them, in their own call and in telemetry. */
#pragma once
#include "server/api/quota.h"

void quota_json_config(const struct quota_limits *limits, struct buffer *out);
/* Which resources are over; null: not limited, or not known. */
void quota_json_exceeded(const struct quota_limits *limits, const struct quota_reading *reading,
                         const struct quota_state *state, struct buffer *out);
