/* The quotas of the node, as the catalog keeps them: the one place that knows both forms. */
#include "index/collection/engine_int.h"

void quotas_read(const Sagitta__Quotas *message, struct quota_limits *out)
{
    *out = (struct quota_limits){0};
    if (!message) {
        return;
    }
    out->enabled = message->_enabled_case && message->enabled;
    if (message->_max_resident_memory_percent_case) {
        out->memory_percent_max = message->max_resident_memory_percent;
    }
    if (message->_max_disk_usage_percent_case) {
        out->disk_percent_max = message->max_disk_usage_percent;
    }
    out->has_margin = message->_release_margin_percent_case != 0;
    out->margin_percent = out->has_margin ? message->release_margin_percent : 0;
}

void quotas_write(const struct quota_limits *limits, Sagitta__Quotas *out)
{
    sagitta__quotas__init(out);
    out->_enabled_case = SAGITTA__QUOTAS___ENABLED_ENABLED;
    out->enabled = limits->enabled;
    if (limits->memory_percent_max) {
        out->_max_resident_memory_percent_case =
            SAGITTA__QUOTAS___MAX_RESIDENT_MEMORY_PERCENT_MAX_RESIDENT_MEMORY_PERCENT;
        out->max_resident_memory_percent = limits->memory_percent_max;
    }
    if (limits->disk_percent_max) {
        out->_max_disk_usage_percent_case =
            SAGITTA__QUOTAS___MAX_DISK_USAGE_PERCENT_MAX_DISK_USAGE_PERCENT;
        out->max_disk_usage_percent = limits->disk_percent_max;
    }
    if (limits->has_margin) {
        out->_release_margin_percent_case =
            SAGITTA__QUOTAS___RELEASE_MARGIN_PERCENT_RELEASE_MARGIN_PERCENT;
        out->release_margin_percent = limits->margin_percent;
    }
}

void engine_quotas(struct engine *engine, struct quota_limits *out)
{
    pthread_rwlock_rdlock(&engine->catalog_lock);
    *out = engine->quotas;
    pthread_rwlock_unlock(&engine->catalog_lock);
}
