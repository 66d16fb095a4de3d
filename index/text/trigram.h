/* Trigrams: every three neighbouring bytes of a text whose case is folded, code point by code
 * point. A text that contains another, whatever the case of each, has all of the other's trigrams.
 */
#pragma once
#include "storage/base/slice.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TRIGRAM_BYTES = 3 };
/* In order; one that comes twice in the text is given twice. */
void trigram_each(struct slice text, void (*each)(void *ctx, uint32_t gram), void *ctx);

#ifdef __cplusplus
}
#endif
