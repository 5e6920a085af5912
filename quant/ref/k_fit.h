#ifndef QUANT_REF_K_FIT_H
#define QUANT_REF_K_FIT_H

/* The search behind Q4_K and Q5_K: 256 values in eight runs of 32,
 * x ~ (d * s) * code - dmin * m. */

#include "quant/ref/search.h"

#include <stdint.h>

struct k_fit {
    uint16_t d, dmin;   /* F16 */
    uint8_t s[8], m[8]; /* 6 bits, of each run */
    int8_t code[256];
};

/* w: weights of the squared errors; codes reach from 0 to max_code. */
void k_fit(struct k_fit *f, const float *x, const float *w, int max_code, enum srch_effort effort);

#endif /* QUANT_REF_K_FIT_H */
