#include "quant/ref/ternary.h"

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/vec.h"

#include <math.h>

/* sum + x in the lanes where m > t. */
INLINE vec add_above(vec sum, float x, float m, vec t)
{
#if defined(__AVX512F__)
    const __mmask16 above = _mm512_cmp_ps_mask(_mm512_set1_ps(m), (__m512)t, _CMP_GT_OQ);

    return (vec)_mm512_mask_add_ps((__m512)sum, above, (__m512)sum, _mm512_set1_ps(x));
#else
    return sum + (vec)((ivec)vec_all(x) & (vec_all(m) > t));
#endif
}

/* What lies above sixteen thresholds: sums of w |x| and of w, in parts, since a sum waits for
 * the one before. */
enum { PARTS = 4 };
static void sums_above(float wx[VEC_ALL], float sw[VEC_ALL], const float threshold[VEC_ALL],
                       const float *mag, const float *wmag, const float *w)
{
    for (int at = 0; at < VEC_ALL; at += VEC) {
        const vec t = vec_load(threshold + at);
        vec a[PARTS] = {{0}}, b[PARTS] = {{0}};
        for (int i = 0; i < QK_K; i += PARTS)
            for (int k = 0; k < PARTS; k++) {
                a[k] = add_above(a[k], wmag[i + k], mag[i + k], t);
                b[k] = add_above(b[k], w[i + k], mag[i + k], t);
            }
        vec_store(wx + at, (a[0] + a[1]) + (a[2] + a[3]));
        vec_store(sw + at, (b[0] + b[1]) + (b[2] + b[3]));
    }
}

/* mag = |x|; their mean, and the largest. */
static float magnitudes(float *largest, float mag[QK_K], const float *x)
{
    vec sum[VEC_SUMS] = {{0}};
    float least, most;

    for (int i = 0; i < QK_K; i++)
        mag[i] = fabsf(x[i]);
    vec_bounds(&least, &most, x, QK_K);
    *largest = -least > most ? -least : most;
    for (int i = 0; i < QK_K; i += VEC_ALL)
        for (int k = 0; k < VEC_SUMS; k++)
            sum[k] += vec_load(mag + i + k * VEC);
    return vec_across(sum) * (1.0F / QK_K);
}

/* Thresholds to start from, in units of the mean magnitude; the last few, of the largest. */
enum { FROM_LARGEST = 4 };
static const float start[VEC_ALL] = {0.0F, 0.35F, 0.5F, 0.6F, 0.7F, 0.8F,  0.9F, 1.0F,
                                     1.2F, 1.5F,  2.0F, 3.0F, 0.2F, 0.33F, 0.5F, 0.75F};

/* The scale of least error: for given digits it is the weighted mean of what is not zero,
 * for a given scale everything above half of it is not zero. */
static float best_scale(const float *mag, const float *w, float mean, float largest, int steps)
{
    float half[VEC_ALL], wx[VEC_ALL], sw[VEC_ALL], wmag[QK_K];
    int best = 0;

    for (int i = 0; i < QK_K; i++)
        wmag[i] = w[i] * mag[i];
    for (int i = 0; i < VEC_ALL; i++)
        half[i] = start[i] * (i < VEC_ALL - FROM_LARGEST ? mean : largest);
    for (int step = 0; step < steps; step++) {
        sums_above(wx, sw, half, mag, wmag, w);
        for (int i = 0; i < VEC_ALL; i++)
            half[i] = sw[i] > 0 ? wx[i] / sw[i] * 0.5F : 0;
    }
    for (int i = 1; i < VEC_ALL; i++)
        if (wx[i] * half[i] > wx[best] * half[best] * 1.000001F)
            best = i;
    return half[best] * 2.0F;
}

uint16_t ternary_fit(uint8_t digit[QK_K], const float *x, const float *w, enum codec_effort effort)
{
    const int steps = effort == EFFORT_BEST ? 3 : 1; /* the second takes 0.02 % off the error */
    float mag[QK_K], largest;
    const float mean = magnitudes(&largest, mag, x);
    const uint16_t d =
        largest < SRCH_TINY ? 0 : f16_from_f32(best_scale(mag, w, mean, largest, steps));
    const float half = d ? 0.5F * f32_from_f16(d) : INFINITY;

    for (int i = 0; i < QK_K; i++)
        digit[i] = (uint8_t)(1 + (x[i] > half) - (x[i] < -half));
    return d;
}
