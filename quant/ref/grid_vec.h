#ifndef QUANT_REF_GRID_VEC_H
#define QUANT_REF_GRID_VEC_H

/* What quant/vec.h lacks for loops over the entries of a codebook: 16-bit halves of the lanes.
 * The plain versions are the definition. */

#include "quant/vec.h"

#if defined(__AVX2__)
#include <immintrin.h>
#endif

/* Which of them the machine's instructions do: for vectors of 16, of 8. */
#if defined(__AVX512BW__)
#define GRID_VEC_16 1
#elif defined(__AVX2__) && !defined(__AVX512F__)
#define GRID_VEC_8 1
#endif

#if defined(GRID_VEC_16)

#define ivec_dot16(a, b)   ((ivec)_mm512_madd_epi16((__m512i)(a), (__m512i)(b)))
#define ivec_mul16(a, b)   ((ivec)_mm512_mullo_epi16((__m512i)(a), (__m512i)(b)))
#define ivec_mulhi16(a, b) ((ivec)_mm512_mulhi_epi16((__m512i)(a), (__m512i)(b)))
#define ivec_min16(a, b)   ((ivec)_mm512_min_epi16((__m512i)(a), (__m512i)(b)))
#define ivec_left16(a, n)  ((ivec)_mm512_slli_epi16((__m512i)(a), n))

#elif defined(GRID_VEC_8)

#define ivec_dot16(a, b)   ((ivec)_mm256_madd_epi16((__m256i)(a), (__m256i)(b)))
#define ivec_mul16(a, b)   ((ivec)_mm256_mullo_epi16((__m256i)(a), (__m256i)(b)))
#define ivec_mulhi16(a, b) ((ivec)_mm256_mulhi_epi16((__m256i)(a), (__m256i)(b)))
#define ivec_min16(a, b)   ((ivec)_mm256_min_epi16((__m256i)(a), (__m256i)(b)))
#define ivec_left16(a, n)  ((ivec)_mm256_slli_epi16((__m256i)(a), n))

#else

/* The halves of each lane as numbers, and back. */
INLINE ivec ivec_low16(ivec v)
{
    return (v << 16) >> 16;
}

INLINE ivec ivec_halves16(ivec low, ivec high)
{
    return (low & 0xffff) | high << 16;
}

/* Sum of both products. */
INLINE ivec ivec_dot16(ivec a, ivec b)
{
    return ivec_low16(a) * ivec_low16(b) + (a >> 16) * (b >> 16);
}

/* Each product, its low bits. */
INLINE ivec ivec_mul16(ivec a, ivec b)
{
    return ivec_halves16(ivec_low16(a) * ivec_low16(b), (a >> 16) * (b >> 16));
}

/* Each product, its upper 16 bits. */
INLINE ivec ivec_mulhi16(ivec a, ivec b)
{
    return ivec_halves16((ivec_low16(a) * ivec_low16(b)) >> 16, ((a >> 16) * (b >> 16)) >> 16);
}

INLINE ivec ivec_min16(ivec a, ivec b)
{
    return ivec_halves16(ivec_min(ivec_low16(a), ivec_low16(b)), ivec_min(a >> 16, b >> 16));
}

#define ivec_left16(a, n) ivec_halves16(ivec_low16(a) << (n), ((a) >> 16) << (n))

#endif

INLINE ivec ivec_load(const int32_t *p)
{
    ivec v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* 0, 1, 2 .. */
INLINE ivec ivec_count(void)
{
    static const int32_t count[VEC_ALL] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};

    return ivec_load(count);
}

/* two[0] and two[1] in every lane. */
INLINE ivec ivec_pair(const int16_t *two)
{
    return ivec_all((int32_t)((uint32_t)(uint16_t)two[0] | (uint32_t)(uint16_t)two[1] << 16));
}

/* v, a mark in place of its last bits, those of `mask`. */
INLINE vec vec_mark(vec v, int32_t mask, ivec mark)
{
#if defined(GRID_VEC_16)
    return (vec)_mm512_ternarylogic_epi32((__m512i)v, (__m512i)ivec_all(mask), (__m512i)mark, 0xba);
#else
    return (vec)(((ivec)v & ~mask) | mark);
#endif
}

/* The greatest of VEC numbers, whatever the order. */
INLINE float vec_most(vec v)
{
#if defined(GRID_VEC_16)
    return _mm512_reduce_max_ps(v);
#elif defined(GRID_VEC_8)
    __m128 m = _mm_max_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    m = _mm_max_ps(m, _mm_movehl_ps(m, m));
    return _mm_cvtss_f32(_mm_max_ss(m, _mm_movehdup_ps(m)));
#else
    float a[VEC], most;
    vec_store(a, v);
    most = a[0];
    for (int i = 1; i < VEC; i++)
        most = a[i] > most ? a[i] : most;
    return most;
#endif
}

/* The greatest numbers of four vectors. */
INLINE void vec_most_four(float out[4], const vec m[4])
{
#if defined(GRID_VEC_16) || defined(GRID_VEC_8)
    __m128 a[4];
    for (int j = 0; j < 4; j++) {
#if defined(GRID_VEC_16)
        const __m256 half =
            _mm256_max_ps(_mm512_castps512_ps256(m[j]), _mm512_extractf32x8_ps(m[j], 1));
#else
        const __m256 half = m[j];
#endif
        a[j] = _mm_max_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    }
    _MM_TRANSPOSE4_PS(a[0], a[1], a[2], a[3]);
    _mm_storeu_ps(out, _mm_max_ps(_mm_max_ps(a[0], a[1]), _mm_max_ps(a[2], a[3])));
#else
    for (int j = 0; j < 4; j++)
        out[j] = vec_most(m[j]);
#endif
}

/* The greatest numbers of n vectors, up to four. */
INLINE void vec_most_of(float out[4], const vec *m, int n)
{
    if (n == 4)
        vec_most_four(out, m);
    else
        for (int j = 0; j < n; j++)
            out[j] = vec_most(m[j]);
}

/* The marks of the greatest numbers of n vectors, up to four. */
INLINE void vec_marks(int *out, const vec *m, int n, int mask)
{
    float most[4];

    vec_most_of(most, m, n);
    for (int j = 0; j < n; j++) {
        int32_t bits;
        memcpy(&bits, &most[j], sizeof(bits));
        out[j] = bits & mask;
    }
}

/* Bit i: a[i] > b[i]. */
INLINE unsigned vec_above(vec a, vec b)
{
#if defined(GRID_VEC_16)
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
#elif defined(GRID_VEC_8)
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
#else
    const ivec m = a > b;
    unsigned bits = 0;
    for (int i = 0; i < VEC; i++)
        bits |= (unsigned)(m[i] & 1) << i;
    return bits;
#endif
}

#endif /* QUANT_REF_GRID_VEC_H */
