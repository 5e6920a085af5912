#ifndef QUANT_KERN_SUPERS_AVX2_H
#define QUANT_KERN_SUPERS_AVX2_H

/* The scales and minima of a super-block of eight runs, all at once: run by run
 * (quant/kern/runs_avx2.h) they take longer than the products. */

#include "quant/kern/runs_avx2.h"

struct scales {
    __m256 s[2]; /* of 16 values each */
    __m256 min;  /* of 32 */
};

typedef struct scales scales_fn(const void *block);

/* 8 values, each twice. */
KERN_INLINE void scales_twice(__m256 to[2], __m256 v)
{
    const __m256 lo = _mm256_unpacklo_ps(v, v), hi = _mm256_unpackhi_ps(v, v);

    to[0] = _mm256_permute2f128_ps(lo, hi, 0x20);
    to[1] = _mm256_permute2f128_ps(lo, hi, 0x31);
}

/* d times eight bytes. */
KERN_INLINE __m256 scales_of_8(uint16_t d, uint64_t bytes)
{
    const __m256i v = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes));

    return _mm256_mul_ps(_mm256_set1_ps(_cvtsh_ss(d)), _mm256_cvtepi32_ps(v));
}

/* As quant/ref/k_scales.h, four bytes at a time. */
KERN_INLINE struct scales scales_k(uint16_t d, uint16_t dmin, const uint8_t b[12])
{
    uint32_t u[3];
    struct scales out;

    memcpy(u, b, sizeof(u));
    const uint32_t s_hi = (u[2] & 0x0f0f0f0fU) | (u[0] >> 2 & 0x30303030U);
    const uint32_t m_hi = (u[2] >> 4 & 0x0f0f0f0fU) | (u[1] >> 2 & 0x30303030U);
    scales_twice(out.s, scales_of_8(d, (u[0] & 0x3f3f3f3fU) | (uint64_t)s_hi << 32));
    out.min = scales_of_8(dmin, (u[1] & 0x3f3f3f3fU) | (uint64_t)m_hi << 32);
    return out;
}

KERN_INLINE struct scales scales_q4_k(const void *block)
{
    const struct block_q4_k *b = block;

    return scales_k(b->d, b->dmin, b->scales);
}

KERN_INLINE struct scales scales_q5_k(const void *block)
{
    const struct block_q5_k *b = block;

    return scales_k(b->d, b->dmin, b->scales);
}

KERN_INLINE struct scales scales_q6_k(const void *block)
{
    const struct block_q6_k *b = block;
    const __m256 d = _mm256_set1_ps(_cvtsh_ss(b->d));
    const __m128i s = _mm_loadu_si128((const __m128i *)(const void *)b->scales);
    const __m256i lo = _mm256_cvtepi8_epi32(s), hi = _mm256_cvtepi8_epi32(_mm_srli_si128(s, 8));

    return (struct scales){
        {_mm256_mul_ps(d, _mm256_cvtepi32_ps(lo)), _mm256_mul_ps(d, _mm256_cvtepi32_ps(hi))},
        _mm256_setzero_ps()
    };
}

/* Those times the activations' scales d[8] and sums sum[8]: factors of 16 values each to
 * f[2]; returns mins plus what the minima make of the sums. */
KERN_INLINE __m256 scales_meet(__m256 f[2], struct scales s, const float *d, const float *sum,
                               __m256 mins)
{
    scales_twice(f, _mm256_loadu_ps(d));
    f[0] = _mm256_mul_ps(f[0], s.s[0]);
    f[1] = _mm256_mul_ps(f[1], s.s[1]);
    return _mm256_fmadd_ps(s.min, _mm256_loadu_ps(sum), mins);
}

#endif /* QUANT_KERN_SUPERS_AVX2_H */
