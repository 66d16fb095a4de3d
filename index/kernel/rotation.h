/* A random rotation in O(dim log dim): rounds of random sign flips, a fast Hadamard transform of
 * the first or the last 2^k values in turn, and, where these do not cover all values, rotations by
 * 45 degrees between the halves (after RaBitQ, arXiv 2409.09913). Depends on dimension and seed
 * only. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rotation {
    size_t dim;
    size_t power; /* the largest power of two within dim */
    uint32_t rounds;
    uint64_t seed;
    float *signs; /* rounds x dim: 1 or -1; NULL: made anew from the seed at each use */
};
void rotation_init(struct rotation *rotation, size_t dim, uint64_t seed);
void rotation_deinit(struct rotation *rotation);
/* A rotation that keeps no signs and needs no deinit; not the one that rotation_init makes. */
struct rotation rotation_of(size_t dim, uint64_t seed);
size_t rotation_memory(const struct rotation *rotation);
/* In place; lengths stay. */
void rotation_apply(const struct rotation *rotation, float *values);
void rotation_revert(const struct rotation *rotation, float *values);
