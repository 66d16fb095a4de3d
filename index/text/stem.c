/* Snowball stemming by libstemmer.
 *
 * Its objects are not thread-safe, so each thread has its own, one a language, made when first used
 * and freed when the thread ends. A stemmer takes some 0.2 us a word and words repeat, so each
 * thread remembers what short words became: a table of CACHE_SIZE words of one language, each in
 * the place of its hash, the last one wins. No memory ends the process. */
#include "index/text/stem.h"

#include "storage/base/assert.h"
#include "storage/base/checksum.h"
#include "storage/base/mem.h"

#include <libstemmer.h>
#include <pthread.h>

enum { CACHE_SIZE = 2048, CACHED_BYTES_MAX = 20 };

struct cached {
    uint8_t language; /* + 1; 0: nothing here */
    uint8_t word_size, stem_size;
    uint8_t word[CACHED_BYTES_MAX], stem[CACHED_BYTES_MAX];
};
struct stemmers {
    struct sb_stemmer *by_language[STEM_LANGUAGES_COUNT];
    struct cached cache[CACHE_SIZE];
};

#define X(name) #name,
static const char *const names[] = {STEM_LANGUAGE_LIST(X)};
#undef X
#define X(name) ", " #name
static const char names_list[] = STEM_LANGUAGE_LIST(X);
#undef X

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key; /* its destructor frees a thread's stemmers */
static _Thread_local struct stemmers *stemmers;

const char *stem_languages(void)
{
    return names_list + 2;
}

enum stem_language stem_language(const char *name)
{
    size_t i = 0;
    while (i < STEM_LANGUAGES_COUNT && strcmp(names[i], name) != 0) {
        i++;
    }
    return (enum stem_language)i;
}

static void free_stemmers(void *ctx)
{
    struct stemmers *own = ctx;
    for (size_t i = 0; i < STEM_LANGUAGES_COUNT; i++) {
        sb_stemmer_delete(own->by_language[i]);
    }
    mem_free(own);
    stemmers = NULL;
}

static void make_key(void)
{
    ASSERT(pthread_key_create(&key, free_stemmers) == 0);
}

static struct sb_stemmer *thread_stemmer(enum stem_language language)
{
    struct sb_stemmer **stemmer = &stemmers->by_language[language];
    if (!*stemmer) {
        *stemmer = sb_stemmer_new(names[language], "UTF_8");
        ASSERT(*stemmer); /* the library has all of the list */
    }
    return *stemmer;
}

static struct slice stem_anew(enum stem_language language, struct slice word)
{
    struct sb_stemmer *stemmer = thread_stemmer(language);
    const sb_symbol *stem = sb_stemmer_stem(stemmer, word.data, (int)word.size);
    ASSERT(stem); /* no memory */
    int size = sb_stemmer_length(stemmer);
    return size > 0 ? slice_of(stem, (size_t)size) : word;
}

struct slice stem_word(enum stem_language language, struct slice word)
{
    ASSERT(language < STEM_LANGUAGES_COUNT);
    if (word.size > STEM_BYTES_MAX) {
        return word;
    }
    if (!stemmers) {
        pthread_once(&key_once, make_key);
        stemmers = mem_zalloc(sizeof(*stemmers));
        ASSERT(pthread_setspecific(key, stemmers) == 0);
    }
    if (word.size > CACHED_BYTES_MAX) {
        return stem_anew(language, word);
    }
    struct cached *cached = &stemmers->cache[checksum64(word) % CACHE_SIZE];
    if (cached->language == language + 1 &&
        slice_equal(slice_of(cached->word, cached->word_size), word)) {
        return slice_of(cached->stem, cached->stem_size);
    }
    struct slice stem = stem_anew(language, word);
    if (stem.size > CACHED_BYTES_MAX) {
        return stem;
    }
    cached->language = (uint8_t)(language + 1);
    cached->word_size = (uint8_t)word.size;
    cached->stem_size = (uint8_t)stem.size;
    memcpy(cached->word, word.data, word.size);
    memcpy(cached->stem, stem.data, stem.size);
    return slice_of(cached->stem, stem.size);
}
