/* A row of attention's scores, forward and back, and the soft cap of logits. */

#include "distill/wide/lanes.h"
#include "distill/wide/level.h"

#include <math.h>

/* Lane i of keys j .. j + VEC - 1, minus the query's place. */
INLINE vec distance(size_t j, size_t query)
{
    vec v;

    for (int i = 0; i < VEC; i++)
        v[i] = (float)i;
    return v + ((float)j - (float)query);
}

INLINE vec score(vec s, const struct wide_score *how, size_t j, size_t query)
{
    s *= how->scale;
    if (how->cap > 0)
        s = how->cap * lane_tanh(s / how->cap);
    if (how->slope > 0)
        s += how->slope * distance(j, query);
    return s;
}

/* Lanes beyond n hold v. */
INLINE vec within(vec x, size_t left, float v)
{
    ivec lane;

    if (left >= VEC)
        return x;
    for (int i = 0; i < VEC; i++)
        lane[i] = i;
    return vec_pick(lane < ivec_all((int32_t)left), x, vec_all(v));
}

float wide_soft(float *s, float *inv, const struct wide_score *how, size_t n, size_t query)
{
    vec most = vec_all(-INFINITY), sum = {0};

    for (size_t i = 0; i < n; i += VEC) {
        const vec v = score(lane_load(s + i, n - i), how, i, query);
        lane_store(s + i, v, n - i);
        most = lane_larger(most, within(v, n - i, -INFINITY));
    }
    const float max = lane_max(most);
    for (size_t i = 0; i < n; i += VEC) {
        const vec e = lane_exp(lane_load(s + i, n - i) - max);
        lane_store(s + i, e, n - i);
        sum += within(e, n - i, 0);
    }
    const float all = lane_sum(sum);
    *inv = 1 / all;
    return max + logf(all);
}

void wide_soft_back(float *s, float *d, const struct wide_score *how, size_t n, size_t query,
                    const float lse_mean[2])
{
    const float lse = lse_mean[0], mean = lse_mean[1];

    for (size_t i = 0; i < n; i += VEC) {
        const vec raw = lane_load(s + i, n - i);
        const vec p = lane_exp(score(raw, how, i, query) - lse);
        vec g = p * (lane_load(d + i, n - i) - mean) * how->scale;
        if (how->cap > 0) {
            const vec t = lane_tanh(raw * how->scale / how->cap);
            g *= 1.0F - t * t;
        }
        lane_store(s + i, p, n - i);
        lane_store(d + i, g, n - i);
    }
}

void wide_cap(float *y, const float *x, float cap, size_t n)
{
    for (size_t i = 0; i < n; i += VEC)
        lane_store(y + i, cap * lane_tanh(lane_load(x + i, n - i) / cap), n - i);
}

void wide_cap_back(float *d, const float *y, float cap, size_t n)
{
    for (size_t i = 0; i < n; i += VEC) {
        const vec t = lane_load(y + i, n - i) / cap;
        lane_store(d + i, lane_load(d + i, n - i) * (1.0F - t * t), n - i);
    }
}
