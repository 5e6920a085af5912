#ifndef QUANT_VEC_H
#define QUANT_VEC_H

/* The machine's own vectors: VEC numbers, 16, 8 or 4 (compilers keep wider ones in memory).
 * Every version must give the same bits, so a result may not depend on VEC:
 * - candidates in lanes: loop over sixteen of them, VEC at a time; a lane never sees another;
 * - values in lanes: VEC_SUMS accumulators make sixteen sums, which vec_across adds by halves. */

#include "quant/wide.h"

#include <stddef.h>
#include <stdint.h>
#include <string.h>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512F__)
enum { VEC = 16 };
#elif defined(__AVX2__)
enum { VEC = 8 };
#else
enum { VEC = 4 };
#endif
enum { VEC_ALL = 16, VEC_SUMS = VEC_ALL / VEC };

typedef float vec __attribute__((vector_size(4 * VEC)));
typedef int32_t ivec __attribute__((vector_size(4 * VEC))); /* also what comparisons give */

/* Adding and subtracting 1.5 * 2^23 rounds |x| < 2^22 to a whole number, halves to even. */
#define VEC_ROUND 12582912.0F

INLINE vec vec_load(const float *p)
{
    vec v;

    memcpy(&v, p, sizeof(v));
    return v;
}

INLINE void vec_store(float *p, vec v)
{
    memcpy(p, &v, sizeof(v));
}

INLINE vec vec_all(float x)
{
    return x - (vec){0}; /* a broadcast, which keeps the sign of -0 */
}

INLINE ivec ivec_all(int32_t x)
{
    return x - (ivec){0};
}

/* The smaller and the greater in each lane. Compilers make two operations of a comparison. */
#if defined(__AVX512F__)
INLINE ivec ivec_min(ivec a, ivec b)
{
    return (ivec)_mm512_min_epi32((__m512i)a, (__m512i)b);
}

INLINE ivec ivec_max(ivec a, ivec b)
{
    return (ivec)_mm512_max_epi32((__m512i)a, (__m512i)b);
}
#elif defined(__AVX2__)
INLINE ivec ivec_min(ivec a, ivec b)
{
    return (ivec)_mm256_min_epi32((__m256i)a, (__m256i)b);
}

INLINE ivec ivec_max(ivec a, ivec b)
{
    return (ivec)_mm256_max_epi32((__m256i)a, (__m256i)b);
}
#else
INLINE ivec ivec_min(ivec a, ivec b)
{
    const ivec m = a < b;

    return (a & m) | (b & ~m);
}

INLINE ivec ivec_max(ivec a, ivec b)
{
    const ivec m = a > b;

    return (a & m) | (b & ~m);
}
#endif

/* m ? a : b, m all ones or zero in each lane. */
INLINE vec vec_pick(ivec m, vec a, vec b)
{
    return (vec)(((ivec)a & m) | ((ivec)b & ~m));
}

/* a > b ? a : b, and a < b ? a : b: of two zeros, b. */
INLINE vec vec_max(vec a, vec b)
{
#if defined(__AVX512F__)
    return (vec)_mm512_max_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vec)_mm256_max_ps((__m256)a, (__m256)b);
#else
    return vec_pick(a > b, a, b);
#endif
}

INLINE vec vec_min(vec a, vec b)
{
#if defined(__AVX512F__)
    return (vec)_mm512_min_ps((__m512)a, (__m512)b);
#elif defined(__AVX2__)
    return (vec)_mm256_min_ps((__m256)a, (__m256)b);
#else
    return vec_pick(a < b, a, b);
#endif
}

/* a / b, 0 where b is 0 */
INLINE vec vec_ratio(vec a, vec b)
{
    return vec_pick(b == (vec){0}, (vec){0}, a / b);
}

/* A bound for vec_code: a whole number plus VEC_ROUND. */
INLINE ivec vec_bound(int code)
{
    return (ivec)vec_all(VEC_ROUND + (float)code);
}

/* The nearest whole number in [lo, hi], which vec_bound made: such numbers compare as their
 * bits do. Larger numbers come out large enough to be clamped. */
INLINE vec vec_code(vec v, ivec lo, ivec hi)
{
    return (vec)ivec_min(ivec_max((ivec)(v + VEC_ROUND), lo), hi) - VEC_ROUND;
}

/* A number as an integer that compares as it does, but for -0 < 0; and back. */
INLINE ivec vec_order(vec v)
{
    const ivec bits = (ivec)v;

    return bits ^ ((bits >> 31) & 0x7fffffff);
}

INLINE float vec_unorder(int32_t key)
{
    float f;

    key ^= (key >> 31) & 0x7fffffff;
    memcpy(&f, &key, sizeof(f));
    return f;
}

/* The sum of sixteen, by halves. */
INLINE float vec_across(const vec s[VEC_SUMS])
{
#if defined(__AVX2__)
#if defined(__AVX512F__)
    const __m256 eight = _mm512_castps512_ps256((__m512)s[0]) +
                         _mm256_castpd_ps(_mm512_extractf64x4_pd((__m512d)s[0], 1));
#else
    const __m256 eight = (__m256)(s[0] + s[1]);
#endif
    __m128 four = _mm256_castps256_ps128(eight) + _mm256_extractf128_ps(eight, 1);
    four += _mm_movehl_ps(four, four);
    return _mm_cvtss_f32(four + _mm_movehdup_ps(four));
#else
    float a[VEC_ALL];

    memcpy(a, s, sizeof(a));
    for (int half = VEC_ALL / 2; half; half /= 2)
        for (int j = 0; j < half; j++)
            a[j] += a[j + half];
    return a[0];
#endif
}

/* Sum of products, sixteen sums at a time; n beyond a multiple of 16 goes to the first. */
INLINE float vec_dot(const float *a, const float *b, size_t n)
{
    vec s[VEC_SUMS] = {{0}};
    size_t i = 0;

    for (; i + VEC_ALL <= n; i += VEC_ALL)
        for (int k = 0; k < VEC_SUMS; k++)
            s[k] += vec_load(a + i + k * VEC) * vec_load(b + i + k * VEC);
    for (; i < n; i++)
        s[0][0] += a[i] * b[i];
    return vec_across(s);
}

/* The greatest of VEC_ALL whole numbers. */
INLINE int32_t ivec_greatest(const ivec v[VEC_SUMS])
{
    int32_t a[VEC_ALL];

    memcpy(a, v, sizeof(a));
    for (int half = VEC_ALL / 2; half; half /= 2)
        for (int j = 0; j < half; j++)
            a[j] = a[j] > a[j + half] ? a[j] : a[j + half];
    return a[0];
}

/* The least and the greatest of n values, a multiple of VEC_ALL. */
INLINE void vec_bounds(float *least, float *greatest, const float *x, size_t n)
{
    ivec lo[VEC_SUMS], hi[VEC_SUMS];

    for (int k = 0; k < VEC_SUMS; k++)
        lo[k] = hi[k] = vec_order(vec_load(x + k * VEC));
    for (size_t i = VEC_ALL; i < n; i += VEC_ALL)
        for (int k = 0; k < VEC_SUMS; k++) {
            const ivec key = vec_order(vec_load(x + i + k * VEC));
            lo[k] = ivec_min(lo[k], key);
            hi[k] = ivec_max(hi[k], key);
        }
    for (int k = 0; k < VEC_SUMS; k++)
        lo[k] = ~lo[k];
    *least = vec_unorder(~ivec_greatest(lo));
    *greatest = vec_unorder(ivec_greatest(hi));
}

/* Which of sixteen gains >= 0 is the greatest (NaN counts as 0); of those equal in their
 * first twenty bits the first: less is the noise of F32 sums. */
INLINE int vec_best(const float gain[VEC_ALL])
{
    ivec key[VEC_SUMS], lane;
    int32_t number[VEC_ALL] = {15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0};

    for (int k = 0; k < VEC_SUMS; k++) {
        const vec g = vec_load(gain + k * VEC);
        memcpy(&lane, number + k * VEC, sizeof(lane));
        key[k] = (((ivec)g & (g >= 0.0F)) & ~15) | lane;
    }
    return 15 - (ivec_greatest(key) & 15);
}

#endif /* QUANT_VEC_H */
