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

/* Writes the block that holds f. */
typedef void grid_pack_fn(void *block, const struct grid_fit *f);

/* Blocks of n values at dst, block_bytes each: x ~ d * unit * (scale + 1/2) * entry, the fit of
 * least error, near enough. Sets up g. */
void grid_encode(void *dst, size_t block_bytes, grid_pack_fn *pack, struct grid *g,
                 const float *src, size_t n, const struct codec_how *how);

#endif /* QUANT_REF_GRID_FIT_H */
