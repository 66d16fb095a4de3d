/* The random rotation of rotation.h.
 *
 * A Hadamard transform spreads each value over all that it covers; sign flips before it make the
 * outcome random. Dimensions that are no power of two get transforms that overlap, and 45 degree
 * turns between value i and value i + dim / 2, so that four rounds mix everything with everything.
 * Each step is orthogonal, and is its own inverse but for the order. Signs are a table, or 64 of
 * them come from one random number when they are needed. No threads, no failures.
 */
#include "index/kernel/rotation.h"

#include "index/kernel/codes.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

#include <string.h>

enum { ROUNDS_POWER = 3, ROUNDS_OTHER = 4 };

struct rotation rotation_of(size_t dim, uint64_t seed)
{
    struct rotation rotation = {.dim = dim, .power = 1, .seed = seed};
    while (rotation.power * 2 <= dim) {
        rotation.power *= 2;
    }
    rotation.rounds = rotation.power == dim ? ROUNDS_POWER : ROUNDS_OTHER;
    return rotation;
}

void rotation_init(struct rotation *rotation, size_t dim, uint64_t seed)
{
    *rotation = rotation_of(dim, seed);
    size_t count = rotation->rounds * dim;
    rotation->signs = mem_alloc(count * sizeof *rotation->signs);
    struct random random;
    random_init(&random, seed);
    for (size_t i = 0; i < count; i++) {
        rotation->signs[i] = random_u64(&random) >> 63 != 0 ? 1.0f : -1.0f;
    }
}

void rotation_deinit(struct rotation *rotation)
{
    mem_free(rotation->signs);
}

size_t rotation_memory(const struct rotation *rotation)
{
    return rotation->rounds * rotation->dim * sizeof *rotation->signs;
}

static float *window(const struct rotation *rotation, uint32_t round, float *values)
{
    return values + (round % 2 == 0 ? 0 : rotation->dim - rotation->power);
}

enum { BLOCK = 32 };

/* Flips the signs of those of 32 values whose bit is set. */
static inline void flip_block(uint32_t signs, float *values)
{
#define FOUR(i) 1u << (i), 2u << (i), 4u << (i), 8u << (i)
    static const uint32_t masks[BLOCK] = {FOUR(0),  FOUR(4),  FOUR(8),  FOUR(12),
                                          FOUR(16), FOUR(20), FOUR(24), FOUR(28)};
#undef FOUR
    uint32_t bits[BLOCK];
    memcpy(bits, values, sizeof bits);
    for (size_t i = 0; i < BLOCK; i++) {
        bits[i] ^= (signs & masks[i]) != 0 ? 0x80000000u : 0;
    }
    memcpy(values, bits, sizeof bits);
}

static void flip_signs(const struct rotation *rotation, uint32_t round, float *values)
{
    if (rotation->signs != NULL) {
        code_multiply(values, rotation->signs + round * rotation->dim, rotation->dim);
        return;
    }
    struct random random;
    random_init(&random, rotation->seed + round);
    uint64_t signs = 0;
    size_t at = 0;
    for (; at + BLOCK <= rotation->dim; at += BLOCK) {
        signs = at % (2 * BLOCK) == 0 ? random_u64(&random) : signs >> BLOCK;
        flip_block((uint32_t)signs, values + at);
    }
    signs = at % (2 * BLOCK) == 0 ? random_u64(&random) : signs >> BLOCK;
    for (size_t i = 0; at + i < rotation->dim; i++) {
        values[at + i] = (signs >> i & 1) != 0 ? -values[at + i] : values[at + i];
    }
}

void rotation_apply(const struct rotation *rotation, float *values)
{
    for (uint32_t round = 0; round < rotation->rounds; round++) {
        flip_signs(rotation, round, values);
        code_hadamard(window(rotation, round, values), rotation->power);
        if (rotation->power != rotation->dim) {
            code_turn_halves(values, rotation->dim);
        }
    }
}

void rotation_revert(const struct rotation *rotation, float *values)
{
    for (uint32_t round = rotation->rounds; round-- > 0;) {
        if (rotation->power != rotation->dim) {
            code_turn_halves(values, rotation->dim);
        }
        code_hadamard(window(rotation, round, values), rotation->power);
        flip_signs(rotation, round, values);
    }
}
