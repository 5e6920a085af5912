#ifndef QUANT_KERN_KERN_ISA_H
#define QUANT_KERN_KERN_ISA_H

/* What the kernel files share: one init per instruction set, called in rising
 * order by kern_init, and the layout of packed activation rows. */

#include "quant/half.h"
#include "quant/kern.h"

#include <float.h>
#include <math.h>
#include <stddef.h>
#include <stdint.h>

/* The definition of every kernel. */
void kern_init_scalar(struct kern *k);
/* Parts of kern_init_scalar, by file. */
void kern_init_scalar_ints(struct kern *k);
void kern_init_scalar_gemm(struct kern *k);
void kern_init_scalar_attn(struct kern *k);
void kern_init_scalar_soft(struct kern *k);

/* Parts of the wider ones: which instructions a file may use is in its name. */
void kern_init_avx2_dec(struct kern *k);
void kern_init_avx2_ops(struct kern *k);
void kern_init_avx2_attn(struct kern *k);
void kern_init_avx2_soft(struct kern *k);
void kern_init_avx2_gemm(struct kern *k);
void kern_init_avx2_vec(struct kern *k);
void kern_init_avx512_dec(struct kern *k);
void kern_init_avx512_ops(struct kern *k);
void kern_init_avx512_attn(struct kern *k);
void kern_init_avx512_soft(struct kern *k);
void kern_init_avx512_gemm(struct kern *k);
void kern_init_avx512_vec(struct kern *k);
void kern_init_avx512_int16(struct kern *k);
void kern_init_amx_gemm(struct kern *k);

#define KERN_GELU_TANH 1.59576912160573071F /* 2 sqrt(2 / pi) */
#define KERN_EXP_RANGE 87.0F /* exp(-87) is a normal float; below, a weight counts as 0 */
#define KERN_GELU_ERF  0.70710678118654752F /* sqrt(1 / 2) */

/* exp(x) = 2^n exp(r), n = round(x / ln 2), |r| <= ln 2 / 2: 1 + r + r^2 (c2 + c3 r + ...) has
 * the least relative error, 3e-9, in F64; in F32 the whole is within 0.7 ulp. */
#define KERN_LOG2_E   1.44269504088896341F
#define KERN_LN2_HIGH 0.693145751953125F /* 15 bits: n times it is exact */
#define KERN_LN2_LOW  1.42860682030941723e-6F
#define KERN_EXP_2    0.4999999403953552F
#define KERN_EXP_3    0.1666652113199234F
#define KERN_EXP_4    0.04166838899254799F
#define KERN_EXP_5    0.0083687175065279F
#define KERN_EXP_6    0.0013814594130963087F

/* A row of activations in 16 bits: x[i] ~ d[i / 32] * q[i], q in -32767 .. 32767. The
 * arrays lie one after another: q[k], d[k / 32], sum[k / 32] (of d q: what a minimum of
 * the weights is multiplied by). */
struct act16 {
    int16_t *q;
    float *d, *sum;
};

/* Where the arrays of a packed row of k values are; k a multiple of 32. */
static inline struct act16 act16_at(void *p, size_t k)
{
    int16_t *q = p;
    float *d = (float *)(void *)(q + k);

    return (struct act16){.q = q, .d = d, .sum = d + k / 32};
}

static inline size_t act16_bytes(size_t k)
{
    return k * sizeof(int16_t) + k / 32 * 2 * sizeof(float);
}

/* What 32 values are multiplied by to become q; most: the bits of the largest |x|. Values
 * too small to have a factor count as 0; one that is infinite or no number makes *d, and so
 * the product, no number. */
static inline float act16_factor(float *d, uint32_t most)
{
    const float max = f32_from_bits(most);

    *d = max <= FLT_MAX ? max / 32767 : NAN;
    return max >= 0x1p-100F && max <= FLT_MAX ? 32767 / max : 0;
}

#endif /* QUANT_KERN_KERN_ISA_H */
