#ifndef QUANT_REF_GRID_SCAN_H
#define QUANT_REF_GRID_SCAN_H

/* The search through a codebook. Eight values share a byte of signs: an octet, of one entry
 * (eight magnitudes) or two (four each). With weights w the gain of an octet at scale s is
 * 2 s a - s^2 b, where a = sum w |x| g and b = sum w g^2 depend on its entries alone: both are
 * computed for every entry, and the best entries at a few scales are found at once. Each of them
 * is a candidate at every other scale. */

#include "quant/grids.h"
#include "quant/ref/trit_scan.h"

#include <stdint.h>

enum { GRID_MOST = 1024, GRID_FLAT = 512, GRID_CANDIDATES = 4, GRID_OCTETS = 32 };

/* A codebook as the loops want it. */
struct grid {
    int entries, dim; /* dim: values in an entry */
    int even;         /* an octet must have an even number of signs */
    float unit;       /* a run's scale is d * unit * (index + 1/2) */
    float middle;     /* the best scale of most runs, times the values' root mean square */
    int run;          /* octets that share an index */
    int looks;        /* without the codebook, where weights are uneven: 16, 32 or 48 */
    float ratio;      /* of one look's scale to the next */
    int scales;       /* indices of a run that every entry is tried at: 4, 2 or 1 */
    const uint16_t *digits;
    const struct grid_levels *levels;
    const struct trit_book *book; /* of more than GRID_FLAT entries, with all signs; else NULL */
    /* Up to GRID_FLAT entries, sixteen at a time in `dim` rows: values 2 k and 2 k + 1 as 16-bit
     * parts in row 2 k, their squares in row 2 k + 1. */
    _Alignas(64) int32_t flat[GRID_FLAT * 8];
};

/* Expands the entries; the fields down to `book` are set. */
void grid_init(struct grid *g);

/* The candidates for an octet, g->scales of them. */
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

/* o: the best entries at each of s[g->scales], counted exactly where s[g->scales / 2] is near
 * the best scale. */
void grid_scan(struct octet *o, const struct grid *g, const struct octet_values *v, const float *s);

/* The same of all octets together, where there is a book: o[32], from 256 of x, w and p and 32
 * bytes of signs; scale[i] are those of octet i. */
void grid_scan_book(struct octet *o, const struct grid *g, const struct octet_values *v,
                    const uint8_t *signs, float scale[][GRID_CANDIDATES]);

#endif /* QUANT_REF_GRID_SCAN_H */
