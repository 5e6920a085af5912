#ifndef QUANT_REF_K_SCALES_H
#define QUANT_REF_K_SCALES_H

/* The twelve bytes of Q4_K and Q5_K that hold eight 6-bit scales and minima:
 * k < 4:  s = b[k] & 63, m = b[k + 4] & 63
 * k >= 4: low halves in b[k + 4], upper bits on top of b[k - 4] and b[k]. */

#include <stdint.h>

static inline void k_scales_get(uint8_t s[8], uint8_t m[8], const uint8_t b[12])
{
    for (int k = 0; k < 4; k++) {
        s[k] = b[k] & 63;
        m[k] = b[k + 4] & 63;
        s[k + 4] = (uint8_t)((b[k + 8] & 15) | (b[k] >> 6) << 4);
        m[k + 4] = (uint8_t)(b[k + 8] >> 4 | (b[k + 4] >> 6) << 4);
    }
}

static inline void k_scales_put(uint8_t b[12], const uint8_t s[8], const uint8_t m[8])
{
    for (int k = 0; k < 4; k++) {
        b[k] = (uint8_t)(s[k] | (s[k + 4] >> 4) << 6);
        b[k + 4] = (uint8_t)(m[k] | (m[k + 4] >> 4) << 6);
        b[k + 8] = (uint8_t)((s[k + 4] & 15) | (m[k + 4] & 15) << 4);
    }
}

#endif /* QUANT_REF_K_SCALES_H */
