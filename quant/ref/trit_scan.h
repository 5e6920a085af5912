#ifndef QUANT_REF_TRIT_SCAN_H
#define QUANT_REF_TRIT_SCAN_H

/* The best entries of a codebook whose eight values have three levels each, in 32 lanes: a lane
 * is an octet at some scale.
 *
 * The error of an entry is a sum over its values, and each of those only asks for the best of
 * three digits. So what the two halves of an octet lose to their best digits is worked out for
 * all 81 patterns, and an entry loses the sum of two of those. All in small whole numbers,
 * 32 lanes wide: any processor's vectors give the same. */

#include "quant/grid_iq1.h"

#include <stdint.h>

enum { TRIT_LANES = 32 };

/* Entries by their first halves, as quant/grid_iq1.h has them; the digits stand for the levels
 * -1, 0 and top. */
struct trit_book {
    const uint16_t *start, *entry;
    const uint8_t *second;
    float top;
};

struct trit_scan {
    const struct trit_book *book;
    int16_t first[GRID_IQ1_HALVES][TRIT_LANES];  /* losses of first halves */
    int16_t second[GRID_IQ1_HALVES][TRIT_LANES]; /* and of second ones */
    int16_t least[TRIT_LANES];                   /* loss of the best entry */
    int16_t half[TRIT_LANES];                    /* its first half */
    float err[TRIT_LANES];                       /* its weighted squared error, nearly */
};

/* `each` lanes an octet, 1, 2 or 4: lane l is octet l % (32 / each) at scale[l], and there
 * x ~ scale * (offset + level). x, w: the octets' values, not all w of an octet 0. */
void trit_scan(struct trit_scan *s, const struct trit_book *book, int each, const float *x,
               const float *w, const float scale[TRIT_LANES], const float offset[TRIT_LANES]);

/* The best entry of a lane. */
unsigned trit_scan_entry(const struct trit_scan *s, int lane);

#endif /* QUANT_REF_TRIT_SCAN_H */
