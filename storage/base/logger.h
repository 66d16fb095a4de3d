/* The server's log lines: text for people or JSON lines for machines, to standard error. The only
 * global state besides const tables; set before threads start, then thread-safe. */
#pragma once
#include "storage/base/status.h"

enum log_level { LOG_TRACE, LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR, LOG_OFF };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };
void logger_init(enum log_level level, enum log_format format);
bool logger_enabled(enum log_level level);
/* `module` is the source folder ("storage/log"). */
void logger_write(enum log_level level, const char *module, const char *format, ...) PRINTF(3, 4);
/* "info", "WARN"...; false: unknown. */
bool log_level_parse(const char *text, enum log_level *out);
#define log_debug(module, ...)                                                                     \
    (logger_enabled(LOG_DEBUG) ? logger_write(LOG_DEBUG, module, __VA_ARGS__) : (void)0)
#define log_info(module, ...)  logger_write(LOG_INFO, module, __VA_ARGS__)
#define log_warn(module, ...)  logger_write(LOG_WARN, module, __VA_ARGS__)
#define log_error(module, ...) logger_write(LOG_ERROR, module, __VA_ARGS__)
