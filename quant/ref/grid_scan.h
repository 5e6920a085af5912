#ifndef QUANT_REF_GRID_SCAN_H
#define QUANT_REF_GRID_SCAN_H

/* The search through a codebook. Eight values share a byte of signs: an octet, of one entry
 * (eight magnitudes) or two (four each). With weights w the gain of an octet at scale s is
 * 2 s a - s^2 b, where a = sum w |x| g and b = sum w g^2 depend on its entries alone: both are
 * computed for every entry, and the best entries at a few scales are found at once. Each of them
 * is a candidate at every other scale. */

#include "quant/grids.h"

#include <stdint.h>

enum { GRID_MOST = 1024, GRID_CANDIDATES = 4, GRID_HALVES = 96, GRID_BLOCKS = 112 };

/* Halves of sixteen entries: two values as the 16-bit parts of a number, and their squares, in
 * rows 2 k and 2 k + 1 for each pair k of values. */
struct grid_halves {
    _Alignas(64) int32_t row[4][16];
};

/* Half an entry: levels and their squares. */
struct grid_half {
    int16_t level[4], square[4];
};

enum { GRID_CODES = 256 }; /* a half's digits are at most eight bits */

/* A codebook as the loops want it: entries that begin alike are together. */
struct grid {
    int entries, dim; /* dim: values in an entry */
    int even;         /* an octet must have an even number of signs */
    float unit;       /* a run's scale is d * unit * (index + 1/2) */
    float middle;     /* the best scale of most runs, times the values' root mean square */
    int run;          /* octets that share an index */
    const uint16_t *digits;
    const struct grid_levels *levels;
    struct grid_half half[GRID_CODES]; /* by digits; only those that are used are set */
    /* The distinct first halves and second halves; repeated up to a multiple of 16. */
    int firsts, seconds;
    struct grid_halves first[GRID_HALVES / 16], second[GRID_HALVES / 16];
    /* The second halves of the entries that begin with first half f: blocks [at[f], end[f]),
     * the last entry repeated where there are less than sixteen. */
    uint16_t at[GRID_HALVES], end[GRID_HALVES];
    struct grid_halves rest[GRID_BLOCKS];
    _Alignas(64) int32_t entry[GRID_BLOCKS][16]; /* which they are */
};

/* Expands the entries; the fields above are set. */
void grid_init(struct grid *g);

/* The candidates for an octet. */
struct octet {
    float a[GRID_CANDIDATES], b[GRID_CANDIDATES];
    uint16_t entry[GRID_CANDIDATES][2];
    uint8_t signs[GRID_CANDIDATES];
};

/* Eight values. */
struct octet_values {
    const float *x, *w, *p; /* |x|, weights > 0, weights * |x| */
    unsigned signs;         /* bit i: value i is negative */
};

/* o: the best entries at each of s[GRID_CANDIDATES], distinguished best where s[GRID_CANDIDATES / 2] is near the best
 * scale. */
void grid_scan(struct octet *o, const struct grid *g, const struct octet_values *v,
               const float s[GRID_CANDIDATES]);

#endif /* QUANT_REF_GRID_SCAN_H */
