/* The definition of every kernel that works on plain vectors. Not to be optimized:
 * the others are checked against it. */

#include "quant/half.h"
#include "quant/kern/kern_isa.h"

#include <math.h>

static float dot(const float *a, const float *b, size_t n)
{
    float s = 0;

    for (size_t i = 0; i < n; i++)
        s += a[i] * b[i];
    return s;
}

static void axpy(float *y, const float *x, float a, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] += a * x[i];
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    double sum = 0;
    float s;

    for (size_t i = 0; i < n; i++)
        sum += (double)x[i] * (double)x[i];
    s = n ? (float)(1 / sqrt(sum / (double)n + (double)eps)) : 0;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * s * w[i];
}

static void layer_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    double mean = 0, sum = 0;
    float s;

    for (size_t i = 0; i < n; i++)
        mean += (double)x[i];
    mean = n ? mean / (double)n : 0;
    for (size_t i = 0; i < n; i++)
        sum += ((double)x[i] - mean) * ((double)x[i] - mean);
    s = n ? (float)(1 / sqrt(sum / (double)n + (double)eps)) : 0;
    for (size_t i = 0; i < n; i++)
        y[i] = (float)((double)x[i] - mean) * s * w[i];
}

static void silu_mul(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = g[i] / (1 + expf(-g[i])) * u[i];
}

/* (1 + tanh(z)) / 2 = 1 / (1 + exp(-2 z)) */
static void gelu_tanh(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const float two_z = KERN_GELU_TANH * (x[i] + 0.044715F * x[i] * x[i] * x[i]);

        y[i] = x[i] / (1 + expf(-two_z));
    }
}

static void gelu_erf(float *y, const float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = 0.5F * x[i] * (1 + erff(x[i] * KERN_GELU_ERF));
}

static double log_sum_exp(const float *x, size_t n)
{
    float max = -INFINITY;
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    for (size_t i = 0; i < n; i++)
        sum += exp((double)x[i] - (double)max);
    return (double)max + log(sum);
}

static float max_of(const float *x, size_t n)
{
    float max = -INFINITY;

    for (size_t i = 0; i < n; i++)
        max = x[i] > max ? x[i] : max;
    return max;
}

static void divergence(double *share, double *apart, const float *p, const float *q, float max,
                       size_t n)
{
    *share = *apart = 0;
    for (size_t i = 0; i < n; i++) {
        const double e = exp((double)p[i] - (double)max);

        if (p[i] - max < -KERN_EXP_RANGE)
            continue;
        *share += e;
        *apart += e * ((double)p[i] - (double)q[i]);
    }
}

static void rotate(float *a, float *b, float c, float s)
{
    const float x = *a, y = *b;

    *a = x * c - y * s;
    *b = x * s + y * c;
}

static void rope_pairs(float *x, const float *cs, size_t n_rot)
{
    for (size_t i = 0; i < n_rot / 2; i++)
        rotate(&x[2 * i], &x[2 * i + 1], cs[2 * i], cs[2 * i + 1]);
}

static void rope_halves(float *x, const float *cs, size_t n_rot)
{
    for (size_t i = 0; i < n_rot / 2; i++)
        rotate(&x[i], &x[i + n_rot / 2], cs[2 * i], cs[2 * i + 1]);
}

void kern_init_scalar(struct kern *k)
{
    k->isa = "scalar";
    k->dot = dot;
    k->axpy = axpy;
    k->rms_norm = rms_norm;
    k->layer_norm = layer_norm;
    k->silu_mul = silu_mul;
    k->gelu_tanh = gelu_tanh;
    k->gelu_erf = gelu_erf;
    k->log_sum_exp = log_sum_exp;
    k->max = max_of;
    k->divergence = divergence;
    k->rope_pairs = rope_pairs;
    k->rope_halves = rope_halves;
    kern_init_scalar_ints(k);
    kern_init_scalar_gemm(k);
    kern_init_scalar_attn(k);
    kern_init_scalar_soft(k);
}
