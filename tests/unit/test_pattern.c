/* Patterns of strings: what matches, what is refused, and that a string that matches has the
 * trigrams that its pattern needs. */
#include "index/text/pattern.h"
#include "index/text/trigram.h"
#include "storage/base/random.h"
#include "tests/lib/unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicode/uchar.h>
#include <unicode/utf8.h>

enum { SEED = 20817, TEXT_MAX = 256, GRAMS_MAX = 4096 };

static struct random rng;

static int pick(int bound)
{
    return (int)random_below(&rng, (uint64_t)bound);
}

static struct pattern *make(enum pattern_kind kind, const char *text)
{
    struct pattern *pattern = NULL;
    struct error err = {0};
    if (pattern_create(kind, slice_text(text), &pattern, &err) != STATUS_OK) {
        fail_msg("'%s' is refused: %s", text, err.message);
    }
    return pattern;
}

static bool matches(enum pattern_kind kind, const char *text, const char *string)
{
    struct pattern *pattern = make(kind, text);
    bool result = pattern_matches(pattern, slice_text(string));
    pattern_destroy(pattern);
    return result;
}

/* Proves what each kind of pattern means, by examples. */
static void test_meaning(void **state)
{
    (void)state;
    static const struct {
        enum pattern_kind kind;
        const char *text, *string;
        bool expected;
    } cases[] = {
        {PATTERN_SUBSTRING, "", "", true},
        {PATTERN_SUBSTRING, "", "x", true},
        {PATTERN_SUBSTRING, "bc", "abcd", true},
        {PATTERN_SUBSTRING, "BC", "abcd", false},
        {PATTERN_SUBSTRING, "a*", "a*b", true},
        {PATTERN_SUBSTRING, "a*", "aab", false},
        {PATTERN_SUBSTRING, "本", "日本語", true},
        {PATTERN_SUBSTRING, "\xc3\xa9", "caf\xc3\xa9", true},
        {PATTERN_SUBSTRING, "\xc3\xa9", "cafe\xcc\x81", false},
        {PATTERN_SUBSTRING, "longer", "long", false},
        {PATTERN_WILDCARD, "", "", true},
        {PATTERN_WILDCARD, "", "x", false},
        {PATTERN_WILDCARD, "*", "", true},
        {PATTERN_WILDCARD, "***", "anything\nat all", true},
        {PATTERN_WILDCARD, "?", "", false},
        {PATTERN_WILDCARD, "?", "本", true},
        {PATTERN_WILDCARD, "?", "\n", true},
        {PATTERN_WILDCARD, "??", "本", false},
        {PATTERN_WILDCARD, "ab*c?", "abcx", true},
        {PATTERN_WILDCARD, "ab*c?", "ab--c-c!", true},
        {PATTERN_WILDCARD, "ab*c?", "abc", false},
        {PATTERN_WILDCARD, "ab*c?", "xabcd", false},
        {PATTERN_WILDCARD, "ab", "abc", false},
        {PATTERN_WILDCARD, "a\\*b", "a*b", true},
        {PATTERN_WILDCARD, "a\\*b", "axb", false},
        {PATTERN_WILDCARD, "\\?\\\\", "?\\", true},
        {PATTERN_WILDCARD, "\\**", "*tail", true},
        {PATTERN_WILDCARD, "\\**", "tail", false},
        {PATTERN_WILDCARD, "a.c", "abc", false},
        {PATTERN_WILDCARD, "[ab](c)+$", "[ab](c)+$", true},
        {PATTERN_WILDCARD, "A*", "abc", false},
        {PATTERN_REGEX, "", "", true},
        {PATTERN_REGEX, "b+c", "abbcd", true},
        {PATTERN_REGEX, "^b", "abb", false},
        {PATTERN_REGEX, "^a.*d$", "abcd", true},
        {PATTERN_REGEX, "a.b", "a\nb", false},
        {PATTERN_REGEX, "(?s)a.b", "a\nb", true},
        {PATTERN_REGEX, "HELLO", "hello", false},
        {PATTERN_REGEX, "(?i)HELLO", "say hello", true},
        {PATTERN_REGEX, "^[0-9]{3}-\\d+$", "123-4567", true},
        {PATTERN_REGEX, "^[0-9]{3}-\\d+$", "1234567", false},
        {PATTERN_REGEX, "\\p{Greek}", "so \xce\xb1", true},
        {PATTERN_REGEX, "^.$", "\xf0\x9f\x98\x80", true},
        {PATTERN_REGEX, "(foo|bar)baz", "xx barbaz", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        if (matches(cases[i].kind, cases[i].text, cases[i].string) != cases[i].expected) {
            fail_msg("case %zu: '%s' on '%s'", i, cases[i].text, cases[i].string);
        }
    }
}

static void check_refused(enum pattern_kind kind, struct slice text, const char *named,
                          const char *what)
{
    struct pattern *pattern = NULL;
    struct error err = {0};
    assert_int_equal(pattern_create(kind, text, &pattern, &err), STATUS_BAD_INPUT);
    assert_null(pattern);
    if (!strstr(err.message, named) || !strstr(err.message, what)) {
        fail_msg("'%s' does not say '%s' and '%s'", err.message, named, what);
    }
    assert_int_equal(pattern_create(kind, text, &pattern, NULL), STATUS_BAD_INPUT);
}

/* Proves that bad patterns are refused with their text and what is wrong. */
static void test_refused(void **state)
{
    (void)state;
    static char text[PATTERN_BYTES_MAX + 2];
    check_refused(PATTERN_REGEX, slice_text("ab(cd"), "'ab(cd'", "missing ): ab(cd");
    check_refused(PATTERN_REGEX, slice_text("a**"), "regular expression 'a**'", "bad repetition");
    check_refused(PATTERN_REGEX, slice_text("[z-a]"), "'[z-a]'", "range");
    check_refused(PATTERN_REGEX, slice_text("(a)\\1"), "'(a)\\1'", "invalid escape");
    check_refused(PATTERN_REGEX, slice_text("(?=a)b"), "'(?=a)b'", "(?=");
    check_refused(PATTERN_REGEX, slice_text("a{1001}"), "'a{1001}'", "repetition");
    check_refused(PATTERN_REGEX, slice_text("\\pL{900}"), "'\\pL{900}'", "too large");
    check_refused(PATTERN_WILDCARD, slice_text("abc\\"), "'abc\\'", "backslash");
    check_refused(PATTERN_SUBSTRING, slice_text("a\xff"), "substring", "UTF-8");
    check_refused(PATTERN_WILDCARD, slice_text("\xe6\x97"), "wildcard", "UTF-8");
    check_refused(PATTERN_REGEX, slice_text("\x80"), "regular expression", "UTF-8");
    memset(text, 'a', sizeof(text) - 1);
    for (int kind = PATTERN_SUBSTRING; kind <= PATTERN_REGEX; kind++) {
        check_refused((enum pattern_kind)kind, slice_of(text, PATTERN_BYTES_MAX + 1), "'aaaa",
                      "1025 bytes");
        struct pattern *pattern = NULL;
        assert_int_equal(pattern_create((enum pattern_kind)kind, slice_of(text, PATTERN_BYTES_MAX),
                                        &pattern, NULL),
                         STATUS_OK);
        assert_true(pattern_matches(pattern, slice_of(text, PATTERN_BYTES_MAX)));
        assert_false(pattern_matches(pattern, slice_of(text, PATTERN_BYTES_MAX - 1)));
        pattern_destroy(pattern);
    }
    pattern_destroy(NULL);
}

/* ---- wildcards against a plain matcher ---- */

static const char *const LETTERS[] = {"a", "b", "c", "é", "本", "*", "?", "\\", ".", "A"};

static void append(char *text, const char *part)
{
    if (strlen(text) + strlen(part) < TEXT_MAX) {
        memcpy(text + strlen(text), part, strlen(part) + 1);
    }
}

static void make_string(char *text, int letters_max)
{
    text[0] = '\0';
    for (int i = pick(letters_max + 1); i > 0; i--) {
        append(text, LETTERS[pick(pick(2) ? 3 : 10)]);
    }
}

static void make_wildcard(char *text)
{
    text[0] = '\0';
    for (int i = pick(8); i > 0; i--) {
        const char *letter = LETTERS[pick(pick(2) ? 3 : 10)];
        int die = pick(6);
        if (die == 0 || strchr("*?\\", letter[0])) {
            append(text, "\\");
        }
        append(text, die == 1 ? "*" : die == 2 ? "?" : letter);
    }
}

static size_t letter_size(const char *text)
{
    size_t size = 1;
    while ((text[size] & 0xc0) == 0x80) {
        size++;
    }
    return size;
}

/* By trying everything. */
static bool wildcard_matches(const char *wildcard, const char *string)
{
    if (wildcard[0] == '*') {
        for (const char *rest = string;; rest += letter_size(rest)) {
            if (wildcard_matches(wildcard + 1, rest)) {
                return true;
            }
            if (!*rest) {
                return false;
            }
        }
    }
    if (!wildcard[0] || !string[0]) {
        return !wildcard[0] && !string[0];
    }
    if (wildcard[0] == '?') {
        return wildcard_matches(wildcard + 1, string + letter_size(string));
    }
    if (wildcard[0] == '\\') {
        wildcard++;
    }
    return wildcard[0] == string[0] && wildcard_matches(wildcard + 1, string + 1);
}

/* Proves that wildcards match as a matcher does that tries everything. */
static void test_wildcards(void **state)
{
    (void)state;
    int yes = 0;
    for (int round = 0; round < 4000; round++) {
        char wildcard[TEXT_MAX], string[TEXT_MAX];
        make_wildcard(wildcard);
        struct pattern *pattern = make(PATTERN_WILDCARD, wildcard);
        for (int i = 0; i < 8; i++) {
            make_string(string, 6);
            bool expected = wildcard_matches(wildcard, string);
            if (pattern_matches(pattern, slice_text(string)) != expected) {
                fail_msg("'%s' on '%s'", wildcard, string);
            }
            yes += expected;
        }
        pattern_destroy(pattern);
    }
    assert_true(yes > 1000);
}

/* ---- what patterns need ---- */

struct grams {
    uint32_t list[GRAMS_MAX];
    size_t count;
};

static void take_gram(void *ctx, uint32_t gram)
{
    struct grams *grams = ctx;
    assert_true(grams->count < GRAMS_MAX && gram <= 0xffffff);
    grams->list[grams->count++] = gram;
}

static bool has_gram(const struct grams *grams, uint32_t gram)
{
    for (size_t i = 0; i < grams->count; i++) {
        if (grams->list[i] == gram) {
            return true;
        }
    }
    return false;
}

static bool piece_holds(const struct pattern_piece *piece, const struct grams *grams)
{
    assert_true(piece->count > 0);
    for (size_t i = 0; i < piece->count; i++) {
        assert_true(i == 0 || piece->grams[i - 1] < piece->grams[i]);
        if (!has_gram(grams, piece->grams[i])) {
            return false;
        }
    }
    return true;
}

static bool needs_hold(struct pattern_needs needs, struct slice string)
{
    struct grams grams = {.count = 0};
    trigram_each(string, take_gram, &grams);
    for (size_t i = 0; i < needs.count; i++) {
        bool holds = false;
        assert_true(needs.clauses[i].count > 0);
        for (size_t k = 0; k < needs.clauses[i].count; k++) {
            holds = holds || piece_holds(&needs.clauses[i].pieces[k], &grams);
        }
        if (!holds) {
            return false;
        }
    }
    return true;
}

static void make_regex(char *text, int depth)
{
    static const char *const parts[] = {"abc", "bca", "(?i:cab)", "[ab]c", ".", "A",   "é",
                                        "本a", "b+",  "c?",       "a{2}",  "^", "\\w", "[^a]"};
    for (int i = 1 + pick(4); i > 0; i--) {
        int die = pick(depth > 0 ? 8 : 5);
        if (die < 5) {
            append(text, parts[pick(sizeof(parts) / sizeof(parts[0]))]);
            continue;
        }
        append(text, "(");
        make_regex(text, depth - 1);
        append(text, die == 5 ? "|" : "");
        make_regex(text, depth - 1);
        append(text, die == 6 ? ")*" : ")");
    }
}

/* Proves that no string that matches is missed by its trigrams, and that trigrams do sort out. */
static void test_needs(void **state)
{
    (void)state;
    int yes = 0, sorted_out = 0;
    for (int round = 0; round < 6000; round++) {
        char text[TEXT_MAX] = "", string[TEXT_MAX];
        enum pattern_kind kind = (enum pattern_kind)pick(3);
        if (kind == PATTERN_REGEX) {
            make_regex(text, 2);
        } else if (kind == PATTERN_WILDCARD) {
            make_wildcard(text);
        } else {
            make_string(text, 5);
        }
        struct pattern *pattern = NULL;
        if (pattern_create(kind, slice_text(text), &pattern, NULL) != STATUS_OK) {
            assert_int_equal(kind, PATTERN_REGEX); /* cut off in the middle, or a repeated `^` */
            continue;
        }
        for (int i = 0; i < 10; i++) {
            make_string(string, 30);
            bool expected = pattern_matches(pattern, slice_text(string));
            bool holds = needs_hold(pattern_needs(pattern), slice_text(string));
            if (expected && !holds) {
                fail_msg("'%s' matches '%s' but is not found", text, string);
            }
            yes += expected;
            sorted_out += !holds;
        }
        pattern_destroy(pattern);
    }
    print_message("%d match, %d sorted out\n", yes, sorted_out);
    assert_true(yes > 3000 && sorted_out > 10000);
}

/* Proves the clauses of some patterns: how many, and of how many pieces each. */
static void test_clauses(void **state)
{
    (void)state;
    static const struct {
        enum pattern_kind kind;
        const char *text;
        size_t clauses, pieces; /* pieces of all clauses */
    } cases[] = {
        {PATTERN_SUBSTRING, "abcd", 1, 1},
        {PATTERN_SUBSTRING, "ab", 0, 0},
        {PATTERN_SUBSTRING, "本", 1, 1},
        {PATTERN_WILDCARD, "abc*xyz?d", 2, 2},
        {PATTERN_WILDCARD, "*?*", 0, 0},
        {PATTERN_REGEX, "abc.*xyz", 2, 2},
        {PATTERN_REGEX, "abc|xyz", 1, 2},
        {PATTERN_REGEX, "(abc|bcd).*xyz", 2, 3},
        {PATTERN_REGEX, "(abc|x).*xyz", 1, 1},
        {PATTERN_REGEX, "(abc|x)", 0, 0},
        {PATTERN_REGEX, "\\d+", 0, 0},
        {PATTERN_REGEX, "(?i)hello", 1, 1},
        {PATTERN_REGEX, "(abc.*bcd)|(cde.*def)", 4, 8},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pattern *pattern = make(cases[i].kind, cases[i].text);
        struct pattern_needs needs = pattern_needs(pattern);
        size_t pieces = 0;
        for (size_t k = 0; k < needs.count; k++) {
            pieces += needs.clauses[k].count;
        }
        bool is_or_of_ands = cases[i].clauses == 4; /* at least the clauses that cover all */
        if (is_or_of_ands ? needs.count < 2
                          : needs.count != cases[i].clauses || pieces != cases[i].pieces) {
            fail_msg("'%s': %zu clauses, %zu pieces", cases[i].text, needs.count, pieces);
        }
        pattern_destroy(pattern);
    }
}

static struct slice three_of(int32_t code, uint8_t *out)
{
    int32_t size = 0;
    out[size++] = 'x';
    U8_APPEND_UNSAFE(out, size, (uint32_t)code);
    out[size++] = 'y';
    out[size++] = 'z';
    return slice_of(out, (size_t)size);
}

/* Proves that a case-blind expression is found by the trigrams of any string that it matches,
 * for every letter that has another case. */
static void test_case_folding(void **state)
{
    (void)state;
    int tested = 0;
    for (int32_t code = 'A'; code < 0x1f000; code++) {
        const int32_t others[] = {u_tolower(code), u_toupper(code), u_totitle(code),
                                  u_foldCase(code, U_FOLD_CASE_DEFAULT)};
        char expression[32];
        uint8_t room[16];
        bool has_case = others[0] != code || others[1] != code || others[3] != code;
        if (!has_case || U_IS_SURROGATE((uint32_t)code)) {
            continue;
        }
        (void)snprintf(expression, sizeof(expression), "(?i)x\\x{%x}yz", (unsigned)code);
        struct pattern *pattern = make(PATTERN_REGEX, expression);
        assert_true(needs_hold(pattern_needs(pattern), three_of(code, room)));
        for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
            struct slice string = three_of(others[i], room);
            if (pattern_matches(pattern, string) && !needs_hold(pattern_needs(pattern), string)) {
                fail_msg("%s is not found by its other case %x", expression, (unsigned)others[i]);
            }
            tested++;
        }
        pattern_destroy(pattern);
    }
    assert_true(tested > 8000);
}

/* Proves that expressions that make other engines try for ever end soon. */
static void test_hard_expressions(void **state)
{
    (void)state;
    static char text[50001];
    static const char *const hard[] = {"(a*)*b", "(a|aa)+$", "(a?){30}a{30}c", "(.*)(.*)(.*)(.*)b"};
    memset(text, 'a', sizeof(text) - 1);
    text[sizeof(text) - 2] = 'd';
    for (size_t i = 0; i < sizeof(hard) / sizeof(hard[0]); i++) {
        struct pattern *pattern = make(PATTERN_REGEX, hard[i]);
        assert_false(pattern_matches(pattern, slice_of(text, sizeof(text) - 1)));
        assert_true(pattern_cost(pattern, 1, sizeof(text) - 1) >= sizeof(text) - 1);
        pattern_destroy(pattern);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_meaning),          cmocka_unit_test(test_refused),
        cmocka_unit_test(test_wildcards),        cmocka_unit_test(test_needs),
        cmocka_unit_test(test_clauses),          cmocka_unit_test(test_case_folding),
        cmocka_unit_test(test_hard_expressions),
    };
    random_init(&rng, SEED);
    print_message("seed %d\n", SEED);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
