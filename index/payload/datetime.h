/* Points in time as the contract writes them: a date; a date, `T` or a space, and a time with
 * minutes, seconds or a fraction; after seconds an offset (`Z`, `+hh`, `+hhmm`, `+hh:mm`, ` UTC`),
 * else UTC. Years 1 to 9999. */
#pragma once
#include "index/payload/json_view.h"

/* Microseconds since 1970-01-01T00:00:00Z; finer digits are cut off. False: not a point in time. */
bool datetime_parse(struct slice text, int64_t *out_us);
/* The same for any payload value; false unless it is a string of that form. */
bool datetime_of_value(struct json_view value, int64_t *out_us);
