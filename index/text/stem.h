/* Snowball stemming. */
#pragma once
#include "storage/base/slice.h"

/* The languages of the contract. */
#define STEM_LANGUAGE_LIST(X)                                                                      \
    X(arabic)                                                                                      \
    X(armenian)                                                                                    \
    X(danish)                                                                                      \
    X(dutch)                                                                                       \
    X(english)                                                                                     \
    X(finnish)                                                                                     \
    X(french)                                                                                      \
    X(german)                                                                                      \
    X(greek)                                                                                       \
    X(hungarian)                                                                                   \
    X(italian)                                                                                     \
    X(norwegian)                                                                                   \
    X(portuguese)                                                                                  \
    X(romanian)                                                                                    \
    X(russian)                                                                                     \
    X(spanish)                                                                                     \
    X(swedish)                                                                                     \
    X(tamil)                                                                                       \
    X(turkish)
#define X(name) STEM_##name,
enum stem_language { STEM_LANGUAGE_LIST(X) STEM_LANGUAGES_COUNT };
#undef X
/* STEM_LANGUAGES_COUNT: not known. */
enum stem_language stem_language(const char *name);
const char *stem_languages(void); /* all, parted by ", " */

enum { STEM_BYTES_MAX = 255 };
/* Never empty. Words of more than STEM_BYTES_MAX bytes are in no language: they stay as they are.
 * Valid until this thread stems again, or as long as `word`. */
struct slice stem_word(enum stem_language language, struct slice word);
