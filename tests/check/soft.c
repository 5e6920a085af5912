/* Kernels of softmaxes. exp in F32 within 4 ulp of an exponent that two roundings have moved by
 * up to 87 / 2 ulp of 1 each: every weight is off by that share of itself. */

#include "tests/check/check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPS   ((double)FLT_EPSILON)
#define SHARE (100 * EPS)

/* n logits, some of them -inf, the first finite. */
static float *logits(struct rnd *r, size_t n)
{
    float *x = mem_floats(r, n);

    for (size_t i = 1; i < n; i++)
        x[i] = rnd_below(r, 40) ? x[i] * 4 : -INFINITY;
    return x;
}

static float scale_of(struct rnd *r)
{
    static const float scales[] = {1, 0.5F, 2, 0.25F};

    return scales[rnd_below(r, 4)];
}

/* A weight that one side has cut off at exp(-87) the other may have. */
static bool near_weight(double want, double got)
{
    return fabs(want - got) <= SHARE * want + 2e-38;
}

bool check_exp_from(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                    struct why *w)
{
    const size_t n = 1 + rnd_below(r, 3000);
    const float s = scale_of(r);
    float *x = logits(r, n), *want = mem(n * sizeof(*want));
    const float max = ref->max(x, n);
    const double a = ref->exp_from(want, x, max, s, n);
    const double b = now->exp_from(x, x, max, s, n);
    bool good = fabs(a - b) <= SHARE * a;

    (void)t;
    for (size_t i = 0; i < n && good; i++)
        good = near_weight((double)want[i], (double)x[i]);
    free(x);
    free(want);
    return good || why(w, "n=%zu s=%a want sum %a got %a", n, (double)s, a, b);
}

/* In F64 within 4 ulp, an ulp of 1 where the logarithm is near 0. */
bool check_log(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
               struct why *w)
{
    const size_t n = rnd_below(r, 300);
    double *x = mem(n * sizeof(*x)), *want = mem(n * sizeof(*want));
    bool good = true;
    size_t i;

    (void)t;
    for (i = 0; i < n; i++)
        x[i] = exp(2 * (double)rnd_float(r));
    ref->log(want, x, n);
    now->log(x, x, n);
    for (i = 0; i < n && good; i++)
        good = fabs(want[i] - x[i]) <= 4 * DBL_EPSILON * (1 + fabs(want[i]));
    free(x);
    free(want);
    return good || why(w, "n=%zu at %zu", n, i);
}

bool check_soft_sums(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                     struct why *w)
{
    const size_t n = 1 + rnd_below(r, 3000);
    const float s = scale_of(r);
    float *x = logits(r, n), *y = mem_floats(r, n);
    const struct kern_soft p = {x, ref->max(x, n), 1}, q = {y, ref->max(y, n), 1};
    double share[2], apart[2], size = 0;

    (void)t;
    for (size_t i = 0; i < n; i++)
        if (x[i] > -INFINITY)
            size += exp((double)s * (double)(x[i] - p.max)) *
                    (fabs((double)(x[i] - p.max)) + fabs((double)(y[i] - q.max)));
    ref->soft_sums(&share[0], &apart[0], &p, &q, s, n);
    now->soft_sums(&share[1], &apart[1], &p, &q, s, n);
    free(x);
    free(y);
    if (!(fabs(share[0] - share[1]) <= SHARE * share[0]) ||
        !(fabs(apart[0] - apart[1]) <= SHARE * size + 1e-34 * (double)n))
        return why(w, "n=%zu want %a %a got %a %a", n, share[0], apart[0], share[1], apart[1]);
    return true;
}

bool check_soft_pull(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                     struct why *w)
{
    const size_t n = 1 + rnd_below(r, 600);
    const float s = scale_of(r);
    float *x = logits(r, n), *y = logits(r, n), *d = mem_floats(r, n);
    float *got = mem(n * sizeof(*got)), *before = mem(n * sizeof(*before));
    const struct kern_soft q = {x, ref->max(x, n), 0.7F}, p = {y, ref->max(y, n), 0.3F};
    const bool both = rnd_below(r, 2);
    bool good = true;
    size_t i;

    (void)t;
    memcpy(got, d, n * sizeof(*d));
    memcpy(before, d, n * sizeof(*d));
    ref->soft_pull(d, &q, both ? &p : NULL, s, n);
    now->soft_pull(got, &q, both ? &p : NULL, s, n);
    for (i = 0; i < n && good; i++) {
        const double bound = SHARE + 2 * EPS * fabs((double)before[i]);

        good = x[i] > -INFINITY ? fabs((double)d[i] - (double)got[i]) <= bound
                                : got[i] == before[i] && d[i] == before[i];
    }
    free(x);
    free(y);
    free(d);
    free(got);
    free(before);
    return good || why(w, "n=%zu at %zu", n, i);
}
