/* Plain vectors, 8 values an instruction. */

#include "quant/kern/avx2.h"
#include "quant/kern/kern_isa.h"

#include <math.h>

static float dot(const float *a, const float *b, size_t n)
{
    __m256 s[4] = {_mm256_setzero_ps(), _mm256_setzero_ps(), _mm256_setzero_ps(),
                   _mm256_setzero_ps()};
    size_t i = 0;

    for (; i + 32 <= n; i += 32)
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            s[j] = _mm256_fmadd_ps(_mm256_loadu_ps(a + i + 8 * j), _mm256_loadu_ps(b + i + 8 * j),
                                   s[j]);
    for (; i < n; i += 8) {
        const __m256i m = mask8(n - i);

        s[0] = _mm256_fmadd_ps(_mm256_maskload_ps(a + i, m), _mm256_maskload_ps(b + i, m), s[0]);
    }
    return sum8(_mm256_add_ps(_mm256_add_ps(s[0], s[1]), _mm256_add_ps(s[2], s[3])));
}

static void axpy(float *y, const float *x, float a, size_t n)
{
    const __m256 va = _mm256_set1_ps(a);

    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);
        const __m256 v = _mm256_maskload_ps(y + i, m);

        _mm256_maskstore_ps(y + i, m, _mm256_fmadd_ps(va, _mm256_maskload_ps(x + i, m), v));
    }
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const double sum = (double)dot(x, x, n);
    const float s = n ? (float)(1 / sqrt(sum / (double)n + (double)eps)) : 0;

    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);
        const __m256 v = _mm256_mul_ps(_mm256_maskload_ps(x + i, m), _mm256_set1_ps(s));

        _mm256_maskstore_ps(y + i, m, _mm256_mul_ps(v, _mm256_maskload_ps(w + i, m)));
    }
}

/* In F64, so that a mean far from zero leaves the deviations their digits. */
static double sum_of(const float *x, size_t n)
{
    __m256d s0 = _mm256_setzero_pd(), s1 = s0;
    double lane[4];

    for (size_t i = 0; i < n; i += 8) {
        const __m256 v = _mm256_maskload_ps(x + i, mask8(n - i));

        s0 = _mm256_add_pd(s0, _mm256_cvtps_pd(_mm256_castps256_ps128(v)));
        s1 = _mm256_add_pd(s1, _mm256_cvtps_pd(_mm256_extractf128_ps(v, 1)));
    }
    _mm256_storeu_pd(lane, _mm256_add_pd(s0, s1));
    return lane[0] + lane[1] + (lane[2] + lane[3]);
}

static void layer_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const __m256 mean = _mm256_set1_ps(n ? (float)(sum_of(x, n) / (double)n) : 0);

    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);

        _mm256_maskstore_ps(y + i, m, _mm256_sub_ps(_mm256_maskload_ps(x + i, m), mean));
    }
    rms_norm(y, y, w, n, eps);
}

static void gelu_tanh(float *y, const float *x, size_t n)
{
    const __m256 one = _mm256_set1_ps(1), a = _mm256_set1_ps(-KERN_GELU_TANH);
    const __m256 b = _mm256_set1_ps(0.044715F);

    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);
        const __m256 v = _mm256_maskload_ps(x + i, m);
        const __m256 cube = _mm256_mul_ps(_mm256_mul_ps(b, v), _mm256_mul_ps(v, v));
        const __m256 e = exp_clamped8(_mm256_mul_ps(a, _mm256_add_ps(v, cube)));

        _mm256_maskstore_ps(y + i, m, _mm256_div_ps(v, _mm256_add_ps(one, e)));
    }
}

static void gelu_erf(float *y, const float *x, size_t n)
{
    const __m256 one = _mm256_set1_ps(1), half = _mm256_set1_ps(0.5F);

    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);
        const __m256 v = _mm256_maskload_ps(x + i, m);
        const __m256 e = _ZGVdN8v_erff(_mm256_mul_ps(v, _mm256_set1_ps(KERN_GELU_ERF)));

        _mm256_maskstore_ps(y + i, m, _mm256_mul_ps(_mm256_mul_ps(half, v), _mm256_add_ps(one, e)));
    }
}

static void silu_mul(float *y, const float *g, const float *u, size_t n)
{
    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);
        const __m256 v = _mm256_maskload_ps(g + i, m);
        const __m256 e = exp_clamped8(_mm256_sub_ps(_mm256_setzero_ps(), v));
        const __m256 r = _mm256_div_ps(v, _mm256_add_ps(_mm256_set1_ps(1), e));

        _mm256_maskstore_ps(y + i, m, _mm256_mul_ps(r, _mm256_maskload_ps(u + i, m)));
    }
}

static float max_of(const float *x, size_t n)
{
    const __m256 lowest = _mm256_set1_ps(-INFINITY);
    __m256 max = lowest;

    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);

        max = _mm256_max_ps(
            max, _mm256_blendv_ps(lowest, _mm256_maskload_ps(x + i, m), _mm256_castsi256_ps(m)));
    }
    return max8(max);
}

/* The sum of 8 products a b, in two F64 vectors of sums. */
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

static double log_sum_exp(const float *x, size_t n)
{
    const float max = max_of(x, n);
    const __m256 vmax = _mm256_set1_ps(max);
    __m256d sum = _mm256_setzero_pd();
    double lane[4];

    for (size_t i = 0; i < n; i += 8) {
        const __m256i m = mask8(n - i);
        const __m256 v = _mm256_sub_ps(_mm256_maskload_ps(x + i, m), vmax);
        const __m256 e = _mm256_and_ps(exp_weight8(v), _mm256_castsi256_ps(m));

        sum = _mm256_add_pd(sum, _mm256_cvtps_pd(_mm256_castps256_ps128(e)));
        sum = _mm256_add_pd(sum, _mm256_cvtps_pd(_mm256_extractf128_ps(e, 1)));
    }
    _mm256_storeu_pd(lane, sum);
    return (double)max + log(lane[0] + lane[1] + (lane[2] + lane[3]));
}

static void divergence(double *share, double *apart, const float *p, const float *q, float max,
                       size_t n)
{
    const __m256 vmax = _mm256_set1_ps(max), least = _mm256_set1_ps(-EXP_RANGE);
    const __m256 one = _mm256_set1_ps(1);
    __m256d s[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};
    __m256d a[2] = {_mm256_setzero_pd(), _mm256_setzero_pd()};

    for (size_t i = 0; i < n; i += 8) {
        const __m256i in = mask8(n - i);
        const __m256 x = _mm256_maskload_ps(p + i, in), y = _mm256_maskload_ps(q + i, in);
        const __m256 v = _mm256_sub_ps(x, vmax);
        const __m256 m =
            _mm256_and_ps(_mm256_castsi256_ps(in), _mm256_cmp_ps(v, least, _CMP_NLT_UQ));
        const __m256 e = _mm256_and_ps(m, exp_weight8(_mm256_blendv_ps(least, v, m)));

        add_products(s, e, one);
        add_products(a, e, _mm256_and_ps(m, _mm256_sub_ps(x, y)));
    }
    *share = sum_pair(s);
    *apart = sum_pair(a);
}

/* Four pairs: even lanes a c - b s, odd lanes b c + a s. */
static void rope_pairs(float *x, const float *cs, size_t n_rot)
{
    for (size_t i = 0; i < n_rot; i += 8) {
        const __m256i m = mask8(n_rot - i);
        const __m256 v = _mm256_maskload_ps(x + i, m), t = _mm256_maskload_ps(cs + i, m);
        const __m256 rest = _mm256_mul_ps(_mm256_permute_ps(v, 0xb1), _mm256_movehdup_ps(t));

        _mm256_maskstore_ps(x + i, m, _mm256_fmaddsub_ps(v, _mm256_moveldup_ps(t), rest));
    }
}

/* Four (cos, sin) pairs each in t0 and t1, taken apart. */
static void take_apart(__m256 *c, __m256 *s, __m256 t0, __m256 t1)
{
    const __m256 even = _mm256_shuffle_ps(t0, t1, 0x88), odd = _mm256_shuffle_ps(t0, t1, 0xdd);

    *c = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(even), 0xd8));
    *s = _mm256_castpd_ps(_mm256_permute4x64_pd(_mm256_castps_pd(odd), 0xd8));
}

static void rope_halves(float *x, const float *cs, size_t n_rot)
{
    const size_t half = n_rot / 2;

    for (size_t i = 0; i < half; i += 8) {
        const __m256i m = mask8(half - i);
        const size_t left = 2 * (half - i);
        const __m256i m1 = mask8(left > 8 ? left - 8 : 0);
        const __m256 a = _mm256_maskload_ps(x + i, m), b = _mm256_maskload_ps(x + i + half, m);
        __m256 c, s;

        take_apart(&c, &s, _mm256_maskload_ps(cs + 2 * i, mask8(left)),
                   _mm256_maskload_ps(cs + 2 * i + 8, m1));
        _mm256_maskstore_ps(x + i, m, _mm256_fmsub_ps(a, c, _mm256_mul_ps(b, s)));
        _mm256_maskstore_ps(x + i + half, m, _mm256_fmadd_ps(a, s, _mm256_mul_ps(b, c)));
    }
}

void kern_init_avx2_ops(struct kern *k)
{
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
}
