/* Activations on the way back: value f and slope of act at g, then dg, du and h in place.
 * Formulas are those of runtime/forward/act.c. */

#include "distill/wide/lanes.h"
#include "distill/wide/level.h"

struct value {
    vec f, slope;
};

INLINE struct value silu(vec g)
{
    const vec s = lane_sigmoid(g);

    return (struct value){g * s, s * (1.0F + g * (1.0F - s))};
}

/* (1 + tanh(z)) / 2 = sigmoid(2 z) */
INLINE struct value gelu_tanh(vec g)
{
    const float a = 0.797884561F * 2, b = 0.044715F;
    const vec s = lane_sigmoid(a * (g + b * g * g * g));

    return (struct value){g * s, s + g * s * (1.0F - s) * a * (1.0F + 3 * b * g * g)};
}

/* The normal distribution's integral by Abramowitz and Stegun 7.1.26: within 1e-7. */
INLINE struct value gelu_erf(vec g)
{
    const ivec negative = g < vec_all(0);
    const vec x = vec_pick(negative, -g, g) * 0.707106781F;
    const vec t = 1.0F / (1.0F + 0.3275911F * x), e = lane_exp(-x * x);
    vec p = 1.061405429F * t - 1.453152027F;

    p = p * t + 1.421413741F;
    p = p * t - 0.284496736F;
    p = (p * t + 0.254829592F) * t * e * 0.5F; /* what is beyond |g| */
    const vec s = vec_pick(negative, p, 1.0F - p);
    return (struct value){g * s, s + g * e * 0.398942280F};
}

INLINE struct value gelu_quick(vec g)
{
    const vec s = lane_sigmoid(1.702F * g);

    return (struct value){g * s, s * (1.0F + 1.702F * g * (1.0F - s))};
}

INLINE struct value relu(vec g)
{
    const ivec on = g > vec_all(0);

    return (struct value){vec_pick(on, g, vec_all(0)), vec_pick(on, vec_all(1), vec_all(0))};
}

INLINE struct value relu2(vec g)
{
    const vec r = relu(g).f;

    return (struct value){r * r, 2 * r};
}

#define ACT_BACK(act)                                                                              \
    void wide_##act##_back(float *g, float *u, float *dh, size_t n)                                \
    {                                                                                              \
        for (size_t i = 0; i < n; i += VEC) {                                                      \
            const struct value a = act(lane_load(g + i, n - i));                                   \
            const vec d = lane_load(dh + i, n - i);                                                \
            const vec by = u ? lane_load(u + i, n - i) : vec_all(1);                               \
                                                                                                   \
            lane_store(g + i, d * by * a.slope, n - i);                                            \
            if (u)                                                                                 \
                lane_store(u + i, d * a.f, n - i);                                                 \
            lane_store(dh + i, a.f * by, n - i);                                                   \
        }                                                                                          \
    }
ACT_BACK(silu)
ACT_BACK(gelu_tanh)
ACT_BACK(gelu_erf)
ACT_BACK(gelu_quick)
ACT_BACK(relu)
ACT_BACK(relu2)
