/* Checksums of everything we put on disk: XXH3 with 64 bits, from libxxhash. Finds accidents, not
 * attackers. Stateless. */
#include "storage/base/checksum.h"

#include <xxhash.h>

uint64_t checksum64(struct slice bytes)
{
    return XXH3_64bits(bytes.data, bytes.size);
}

uint64_t checksum64_seeded(struct slice bytes, uint64_t seed)
{
    return XXH3_64bits_withSeed(bytes.data, bytes.size, seed);
}
