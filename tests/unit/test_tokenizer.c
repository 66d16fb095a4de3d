/* Tokenizers: which tokens come of which text, and what both sides of a match may rely on. */
#include "index/text/chars.h"
#include "index/text/fold.h"
#include "index/text/stem.h"
#include "index/text/stopwords.h"
#include "index/text/text_query.h"
#include "tests/unit/text_data.h"

/* clang-format off */
#include "tests/lib/unit.h"
#include <pthread.h>
#include <stdio.h>
#include <unicode/unorm2.h>
#include <unicode/ustring.h>
#include <unicode/utf16.h>
/* clang-format on */

static struct tokenizer *create(const struct tokenizer_params *params)
{
    struct tokenizer *tokenizer;
    struct error err = {0};
    if (tokenizer_create(params, &tokenizer, &err) != STATUS_OK) {
        fail_msg("%s", err.message);
    }
    return tokenizer;
}

static bool print_token(void *ctx, struct token token)
{
    struct buffer *out = ctx;
    buffer_printf(out, "%s%.*s@%u", out->size ? " " : "", (int)token.text.size,
                  (const char *)token.text.data, token.position);
    return false;
}

/* The tokens of a text are these, each with its position. */
static void gives(const struct tokenizer_params *params, enum text_role role, const char *text,
                  const char *expected)
{
    struct tokenizer *tokenizer = create(params);
    struct buffer scratch, out;
    buffer_init(&scratch, 0);
    buffer_init(&out, 0);
    assert_false(tokenizer_run(tokenizer, role, slice_text(text), &scratch, print_token, &out));
    buffer_append_byte(&out, 0);
    assert_string_equal((const char *)out.data, expected);
    buffer_deinit(&scratch);
    buffer_deinit(&out);
    tokenizer_unref(tokenizer);
}

static bool matches(const struct tokenizer_params *params, enum text_mode mode, const char *query,
                    const char *text)
{
    struct tokenizer *tokenizer = create(params);
    struct text_query *words;
    struct error err;
    assert_int_equal(text_query_create(tokenizer, slice_text(query), mode, &words, &err),
                     STATUS_OK);
    tokenizer_unref(tokenizer); /* the query holds it */
    bool found = text_query_check(words, slice_text(text));
    text_query_destroy(words);
    return found;
}

/* The word kind: runs of letters, digits and marks, folded; positions count all of them. */
static void test_words(void **state)
{
    (void)state;
    const struct tokenizer_params *plain = &tokenizer_plain;
    gives(plain, TEXT_STORED, "", "");
    gives(plain, TEXT_STORED, " .,- ", "");
    gives(plain, TEXT_STORED, "The quick, brown-fox_2", "the@0 quick@1 brown@2 fox@3 2@4");
    gives(plain, TEXT_QUERY, "The quick", "the@0 quick@1");
    gives(plain, TEXT_STORED,
          "\xc3\x89T\xc3\x89 Stra\xc3\x9f"
          "e",
          "\xc3\xa9t\xc3\xa9@0 strasse@1");
    /* A mark alone is no word, and stays on its letter when nothing composes. */
    gives(plain, TEXT_STORED, " \xcc\x81 q\xcc\x87", "q\xcc\x87@0");
    gives(plain, TEXT_STORED, "\xe2\x9d\xa4\xef\xb8\x8f", "");
    gives(plain, TEXT_STORED, "co\xc2\xadop", "coop@0");
    /* U+FFFD for what is not UTF-8: it parts words. */
    gives(plain, TEXT_STORED,
          "a\xff"
          "b\xc3",
          "a@0 b@1");
    struct tokenizer_params exact = {.kind = TOKENIZER_WORD};
    gives(&exact, TEXT_STORED, "The STATE \xc3\x89", "The@0 STATE@1 \xc3\x89@2");
}

/* Only white space parts tokens; all of Unicode's counts. */
static void test_whitespace(void **state)
{
    (void)state;
    struct tokenizer_params params = {.kind = TOKENIZER_WHITESPACE, .lowercase = true};
    gives(&params, TEXT_STORED,
          " A-b,\tc\n\xe3\x80\x80"
          "d\xc2\xa0"
          "e ",
          "a-b,@0 c@1 d@2 e@3");
    gives(&params, TEXT_STORED, "  ", "");
}

/* Stored words give their prefixes, queries the whole word or the longest prefix there is. */
static void test_prefixes(void **state)
{
    (void)state;
    struct tokenizer_params params = {.kind = TOKENIZER_PREFIX, .lowercase = true};
    gives(&params, TEXT_STORED, "Ab \xc3\x89t", "a@0 ab@0 \xc3\xa9@1 \xc3\xa9t@1");
    gives(&params, TEXT_QUERY, "Ab \xc3\x89t", "ab@0 \xc3\xa9t@1");
    params.token_min = 2;
    params.token_max = 3;
    gives(&params, TEXT_STORED, "hello a you", "he@0 hel@0 yo@2 you@2");
    gives(&params, TEXT_QUERY, "hello a you", "hel@0 you@2");
    params.token_min = params.token_max = 0;
    char word[TOKEN_PREFIX_MAX + 10];
    memset(word, 'x', sizeof(word));
    word[sizeof(word) - 1] = 0;
    assert_true(matches(&params, TEXT_ALL, word, word));
    assert_true(matches(&params, TEXT_PHRASE, "hel wor", "hello world"));
    assert_false(matches(&params, TEXT_PHRASE, "wor hel", "hello world"));
    params.stemmer = "english";
    gives(&params, TEXT_QUERY, "running", "running@0");
}

/* Chinese and Japanese by characters and pairs, Thai by dictionary, the rest as words. */
static void test_multilingual(void **state)
{
    (void)state;
    struct tokenizer_params params = {.kind = TOKENIZER_MULTILINGUAL, .lowercase = true};
    const char *tokyo = "\xe6\x9d\xb1\xe4\xba\xac\xe9\x83\xbd\xe5\xba\x81";
    const char *office = "\xe9\x83\xbd\xe5\xba\x81";
    gives(&params, TEXT_STORED, office, "\xe9\x83\xbd@0 \xe9\x83\xbd\xe5\xba\x81@0 \xe5\xba\x81@1");
    gives(&params, TEXT_QUERY, office, "\xe9\x83\xbd\xe5\xba\x81@0");
    gives(&params, TEXT_QUERY, "A\xe9\x83\xbd B", "a@0 \xe9\x83\xbd@1 b@2");
    assert_true(matches(&params, TEXT_ALL, tokyo, tokyo));
    assert_true(matches(&params, TEXT_PHRASE, tokyo, tokyo));
    assert_true(matches(&params, TEXT_ALL, office, tokyo));
    assert_true(matches(&params, TEXT_PHRASE, office, tokyo));
    assert_true(matches(&params, TEXT_ALL, "\xe5\xba\x81", tokyo));
    assert_false(matches(&params, TEXT_ALL, "\xe5\xba\x81\xe9\x83\xbd", tokyo));
    assert_true(matches(&params, TEXT_ALL, "\xe3\x81\x8c", "\xe3\x81\x8b\xe3\x82\x99"));
    /* "sawatdi" and "chao" and "lok" */
    gives(&params, TEXT_STORED,
          "\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94\xe0\xb8\xb5"
          "\xe0\xb8\x8a\xe0\xb8\xb2\xe0\xb8\xa7\xe0\xb9\x82\xe0\xb8\xa5\xe0\xb8\x81 ok",
          "\xe0\xb8\xaa\xe0\xb8\xa7\xe0\xb8\xb1\xe0\xb8\xaa\xe0\xb8\x94\xe0\xb8\xb5@0 "
          "\xe0\xb8\x8a\xe0\xb8\xb2\xe0\xb8\xa7@1 \xe0\xb9\x82\xe0\xb8\xa5\xe0\xb8\x81@2 ok@3");
    gives(&params, TEXT_STORED, "don't STOP", "don@0 t@1 stop@2");
    params.token_min = 3;
    gives(&params, TEXT_QUERY, "ab abc \xe9\x83\xbd\xe5\xba\x81",
          "abc@1 \xe9\x83\xbd\xe5\xba\x81@2");
}

/* Case 11: composed and decomposed, dotted I, folding on both sides. */
static void test_folding(void **state)
{
    (void)state;
    static const char *const stored[] = {"\xc4\xb0stanbul CAF\xc3\x89",
                                         "I\xcc\x87stanbul CAFE\xcc\x81"};
    struct tokenizer_params plain = tokenizer_plain, folded = tokenizer_plain;
    folded.ascii_folding = true;
    for (size_t i = 0; i < 2; i++) {
        for (size_t j = 0; j < 2; j++) {
            assert_true(matches(&plain, TEXT_PHRASE, stored[i], stored[j]));
            assert_true(matches(&folded, TEXT_PHRASE, stored[i], stored[j]));
        }
        assert_true(matches(&plain, TEXT_ALL, "i\xcc\x87stanbul", stored[i]));
        assert_true(matches(&plain, TEXT_ALL, "caf\xc3\xa9", stored[i]));
        assert_false(matches(&plain, TEXT_ALL, "cafe", stored[i]));
        assert_true(matches(&folded, TEXT_ALL, "cafe istanbul", stored[i]));
    }
    gives(&folded, TEXT_STORED,
          "\xc3\x9f \xc3\xb8 \xc5\x82 \xc3\x86on \xef\xac\x81n \xef\xbc\xa1 \xe2\x91\xa0 \xc4\xb0",
          "ss@0 o@1 l@2 aeon@3 fin@4 a@5 1@6 i@7");
    /* Other scripts keep their marks: these are other letters. */
    gives(&folded, TEXT_STORED, "\xd0\xb9 \xe3\x81\x8c \xce\xac",
          "\xd0\xb9@0 \xe3\x81\x8c@1 \xce\xac@2");
    struct tokenizer_params cased = {.kind = TOKENIZER_WORD, .ascii_folding = true};
    gives(&cased, TEXT_STORED, "\xc3\x89t\xc3\xa9 \xc3\x98", "Ete@0 O@1");
    assert_true(matches(&plain, TEXT_ALL, "\xce\xbf\xce\xb4\xce\xbf\xcf\x82",
                        "\xce\x9f\xce\x94\xce\x9f\xce\xa3"));
    assert_true(matches(&plain, TEXT_ALL, "\xce\xaa\xcc\x81", "\xce\x90"));
}

/* Dropped words keep their places; a query of dropped words only matches nothing. */
static void test_stopwords(void **state)
{
    (void)state;
    static const char *const languages[] = {"english", "german"}, *const own[] = {"ROCK",
                                                                                  "Caf\xc3\xa9"};
    struct tokenizer_params params = tokenizer_plain;
    params.languages = languages;
    params.languages_count = 2;
    params.stopwords = own;
    params.stopwords_count = 2;
    gives(&params, TEXT_STORED, "The State of the art und Rock caf\xc3\xa9", "state@1 art@4");
    assert_true(matches(&params, TEXT_PHRASE, "state of the art", "the state of the art is"));
    assert_true(matches(&params, TEXT_PHRASE, "of state of the art", "state in an art"));
    assert_false(matches(&params, TEXT_PHRASE, "state of the art", "state of art"));
    assert_false(matches(&params, TEXT_PHRASE, "state art", "state of art"));
    assert_false(matches(&params, TEXT_ALL, "the", "the"));
    assert_false(matches(&params, TEXT_ANY, "the of", "the of"));
    assert_false(matches(&params, TEXT_PHRASE, "of the", "of the"));
    params.token_min = 2;
    params.token_max = 4;
    gives(&params, TEXT_STORED, "xy a \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9 abcde",
          "xy@0 \xc3\xa9\xc3\xa9\xc3\xa9\xc3\xa9@2");
}

/* Every language has its list, all in the form that texts are folded to. */
static void test_languages(void **state)
{
    (void)state;
#define X(name) #name,
    static const char *const languages[] = {STOPWORDS_LIST(X)};
    static const char *const stemmed[] = {STEM_LANGUAGE_LIST(X)};
#undef X
    assert_int_equal(TEXT_COUNT(languages), 30);
    assert_int_equal(TEXT_COUNT(stemmed), 19);
    struct buffer scratch;
    buffer_init(&scratch, 0);
    assert_int_equal(chars_init(NULL), STATUS_OK);
    for (size_t i = 0; i < TEXT_COUNT(languages); i++) {
        const char *words = stopwords_of(languages[i]);
        assert_non_null(words);
        size_t count = 0;
        for (const char *at = words; *at; at++) {
            count += *at == ' ';
        }
        assert_in_range(count, 80, 400);
        assert_true(slice_equal(text_fold(slice_text(words), 0, &scratch), slice_text(words)));
    }
    buffer_deinit(&scratch);
    for (size_t i = 0; i < TEXT_COUNT(stemmed); i++) {
        struct tokenizer_params params = tokenizer_plain;
        params.stemmer = stemmed[i];
        assert_true(matches(&params, TEXT_ALL, "word", "Word"));
    }
    assert_null(stopwords_of("klingon"));
}

/* Stems of both sides are compared; very long words are left alone. */
static void test_stemming(void **state)
{
    (void)state;
    struct tokenizer_params params = tokenizer_plain;
    params.stemmer = "english";
    gives(&params, TEXT_STORED, "Running runs ran happily", "run@0 run@1 ran@2 happili@3");
    gives(&params, TEXT_STORED, "Running runs ran happily", "run@0 run@1 ran@2 happili@3");
    assert_true(matches(&params, TEXT_ALL, "connection", "He is connected"));
    params.stemmer = "russian";
    assert_true(matches(&params, TEXT_ALL, "\xd0\xba\xd0\xbd\xd0\xb8\xd0\xb3\xd0\xb8",
                        "\xd0\x9a\xd0\xbd\xd0\xb8\xd0\xb3\xd0\xb0"));
    char word[2 * STEM_BYTES_MAX];
    memset(word, 's', sizeof(word));
    word[sizeof(word) - 1] = 0;
    struct slice stem = stem_word(STEM_english, slice_text(word));
    assert_int_equal(stem.size, sizeof(word) - 1);
}

static void *stem_in_thread(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < 2000; i++) {
        struct slice stem = stem_word(i % 2 ? STEM_english : STEM_german, SLICE_LITERAL("running"));
        if (!slice_equal(stem, i % 2 ? SLICE_LITERAL("run") : SLICE_LITERAL("running"))) {
            return (void *)1;
        }
    }
    struct tokenizer_params params = {.kind = TOKENIZER_MULTILINGUAL};
    return (void *)(uintptr_t)!matches(
        &params, TEXT_ALL, "\xe0\xb9\x82\xe0\xb8\xa5\xe0\xb8\x81",
        "\xe0\xb8\x8a\xe0\xb8\xb2\xe0\xb8\xa7\xe0\xb9\x82\xe0\xb8\xa5\xe0\xb8\x81");
}

/* Threads have their own stemmers and break iterators, and free them. */
static void test_threads(void **state)
{
    (void)state;
    pthread_t threads[4];
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, stem_in_thread, NULL), 0);
    }
    for (size_t i = 0; i < 4; i++) {
        void *failed;
        assert_int_equal(pthread_join(threads[i], &failed), 0);
        assert_null(failed);
    }
}

static void refused(struct tokenizer_params params, const char *text)
{
    struct tokenizer *tokenizer;
    struct error err = {0};
    assert_int_equal(tokenizer_create(&params, &tokenizer, &err), STATUS_BAD_INPUT);
    assert_non_null(strstr(err.message, text));
}

/* Languages that are not known are named, and so is what there is. */
static void test_refused(void **state)
{
    (void)state;
    static const char *const languages[] = {"english", "klingon"};
    refused((struct tokenizer_params){.stemmer = "klingon"}, "turkish");
    refused((struct tokenizer_params){.stemmer = "bengali"}, "`bengali` is unknown");
    refused((struct tokenizer_params){.languages = languages, .languages_count = 2}, "klingon");
    refused((struct tokenizer_params){.token_min = 5, .token_max = 4}, "min_token_len 5");
    struct tokenizer *plain = create(&tokenizer_plain), *same = create(&tokenizer_plain);
    struct tokenizer_params other = tokenizer_plain;
    other.token_max = 9;
    struct tokenizer *different = create(&other);
    assert_int_equal(tokenizer_fingerprint(plain), tokenizer_fingerprint(same));
    assert_int_not_equal(tokenizer_fingerprint(plain), tokenizer_fingerprint(different));
    assert_int_equal(tokenizer_behaviour(plain), tokenizer_behaviour(same));
    assert_int_not_equal(tokenizer_behaviour(plain), tokenizer_behaviour(different));
    struct tokenizer *again = tokenizer_ref(plain);
    tokenizer_unref(plain);
    tokenizer_unref(again);
    tokenizer_unref(same);
    tokenizer_unref(different);
}

/* The plain way: ICU over the whole text at once. */
static void fold_whole(struct slice text, struct buffer *out)
{
    enum { UNITS = 4096 };
    UChar a[UNITS], b[UNITS];
    UErrorCode error = U_ZERO_ERROR;
    const UNormalizer2 *nfc = unorm2_getNFCInstance(&error);
    int32_t length = 0, kept = 0, size = 0;
    u_strFromUTF8(a, UNITS, &length, (const char *)text.data, (int32_t)text.size, &error);
    length = unorm2_normalize(nfc, a, length, b, UNITS, &error);
    for (int32_t i = 0; i < length;) {
        uint32_t code = chars_next16(b, &i, length);
        if (!(char_info(code).flags & CHAR_HIDDEN)) {
            U16_APPEND_UNSAFE(b, kept, code);
        }
    }
    length = u_strFoldCase(a, UNITS, b, kept, U_FOLD_CASE_DEFAULT, &error);
    length = unorm2_normalize(nfc, a, length, b, UNITS, &error);
    buffer_clear(out);
    char *utf8 = (char *)buffer_reserve(out, UNITS);
    u_strToUTF8(utf8, UNITS, &size, b, length, &error);
    assert_true(U_SUCCESS(error));
    buffer_commit(out, (size_t)size);
}

/* Folding by segments is what ICU does with the whole, and folding twice is folding once. */
static void test_fold_random(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = 4711;
    printf("seed %llu\n", (unsigned long long)seed);
    random_init(&random, seed);
    struct buffer text, once, twice, whole;
    buffer_init(&text, 0);
    buffer_init(&once, 0);
    buffer_init(&twice, 0);
    buffer_init(&whole, 0);
    assert_int_equal(chars_init(NULL), STATUS_OK);
    for (size_t round = 0; round < 20000; round++) {
        text_random(&random, 6, TEXT_COUNT(TEXT_WORDS), &text);
        struct slice folded = text_fold(buffer_slice(&text), FOLD_CASE, &once);
        assert_true(slice_equal(text_fold(folded, FOLD_CASE, &twice), folded));
        fold_whole(buffer_slice(&text), &whole);
        assert_true(slice_equal(buffer_slice(&whole), folded));
        folded = text_fold(buffer_slice(&text), FOLD_CASE | FOLD_ASCII, &once);
        assert_true(slice_equal(text_fold(folded, FOLD_CASE | FOLD_ASCII, &twice), folded));
    }
    buffer_deinit(&text);
    buffer_deinit(&once);
    buffer_deinit(&twice);
    buffer_deinit(&whole);
}

static bool count_token(void *ctx, struct token token)
{
    (void)token;
    ++*(size_t *)ctx;
    return false;
}

/* Any text matches itself, whatever the tokenizer, when its query has tokens; so does any run of
 * its words, as a phrase. */
static void test_matches_itself(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = 99;
    printf("seed %llu\n", (unsigned long long)seed);
    random_init(&random, seed);
    static const char *const languages[] = {"english", "japanese"};
    struct buffer text, scratch;
    buffer_init(&text, 0);
    buffer_init(&scratch, 0);
    size_t matched = 0;
    for (size_t round = 0; round < 6000; round++) {
        struct tokenizer_params params = {.kind = (enum tokenizer_kind)random_below(&random, 4),
                                          .lowercase = random_below(&random, 2),
                                          .ascii_folding = random_below(&random, 2),
                                          .token_min = (uint32_t)random_below(&random, 3),
                                          .token_max = random_below(&random, 3) ? 0 : 4,
                                          .stemmer = random_below(&random, 3) ? NULL : "english",
                                          .languages = languages,
                                          .languages_count = random_below(&random, 3)};
        text_random(&random, 12, TEXT_COUNT(TEXT_WORDS), &text);
        struct tokenizer *tokenizer = create(&params);
        size_t tokens = 0;
        tokenizer_run(tokenizer, TEXT_QUERY, buffer_slice(&text), &scratch, count_token, &tokens);
        for (int mode = TEXT_ALL; mode <= TEXT_PHRASE; mode++) {
            struct text_query *query;
            assert_int_equal(text_query_create(tokenizer, buffer_slice(&text), (enum text_mode)mode,
                                               &query, NULL),
                             STATUS_OK);
            assert_int_equal(text_query_check(query, buffer_slice(&text)), tokens > 0);
            text_query_destroy(query);
        }
        matched += tokens > 0;
        tokenizer_unref(tokenizer);
    }
    assert_in_range(matched, 4000, 5900);
    buffer_deinit(&text);
    buffer_deinit(&scratch);
}

struct words {
    uint32_t at[64];
    size_t count;
};

static bool note_word(void *ctx, struct token token)
{
    struct words *words = ctx;
    words->at[words->count++] = (uint32_t)(token.text.data[0] - 'a');
    return false;
}

/* Phrases of few letters against a search by hand, over up to 130 places. */
static void test_phrases_random(void **state)
{
    (void)state;
    struct random random;
    uint64_t seed = 7;
    printf("seed %llu\n", (unsigned long long)seed);
    random_init(&random, seed);
    static const char *const dropped[] = {"c"};
    struct tokenizer_params params = tokenizer_plain;
    params.stopwords = dropped;
    params.stopwords_count = 1;
    struct tokenizer *tokenizer = create(&params);
    size_t found_count = 0;
    for (size_t round = 0; round < 20000; round++) {
        enum { TEXT_MAX = 300, PHRASE_MAX = 130 };
        char text[2 * TEXT_MAX + 1], phrase[2 * PHRASE_MAX + 1];
        size_t n = random_below(&random, TEXT_MAX),
               m = 1 + random_below(&random, round % 9 ? 5 : 130);
        uint64_t letters = 2 + random_below(&random, 2);
        for (size_t i = 0; i < n; i++) {
            text[2 * i] = (char)('a' + random_below(&random, letters));
            text[2 * i + 1] = ' ';
        }
        text[2 * n] = 0;
        size_t from = n > m ? random_below(&random, n - m) : 0;
        for (size_t i = 0; i < m; i++) { /* mostly what is there, sometimes with a fault */
            phrase[2 * i] = n > m && random_below(&random, 40) ? text[2 * (from + i)] : 'a';
            phrase[2 * i + 1] = ' ';
        }
        phrase[2 * m] = 0;
        size_t first = 0, last = m;
        while (first < m && phrase[2 * first] == 'c') {
            first++;
        }
        while (last > first && phrase[2 * (last - 1)] == 'c') {
            last--;
        }
        bool expected = false;
        for (size_t at = 0; first < last && at + (last - first) <= n && !expected; at++) {
            bool fits = true;
            for (size_t i = first; i < last && fits; i++) {
                fits = phrase[2 * i] == 'c' || phrase[2 * i] == text[2 * (at + i - first)];
            }
            expected = fits;
        }
        struct text_query *query;
        assert_int_equal(
            text_query_create(tokenizer, slice_text(phrase), TEXT_PHRASE, &query, NULL), STATUS_OK);
        assert_int_equal(text_query_check(query, slice_text(text)), expected);
        text_query_destroy(query);
        found_count += expected;
    }
    assert_in_range(found_count, 4000, 19000);
    tokenizer_unref(tokenizer);
}

/* At most so many words; a phrase counts dropped ones between its words too. */
static void test_limits(void **state)
{
    (void)state;
    static const char *const dropped[] = {"the"};
    struct tokenizer_params params = tokenizer_plain;
    params.stopwords = dropped;
    params.stopwords_count = 1;
    struct tokenizer *tokenizer = create(&params);
    struct buffer text;
    struct text_query *query;
    struct error err;
    buffer_init(&text, 0);
    for (size_t i = 0; i < TEXT_WORDS_MAX; i++) {
        buffer_append_text(&text, "a ");
    }
    assert_int_equal(text_query_create(tokenizer, buffer_slice(&text), TEXT_PHRASE, &query, &err),
                     STATUS_OK);
    assert_true(text_query_check(query, buffer_slice(&text)));
    assert_false(text_query_check(query, slice_of(text.data, text.size - 2)));
    text_query_destroy(query);
    buffer_append_text(&text, "a ");
    assert_int_equal(text_query_create(tokenizer, buffer_slice(&text), TEXT_ALL, &query, &err),
                     STATUS_BAD_INPUT);
    buffer_clear(&text);
    buffer_append_text(&text, "a ");
    for (size_t i = 0; i < TEXT_WORDS_MAX; i++) {
        buffer_append_text(&text, "the ");
    }
    buffer_append_text(&text, "b");
    assert_int_equal(text_query_create(tokenizer, buffer_slice(&text), TEXT_ALL, &query, &err),
                     STATUS_OK);
    assert_int_equal(text_query_terms_count(query), 2);
    text_query_destroy(query);
    assert_int_equal(text_query_create(tokenizer, buffer_slice(&text), TEXT_PHRASE, &query, &err),
                     STATUS_BAD_INPUT);
    buffer_deinit(&text);
    tokenizer_unref(tokenizer);
    struct words words = {0};
    struct buffer scratch;
    buffer_init(&scratch, 0);
    tokenizer = create(&tokenizer_plain);
    tokenizer_run(tokenizer, TEXT_STORED, SLICE_LITERAL("b a"), &scratch, note_word, &words);
    assert_int_equal(words.count, 2);
    assert_int_equal(words.at[0], 1);
    buffer_deinit(&scratch);
    tokenizer_unref(tokenizer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),          cmocka_unit_test(test_whitespace),
        cmocka_unit_test(test_prefixes),       cmocka_unit_test(test_multilingual),
        cmocka_unit_test(test_folding),        cmocka_unit_test(test_stopwords),
        cmocka_unit_test(test_languages),      cmocka_unit_test(test_stemming),
        cmocka_unit_test(test_threads),        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_fold_random),    cmocka_unit_test(test_matches_itself),
        cmocka_unit_test(test_phrases_random), cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
