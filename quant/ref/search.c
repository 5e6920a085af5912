#include "quant/ref/search.h"

#include "quant/half.h"
#include "quant/vec.h"

#include <math.h>

_Static_assert((int)VEC_ALL == (int)SRCH_LANES, "a candidate in every lane");

#define ONES_16 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1
#define ONES_64 ONES_16, ONES_16, ONES_16, ONES_16
const float srch_ones[SRCH_MAX] = {ONES_64, ONES_64, ONES_64, ONES_64};

float srch_mean_square(const float *x, size_t n)
{
    return vec_dot(x, x, n) / (float)n;
}

struct srch_weighting srch_weighting(const float *row, const float *importance, size_t n)
{
    struct srch_weighting s = {0};
    float sum = 0;

    if (!importance)
        return s;
    for (size_t i = 0; i < n; i += SRCH_MAX)
        sum += vec_dot(importance + i, srch_ones, n - i < SRCH_MAX ? n - i : SRCH_MAX);
    if (!(sum > 0))
        return s; /* no importance anywhere: as if there were none */
    s.importance = importance;
    s.inverse_mean = (float)n / sum;
    s.sigma2 = vec_dot(row, row, n) / (float)n;
    return s;
}

/* Columns that were never seen still count a little, so that a run of them is
 * not stored as zeros. */
#define IMPORTANCE_FLOOR 1e-4F

const float *srch_weights(float *w, const struct srch_weighting *s, const float *row, size_t at,
                          size_t n)
{
    if (!s->importance)
        return srch_ones;
    for (size_t i = 0; i < n; i++) {
        const float x = row[at + i];
        w[i] =
            (s->importance[at + i] * s->inverse_mean + IMPORTANCE_FLOOR) * sqrtf(s->sigma2 + x * x);
    }
    return w;
}

const float *srch_importance(float *w, const struct srch_weighting *s, size_t at, size_t n)
{
    if (!s->importance)
        return srch_ones;
    for (size_t i = 0; i < n; i++)
        w[i] = s->importance[at + i] * s->inverse_mean + IMPORTANCE_FLOOR;
    return w;
}

float srch_extreme(const float *x, size_t n)
{
    float least, greatest;

    vec_bounds(&least, &greatest, x, n);
    return greatest >= -least ? greatest : least;
}

uint16_t srch_f16_finite(float v)
{
    const uint16_t h = f16_from_f32(v);

    return (h & 0x7fff) > SRCH_F16_MOST ? (uint16_t)((h & 0x8000) | SRCH_F16_MOST) : h;
}

uint16_t srch_f16_up(float v)
{
    const uint16_t h = srch_f16_finite(v);

    return f32_from_f16(h) < v && h < SRCH_F16_MOST ? (uint16_t)(h + 1) : h;
}

void srch_codes(int8_t *code, const float *x, size_t n, float scale, float offset, int min, int max)
{
    const float inverse = scale == 0 ? 0 : 1.0F / scale;
    const float lo = (float)min, hi = (float)max;

    for (size_t i = 0; i < n; i++) {
        float c = ((x[i] - offset) * inverse + VEC_ROUND) - VEC_ROUND;
        c = c < lo ? lo : c;
        c = c > hi ? hi : c;
        code[i] = (int8_t)(int32_t)c;
    }
}
