/* Softmaxes and their differences, 8 values an instruction. */

#include "quant/kern/avx2.h"
#include "quant/kern/kern_isa.h"

#include <math.h>

/* exp(s (x - max)), 0 below exp(-EXP_RANGE); lanes outside m are 0. See kern_isa.h for the polynomial. */
static inline __m256 weight_of(__m256 x, __m256 max, __m256 s, __m256i m)
{
    const __m256 in = _mm256_castsi256_ps(m), least = _mm256_set1_ps(-EXP_RANGE);
    const __m256 v = _mm256_mul_ps(s, _mm256_and_ps(in, _mm256_sub_ps(x, max)));
    const __m256 keep = _mm256_and_ps(in, _mm256_cmp_ps(v, least, _CMP_NLT_UQ));
    const __m256 w = _mm256_max_ps(least, v);
    const __m256 n = _mm256_round_ps(_mm256_mul_ps(w, _mm256_set1_ps(KERN_LOG2_E)), 8);
    const __m256 near = _mm256_fnmadd_ps(n, _mm256_set1_ps(KERN_LN2_HIGH), w);
    const __m256 r = _mm256_fnmadd_ps(n, _mm256_set1_ps(KERN_LN2_LOW), near);
    const __m256i up = _mm256_slli_epi32(_mm256_cvtps_epi32(n), 23);
    __m256 p = _mm256_set1_ps(KERN_EXP_6);

    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(KERN_EXP_5));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(KERN_EXP_4));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(KERN_EXP_3));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(KERN_EXP_2));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    p = _mm256_fmadd_ps(p, r, _mm256_set1_ps(1));
    /* n of a NaN is 2^31: shifted out */
    p = _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(p), up));
    return _mm256_and_ps(keep, p);
}

static inline void add_wide(__m256d sum[2], __m256 a)
{
    sum[0] = _mm256_add_pd(sum[0], _mm256_cvtps_pd(_mm256_castps256_ps128(a)));
    sum[1] = _mm256_add_pd(sum[1], _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)));
}

static inline void add_products(__m256d sum[2], __m256 a, __m256 b)
{
    sum[0] = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_castps256_ps128(a)),
                             _mm256_cvtps_pd(_mm256_castps256_ps128(b)), sum[0]);
    sum[1] = _mm256_fmadd_pd(_mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)),
                             _mm256_cvtps_pd(_mm256_extractf128_ps(b, 1)), sum[1]);
}

static double sum_pair(const __m256d sum[2])
{
    double lane[4];

    _mm256_storeu_pd(lane, _mm256_add_pd(sum[0], sum[1]));
    return lane[0] + lane[1] + (lane[2] + lane[3]);
}

static double exp_from(float *y, const float *x, float max, float s, size_t n)
{
    const __m256 vmax = _mm256_set1_ps(max), vs = _mm256_set1_ps(s);
    __m256d sum[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};

    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);
        const __m256 e = weight_of(_mm256_maskload_ps(x + i, m), vmax, vs, m);

        _mm256_maskstore_ps(y + i, m, e);
        add_wide(sum, e);
    }
    return sum_pair(sum);
}

static void log_of(double *y, const double *x, size_t n)
{
    size_t i = 0;

    for (; i + 4 <= n; i += 4)
        _mm256_storeu_pd(y + i, _ZGVdN4v_log(_mm256_loadu_pd(x + i)));
    for (; i < n; i++)
        y[i] = log(x[i]);
}

static void soft_sums(double *share, double *apart, const struct kern_soft *p,
                      const struct kern_soft *q, float s, size_t n)
{
    const __m256 pmax = _mm256_set1_ps(p->max), qmax = _mm256_set1_ps(q->max);
    const __m256 vs = _mm256_set1_ps(s);
    __m256d sum[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    __m256d far[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};

    for (size_t i = 0; i < n; i += 8) {
        const __m256i in = mask8(n - i);
        const __m256 x = _mm256_maskload_ps(p->x + i, in);
        const __m256 y = _mm256_maskload_ps(q->x + i, in);
        const __m256 e = weight_of(x, pmax, vs, in);
        const __m256 m = _mm256_cmp_ps(e, _mm256_setzero_ps(), _CMP_NEQ_UQ);
        const __m256 d = _mm256_sub_ps(_mm256_sub_ps(x, pmax), _mm256_sub_ps(y, qmax));

        add_wide(sum, e);
        add_products(far, e, _mm256_and_ps(m, d));
    }
    *share = sum_pair(sum);
    *apart = sum_pair(far);
}

static void soft_pull(float *d, const struct kern_soft *q, const struct kern_soft *p, float s,
                      size_t n)
{
    const __m256 vs = _mm256_set1_ps(s), none = _mm256_set1_ps(-INFINITY);

    for (size_t i = 0; i < n; i += 8) {
        const __m256i in = mask8(n - i);
        const __m256 x = _mm256_maskload_ps(q->x + i, in);
        const __m256 m = _mm256_cmp_ps(x, none, _CMP_NEQ_UQ);
        __m256 e =
            _mm256_mul_ps(weight_of(x, _mm256_set1_ps(q->max), vs, in), _mm256_set1_ps(q->weight));

        if (p) {
            const __m256 y = _mm256_maskload_ps(p->x + i, in);
            const __m256 f = weight_of(y, _mm256_set1_ps(p->max), vs, in);

            e = _mm256_sub_ps(e, _mm256_mul_ps(f, _mm256_set1_ps(p->weight)));
        }
        e = _mm256_and_ps(m, e);
        _mm256_maskstore_ps(d + i, in, _mm256_add_ps(_mm256_maskload_ps(d + i, in), e));
    }
}

void kern_init_avx2_soft(struct kern *k)
{
    k->exp_from = exp_from;
    k->log = log_of;
    k->soft_sums = soft_sums;
    k->soft_pull = soft_pull;
}
