/* Selection of the nearest candidates: Hoare's quickselect on the bits of distances, which are
 * totally ordered whatever they hold. Nothing fails. */
#include "index/ivfpq/searching.h"

#include <string.h>

/* In the order of the floats. */
static int32_t key_of(const struct found *found)
{
    int32_t bits;
    memcpy(&bits, &found->distance, sizeof bits);
    return bits ^ (int32_t)((uint32_t)(bits >> 31) >> 1);
}

static int32_t middle_of(int32_t a, int32_t b, int32_t c)
{
    if (a > b) {
        int32_t swap = a;
        a = b;
        b = swap;
    }
    return c < a ? a : c > b ? b : c;
}

void found_select(struct found *found, size_t count, size_t keep)
{
    size_t low = 0;
    size_t high = count;
    while (keep > low && keep < high) {
        int32_t pivot = middle_of(key_of(&found[low]), key_of(&found[low + (high - low) / 2]),
                                  key_of(&found[high - 1]));
        size_t i = low;
        size_t j = high - 1;
        for (;;) { /* the pivot's value is among them, so neither side runs out */
            while (key_of(&found[i]) < pivot) {
                i++;
            }
            while (key_of(&found[j]) > pivot) {
                j--;
            }
            if (i >= j) {
                break;
            }
            struct found swap = found[i];
            found[i++] = found[j];
            found[j--] = swap;
        }
        size_t after = i == j ? i + 1 : i; /* left of i: at most the pivot; from here: at least */
        if (keep < i) {
            high = i;
        } else if (keep > after) {
            low = after;
        } else {
            return;
        }
    }
}
