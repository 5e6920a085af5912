#ifndef RUNTIME_RNG_H
#define RUNTIME_RNG_H

/* Random numbers that are the same everywhere: xoshiro256++, seeded by splitmix64.
 * Source: Blackman and Vigna, "Scrambled linear pseudorandom number generators". */

#include <stdint.h>

struct rng {
    uint64_t s[4];
};

/* Equal seeds give equal streams. */
struct rng rng_init(uint64_t seed);
/* All 64 bits are random. */
uint64_t rng_u64(struct rng *r);
/* Uniform in [0, 1), 53 bits. */
double rng_unit(struct rng *r);

#endif /* RUNTIME_RNG_H */
