#ifndef QUANT_KERN_AVX512_H
#define QUANT_KERN_AVX512_H

/* What the AVX-512 kernels share.
 *
 * exp of 16 floats by glibc's libmvec (within 4 ulp), kept away from where its result
 * would be denormal or infinite: there it falls back to scalar code, and denormals
 * slow down whatever uses them. */

#include <immintrin.h>
#include <stddef.h>

/* The lanes that hold the first `left` values. */
static inline __mmask16 mask16(size_t left)
{
    return (__mmask16)(left < 16 ? (1U << left) - 1 : 0xffffU);
}

__m512 _ZGVeN16v_expf(__m512 x);

#define EXP_RANGE 87.0F /* exp(+-87) is a normal float */

/* exp(x) for x <= 0; 0 below -EXP_RANGE; NaN stays NaN. */
static inline __m512 exp_weight(__m512 x)
{
    const __m512 least = _mm512_set1_ps(-EXP_RANGE);
    const __mmask16 m = _mm512_cmp_ps_mask(x, least, _CMP_NLT_UQ);

    return _mm512_maskz_mov_ps(m, _ZGVeN16v_expf(_mm512_max_ps(least, x)));
}

/* exp(x), x first moved into +-EXP_RANGE. */
static inline __m512 exp_clamped(__m512 x)
{
    const __m512 most = _mm512_set1_ps(EXP_RANGE);

    x = _mm512_max_ps(_mm512_sub_ps(_mm512_setzero_ps(), most), _mm512_min_ps(most, x));
    return _ZGVeN16v_expf(x);
}

#endif /* QUANT_KERN_AVX512_H */
