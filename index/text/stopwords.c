/* The lists of stop words, each a string made of its file in stopwords/. Constant data. */
#include "index/text/stopwords.h"

#include <string.h>

static const char arabic[] =
#include "index/text/stopwords/arabic.inc"
    ;
static const char azerbaijani[] =
#include "index/text/stopwords/azerbaijani.inc"
    ;
static const char basque[] =
#include "index/text/stopwords/basque.inc"
    ;
static const char bengali[] =
#include "index/text/stopwords/bengali.inc"
    ;
static const char catalan[] =
#include "index/text/stopwords/catalan.inc"
    ;
static const char chinese[] =
#include "index/text/stopwords/chinese.inc"
    ;
static const char danish[] =
#include "index/text/stopwords/danish.inc"
    ;
static const char dutch[] =
#include "index/text/stopwords/dutch.inc"
    ;
static const char english[] =
#include "index/text/stopwords/english.inc"
    ;
static const char finnish[] =
#include "index/text/stopwords/finnish.inc"
    ;
static const char french[] =
#include "index/text/stopwords/french.inc"
    ;
static const char german[] =
#include "index/text/stopwords/german.inc"
    ;
static const char greek[] =
#include "index/text/stopwords/greek.inc"
    ;
static const char hebrew[] =
#include "index/text/stopwords/hebrew.inc"
    ;
static const char hinglish[] =
#include "index/text/stopwords/hinglish.inc"
    ;
static const char hungarian[] =
#include "index/text/stopwords/hungarian.inc"
    ;
static const char indonesian[] =
#include "index/text/stopwords/indonesian.inc"
    ;
static const char italian[] =
#include "index/text/stopwords/italian.inc"
    ;
static const char japanese[] =
#include "index/text/stopwords/japanese.inc"
    ;
static const char kazakh[] =
#include "index/text/stopwords/kazakh.inc"
    ;
static const char nepali[] =
#include "index/text/stopwords/nepali.inc"
    ;
static const char norwegian[] =
#include "index/text/stopwords/norwegian.inc"
    ;
static const char portuguese[] =
#include "index/text/stopwords/portuguese.inc"
    ;
static const char romanian[] =
#include "index/text/stopwords/romanian.inc"
    ;
static const char russian[] =
#include "index/text/stopwords/russian.inc"
    ;
static const char slovene[] =
#include "index/text/stopwords/slovene.inc"
    ;
static const char spanish[] =
#include "index/text/stopwords/spanish.inc"
    ;
static const char swedish[] =
#include "index/text/stopwords/swedish.inc"
    ;
static const char tajik[] =
#include "index/text/stopwords/tajik.inc"
    ;
static const char turkish[] =
#include "index/text/stopwords/turkish.inc"
    ;

static const struct {
    const char *language, *words;
} lists[] = {
#define X(language) {#language, language},
    STOPWORDS_LIST(X)
#undef X
};
#define X(language) ", " #language
static const char names[] = STOPWORDS_LIST(X);
#undef X

const char *stopwords_of(const char *language)
{
    for (size_t i = 0; i < sizeof(lists) / sizeof(lists[0]); i++) {
        if (strcmp(lists[i].language, language) == 0) {
            return lists[i].words;
        }
    }
    return NULL;
}

const char *stopwords_at(size_t i)
{
    return i < sizeof(lists) / sizeof(lists[0]) ? lists[i].words : NULL;
}

const char *stopwords_languages(void)
{
    return names + 2;
}
