/* A token bucket: so many operations a minute, and no more than a minute's worth at once. */
#pragma once
#include <stdint.h>

struct token_bucket { /* zeroed: not begun, which is full */
    uint32_t per_minute;
    double tokens;
    uint64_t filled_ns;
};
#define TOKEN_WAIT_NEVER UINT32_MAX /* the cost is more than a full bucket */
/* Takes `cost` tokens and returns 0, or takes none and returns the whole seconds after which they
 * will be there. A bucket whose rate has changed is full. */
uint32_t token_bucket_take(struct token_bucket *bucket, uint32_t per_minute, uint64_t cost,
                           uint64_t now_ns);
