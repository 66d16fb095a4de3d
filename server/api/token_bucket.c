/* The token bucket: tokens are counted when they are asked for, from the time since the last time.
 */
#include "server/api/token_bucket.h"

#include "storage/base/assert.h"

#include <math.h>

#define MINUTE_NS 60e9

uint32_t token_bucket_take(struct token_bucket *bucket, uint32_t per_minute, uint64_t cost,
                           uint64_t now_ns)
{
    ASSERT(per_minute > 0);
    double full = per_minute;
    if (bucket->per_minute != per_minute) {
        *bucket =
            (struct token_bucket){.per_minute = per_minute, .tokens = full, .filled_ns = now_ns};
    }
    now_ns = now_ns > bucket->filled_ns ? now_ns : bucket->filled_ns; /* threads race to here */
    double tokens = bucket->tokens + (double)(now_ns - bucket->filled_ns) * full / MINUTE_NS;
    bucket->tokens = tokens < full ? tokens : full;
    bucket->filled_ns = now_ns;
    double missing = (double)cost - bucket->tokens;
    if ((double)cost > full) {
        return TOKEN_WAIT_NEVER;
    }
    if (missing > 0) {
        double seconds = ceil(missing * 60 / full);
        return seconds > 1 ? (uint32_t)seconds : 1;
    }
    bucket->tokens -= (double)cost;
    return 0;
}
