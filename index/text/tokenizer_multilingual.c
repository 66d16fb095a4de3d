/* Splitting text of scripts without spaces between words.
 *
 * A word of the plain split is cut where its script changes sides: Chinese and Japanese characters,
 * scripts that need a dictionary, all others. The first are emitted character by character, alone
 * and with the next one; the second go through ICU's dictionary break iterator in pieces of at most
 * PIECE_MAX code points, where the last word of a piece is read again with what follows, because
 * its end may be the piece's and not its own.
 *
 * Why pairs for Chinese and Japanese: a dictionary cuts the same string differently in different
 * surroundings, so a query would miss what it is a piece of. Overlapping pairs need no cut, find
 * every piece, and as a phrase they find it exactly. The price is that a pair across two words is
 * found too.
 *
 * Break iterators are not thread-safe: each thread has its own, made when first used and freed when
 * the thread ends. Opening one can only fail for lack of data, which multilingual_init finds. */
#include "index/text/chars.h"
#include "index/text/tokenizer_int.h"
#include "storage/base/assert.h"

#include <pthread.h>
#include <unicode/ubrk.h>
#include <unicode/utf16.h>

enum { PIECE_MAX = 512 };
enum script_side { SIDE_SPACED, SIDE_PAIRED, SIDE_UNSPACED };

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* its destructor closes a thread's iterator */
static _Thread_local UBreakIterator *thread_breaks;

static void close_breaks(void *breaks)
{
    ubrk_close(breaks);
    thread_breaks = NULL;
}

static void make_key(void)
{
    ASSERT(pthread_key_create(&key, close_breaks) == 0);
}

enum status multilingual_init(struct error *err)
{
    if (thread_breaks) {
        return STATUS_OK;
    }
    UErrorCode error = U_ZERO_ERROR;
    UBreakIterator *breaks = ubrk_open(UBRK_WORD, "en", NULL, 0, &error);
    if (U_FAILURE(error)) {
        return error_set(err, STATUS_INTERNAL, "ICU cannot tell where words end: %s",
                         u_errorName(error));
    }
    pthread_once(&key_once, make_key);
    ASSERT(pthread_setspecific(key, breaks) == 0);
    thread_breaks = breaks;
    return STATUS_OK;
}

/* Of a letter or a digit; a mark is on the side of what it stands on. */
static enum script_side side_of(const uint8_t *at, const uint8_t *end, const uint8_t **next,
                                enum script_side before)
{
    *next = at;
    uint8_t flags = char_info(chars_next(next, end)).flags;
    if (flags & CHAR_UNSPACED) {
        return SIDE_UNSPACED;
    }
    if (flags & CHAR_MARK) {
        return before;
    }
    return flags & CHAR_PAIRED ? SIDE_PAIRED : SIDE_SPACED;
}

/* The character at `at` with the marks on it. */
static const uint8_t *next_character(const uint8_t *at, const uint8_t *end)
{
    chars_next(&at, end);
    while (at < end) {
        const uint8_t *next = at;
        if (!(char_info(chars_next(&next, end)).flags & CHAR_MARK)) {
            break;
        }
        at = next;
    }
    return at;
}

static bool emit_pairs(struct token_run *run, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *middle = next_character(at, end);
    bool single = run->role == TEXT_STORED || middle == end;
    while (at < end) {
        if (single && emit_token(run, slice_of(at, (size_t)(middle - at)))) {
            return true;
        }
        if (middle < end) {
            const uint8_t *next = next_character(middle, end);
            if (emit_token(run, slice_of(at, (size_t)(next - at)))) {
                return true;
            }
            at = middle;
            middle = next;
        } else {
            at = end;
        }
        run->position++;
    }
    return false;
}

/* One piece of text for the break iterator. */
struct piece {
    UChar units[PIECE_MAX * 2];
    const uint8_t *ends[PIECE_MAX * 2 + 1]; /* where the first n units end in the text */
    int32_t length;
};

static void read_piece(struct piece *piece, const uint8_t *at, const uint8_t *end)
{
    piece->length = 0;
    piece->ends[0] = at;
    for (size_t i = 0; i < PIECE_MAX && at < end; i++) {
        uint32_t code = chars_next(&at, end);
        int32_t before = piece->length;
        U16_APPEND_UNSAFE(piece->units, piece->length, code);
        for (int32_t unit = before + 1; unit <= piece->length; unit++) {
            piece->ends[unit] = at;
        }
    }
}

static bool emit_by_dictionary(struct token_run *run, const uint8_t *at, const uint8_t *end)
{
    struct piece piece;
    UErrorCode error = U_ZERO_ERROR;
    ASSERT(multilingual_init(NULL) == STATUS_OK); /* it was for who made the tokenizer */
    while (at < end) {
        read_piece(&piece, at, end);
        ubrk_setText(thread_breaks, piece.units, piece.length, &error);
        ASSERT(U_SUCCESS(error));
        bool is_last = piece.ends[piece.length] == end;
        int32_t from = ubrk_first(thread_breaks), to;
        while ((to = ubrk_next(thread_breaks)) != UBRK_DONE) {
            if (to == piece.length && from > 0 && !is_last) {
                break; /* it is read again, with what follows */
            }
            size_t size = (size_t)(piece.ends[to] - piece.ends[from]);
            if (emit_word(run, slice_of(piece.ends[from], size))) {
                return true;
            }
            from = to;
        }
        at = piece.ends[from];
    }
    return false;
}

/* A word of letters, digits and marks. */
static bool emit_sides(struct token_run *run, const uint8_t *at, const uint8_t *end)
{
    while (at < end) {
        const uint8_t *start = at, *next;
        enum script_side side = side_of(at, end, &at, SIDE_SPACED);
        while (at < end && side_of(at, end, &next, side) == side) {
            at = next;
        }
        bool stopped = side == SIDE_PAIRED ? emit_pairs(run, start, at)
                       : side == SIDE_UNSPACED
                           ? emit_by_dictionary(run, start, at)
                           : emit_word(run, slice_of(start, (size_t)(at - start)));
        if (stopped) {
            return true;
        }
    }
    return false;
}

bool split_multilingual(struct token_run *run, struct slice text)
{
    struct slice word;
    while (take_word(&text, &word)) {
        const uint8_t *end = word.data + word.size;
        bool is_ascii = chars_ascii_prefix(word.data, end) == word.size;
        if (is_ascii ? emit_word(run, word) : emit_sides(run, word.data, end)) {
            return true;
        }
    }
    return false;
}
