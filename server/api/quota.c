/* Reads what the node uses and judges it by the quotas.
 *
 * Memory is the process's resident memory of what it may have: the machine's, or less where a
 * control group says so. Disk is the file system of the data folder, as an unprivileged writer sees
 * it. What cannot be read is not limited. One mutex guards all. */
#include "server/api/quota.h"

#include "server/api/process.h"
#include "storage/base/clock.h"
#include "storage/base/mem.h"

#include <pthread.h>
#include <sys/statvfs.h>

enum { MARGIN_PERCENT = 5 };
#define READING_AGE_NS UINT64_C(1000000000)

struct quota {
    char *data_path;
    quota_read read;
    void *ctx;
    pthread_mutex_t lock; /* guards the rest */
    bool known;
    uint64_t read_ns;
    struct quota_reading reading;
    struct quota_limits limits; /* that `state` was judged by */
    struct quota_state state;
};

uint32_t quota_margin(const struct quota_limits *limits, uint32_t max_percent)
{
    uint32_t margin = limits->has_margin ? limits->margin_percent : MARGIN_PERCENT;
    return margin < max_percent ? margin : max_percent > 0 ? max_percent - 1 : 0;
}

static bool is_over(bool was, const struct quota_limits *limits, uint32_t max_percent, bool known,
                    uint32_t percent)
{
    if (!limits->enabled || max_percent == 0 || !known) {
        return false;
    }
    return percent >= max_percent ||
           (was && percent >= max_percent - quota_margin(limits, max_percent));
}

void quota_judge(struct quota_state *state, const struct quota_limits *limits,
                 const struct quota_reading *reading)
{
    state->memory_over = is_over(state->memory_over, limits, limits->memory_percent_max,
                                 reading->memory_known, reading->memory_percent);
    state->disk_over = is_over(state->disk_over, limits, limits->disk_percent_max,
                               reading->disk_known, reading->disk_percent);
}

static uint32_t percent_of(uint64_t part, uint64_t whole)
{
    double percent = 100.0 * (double)part / (double)whole;
    return percent < 100 ? (uint32_t)percent : 100;
}

static void read_system(void *ctx, struct quota_reading *out)
{
    const struct quota *quota = ctx;
    struct process_memory memory;
    struct statvfs disk;
    *out = (struct quota_reading){0};
    process_memory(&memory);
    uint64_t memory_max = process_memory_max_bytes();
    if (memory.resident > 0 && memory_max > 0) {
        out->memory_known = true;
        out->memory_percent = percent_of(memory.resident, memory_max);
    }
    if (statvfs(quota->data_path, &disk) == 0 && disk.f_blocks > 0) {
        uint64_t used = (uint64_t)disk.f_blocks - (uint64_t)disk.f_bfree;
        uint64_t whole = used + (uint64_t)disk.f_bavail; /* without what is kept for root */
        out->disk_known = whole > 0;
        out->disk_percent = whole > 0 ? percent_of(used, whole) : 0;
    }
}

struct quota *quota_create(const char *data_path, quota_read read, void *ctx)
{
    struct quota *quota = mem_zalloc(sizeof(*quota));
    quota->data_path = mem_strdup(data_path);
    quota->read = read ? read : read_system;
    quota->ctx = read ? ctx : quota;
    pthread_mutex_init(&quota->lock, NULL);
    return quota;
}

void quota_destroy(struct quota *quota)
{
    pthread_mutex_destroy(&quota->lock);
    mem_free(quota->data_path);
    mem_free(quota);
}

static bool same_limits(const struct quota_limits *a, const struct quota_limits *b)
{
    return a->enabled == b->enabled && a->memory_percent_max == b->memory_percent_max &&
           a->disk_percent_max == b->disk_percent_max && a->has_margin == b->has_margin &&
           a->margin_percent == b->margin_percent;
}

void quota_look(struct quota *quota, const struct quota_limits *limits, uint64_t now_ns,
                struct quota_reading *reading, struct quota_state *state)
{
    pthread_mutex_lock(&quota->lock);
    bool fresh = quota->known && now_ns < quota->read_ns + READING_AGE_NS;
    bool changed = !same_limits(&quota->limits, limits);
    if (changed) {
        quota->limits = *limits;
        quota->state = (struct quota_state){0}; /* what was over was so by other limits */
    }
    if (!fresh) {
        quota->read(quota->ctx, &quota->reading);
        quota->known = true;
        quota->read_ns = now_ns;
    }
    if (!fresh || changed) {
        quota_judge(&quota->state, limits, &quota->reading);
    }
    *reading = quota->reading;
    *state = quota->state;
    pthread_mutex_unlock(&quota->lock);
}

static enum status refuse(struct call *call, const char *what, uint32_t percent, const char *option,
                          const struct quota_limits *limits, uint32_t max)
{
    return error_set(call->err, STATUS_NO_SPACE,
                     "%s in use: %u %%, and updates are refused from %s = %u on until it is below "
                     "%u %%. Help: Delete points or collections, or change the quotas "
                     "(PUT /quotas).",
                     what, percent, option, max, max - quota_margin(limits, max));
}

enum status quota_check(struct quota *quota, struct call *call)
{
    struct quota_limits limits;
    struct quota_reading reading;
    struct quota_state state;
    engine_quotas(call->engine, &limits);
    if (!limits.enabled) {
        return STATUS_OK;
    }
    quota_look(quota, &limits, clock_monotonic_ns(), &reading, &state);
    if (state.memory_over) {
        return refuse(call, "Memory", reading.memory_percent, "max_resident_memory_percent",
                      &limits, limits.memory_percent_max);
    }
    if (state.disk_over) {
        return refuse(call, "Disk", reading.disk_percent, "max_disk_usage_percent", &limits,
                      limits.disk_percent_max);
    }
    return STATUS_OK;
}
