/* Properties of code points.
 *
 * An entry of the table has four bytes, for 65,536 code points; it is filled in some 20 ms by the
 * first call of chars_init, inside pthread_once, and only read later. Simple case folding never
 * leaves the basic plane from inside of it, so an entry holds it in 16 bits. */
#include "index/text/chars.h"

#include "storage/base/assert.h"

#include <pthread.h>
#include <unicode/uchar.h>
#include <unicode/unorm2.h>
#include <unicode/uscript.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
#include <unicode/utf8.h>

enum { PLANE = 0x10000 };

struct entry {
    uint16_t fold;
    uint8_t combining_class;
    uint8_t flags;
};
static struct entry table[PLANE]; /* written inside table_once only */
static UErrorCode table_error = U_ZERO_ERROR;
static pthread_once_t table_once = PTHREAD_ONCE_INIT;

static bool is_hidden(UChar32 code)
{
    return code == 0xad || code == 0x34f || (code >= 0x180b && code <= 0x180d) || code == 0x180f ||
           code == 0x200d || code == 0x2060 || code == 0xfeff ||
           (code >= 0xfe00 && code <= 0xfe0f) || (code >= 0xe0100 && code <= 0xe01ef);
}

static bool folds_to_several(UChar32 code)
{
    UChar from[U16_MAX_LENGTH], to[8];
    UErrorCode error = U_ZERO_ERROR;
    int32_t size = 0;
    U16_APPEND_UNSAFE(from, size, code);
    int32_t folded =
        u_strFoldCase(to, sizeof(to) / sizeof(to[0]), from, size, U_FOLD_CASE_DEFAULT, &error);
    ASSERT(U_SUCCESS(error));
    return u_countChar32(to, folded) != 1;
}

static uint8_t scripts(UChar32 code)
{
    if (uscript_hasScript(code, USCRIPT_HAN) || uscript_hasScript(code, USCRIPT_HIRAGANA) ||
        uscript_hasScript(code, USCRIPT_KATAKANA) || uscript_hasScript(code, USCRIPT_BOPOMOFO)) {
        return CHAR_PAIRED;
    }
    return u_getIntPropertyValue(code, UCHAR_LINE_BREAK) == U_LB_COMPLEX_CONTEXT ? CHAR_UNSPACED
                                                                                 : 0;
}

static struct char_info compute(UChar32 code)
{
    struct char_info info = {.fold = (uint32_t)u_foldCase(code, U_FOLD_CASE_DEFAULT),
                             .combining_class = u_getCombiningClass(code)};
    uint8_t flags = 0;
    if (U_GET_GC_MASK(code) & U_GC_M_MASK) {
        flags |= CHAR_MARK;
    } else if (u_hasBinaryProperty(code, UCHAR_ALPHABETIC) ||
               u_charType(code) == U_DECIMAL_DIGIT_NUMBER) {
        flags |= CHAR_WORD;
    }
    if (flags) {
        flags |= scripts(code);
    }
    if (u_isUWhiteSpace(code)) {
        flags |= CHAR_SPACE;
    }
    if (is_hidden(code)) {
        flags = CHAR_HIDDEN | CHAR_SEAM;
    }
    if (u_getIntPropertyValue(code, UCHAR_NFC_QUICK_CHECK) != UNORM_YES || folds_to_several(code) ||
        u_getIntPropertyValue((UChar32)info.fold, UCHAR_NFC_QUICK_CHECK) != UNORM_YES) {
        flags |= CHAR_SEAM;
    }
    info.flags = flags;
    return info;
}

static void fill_table(void)
{
    (void)unorm2_getNFCInstance(&table_error);
    if (U_FAILURE(table_error)) {
        return;
    }
    for (UChar32 code = 0; code < PLANE; code++) {
        struct char_info info = compute(U_IS_SURROGATE((uint32_t)code) ? 0xfffd : code);
        ASSERT(info.fold < PLANE);
        table[code] = (struct entry){.fold = (uint16_t)info.fold,
                                     .combining_class = info.combining_class,
                                     .flags = info.flags};
    }
}

enum status chars_init(struct error *err)
{
    pthread_once(&table_once, fill_table);
    return U_SUCCESS(table_error) ? STATUS_OK
                                  : error_set(err, STATUS_INTERNAL, "ICU lacks its data: %s",
                                              u_errorName(table_error));
}

struct char_info char_info(uint32_t code)
{
    if (code >= PLANE) {
        return compute((UChar32)code);
    }
    const struct entry *entry = &table[code];
    return (struct char_info){
        .fold = entry->fold, .combining_class = entry->combining_class, .flags = entry->flags};
}

uint32_t chars_next(const uint8_t **at, const uint8_t *end)
{
    int32_t i = 0;
    UChar32 code;
    int32_t left = end - *at < U8_MAX_LENGTH ? (int32_t)(end - *at) : U8_MAX_LENGTH;
    U8_NEXT_OR_FFFD(*at, i, left, code);
    *at += i;
    return (uint32_t)code;
}

uint32_t chars_next16(const uint16_t *text, int32_t *at, int32_t length)
{
    uint32_t unit = text[(*at)++];
    if (U16_IS_LEAD(unit) && *at < length && U16_IS_TRAIL(text[*at])) {
        return (uint32_t)U16_GET_SUPPLEMENTARY(unit, text[(*at)++]);
    }
    return unit;
}

void chars_append(struct buffer *out, uint32_t code)
{
    uint8_t *room = buffer_reserve(out, U8_MAX_LENGTH);
    ASSERT(room); /* the buffer has no limit */
    size_t size = 0;
    U8_APPEND_UNSAFE(room, size, code);
    buffer_commit(out, size);
}

size_t chars_count(struct slice text)
{
    size_t count = 0;
    for (size_t i = 0; i < text.size; i++) {
        count += (text.data[i] & 0xc0) != 0x80;
    }
    return count;
}

size_t chars_prefix(struct slice text, size_t n)
{
    size_t at = 0;
    while (at < text.size && n > 0) {
        at++;
        while (at < text.size && (text.data[at] & 0xc0) == 0x80) {
            at++;
        }
        n--;
    }
    return at;
}

size_t chars_ascii_prefix(const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;
    uint64_t eight;
    for (; (size_t)(end - at) >= sizeof(eight); at += sizeof(eight)) {
        memcpy(&eight, at, sizeof(eight));
        if (eight & UINT64_C(0x8080808080808080)) {
            break;
        }
    }
    while (at < end && *at < 0x80) {
        at++;
    }
    return (size_t)(at - start);
}
