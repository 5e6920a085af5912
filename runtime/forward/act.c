/* Activations of feed-forward networks, times what they gate. Exact in F32, where other
 * programs read GELU from a table. Sources: Hendrycks and Gimpel 2016 (GELU); So et al.
 * 2021 (squared ReLU); Huang et al. 2024 (xIELU). */

#include "runtime/forward/forward.h"

#include <math.h>

static void act_silu(const struct model *m, size_t layer, float *y, const float *gate,
                     const float *up, size_t n)
{
    (void)layer;
    if (up) {
        m->kern.silu_mul(y, gate, up, n);
        return;
    }
    for (size_t i = 0; i < n; i++)
        y[i] = gate[i] / (1 + expf(-gate[i]));
}

static void times(float *y, const float *up, size_t n)
{
    for (size_t i = 0; up && i < n; i++)
        y[i] *= up[i];
}

static void act_gelu_tanh(const struct model *m, size_t layer, float *y, const float *gate,
                          const float *up, size_t n)
{
    (void)layer;
    m->kern.gelu_tanh(y, gate, n);
    times(y, up, n);
}

static void act_gelu_erf(const struct model *m, size_t layer, float *y, const float *gate,
                         const float *up, size_t n)
{
    (void)layer;
    m->kern.gelu_erf(y, gate, n);
    times(y, up, n);
}

static float gelu_quick(float v)
{
    return v / (1 + expf(-1.702F * v));
}

static float relu(float v)
{
    return v > 0 ? v : 0;
}

static float relu2(float v)
{
    return v > 0 ? v * v : 0;
}

/* A function of one value for each of n. */
#define ACT(name)                                                                                  \
    static void act_##name(const struct model *m, size_t layer, float *y, const float *g,          \
                           const float *up, size_t n)                                              \
    {                                                                                              \
        (void)m;                                                                                   \
        (void)layer;                                                                               \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = name(g[i]) * (up ? up[i] : 1);                                                  \
    }
ACT(gelu_quick)
ACT(relu)
ACT(relu2)

static double softplus(double x)
{
    return x > 20 ? x : log1p(exp(x));
}

/* v > 0: a v^2 + beta v; else b (exp(min(v, eps)) - 1 - v) + beta v, with
 * a = softplus(alpha_p), b = beta + softplus(alpha_n). */
static void act_xielu(const struct model *m, size_t layer, float *y, const float *gate,
                      const float *up, size_t n)
{
    const float beta = (float)arch_num(m->params, ARCH_XIELU_BETA, layer);
    const float eps = (float)arch_num(m->params, ARCH_XIELU_EPS, layer);
    const float a = (float)softplus(arch_num(m->params, ARCH_XIELU_ALPHA_P, layer));
    const float b = beta + (float)softplus(arch_num(m->params, ARCH_XIELU_ALPHA_N, layer));

    for (size_t i = 0; i < n; i++) {
        const float v = gate[i];
        const float f = v > 0 ? a * v * v : b * (expm1f(v < eps ? v : eps) - v);

        y[i] = (f + beta * v) * (up ? up[i] : 1);
    }
}

/* (up + 1) gate sigmoid(1.702 gate), gate cut off above and up on both sides. */
static void act_swiglu_oai(const struct model *m, size_t layer, float *y, const float *gate,
                           const float *up, size_t n)
{
    const double given = arch_num(m->params, ARCH_ACT_LIMIT, layer);
    const float limit = given > 0 ? (float)given : INFINITY;

    for (size_t i = 0; i < n; i++) {
        const float u = up ? fminf(fmaxf(up[i], -limit), limit) : 0;

        y[i] = (u + 1) * gelu_quick(fminf(gate[i], limit));
    }
}

static act_fn *const acts[] = {
    [ACT_SILU] = act_silu,
    [ACT_GELU_TANH] = act_gelu_tanh,
    [ACT_GELU_ERF] = act_gelu_erf,
    [ACT_RELU2] = act_relu2,
    [ACT_RELU] = act_relu,
    [ACT_XIELU] = act_xielu,
    [ACT_SWIGLU_OAI] = act_swiglu_oai,
    [ACT_GELU_QUICK] = act_gelu_quick,
};

act_fn *act_of(enum arch_act act)
{
    return (size_t)act < sizeof(acts) / sizeof(acts[0]) ? acts[act] : NULL;
}
