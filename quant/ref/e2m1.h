#ifndef QUANT_REF_E2M1_H
#define QUANT_REF_E2M1_H

/* The 4-bit floats of MXFP4 and NVFP4: sign, two bits of exponent, one of mantissa.
 * Source: OCP Microscaling formats 1.0. Code 8 is written as +0, as ggml decodes it. */

#include <math.h>
#include <stdint.h>

static const float e2m1_value[16] = {0, 0.5F,  1,  1.5F,  2,  3,  4,  6,
                                     0, -0.5F, -1, -1.5F, -2, -3, -4, -6};

/* The nearest code, of two the lower magnitude. */
static inline uint8_t e2m1_nearest(float x)
{
    const float a = fabsf(x);
    const int code = (a > 0.25F) + (a > 0.75F) + (a > 1.25F) + (a > 1.75F) + (a > 2.5F) +
                     (a > 3.5F) + (a > 5.0F);

    return (uint8_t)(code | (x < 0 && code ? 8 : 0));
}

#endif /* QUANT_REF_E2M1_H */
