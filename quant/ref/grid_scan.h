#ifndef QUANT_REF_GRID_SCAN_H
#define QUANT_REF_GRID_SCAN_H

/* The search through a codebook. Eight values share a byte of signs: an octet, of one entry
 * (eight magnitudes) or two (four each). With weights w the gain of an octet at scale s is
 * 2 s a - s^2 b, where a = sum w |x| g and b = sum w g^2 depend on its entries alone: both are
 * computed once for all entries, and the best entries are looked up at many scales. Every one
 * of them is a candidate at every other scale. */

#include "quant/grids.h"

#include <stdint.h>

enum { GRID_MOST = 1024, GRID_SCALES = 16 };

/* A codebook as the loops want it: values 2k and 2k + 1 of entry e are the halves of
 * pair[k][e]. */
struct grid {
    int entries, dim; /* dim: values in an entry */
    int even;         /* an octet must have an even number of signs */
    int scales;       /* how many are tried: a multiple of 4 */
    float ratio;      /* between neighbouring scales */
    float middle;     /* the best scale of most runs, times the values' root mean square */
    float unit;       /* a run's scale is d * unit * (index + 1/2) */
    int run;          /* octets that share an index */
    float base;       /* the lowest level */
    int32_t pair[4][GRID_MOST];
};

/* What a type needs told of its codebook; the entries are expanded. */
void grid_init(struct grid *g, const uint16_t *digits, const struct grid_levels *l);

/* The candidates for an octet. */
struct octet {
    float a[GRID_SCALES], b[GRID_SCALES];
    uint16_t entry[GRID_SCALES][2];
    uint8_t signs[GRID_SCALES];
};

/* o: the best entries at each of s[count], a multiple of 4, best distinguished where s[count /
 * 2] is near the best scale; x, w: eight values and weights > 0. */
void grid_scan(struct octet *o, const struct grid *g, const float *x, const float *w,
               const float *s, int count);

#endif /* QUANT_REF_GRID_SCAN_H */
