/* Letters, digits and lower case of Unicode, from the C library.
 *
 * The tables are those of the C.UTF-8 locale, taken as an object of their own: the process stays in
 * the C locale, so number formats do not change. They are loaded once under pthread_once and only
 * read afterwards; any thread may ask. */
#include "index/payload/unicode.h"

#include "storage/base/assert.h"

#include <locale.h>
#include <pthread.h>
#include <wctype.h>

static pthread_once_t tables_once = PTHREAD_ONCE_INIT;
static locale_t tables; /* written inside tables_once only */

static void load_tables(void)
{
    tables = newlocale(LC_CTYPE_MASK, "C.UTF-8", (locale_t)0);
}

enum status unicode_init(struct error *err)
{
    pthread_once(&tables_once, load_tables);
    if (tables == (locale_t)0)
        return error_set(err, STATUS_INTERNAL,
                         "the system has no C.UTF-8 locale for text matching");
    return STATUS_OK;
}

uint32_t unicode_next(struct slice text, size_t *size)
{
    enum { REPLACEMENT = 0xfffd };
    static const uint32_t smallest[5] = {0, 0, 0x80, 0x800, 0x10000};
    ASSERT(text.size > 0);
    uint8_t first = text.data[0];
    *size = 1;
    if (first < 0x80)
        return first;
    size_t length = first >= 0xf0 && first < 0xf8   ? 4
                    : first >= 0xe0 && first < 0xf0 ? 3
                    : first >= 0xc0 && first < 0xe0 ? 2
                                                    : 0;
    if (length == 0 || length > text.size)
        return REPLACEMENT;
    uint32_t code = first & (0x7fu >> length);
    for (size_t i = 1; i < length; i++) {
        if ((text.data[i] & 0xc0) != 0x80)
            return REPLACEMENT;
        code = code << 6 | (text.data[i] & 0x3fu);
    }
    if (code < smallest[length] || code > 0x10ffff)
        return REPLACEMENT;
    *size = length;
    return code;
}

bool unicode_is_alphanumeric(uint32_t code)
{
    if (code < 0x80)
        return (code >= '0' && code <= '9') || ((code | 0x20) >= 'a' && (code | 0x20) <= 'z');
    ASSERT(tables != (locale_t)0);
    return iswalnum_l((wint_t)code, tables) != 0;
}

uint32_t unicode_lower(uint32_t code)
{
    if (code < 0x80)
        return code >= 'A' && code <= 'Z' ? code + ('a' - 'A') : code;
    ASSERT(tables != (locale_t)0);
    return (uint32_t)towlower_l((wint_t)code, tables);
}
