/* The definition of the kernels that softmaxes and their differences are made of. */

#include "quant/kern/kern_isa.h"

#include <math.h>

static double weight_of(float x, float max, float s)
{
    const float v = s * (x - max);

    return v < -KERN_EXP_RANGE ? 0 : exp((double)s * ((double)x - (double)max));
}

static double exp_from(float *y, const float *x, float max, float s, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double e = weight_of(x[i], max, s);

        y[i] = (float)e;
        sum += e;
    }
    return sum;
}

static void log_of(double *y, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        y[i] = log(x[i]);
}

static void soft_sums(double *share, double *apart, const struct kern_soft *p,
                      const struct kern_soft *q, float s, size_t n)
{
    *share = *apart = 0;
    for (size_t i = 0; i < n; i++) {
        const double e = weight_of(p->x[i], p->max, s);

        *share += e;
        if (e != 0)
            *apart += e * (((double)p->x[i] - (double)p->max) - ((double)q->x[i] - (double)q->max));
    }
}

static void soft_pull(float *d, const struct kern_soft *q, const struct kern_soft *p, float s,
                      size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double a = (double)q->weight * weight_of(q->x[i], q->max, s);
        const double b = p ? (double)p->weight * weight_of(p->x[i], p->max, s) : 0;

        if (q->x[i] != -INFINITY)
            d[i] = (float)((double)d[i] + (a - b));
    }
}

void kern_init_scalar_soft(struct kern *k)
{
    k->exp_from = exp_from;
    k->log = log_of;
    k->soft_sums = soft_sums;
    k->soft_pull = soft_pull;
}
