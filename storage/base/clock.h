/* Time. Never read while applying a command. */
#pragma once
#include <stdint.h>

uint64_t clock_monotonic_ns(void); /* for durations and deadlines */
uint64_t clock_realtime_ms(void);  /* since 1970, UTC */
/* "2026-01-31T12:00:00.000Z"; `out` holds at least 32 bytes. */
void clock_format_utc(uint64_t realtime_ms, char *out);
