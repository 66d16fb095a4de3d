/* Facts of the running server: versions, start time and an identifier of this run.
 *
 * The commit may be given at build time (SAGITTA_COMMIT); without it forty zeros stand for "not
 * known", because readers of the contract expect forty digits. Nothing here fails. */
#include "server/watch/info.h"

#include "storage/base/clock.h"
#include "storage/base/random.h"

#include <stdio.h>
#include <string.h>

#ifndef SAGITTA_COMMIT
#define SAGITTA_COMMIT "0000000000000000000000000000000000000000"
#endif
#define API_VERSION "1.19.0"

static void uuid_random(char out[37])
{
    uint8_t b[16];
    random_os_bytes(b, sizeof(b));
    b[6] = (uint8_t)((b[6] & 0x0f) | 0x40); /* version 4: random */
    b[8] = (uint8_t)((b[8] & 0x3f) | 0x80);
    static const char digits[] = "0123456789abcdef";
    size_t at = 0;
    for (size_t i = 0; i < sizeof(b); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            out[at++] = '-';
        }
        out[at++] = digits[b[i] >> 4];
        out[at++] = digits[b[i] & 15];
    }
    out[at] = '\0';
}

void server_info_init(struct server_info *info, const struct settings *settings,
                      struct metrics *metrics)
{
    memset(info, 0, sizeof(*info));
    info->version = SAGITTA_VERSION;
    info->api_version = API_VERSION;
    info->commit = SAGITTA_COMMIT;
    uuid_random(info->uuid);
    info->started_ms = clock_realtime_ms();
    info->started_ns = clock_monotonic_ns();
    info->settings = settings;
    info->metrics = metrics;
}

double server_info_uptime_sec(const struct server_info *info)
{
    return (double)(clock_monotonic_ns() - info->started_ns) / 1e9;
}
