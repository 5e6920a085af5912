#ifndef QUANT_REF_GRID_FIT_H
#define QUANT_REF_GRID_FIT_H

/* Super-blocks of the codebook types: 256 values in 32 octets, a 4-bit scale for every few of
 * them, one F16 scale for all. */

#include "quant/codec.h"
#include "quant/ref/grid_scan.h"

#include <stdint.h>

struct grid_fit {
    uint16_t d;            /* F16 */
    uint8_t scale[16];     /* of each run */
    uint16_t entry[32][2]; /* of each octet; the second where entries have four values */
    uint8_t signs[32];
};

/* x ~ d * unit * (scale + 1/2) * entry: the fit of least error with weights w, near enough. */
void grid_fit(struct grid_fit *f, const struct grid *g, const float *x, const float *w,
              enum codec_effort effort);

#endif /* QUANT_REF_GRID_FIT_H */
