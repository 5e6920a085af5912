#ifndef QUANT_REF_IQ1_FIT_H
#define QUANT_REF_IQ1_FIT_H

/* The search behind IQ1_S and IQ1_M: 256 values in octets, x ~ d * (2 s + 1) * (entry + delta),
 * entry of the codebook (quant/grid_iq1.h), delta +-1/8. A run of octets shares s, and with
 * IQ1_S delta too. */

#include "quant/codec.h"

#include <stdint.h>

enum { IQ1_OCTETS = 32 };

struct iq1_fit {
    uint16_t d;                 /* F16; 0: all values are zero */
    uint8_t s[IQ1_OCTETS];      /* 0 .. 7, alike within a run */
    uint8_t minus[IQ1_OCTETS];  /* delta is negative */
    uint16_t entry[IQ1_OCTETS]; /* index into the codebook */
};

/* run: octets that share s, 4 (IQ1_S: delta too) or 2. w: weights of the squared errors. */
void iq1_fit(struct iq1_fit *f, const float x[256], const float w[256], int run,
             enum codec_effort effort);

/* dst[8] = scale * (entry + delta) */
void iq1_octet(float dst[8], float scale, unsigned entry, int minus);

#endif /* QUANT_REF_IQ1_FIT_H */
