/* Pseudo-random numbers from a seed (xoshiro256++ by Blackman and Vigna); the operating system's
 * for secrets. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct random {
    uint64_t state[4];
};
void random_init(struct random *random, uint64_t seed);
uint64_t random_u64(struct random *random);
uint64_t random_below(struct random *random, uint64_t bound); /* 0..bound-1, bound > 0 */
double random_double(struct random *random);                  /* [0, 1) */
void random_os_bytes(void *out, size_t size);
