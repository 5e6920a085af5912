#ifndef QUANT_REF_GRID_PREFIX_H
#define QUANT_REF_GRID_PREFIX_H

/* A large codebook of eight values, entries that begin alike together. What the first half of
 * an entry comes to, and the most that any second half adds, say which entries are worth a look:
 * those with three or four of some eighty first halves, mostly. */

#include "quant/ref/grid_scan.h"

#include <stdint.h>

enum { GRID_HALVES = 96, GRID_BLOCKS = 112 };

/* Sixteen halves: two values as the 16-bit parts of a number in rows 0 and 2, their squares in
 * rows 1 and 3. */
struct grid_halves {
    _Alignas(64) int32_t row[4][16];
};

struct grid_prefix {
    /* The distinct first halves and second halves; repeated up to a multiple of 16. */
    int firsts, seconds;
    struct grid_halves first[GRID_HALVES / 16], second[GRID_HALVES / 16];
    /* The second halves of the entries that begin with first half f: blocks [at[f], end[f]), the
     * last entry repeated where there are less than sixteen. */
    uint16_t at[GRID_HALVES], end[GRID_HALVES];
    struct grid_halves rest[GRID_BLOCKS];
    _Alignas(64) int32_t entry[GRID_BLOCKS][16]; /* which they are */
};

/* g->prefix from g->digits. */
void grid_prefix_init(const struct grid *g);

/* best[j]: the entry of greatest a - s[j] b - center, for a and b with the numbers p and q. */
void grid_prefix_best(int best[GRID_CANDIDATES], const struct grid *g, const int16_t p[8],
                      const int16_t q[8], int center, const float s[GRID_CANDIDATES]);

#endif /* QUANT_REF_GRID_PREFIX_H */
