/* Function words by language: what says little about a text because every text has it. Each list is
 * a file in stopwords/, written for this project: words in lower case, NFC, parted by blanks. What
 * an apostrophe parts is there as a whole and in its pieces, since tokenizers differ there. */
#pragma once
#include <stddef.h>

/* The languages of the contract. */
#define STOPWORDS_LIST(X)                                                                          \
    X(arabic)                                                                                      \
    X(azerbaijani)                                                                                 \
    X(basque)                                                                                      \
    X(bengali)                                                                                     \
    X(catalan)                                                                                     \
    X(chinese)                                                                                     \
    X(danish)                                                                                      \
    X(dutch)                                                                                       \
    X(english)                                                                                     \
    X(finnish)                                                                                     \
    X(french)                                                                                      \
    X(german)                                                                                      \
    X(greek)                                                                                       \
    X(hebrew)                                                                                      \
    X(hinglish)                                                                                    \
    X(hungarian)                                                                                   \
    X(indonesian)                                                                                  \
    X(italian)                                                                                     \
    X(japanese)                                                                                    \
    X(kazakh)                                                                                      \
    X(nepali)                                                                                      \
    X(norwegian)                                                                                   \
    X(portuguese)                                                                                  \
    X(romanian)                                                                                    \
    X(russian)                                                                                     \
    X(slovene)                                                                                     \
    X(spanish)                                                                                     \
    X(swedish)                                                                                     \
    X(tajik)                                                                                       \
    X(turkish)

const char *stopwords_of(const char *language); /* NULL: not known */
const char *stopwords_at(size_t i);             /* of the i-th language; NULL: no more */
const char *stopwords_languages(void);          /* all, parted by ", " */
