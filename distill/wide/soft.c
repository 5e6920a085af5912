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

INLINE bool is_plain(const struct wide_score *how)
{
    return !(how->cap > 0) && !(how->slope > 0);
}

/* s[n] = scores of raw products. */
static void scores(float *s, const struct wide_score *how, size_t n, size_t query)
{
    for (size_t i = 0; i < n; i += VEC)
        lane_store(s + i, score(lane_load(s + i, n - i), how, i, query), n - i);
}

static float largest(const float *s, size_t n)
{
    vec most = vec_all(-INFINITY);
    size_t i = 0;

    for (; i + VEC <= n; i += VEC)
        most = vec_max(most, vec_load(s + i));
    if (i < n)
        most = vec_max(most, within(lane_load_part(s + i, n - i), n - i, -INFINITY));
    return lane_max(most);
}

float wide_soft(float *s, float *inv, const struct wide_score *how, size_t n, size_t query)
{
    const bool plain = is_plain(how); /* scale is positive: it may wait */
    const float scale = plain ? how->scale : 1;
    vec sum = {0};
    size_t i = 0;

    if (!plain)
        scores(s, how, n, query);
    const float max = largest(s, n) * scale;
    for (; i + VEC <= n; i += VEC) {
        const vec e = lane_exp(vec_load(s + i) * scale - max);
        vec_store(s + i, e);
        sum += e;
    }
    if (i < n) {
        const vec e = lane_exp(lane_load_part(s + i, n - i) * scale - max);
        lane_store_part(s + i, e, n - i);
        sum += within(e, n - i, 0);
    }
    const float all = lane_sum(sum);
    *inv = 1 / all;
    return max + logf(all);
}

static void plain_back(float *s, float *d, float scale, size_t n, const float lse_mean[2])
{
    const float lse = lse_mean[0], mean = lse_mean[1];
    size_t i = 0;

    for (; i + VEC <= n; i += VEC) {
        const vec p = lane_exp(vec_load(s + i) * scale - lse);
        vec_store(d + i, p * (vec_load(d + i) - mean) * scale);
        vec_store(s + i, p);
    }
    if (i < n) {
        const vec p = lane_exp(lane_load_part(s + i, n - i) * scale - lse);
        lane_store_part(d + i, p * (lane_load_part(d + i, n - i) - mean) * scale, n - i);
        lane_store_part(s + i, p, n - i);
    }
}

void wide_soft_back(float *s, float *d, const struct wide_score *how, size_t n, size_t query,
                    const float lse_mean[2])
{
    const float lse = lse_mean[0], mean = lse_mean[1];

    if (is_plain(how)) {
        plain_back(s, d, how->scale, n, lse_mean);
        return;
    }
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
