/* Checksums of everything we put on disk: XXH3, 64 bits. */
#pragma once
#include "storage/base/slice.h"

#include <stdint.h>

uint64_t checksum64(struct slice bytes);
uint64_t checksum64_seeded(struct slice bytes,
                           uint64_t seed); /* chain: seed = checksum of what came before */
