#ifndef QUANT_REF_E2M1_H
#define QUANT_REF_E2M1_H

/* The 4-bit floats of MXFP4 and NVFP4: sign, two bits of exponent, one of mantissa.
 * Source: OCP Microscaling formats 1.0. Code 8 is written as +0, as ggml decodes it. */

#include "quant/vec.h"

#include <stdint.h>

static const float e2m1_value[16] = {0, 0.5F,  1,  1.5F,  2,  3,  4,  6,
                                     0, -0.5F, -1, -1.5F, -2, -3, -4, -6};

/* What the nearest number is less of: above these a magnitude takes the next step. Of two
 * equally near ones the lower. */
enum { E2M1_STEPS = 7 };
static const float e2m1_above[E2M1_STEPS] = {0.25F, 0.75F, 1.25F, 1.75F, 2.5F, 3.5F, 5.0F};
static const float e2m1_step[E2M1_STEPS] = {0.5F, 0.5F, 0.5F, 0.5F, 1, 1, 2};

/* The nearest magnitude of each a >= 0. */
INLINE vec e2m1_near(vec a)
{
    vec v = {0};

    for (int i = 0; i < E2M1_STEPS; i++)
        v += (vec)((a > e2m1_above[i]) & (ivec)vec_all(e2m1_step[i]));
    return v;
}

INLINE vec e2m1_magnitude(vec x)
{
    return (vec)((ivec)x & 0x7fffffff);
}

/* Weighted squared error of n values, a multiple of 16, with the scale s. */
INLINE float e2m1_error(const float *x, const float *w, size_t n, float s, float inverse)
{
    vec sum[VEC_SUMS] = {{0}};

    for (size_t i = 0; i < n; i += VEC_ALL)
        for (int k = 0; k < VEC_SUMS; k++) {
            const vec a = e2m1_magnitude(vec_load(x + i + k * VEC));
            const vec d = e2m1_near(a * inverse) * s - a;
            sum[k] += vec_load(w + i + k * VEC) * d * d;
        }
    return vec_across(sum);
}

/* The codes of n values, a multiple of 16. */
INLINE void e2m1_codes(uint8_t *code, const float *x, size_t n, float inverse)
{
    typedef uint8_t bytes __attribute__((vector_size(VEC)));

    for (size_t i = 0; i < n; i += VEC) {
        const vec v = vec_load(x + i), a = e2m1_magnitude(v) * inverse;
        ivec c = {0};
        for (int k = 0; k < E2M1_STEPS; k++)
            c -= (ivec)(a > e2m1_above[k]);
        c |= (v < 0.0F) & (c > 0) & 8;
        const bytes b = __builtin_convertvector(c, bytes);
        memcpy(code + i, &b, sizeof(b));
    }
}

#endif /* QUANT_REF_E2M1_H */
