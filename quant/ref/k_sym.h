#ifndef QUANT_REF_K_SYM_H
#define QUANT_REF_K_SYM_H

/* The search behind Q3_K and Q6_K: 256 values in sixteen runs, x ~ (d * s) * code with
 * codes and s around zero. */

#include "quant/codec.h"
#include "quant/ref/search.h"

#include <stdint.h>

struct k_sym {
    uint16_t d;   /* F16 */
    int8_t s[16]; /* of each run */
    int8_t code[256];
};

/* w: weights of the squared errors, srch_ones where all are alike. */
void q3_k_fit(struct k_sym *f, const float *x, const float *w, enum codec_effort effort);
void q6_k_fit(struct k_sym *f, const float *x, const float *w, enum codec_effort effort);

#endif /* QUANT_REF_K_SYM_H */
