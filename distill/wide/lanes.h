#ifndef DISTILL_WIDE_LANES_H
#define DISTILL_WIDE_LANES_H

/* Rows of any length by vectors: what quant/vec.h lacks. Only the files beside this one see it. */

#include "quant/vec.h"

/* The first n < VEC values, the others 0; and writing only those. */
INLINE vec lane_load_part(const float *p, size_t n)
{
#if defined(__AVX512F__)
    return (vec)_mm512_maskz_loadu_ps((__mmask16)((1U << n) - 1), p);
#else
    float a[VEC] = {0};

    memcpy(a, p, n * sizeof(*a));
    return vec_load(a);
#endif
}

INLINE void lane_store_part(float *p, vec v, size_t n)
{
#if defined(__AVX512F__)
    _mm512_mask_storeu_ps(p, (__mmask16)((1U << n) - 1), (__m512)v);
#else
    float a[VEC];

    vec_store(a, v);
    memcpy(p, a, n * sizeof(*a));
#endif
}

INLINE vec lane_load(const float *p, size_t left)
{
    return left >= VEC ? vec_load(p) : lane_load_part(p, left);
}

INLINE void lane_store(float *p, vec v, size_t left)
{
    if (left >= VEC)
        vec_store(p, v);
    else
        lane_store_part(p, v, left);
}

/* The sum of the lanes, by halves. */
INLINE float lane_sum(vec v)
{
    const vec s[VEC_SUMS] = {v};

    return vec_across(s);
}

INLINE float lane_max(vec v)
{
#if defined(__AVX512F__)
    return _mm512_reduce_max_ps((__m512)v);
#else
    float a[VEC];

    vec_store(a, v);
    for (int half = VEC / 2; half; half /= 2)
        for (int j = 0; j < half; j++)
            a[j] = a[j] > a[j + half] ? a[j] : a[j + half];
    return a[0];
#endif
}

/* Neighbours trade places: lanes 1, 0, 3, 2 ... */
INLINE vec lane_swap(vec v)
{
#if defined(__AVX512F__)
    return (vec)_mm512_permute_ps((__m512)v, 0xb1);
#elif defined(__AVX2__)
    return (vec)_mm256_permute_ps((__m256)v, 0xb1);
#else
    return (vec){v[1], v[0], v[3], v[2]};
#endif
}

/* exp(x), x first moved into +-87, where e^x is a normal number: x = n ln 2 + r, and e^r by its
 * series to r^7, |r| <= ln 2 / 2: within 2 units of the last place. */
INLINE vec lane_exp(vec x)
{
    const vec top = vec_all(87.0F);
    const vec v = vec_min(vec_max(x, -top), top);
    const vec n = v * 1.44269504F + VEC_ROUND;
    const vec whole = n - VEC_ROUND;
    const vec r = (v - whole * 0.693359375F) - whole * -2.12194440e-4F;
    vec p = vec_all(1.0F / 5040);

    p = p * r + 1.0F / 720;
    p = p * r + 1.0F / 120;
    p = p * r + 1.0F / 24;
    p = p * r + 1.0F / 6;
    p = p * r + 0.5F;
    p = p * r * r + r + 1.0F;
    /* n's low bits hold the whole number; into the exponent with them */
    return (vec)((ivec)p + ((ivec)n << 23));
}

/* 1 / (1 + e^-x) */
INLINE vec lane_sigmoid(vec x)
{
    return 1.0F / (1.0F + lane_exp(-x));
}

/* Small |x|: by the series, which the difference of exponentials would lose. */
INLINE vec lane_tanh(vec x)
{
    const vec far = 2.0F * lane_sigmoid(2.0F * x) - 1.0F;
    const vec s = x * x;
    const vec near =
        x * (1.0F + s * (-1.0F / 3 + s * (2.0F / 15 + s * (-17.0F / 315 + s * (62.0F / 2835)))));

    return vec_pick(s < vec_all(0.04F), near, far);
}

#endif /* DISTILL_WIDE_LANES_H */
