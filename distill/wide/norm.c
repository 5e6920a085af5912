/* Norms of one row. RMS: Zhang and Sennrich 2019; layer norm: Ba et al. 2016. */

#include "distill/wide/lanes.h"
#include "distill/wide/level.h"

#include <math.h>

INLINE vec weight(const struct wide_norm *how, size_t i)
{
    return how->w ? lane_load(how->w + i, how->n - i) : vec_all(1);
}

static float mean_of(const float *x, size_t n)
{
    vec sum = {0};

    for (size_t i = 0; i < n; i += VEC)
        sum += lane_load(x + i, n - i);
    return lane_sum(sum) / (float)n;
}

/* Mean of (x - mean)^2. */
static float spread(const float *x, float mean, size_t n)
{
    vec sum = {0};
    size_t i = 0;

    for (; i + VEC <= n; i += VEC) {
        const vec v = vec_load(x + i) - mean;
        sum += v * v;
    }
    float rest = 0;
    for (; i < n; i++)
        rest += (x[i] - mean) * (x[i] - mean);
    return (lane_sum(sum) + rest) / (float)n;
}

void wide_norm_again(float *y, const float stat[2], const float *x, const struct wide_norm *how)
{
    const size_t n = how->n;

    for (size_t i = 0; i < n; i += VEC) {
        vec v = (lane_load(x + i, n - i) - stat[0]) * stat[1] * weight(how, i);
        if (how->bias)
            v += lane_load(how->bias + i, n - i);
        lane_store(y + i, v, n - i);
    }
}

void wide_norm(float *y, float stat[2], const float *x, const struct wide_norm *how)
{
    stat[0] = how->layer ? mean_of(x, how->n) : 0;
    stat[1] = 1 / sqrtf(spread(x, stat[0], how->n) + how->eps);
    wide_norm_again(y, stat, x, how);
}

/* With dy scaled, z = (x - mean) * inv and e = dy * w: dx = inv * (e - mean(e) - z * mean(e * z)), the first
 * mean for layer norm only. */
void wide_norm_back(float *dx, float *dw, float *db, const float *dy, const float *x,
                    const float stat[2], const struct wide_norm *how)
{
    const size_t n = how->n;
    vec sum = {0}, with = {0};

    for (size_t i = 0; i < n; i += VEC) {
        const vec d = lane_load(dy + i, n - i) * how->scale, e = d * weight(how, i);
        const vec z = (lane_load(x + i, n - i) - stat[0]) * stat[1];
        sum += e;
        with += e * z; /* lanes beyond n have e = 0 */
        if (dw)
            lane_store(dw + i, lane_load(dw + i, n - i) + d * z, n - i);
        if (db)
            lane_store(db + i, lane_load(db + i, n - i) + d, n - i);
    }
    const float mean = how->layer ? lane_sum(sum) / (float)n : 0;
    const float mean_z = lane_sum(with) / (float)n;
    for (size_t i = 0; i < n; i += VEC) {
        const vec e = lane_load(dy + i, n - i) * how->scale * weight(how, i);
        const vec z = (lane_load(x + i, n - i) - stat[0]) * stat[1];
        vec v = (e - mean - z * mean_z) * stat[1];
        if (how->add)
            v += lane_load(dx + i, n - i);
        lane_store(dx + i, v, n - i);
    }
}
