/* Parameters of text indexes from the wire: defaults, what is kept, what is refused. */
#include "index/collection/text_params.h"

/* cmocka needs these before it. */
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
/* clang-format on */

static enum status read_params(const Qdrant__TextIndexParams *wire, struct arena *arena,
                               struct tokenizer_params *params, bool *phrases, const char *refusal)
{
    struct error err = {0};
    enum status status = text_params_read(wire, arena, params, phrases, &err);
    if (refusal && !strstr(err.message, refusal)) {
        fail_msg("'%s' does not say '%s'", err.message, refusal);
    }
    return status;
}

static Qdrant__TextIndexParams empty(void)
{
    Qdrant__TextIndexParams wire;
    qdrant__text_index_params__init(&wire);
    return wire;
}

/* Nothing given is words in lower case, of any length. */
static void test_defaults(void **state)
{
    (void)state;
    struct arena *arena = arena_create(0);
    Qdrant__TextIndexParams wire = empty();
    const Qdrant__TextIndexParams *const wires[] = {NULL, &wire};
    for (size_t i = 0; i < 2; i++) {
        struct tokenizer_params params;
        bool phrases = true;
        assert_int_equal(read_params(wires[i], arena, &params, &phrases, NULL), STATUS_OK);
        assert_int_equal(params.kind, TOKENIZER_WORD);
        assert_true(params.lowercase);
        assert_false(params.ascii_folding);
        assert_false(phrases);
        assert_int_equal(params.token_min, 0);
        assert_int_equal(params.token_max, 0);
        assert_null(params.stemmer);
        assert_int_equal(params.languages_count, 0);
        assert_int_equal(params.stopwords_count, 0);
    }
    arena_destroy(arena);
}

/* All that is given arrives, as copies. */
static void test_all(void **state)
{
    (void)state;
    struct arena *arena = arena_create(0);
    char stemmer[] = "german", language[] = "greek", custom[] = "und";
    char *languages[] = {language}, *customs[] = {custom};
    Qdrant__SnowballParams snowball;
    Qdrant__StemmingAlgorithm algorithm;
    Qdrant__StopwordsSet stopwords;
    qdrant__snowball_params__init(&snowball);
    qdrant__stemming_algorithm__init(&algorithm);
    qdrant__stopwords_set__init(&stopwords);
    snowball.language = stemmer;
    algorithm.stemming_params_case = QDRANT__STEMMING_ALGORITHM__STEMMING_PARAMS_SNOWBALL;
    algorithm.snowball = &snowball;
    stopwords.languages = languages;
    stopwords.custom = customs;
    stopwords.n_languages = stopwords.n_custom = 1;
    Qdrant__TextIndexParams wire = empty();
    wire.tokenizer = QDRANT__TOKENIZER_TYPE__Multilingual;
    wire._lowercase_case = QDRANT__TEXT_INDEX_PARAMS___LOWERCASE_LOWERCASE;
    wire._ascii_folding_case = QDRANT__TEXT_INDEX_PARAMS___ASCII_FOLDING_ASCII_FOLDING;
    wire.ascii_folding = 1;
    wire._phrase_matching_case = QDRANT__TEXT_INDEX_PARAMS___PHRASE_MATCHING_PHRASE_MATCHING;
    wire.phrase_matching = 1;
    wire._min_token_len_case = QDRANT__TEXT_INDEX_PARAMS___MIN_TOKEN_LEN_MIN_TOKEN_LEN;
    wire.min_token_len = 2;
    wire._max_token_len_case = QDRANT__TEXT_INDEX_PARAMS___MAX_TOKEN_LEN_MAX_TOKEN_LEN;
    wire.max_token_len = UINT64_MAX;
    wire.stopwords = &stopwords;
    wire.stemmer = &algorithm;
    struct tokenizer_params params;
    bool phrases = false;
    assert_int_equal(read_params(&wire, arena, &params, &phrases, NULL), STATUS_OK);
    stemmer[0] = language[0] = custom[0] = '?';
    assert_int_equal(params.kind, TOKENIZER_MULTILINGUAL);
    assert_false(params.lowercase);
    assert_true(params.ascii_folding);
    assert_true(phrases);
    assert_int_equal(params.token_min, 2);
    assert_int_equal(params.token_max, UINT32_MAX);
    assert_string_equal(params.stemmer, "german");
    assert_string_equal(params.languages[0], "greek");
    assert_string_equal(params.stopwords[0], "und");
    algorithm.stemming_params_case = QDRANT__STEMMING_ALGORITHM__STEMMING_PARAMS_DISABLED;
    stopwords.n_languages = 0;
    assert_int_equal(read_params(&wire, arena, &params, &phrases, NULL), STATUS_OK);
    assert_null(params.stemmer);
    arena_destroy(arena);
}

/* What cannot be served is named. */
static void test_refused(void **state)
{
    (void)state;
    struct arena *arena = arena_create(0);
    struct tokenizer_params params;
    bool phrases;
    char unknown[] = "klingon", *languages[] = {unknown};
    Qdrant__TextIndexParams wire = empty();
    wire._min_token_len_case = QDRANT__TEXT_INDEX_PARAMS___MIN_TOKEN_LEN_MIN_TOKEN_LEN;
    wire._max_token_len_case = QDRANT__TEXT_INDEX_PARAMS___MAX_TOKEN_LEN_MAX_TOKEN_LEN;
    wire.min_token_len = 3;
    wire.max_token_len = 2;
    assert_int_equal(read_params(&wire, arena, &params, &phrases, "min_token_len 3"),
                     STATUS_BAD_INPUT);
    wire.max_token_len = 0;
    assert_int_equal(read_params(&wire, arena, &params, &phrases, "max_token_len: value 0"),
                     STATUS_BAD_INPUT);
    wire = empty();
    wire.tokenizer = (Qdrant__TokenizerType)17;
    assert_int_equal(read_params(&wire, arena, &params, &phrases, "type 17"), STATUS_BAD_INPUT);
    wire = empty();
    Qdrant__StopwordsSet stopwords;
    qdrant__stopwords_set__init(&stopwords);
    stopwords.languages = languages;
    stopwords.n_languages = 1;
    wire.stopwords = &stopwords;
    assert_int_equal(read_params(&wire, arena, &params, &phrases, "`klingon` is unknown"),
                     STATUS_BAD_INPUT);
    wire = empty();
    Qdrant__SnowballParams snowball;
    Qdrant__StemmingAlgorithm algorithm;
    qdrant__snowball_params__init(&snowball);
    qdrant__stemming_algorithm__init(&algorithm);
    algorithm.stemming_params_case = QDRANT__STEMMING_ALGORITHM__STEMMING_PARAMS_SNOWBALL;
    algorithm.snowball = &snowball;
    snowball.language = unknown;
    wire.stemmer = &algorithm;
    assert_int_equal(read_params(&wire, arena, &params, &phrases, "stemmer: language"),
                     STATUS_BAD_INPUT);
    struct arena *small = arena_create(8);
    snowball.language = "portuguese";
    assert_int_equal(read_params(&wire, small, &params, &phrases, "too long"), STATUS_TOO_LARGE);
    arena_destroy(small);
    arena_destroy(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
