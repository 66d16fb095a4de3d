/* The form in which texts are compared. */
#pragma once
#include "storage/base/buffer.h"

enum fold_flags {
    FOLD_CASE = 1, /* full case folding (Unicode, C + F) */
    FOLD_ASCII =
        2, /* Latin letters without marks and variants, and what is compatible with ASCII */
};
/* NFC without hidden code points, then as the flags say; so canonically equivalent texts become the
 * same. The result is `text` itself or lies in `scratch`, which has no limit and is cleared first.
 * chars_init must have succeeded. Any bytes are safe; what is not UTF-8 becomes U+FFFD. */
struct slice text_fold(struct slice text, unsigned flags, struct buffer *scratch);
/* For fold.c: appends what is in the buffer, with Latin letters in ASCII and
 * returns what was appended. `lower`: what comes of variants in lower case. */
struct slice fold_ascii(struct buffer *buffer, bool lower);
