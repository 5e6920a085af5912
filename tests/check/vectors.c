/* Kernels on plain vectors. */

#include "tests/check/check.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define EPS 0x1p-24 /* half a unit in the last place of F32, relative */

/* got[n] within bound[n] of want[n]. */
static bool near(const float *want, const float *got, const double *bound, size_t n, struct why *w)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs((double)want[i] - (double)got[i]) <= bound[i]))
            return why(w, "n=%zu i=%zu want %a got %a bound %g", n, i, (double)want[i],
                       (double)got[i], bound[i]);
    return true;
}

bool check_dot(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
               struct why *w)
{
    const size_t n = rnd_below(r, 1000);
    float *a = mem_floats(r, n), *b = mem_floats(r, n), want, got;
    double sum_abs = 0;
    bool good;

    (void)t;
    for (size_t i = 0; i < n; i++)
        sum_abs += fabs((double)a[i] * (double)b[i]);
    want = ref->dot(a, b, n);
    got = now->dot(a, b, n);
    /* one rounding for each addition on the way, of either sign: as check_product */
    sum_abs *= EPS * ((double)n / 16 + 20);
    good = near(&want, &got, &sum_abs, 1, w);
    free(a);
    free(b);
    return good;
}

/* y += a x: a product and a sum, or one FMA: two roundings apart. */
bool check_axpy(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                struct why *w)
{
    const size_t n = rnd_below(r, 1000);
    const float a = rnd_float(r);
    float *x = mem_floats(r, n), *want = mem_floats(r, n), *got = mem(n * sizeof(*got));
    double *bound = mem(n * sizeof(*bound));
    bool good;

    (void)t;
    memcpy(got, want, n * sizeof(*got));
    for (size_t i = 0; i < n; i++)
        bound[i] = 4 * EPS * (fabs((double)a * (double)x[i]) + fabs((double)want[i]));
    ref->axpy(want, x, a, n);
    now->axpy(got, x, a, n);
    good = near(want, got, bound, n, w);
    free(x);
    free(want);
    free(got);
    free(bound);
    return good;
}

/* The mean of squares in F64 or in 16 F32 sums, the root, two products. */
bool check_rms_norm(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                    struct why *w)
{
    const size_t n = rnd_below(r, 1000);
    float *x = mem_floats(r, n), *wt = mem_floats(r, n);
    float *want = mem(n * sizeof(*want)), *got = mem(n * sizeof(*got));
    double *bound = mem(n * sizeof(*bound));
    bool good;

    (void)t;
    ref->rms_norm(want, x, wt, n, 1e-5F);
    memcpy(got, x, n * sizeof(*x));
    now->rms_norm(got, got, wt, n, 1e-5F);
    for (size_t i = 0; i < n; i++)
        bound[i] = EPS * (8 + (double)n / 32) * fabs((double)want[i]);
    good = near(want, got, bound, n, w);
    free(x);
    free(wt);
    free(want);
    free(got);
    free(bound);
    return good;
}

/* exp within 4 ulp (libmvec's bound), a sum, a quotient, a product. Below -87 the true
 * value is under 87 exp(-87) |u| < 2^-110 and any such value will do. */
bool check_silu_mul(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                    struct why *w)
{
    const size_t n = rnd_below(r, 1000);
    float *g = mem_floats(r, n), *u = mem_floats(r, n);
    float *want = mem(n * sizeof(*want)), *got = mem(n * sizeof(*got));
    double *bound = mem(n * sizeof(*bound));
    bool good;

    (void)t;
    for (size_t i = 0; i < n; i++)
        g[i] *= rnd_below(r, 8) ? 1 : 8; /* up to +-240: exp overflows and must not matter */
    ref->silu_mul(want, g, u, n);
    memcpy(got, g, n * sizeof(*g));
    now->silu_mul(got, got, u, n);
    for (size_t i = 0; i < n; i++)
        bound[i] = 2 * EPS * 12 * fabs((double)want[i]) + 0x1p-110;
    good = near(want, got, bound, n, w);
    free(g);
    free(u);
    free(want);
    free(got);
    free(bound);
    return good;
}

/* The mean, rounded once, leaves an error of half an ulp of it on every value; then as
 * rms_norm, of deviations that are as far off as the mean is. */
bool check_layer_norm(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                      struct why *w)
{
    const size_t n = rnd_below(r, 1000);
    const float shift = 100 * rnd_float(r);
    float *x = mem_floats(r, n), *wt = mem_floats(r, n);
    float *want = mem(n * sizeof(*want)), *got = mem(n * sizeof(*got));
    double *bound = mem(n * sizeof(*bound));
    double mean = 0, var = 0;
    bool good;

    (void)t;
    for (size_t i = 0; i < n; i++)
        x[i] += shift;
    for (size_t i = 0; i < n; i++)
        mean += (double)x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        var += ((double)x[i] - mean) * ((double)x[i] - mean) / (double)n;
    ref->layer_norm(want, x, wt, n, 1e-5F);
    memcpy(got, x, n * sizeof(*x));
    now->layer_norm(got, got, wt, n, 1e-5F);
    for (size_t i = 0; i < n; i++)
        bound[i] = EPS * (12 + (double)n / 32) *
                   (fabs((double)want[i]) + fabs(mean * (double)wt[i]) / sqrt(var + 1e-5));
    good = near(want, got, bound, n, w);
    free(x);
    free(wt);
    free(want);
    free(got);
    free(bound);
    return good;
}

/* `fn` of both, in place, values up to +-240. bound: as_large * |x| where the function
 * itself cancels to nothing. */
static bool check_gelu(void (*ref)(float *, const float *, size_t),
                       void (*now)(float *, const float *, size_t), double relative,
                       double as_large, struct rnd *r, struct why *w)
{
    const size_t n = rnd_below(r, 1000);
    float *x = mem_floats(r, n), *want = mem(n * sizeof(*want));
    double *bound = mem(n * sizeof(*bound));
    bool good;

    for (size_t i = 0; i < n; i++)
        x[i] *= rnd_below(r, 8) ? 1 : 8;
    ref(want, x, n);
    for (size_t i = 0; i < n; i++)
        bound[i] = relative * fabs((double)want[i]) + as_large * fabs((double)x[i]) + 0x1p-110;
    now(x, x, n);
    good = near(want, x, bound, n, w);
    free(x);
    free(want);
    free(bound);
    return good;
}

/* As silu_mul; the cubic's three roundings are as large as the exponent, which matters up
 * to 87. */
bool check_gelu_tanh(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                     struct why *w)
{
    (void)t;
    return check_gelu(ref->gelu_tanh, now->gelu_tanh, 2 * EPS * (12 + 4 * 87), 0, r, w);
}

/* erf within 4 ulp, then 1 is added: absolute errors where erf is near -1. */
bool check_gelu_erf(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                    struct why *w)
{
    (void)t;
    return check_gelu(ref->gelu_erf, now->gelu_erf, 2 * EPS * 4, 2 * EPS * 6, r, w);
}

/* exp in F32 within 4 ulp each, summed in F64: the logarithm is off by no more than
 * their relative error, and by F64's rounding of a value of its own size. */
bool check_log_sum_exp(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                       struct why *w)
{
    const size_t n = 1 + rnd_below(r, 3000);
    float *x = mem_floats(r, n);
    double want, got;

    (void)t;
    want = ref->log_sum_exp(x, n);
    got = now->log_sum_exp(x, n);
    free(x);
    if (!(fabs(want - got) <= 8 * EPS))
        return why(w, "n=%zu want %a got %a", n, want, got);
    return true;
}

bool check_max(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
               struct why *w)
{
    const size_t n = rnd_below(r, 300);
    float *x = mem_floats(r, n), want, got;

    (void)t;
    want = ref->max(x, n);
    got = now->max(x, n);
    free(x);
    if (want != got)
        return why(w, "n=%zu want %a got %a", n, (double)want, (double)got);
    return true;
}

/* exp in F32 within 4 ulp of an exponent that one rounding has moved by up to 87 / 2 ulp of 1,
 * differences rounded once: each is off by that share of itself. */
bool check_divergence(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                      struct why *w)
{
    const size_t n = 1 + rnd_below(r, 3000);
    float *p = mem_floats(r, n), *q = mem_floats(r, n);
    double share[2], apart[2], size = 0;

    (void)t;
    for (size_t i = 0; i < n; i++)
        p[i] = rnd_below(r, 50) ? p[i] * 4 : -INFINITY; /* some 120 apart at most */
    p[0] = 1;
    const float max = ref->max(p, n);
    for (size_t i = 0; i < n; i++)
        if (p[i] - max >= -87)
            size += exp((double)(p[i] - max)) * fabs((double)p[i] - (double)q[i]);
    ref->divergence(&share[0], &apart[0], p, q, max, n);
    now->divergence(&share[1], &apart[1], p, q, max, n);
    free(p);
    free(q);
    if (!(fabs(share[0] - share[1]) <= 100 * EPS * share[0]) ||
        !(fabs(apart[0] - apart[1]) <= 100 * EPS * size))
        return why(w, "n=%zu want %a %a got %a %a", n, share[0], apart[0], share[1], apart[1]);
    return true;
}

/* Two products and a sum: with an FMA, one rounding fewer. */
bool check_rope(const struct kern *ref, const struct kern *now, enum dtype t, struct rnd *r,
                struct why *w)
{
    const size_t n = 2 * rnd_below(r, 100);
    const bool pairs = rnd_below(r, 2);
    float *x = mem_floats(r, n), *cs = mem_floats(r, n), *got = mem(n * sizeof(*got));
    double *bound = mem(n * sizeof(*bound));
    bool good;

    (void)t;
    memcpy(got, x, n * sizeof(*x));
    for (size_t i = 0; i < n; i++) {
        const size_t p = pairs ? i / 2 : i % (n / 2);
        const size_t a = pairs ? 2 * p : p, b = pairs ? 2 * p + 1 : p + n / 2;
        const double size = fabs((double)cs[2 * p]) + fabs((double)cs[2 * p + 1]);

        bound[i] = 4 * EPS * size * (fabs((double)x[a]) + fabs((double)x[b]));
    }
    (pairs ? ref->rope_pairs : ref->rope_halves)(x, cs, n);
    (pairs ? now->rope_pairs : now->rope_halves)(got, cs, n);
    good = near(x, got, bound, n, w);
    free(x);
    free(cs);
    free(got);
    free(bound);
    return good;
}
