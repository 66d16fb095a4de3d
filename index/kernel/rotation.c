/* The random rotation of rotation.h.
 *
 * A Hadamard transform spreads each value over all that it covers; sign flips before it make the
 * outcome random. Dimensions that are no power of two get transforms that overlap, and 45 degree
 * turns between value i and value i + dim / 2, so that four rounds mix everything with everything.
 * Each step is orthogonal, and is its own inverse but for the order. No threads, no failures.
 */
#include "index/kernel/rotation.h"

#include "index/kernel/codes.h"
#include "storage/base/mem.h"
#include "storage/base/random.h"

enum { ROUNDS_POWER = 3, ROUNDS_OTHER = 4 };

void rotation_init(struct rotation *rotation, size_t dim, uint64_t seed)
{
    rotation->dim = dim;
    rotation->power = 1;
    while (rotation->power * 2 <= dim) {
        rotation->power *= 2;
    }
    rotation->rounds = rotation->power == dim ? ROUNDS_POWER : ROUNDS_OTHER;
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

void rotation_apply(const struct rotation *rotation, float *values)
{
    for (uint32_t round = 0; round < rotation->rounds; round++) {
        code_multiply(values, rotation->signs + round * rotation->dim, rotation->dim);
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
        code_multiply(values, rotation->signs + round * rotation->dim, rotation->dim);
    }
}
