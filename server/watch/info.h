/* What the server knows of itself, for the service endpoints. Filled in main.c before threads
 * start; afterwards only the atomics change. */
#pragma once
#include "server/config.h"
#include "server/watch/metrics.h"

#include <stdatomic.h>
#include <stdint.h>

struct log;
struct replica;

/* Gauges and counters of the transport; relaxed, exact only when the server is idle. */
struct server_counters {
    atomic_uint_fast64_t connections_open, connections_accepted, connections_refused;
    atomic_uint_fast64_t requests_open;     /* created and not destroyed, answered or not */
    atomic_uint_fast64_t requests_rejected; /* queue full, memory full */
    atomic_uint_fast64_t requests_unrouted; /* no such path or method, no key, malformed */
    atomic_uint_fast64_t requests_timed_out, requests_abandoned;
    atomic_uint_fast64_t bytes_received, bytes_sent;
    atomic_uint_fast64_t body_bytes; /* bodies held now */
};

struct server_info {
    const char *version;     /* of this program, "0.1.0" */
    const char *api_version; /* of the wire contract, "1.19.0" */
    const char *commit;      /* 40 hexadecimal digits */
    char uuid[37];           /* of this run */
    uint64_t started_ms;     /* clock_realtime_ms */
    uint64_t started_ns;     /* clock_monotonic_ns */
    const struct settings *settings;
    struct metrics *metrics;
    const struct log *log;         /* NULL in tests */
    const struct replica *replica; /* NULL in tests */
    atomic_bool ready; /* set when requests may be served, cleared when the server drains */
    struct server_counters counters;
};

/* `settings` and `metrics` are borrowed. */
void server_info_init(struct server_info *info, const struct settings *settings,
                      struct metrics *metrics);
double server_info_uptime_sec(const struct server_info *info);
