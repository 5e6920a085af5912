#ifndef QUANT_REF_GRID_PREFIX_H
#define QUANT_REF_GRID_PREFIX_H

/* A large codebook of eight values, entries that end alike together, which is how they are
 * sorted. What the last half of an entry comes to, and the most that any other half adds, say which
 * entries are worth a look: those with three or four of some eighty last halves, mostly. */

#include "quant/ref/grid_scan.h"

#include <stdint.h>

enum { GRID_HALVES = 96 };

/* Halves of entries: two values as the 16-bit parts of a number in rows 0 and 2, their squares
 * in rows 1 and 3. */
struct grid_prefix {
    int lasts; /* how many distinct last halves, more than 64; the last one is repeated */
    _Alignas(64) int32_t last[4][GRID_HALVES];
    /* The other halves of all entries; those that end with last half f are [at[f], at[f + 1]). */
    uint16_t at[GRID_HALVES + 1];
    _Alignas(64) int32_t rest[4][GRID_MOST + 16];
};

/* What the loops look for: sums with p and q at each of `scales` scales. */
struct wanted {
    const int16_t *p, *q;
    int center, scales;
    const float *scale;
};

/* g->prefix from g->digits. */
void grid_prefix_init(const struct grid *g);

/* best[j]: the entry of greatest a - scale[j] b - center, for a and b with the numbers p and q. */
void grid_prefix_best(int *best, const struct grid *g, const struct wanted *w);

#endif /* QUANT_REF_GRID_PREFIX_H */
