/* The server's log lines.
 *
 * A line is put together in a local buffer and leaves in one write(2), so lines of different
 * threads do not mix. In both forms control characters are escaped: a message with a client's text
 * in it can neither begin a new line nor move the cursor of a terminal. Bytes that are not UTF-8
 * become U+FFFD. A line that is too long is cut and ends in "...".
 *
 * Level and form are set once before threads start and only read after that. A failed write is
 * dropped: there is nowhere left to report it. */
#include "storage/base/logger.h"

#include "storage/base/clock.h"
#include "storage/base/slice.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <strings.h>
#include <unistd.h>

enum { MESSAGE_SIZE_MAX = 4096, LINE_SIZE_MAX = 8192, ESCAPE_SIZE_MAX = 8, TAIL_SIZE = 16 };

static enum log_level level_min = LOG_INFO;
static enum log_format line_format = LOG_FORMAT_TEXT;

static const char *const LEVEL_NAMES[] = {
    [LOG_TRACE] = "TRACE", [LOG_DEBUG] = "DEBUG", [LOG_INFO] = "INFO",
    [LOG_WARN] = "WARN",   [LOG_ERROR] = "ERROR", [LOG_OFF] = "OFF",
};

void logger_init(enum log_level level, enum log_format format)
{
    level_min = level;
    line_format = format;
}

bool logger_enabled(enum log_level level)
{
    return level >= level_min && level < LOG_OFF;
}

bool log_level_parse(const char *text, enum log_level *out)
{
    for (int level = LOG_TRACE; level <= LOG_OFF; level++) {
        if (strcasecmp(text, LEVEL_NAMES[level]) == 0) {
            *out = (enum log_level)level;
            return true;
        }
    }
    return false;
}

/* Bytes of the UTF-8 character at the start of the text; 0: there is none. */
static size_t character_size(struct slice text)
{
    uint8_t first = text.data[0];
    if (first < 0x80) {
        return 1;
    }
    size_t size = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : 2;
    if (first < 0xc2 || first > 0xf4 || size > text.size) {
        return 0;
    }
    for (size_t i = 1; i < size; i++) {
        if ((text.data[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    uint8_t second = text.data[1];
    bool overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
    bool surrogate = first == 0xed && second > 0x9f;
    bool too_large = first == 0xf4 && second > 0x8f;
    return overlong || surrogate || too_large ? 0 : size;
}

struct line {
    size_t size;
    char text[LINE_SIZE_MAX];
};

static void line_add(struct line *line, const char *text, size_t size)
{
    size_t left = sizeof(line->text) - line->size;
    size_t kept = size < left ? size : left;
    memcpy(line->text + line->size, text, kept);
    line->size += kept;
}

static void line_add_text(struct line *line, const char *text)
{
    line_add(line, text, strlen(text));
}

/* `quoted`: inside a JSON string, where quote and backslash are escaped as well. */
static void line_add_escaped(struct line *line, struct slice text, bool quoted)
{
    while (text.size) {
        /* Room for one more escape, the mark of the cut and what closes the line. */
        if (line->size + ESCAPE_SIZE_MAX + TAIL_SIZE > sizeof(line->text)) {
            line_add_text(line, "...");
            return;
        }
        size_t size = character_size(text);
        uint8_t first = text.data[0];
        if (size == 0) {
            line_add_text(line, "\xef\xbf\xbd");
            size = 1;
        } else if (first == '\n') {
            line_add_text(line, "\\n");
        } else if (first < 0x20 || first == 0x7f) {
            char escape[ESCAPE_SIZE_MAX];
            (void)snprintf(escape, sizeof(escape), "\\u%04x", first);
            line_add_text(line, escape);
        } else if (quoted && (first == '"' || first == '\\')) {
            char escape[2] = {'\\', (char)first};
            line_add(line, escape, sizeof(escape));
        } else {
            line_add(line, (const char *)text.data, size);
        }
        text = slice_of(text.data + size, text.size - size);
    }
}

static void line_write(const struct line *line)
{
    ssize_t written;
    do {
        written = write(STDERR_FILENO, line->text, line->size);
    } while (written < 0 && errno == EINTR);
}

void logger_write(enum log_level level, const char *module, const char *format, ...)
{
    if (!logger_enabled(level)) {
        return;
    }
    char message[MESSAGE_SIZE_MAX];
    va_list args;
    va_start(args, format);
    int printed = vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    if (printed < 0) {
        (void)snprintf(message, sizeof(message), "%s", format);
    } else if ((size_t)printed >= sizeof(message)) {
        memcpy(message + sizeof(message) - 4, "...", 4);
    }

    char head[128];
    char time[32];
    clock_format_utc(clock_realtime_ms(), time);
    struct line line;
    line.size = 0;
    if (line_format == LOG_FORMAT_JSON) {
        (void)snprintf(head, sizeof(head),
                       "{\"time\":\"%s\",\"level\":\"%s\",\"module\":\"%s\",\"message\":\"", time,
                       LEVEL_NAMES[level], module);
    } else {
        (void)snprintf(head, sizeof(head), "%s %-5s %s: ", time, LEVEL_NAMES[level], module);
    }
    line_add_text(&line, head);
    line_add_escaped(&line, slice_text(message), line_format == LOG_FORMAT_JSON);
    line_add_text(&line, line_format == LOG_FORMAT_JSON ? "\"}\n" : "\n");
    line_write(&line);
}
