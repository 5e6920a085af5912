/* Softmaxes and their differences, 16 values an instruction. */

#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"

#include <immintrin.h>
#include <math.h>

/* exp(s (x - max)), 0 below exp(-EXP_RANGE); lanes outside m are 0. See kern_isa.h for the polynomial. */
static inline __m512 weight_of(__m512 x, __m512 max, __m512 s, __mmask16 m)
{
    const __m512 least = _mm512_set1_ps(-EXP_RANGE);
    const __m512 v = _mm512_mul_ps(s, _mm512_maskz_sub_ps(m, x, max));
    const __mmask16 keep = _mm512_mask_cmp_ps_mask(m, v, least, _CMP_NLT_UQ);
    const __m512 w = _mm512_max_ps(least, v);
    const __m512 n = _mm512_roundscale_ps(_mm512_mul_ps(w, _mm512_set1_ps(KERN_LOG2_E)), 8);
    const __m512 near = _mm512_fnmadd_ps(n, _mm512_set1_ps(KERN_LN2_HIGH), w);
    const __m512 r = _mm512_fnmadd_ps(n, _mm512_set1_ps(KERN_LN2_LOW), near);
    __m512 p = _mm512_set1_ps(KERN_EXP_6);

    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(KERN_EXP_5));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(KERN_EXP_4));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(KERN_EXP_3));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(KERN_EXP_2));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    p = _mm512_fmadd_ps(p, r, _mm512_set1_ps(1));
    return _mm512_maskz_scalef_ps(keep, p, n);
}

static inline void add_wide(__m512d sum[2], __m512 a)
{
    sum[0] = _mm512_add_pd(sum[0], _mm512_cvtps_pd(_mm512_castps512_ps256(a)));
    sum[1] = _mm512_add_pd(sum[1], _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)));
}

static inline void add_products(__m512d sum[2], __m512 a, __m512 b)
{
    sum[0] = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a)),
                             _mm512_cvtps_pd(_mm512_castps512_ps256(b)), sum[0]);
    sum[1] = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)),
                             _mm512_cvtps_pd(_mm512_extractf32x8_ps(b, 1)), sum[1]);
}

static double exp_from(float *y, const float *x, float max, float s, size_t n)
{
    const __m512 vmax = _mm512_set1_ps(max), vs = _mm512_set1_ps(s);
    __m512d sum[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 e = weight_of(_mm512_maskz_loadu_ps(m, x + i), vmax, vs, m);

        _mm512_mask_storeu_ps(y + i, m, e);
        add_wide(sum, e);
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(sum[0], sum[1]));
}

static void log_of(double *y, const double *x, size_t n)
{
    const __m512d one = _mm512_set1_pd(1);

    for (size_t i = 0; i < n; i += 8) {
        const __mmask8 m = (__mmask8)(n - i < 8 ? (1U << (n - i)) - 1 : 0xffU);

        _mm512_mask_storeu_pd(y + i, m, _ZGVeN8v_log(_mm512_mask_loadu_pd(one, m, x + i)));
    }
}

static void soft_sums(double *share, double *apart, const struct kern_soft *p,
                      const struct kern_soft *q, float s, size_t n)
{
    const __m512 pmax = _mm512_set1_ps(p->max), qmax = _mm512_set1_ps(q->max);
    const __m512 vs = _mm512_set1_ps(s);
    __m512d sum[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};
    __m512d far[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 in = mask16(n - i);
        const __m512 x = _mm512_maskz_loadu_ps(in, p->x + i);
        const __m512 y = _mm512_maskz_loadu_ps(in, q->x + i);
        const __m512 e = weight_of(x, pmax, vs, in);
        const __mmask16 m = _mm512_cmp_ps_mask(e, _mm512_setzero_ps(), _CMP_NEQ_UQ);
        const __m512 d = _mm512_sub_ps(_mm512_sub_ps(x, pmax), _mm512_sub_ps(y, qmax));

        add_wide(sum, e);
        add_products(far, e, _mm512_maskz_mov_ps(m, d));
    }
    *share = _mm512_reduce_add_pd(_mm512_add_pd(sum[0], sum[1]));
    *apart = _mm512_reduce_add_pd(_mm512_add_pd(far[0], far[1]));
}

static void soft_pull(float *d, const struct kern_soft *q, const struct kern_soft *p, float s,
                      size_t n)
{
    const __m512 vs = _mm512_set1_ps(s), none = _mm512_set1_ps(-INFINITY);

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 in = mask16(n - i);
        const __m512 x = _mm512_maskz_loadu_ps(in, q->x + i);
        const __mmask16 m = _mm512_mask_cmp_ps_mask(in, x, none, _CMP_NEQ_UQ);
        __m512 e =
            _mm512_mul_ps(weight_of(x, _mm512_set1_ps(q->max), vs, in), _mm512_set1_ps(q->weight));

        if (p) {
            const __m512 y = _mm512_maskz_loadu_ps(in, p->x + i);
            const __m512 f = weight_of(y, _mm512_set1_ps(p->max), vs, in);

            e = _mm512_sub_ps(e, _mm512_mul_ps(f, _mm512_set1_ps(p->weight)));
        }
        _mm512_mask_storeu_ps(d + i, m, _mm512_add_ps(_mm512_maskz_loadu_ps(in, d + i), e));
    }
}

void kern_init_avx512_soft(struct kern *k)
{
    k->exp_from = exp_from;
    k->log = log_of;
    k->soft_sums = soft_sums;
    k->soft_pull = soft_pull;
}
