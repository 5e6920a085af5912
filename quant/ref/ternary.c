#include "quant/ref/ternary.h"

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/lanes.h"

#include <math.h>

typedef int32_t masks __attribute__((vector_size(4 * LANES)));

/* What lies above a threshold, in sixteen lanes: sums of w |x| and of w. */
INLINE void sums_above(lanes *wx, lanes *w, const lanes *threshold, const float *mag,
                       const float *weight)
{
    lanes a = {0}, b = {0};

    for (int i = 0; i < QK_K; i++) {
        lanes m, u;
        lanes_all(&m, mag[i]);
        lanes_all(&u, weight[i]);
        const masks more = m > *threshold;
        const lanes counted = (lanes)((masks)u & more);
        a += counted * m;
        b += counted;
    }
    *wx = a;
    *w = b;
}

/* Sums in sixteen lanes, then across. */
static float across(const lanes *v)
{
    float part[LANES];

    lanes_store(part, v);
    for (int half = LANES / 2; half; half /= 2)
        for (int j = 0; j < half; j++)
            part[j] += part[j + half];
    return part[0];
}

/* mag = |x|; their mean, and the largest. */
static float magnitudes(float *largest, float mag[QK_K], const float *x)
{
    lanes sum = {0};
    float top = 0;

    for (int i = 0; i < QK_K; i++)
        mag[i] = fabsf(x[i]);
    for (int i = 0; i < QK_K; i += LANES) {
        lanes v;
        lanes_load(&v, mag + i);
        sum += v;
    }
    for (int i = 0; i < QK_K; i++)
        top = mag[i] > top ? mag[i] : top;
    *largest = top;
    return across(&sum) * (1.0F / QK_K);
}

/* Thresholds to start from, in units of the mean magnitude; the last few, of the largest. */
enum { FROM_LARGEST = 4, STEPS = 3 };
static const float start[LANES] = {0.0F, 0.35F, 0.5F, 0.6F, 0.7F, 0.8F,  0.9F, 1.0F,
                                   1.2F, 1.5F,  2.0F, 3.0F, 0.2F, 0.33F, 0.5F, 0.75F};

/* The scale of least error: for given digits it is the weighted mean of what is not zero,
 * for a given scale everything above half of it is not zero. */
static float best_scale(const float *mag, const float *w, float mean, float largest)
{
    lanes threshold, wx, sw;
    float score[LANES], part_wx[LANES], part_w[LANES];
    float least[LANES];
    int best = 0;

    for (int i = 0; i < LANES; i++)
        least[i] = start[i] * (i < LANES - FROM_LARGEST ? mean : largest);
    lanes_load(&threshold, least);
    for (int step = 0; step < STEPS; step++) {
        sums_above(&wx, &sw, &threshold, mag, w);
        lanes_store(part_wx, &wx);
        lanes_store(part_w, &sw);
        for (int i = 0; i < LANES; i++)
            least[i] = part_w[i] > 0 ? part_wx[i] / part_w[i] * 0.5F : 0;
        lanes_load(&threshold, least);
    }
    for (int i = 0; i < LANES; i++)
        score[i] = part_wx[i] * least[i];
    for (int i = 1; i < LANES; i++)
        if (score[i] > score[best] * 1.000001F)
            best = i;
    return least[best] * 2.0F;
}

uint16_t ternary_fit(uint8_t digit[QK_K], const float *x, const float *w)
{
    float mag[QK_K], largest;
    const float mean = magnitudes(&largest, mag, x);
    const uint16_t d = largest < SRCH_TINY ? 0 : f16_from_f32(best_scale(mag, w, mean, largest));
    const float half = d ? 0.5F * f32_from_f16(d) : INFINITY;

    for (int i = 0; i < QK_K; i++)
        digit[i] = (uint8_t)(1 + (x[i] > half) - (x[i] < -half));
    return d;
}
