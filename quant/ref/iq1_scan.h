#ifndef QUANT_REF_IQ1_SCAN_H
#define QUANT_REF_IQ1_SCAN_H

/* The best entries of the codebook for eight octets at once, at two scales and with both
 * deltas each: lane 4 octet + 2 scale + (delta < 0).
 *
 * The error of an entry is a sum over its values, and each of those only asks for the best of
 * three digits. So what the two halves of an octet lose to their best digits is worked out for
 * all 81 patterns, and an entry loses the sum of two of those. All in small whole numbers,
 * 32 lanes wide: any processor's vectors give the same. */

#include "quant/grid_iq1.h"

#include <stdint.h>

enum {
    IQ1_LANES = 32,
    IQ1_EACH = 4,
    IQ1_AT_ONCE = IQ1_LANES / IQ1_EACH,
    IQ1_CHUNK = 8 * IQ1_AT_ONCE
};

#define IQ1_DELTA 0.125F

struct iq1_scan {
    int16_t first[GRID_IQ1_HALVES][IQ1_LANES];  /* losses of first halves */
    int16_t second[GRID_IQ1_HALVES][IQ1_LANES]; /* and of second ones */
    int16_t least[IQ1_LANES];                   /* loss of the best entry */
    int16_t half[IQ1_LANES];                    /* its first half */
    float err[IQ1_LANES];                       /* its weighted squared error, nearly */
};

/* x, w: 64 values, not all w of an octet 0. scale: > 0, of each lane. */
void iq1_scan(struct iq1_scan *s, const float x[IQ1_CHUNK], const float w[IQ1_CHUNK],
              const float scale[IQ1_LANES]);

/* The best entry of a lane. */
unsigned iq1_scan_entry(const struct iq1_scan *s, int lane);

#endif /* QUANT_REF_IQ1_SCAN_H */
