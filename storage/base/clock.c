/* Time from the operating system. The monotonic clock is for durations; the real-time clock may
 * jump. Thread-safe. The two clocks exist on every Linux, so a refusal is a bug. */
#include "storage/base/clock.h"

#include "storage/base/assert.h"

#include <stdio.h>
#include <time.h>

uint64_t clock_monotonic_ns(void)
{
    struct timespec now;
    ASSERT(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return (uint64_t)now.tv_sec * 1000000000U + (uint64_t)now.tv_nsec;
}

uint64_t clock_realtime_ms(void)
{
    struct timespec now;
    ASSERT(clock_gettime(CLOCK_REALTIME, &now) == 0);
    return (uint64_t)now.tv_sec * 1000U + (uint64_t)now.tv_nsec / 1000000U;
}

void clock_format_utc(uint64_t realtime_ms, char *out)
{
    enum { OUT_SIZE = 32 };
    const uint64_t year_10000_ms = 253402300800000U;
    /* Past the year 9999 the text would outgrow its shape: the last millisecond before stands for
     * all later ones. */
    uint64_t ms = realtime_ms < year_10000_ms ? realtime_ms : year_10000_ms - 1;
    time_t seconds = (time_t)(ms / 1000U);
    struct tm parts;
    ASSERT(gmtime_r(&seconds, &parts));
    int size = snprintf(out, OUT_SIZE, "%04d-%02d-%02dT%02d:%02d:%02d.%03uZ", parts.tm_year + 1900,
                        parts.tm_mon + 1, parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec,
                        (unsigned)(ms % 1000U));
    ASSERT(size == 24);
}
