#ifndef QUANT_REF_K_FIT_H
#define QUANT_REF_K_FIT_H

/* The search behind Q2_K, Q4_K and Q5_K: 256 values in runs,
 * x ~ (d * s) * code - dmin * m. */

#include "quant/codec.h"
#include "quant/ref/search.h"

#include <stdint.h>

struct k_fit {
    uint16_t d, dmin;     /* F16 */
    uint8_t s[16], m[16]; /* of each run */
    uint8_t code[256];
};

/* w: weights of the squared errors, srch_ones where all are alike. */
void q2_k_fit(struct k_fit *f, const float *x, const float *w, enum codec_effort effort);
void q4_k_fit(struct k_fit *f, const float *x, const float *w, enum codec_effort effort);
void q5_k_fit(struct k_fit *f, const float *x, const float *w, enum codec_effort effort);

#endif /* QUANT_REF_K_FIT_H */
