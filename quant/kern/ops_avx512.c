/* Plain vectors, 16 values an instruction. */

#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"

#include <immintrin.h>
#include <math.h>

static float dot(const float *a, const float *b, size_t n)
{
    __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                   _mm512_setzero_ps()};
    size_t i = 0;

    for (; i + 64 <= n; i += 64)
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            s[j] = _mm512_fmadd_ps(_mm512_loadu_ps(a + i + 16 * j), _mm512_loadu_ps(b + i + 16 * j),
                                   s[j]);
    for (; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);

        s[0] =
            _mm512_fmadd_ps(_mm512_maskz_loadu_ps(m, a + i), _mm512_maskz_loadu_ps(m, b + i), s[0]);
    }
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3])));
}

static void axpy(float *y, const float *x, float a, size_t n)
{
    const __m512 va = _mm512_set1_ps(a);

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(m, y + i);

        _mm512_mask_storeu_ps(y + i, m, _mm512_fmadd_ps(va, _mm512_maskz_loadu_ps(m, x + i), v));
    }
}

static void rms_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const double sum = (double)dot(x, x, n);
    const float s = n ? (float)(1 / sqrt(sum / (double)n + (double)eps)) : 0;

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 v = _mm512_mul_ps(_mm512_maskz_loadu_ps(m, x + i), _mm512_set1_ps(s));

        _mm512_mask_storeu_ps(y + i, m, _mm512_mul_ps(v, _mm512_maskz_loadu_ps(m, w + i)));
    }
}

/* In F64, so that a mean far from zero leaves the deviations their digits. */
static double sum_of(const float *x, size_t n)
{
    __m512d s0 = _mm512_setzero_pd(), s1 = s0;

    for (size_t i = 0; i < n; i += 16) {
        const __m512 v = _mm512_maskz_loadu_ps(mask16(n - i), x + i);

        s0 = _mm512_add_pd(s0, _mm512_cvtps_pd(_mm512_castps512_ps256(v)));
        s1 = _mm512_add_pd(s1, _mm512_cvtps_pd(_mm512_extractf32x8_ps(v, 1)));
    }
    return _mm512_reduce_add_pd(_mm512_add_pd(s0, s1));
}

static void layer_norm(float *y, const float *x, const float *w, size_t n, float eps)
{
    const __m512 mean = _mm512_set1_ps(n ? (float)(sum_of(x, n) / (double)n) : 0);

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);

        _mm512_mask_storeu_ps(y + i, m, _mm512_sub_ps(_mm512_maskz_loadu_ps(m, x + i), mean));
    }
    rms_norm(y, y, w, n, eps);
}

static void gelu_tanh(float *y, const float *x, size_t n)
{
    const __m512 one = _mm512_set1_ps(1), a = _mm512_set1_ps(-KERN_GELU_TANH);
    const __m512 b = _mm512_set1_ps(0.044715F);

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(m, x + i);
        const __m512 cube = _mm512_mul_ps(_mm512_mul_ps(b, v), _mm512_mul_ps(v, v));
        const __m512 e = exp_clamped(_mm512_mul_ps(a, _mm512_add_ps(v, cube)));

        _mm512_mask_storeu_ps(y + i, m, _mm512_div_ps(v, _mm512_add_ps(one, e)));
    }
}

static void gelu_erf(float *y, const float *x, size_t n)
{
    const __m512 one = _mm512_set1_ps(1), half = _mm512_set1_ps(0.5F);

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(m, x + i);
        const __m512 e = _ZGVeN16v_erff(_mm512_mul_ps(v, _mm512_set1_ps(KERN_GELU_ERF)));

        _mm512_mask_storeu_ps(y + i, m,
                              _mm512_mul_ps(_mm512_mul_ps(half, v), _mm512_add_ps(one, e)));
    }
}

static void silu_mul(float *y, const float *g, const float *u, size_t n)
{
    const __m512 one = _mm512_set1_ps(1);

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 v = _mm512_maskz_loadu_ps(m, g + i);
        const __m512 e = exp_clamped(_mm512_sub_ps(_mm512_setzero_ps(), v));
        const __m512 r = _mm512_div_ps(v, _mm512_add_ps(one, e));

        _mm512_mask_storeu_ps(y + i, m, _mm512_mul_ps(r, _mm512_maskz_loadu_ps(m, u + i)));
    }
}

static float max_of(const float *x, size_t n)
{
    const __m512 least = _mm512_set1_ps(-INFINITY);
    __m512 max = least;

    for (size_t i = 0; i < n; i += 16)
        max = _mm512_max_ps(max, _mm512_mask_loadu_ps(least, mask16(n - i), x + i));
    return _mm512_reduce_max_ps(max);
}

static double log_sum_exp(const float *x, size_t n)
{
    const float max = max_of(x, n);
    const __m512 vmax = _mm512_set1_ps(max);
    __m512d sum = _mm512_setzero_pd();

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512 v = _mm512_sub_ps(_mm512_mask_loadu_ps(vmax, m, x + i), vmax);
        const __m512 e = _mm512_maskz_mov_ps(m, exp_weight(v));

        sum = _mm512_add_pd(sum, _mm512_cvtps_pd(_mm512_castps512_ps256(e)));
        sum = _mm512_add_pd(sum, _mm512_cvtps_pd(_mm512_extractf32x8_ps(e, 1)));
    }
    return (double)max + log(_mm512_reduce_add_pd(sum));
}

/* The sum of 16 products a b, in two F64 vectors of sums. */
static inline void add_products(__m512d sum[2], __m512 a, __m512 b)
{
    sum[0] = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm512_castps512_ps256(a)),
                             _mm512_cvtps_pd(_mm512_castps512_ps256(b)), sum[0]);
    sum[1] = _mm512_fmadd_pd(_mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)),
                             _mm512_cvtps_pd(_mm512_extractf32x8_ps(b, 1)), sum[1]);
}

static void divergence(double *share, double *apart, const float *p, const float *q, float max,
                       size_t n)
{
    const __m512 vmax = _mm512_set1_ps(max), least = _mm512_set1_ps(-EXP_RANGE);
    const __m512 one = _mm512_set1_ps(1);
    __m512d s[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};
    __m512d a[2] = {_mm512_setzero_pd(), _mm512_setzero_pd()};

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 in = mask16(n - i);
        const __m512 x = _mm512_maskz_loadu_ps(in, p + i), y = _mm512_maskz_loadu_ps(in, q + i);
        const __m512 v = _mm512_sub_ps(x, vmax);
        const __mmask16 m = _mm512_mask_cmp_ps_mask(in, v, least, _CMP_NLT_UQ);
        const __m512 e = _mm512_maskz_mov_ps(m, exp_weight(_mm512_mask_mov_ps(least, m, v)));

        add_products(s, e, one);
        add_products(a, e, _mm512_maskz_sub_ps(m, x, y));
    }
    *share = _mm512_reduce_add_pd(_mm512_add_pd(s[0], s[1]));
    *apart = _mm512_reduce_add_pd(_mm512_add_pd(a[0], a[1]));
}

/* Eight pairs: even lanes a c - b s, odd lanes b c + a s. */
static void rope_pairs(float *x, const float *cs, size_t n_rot)
{
    for (size_t i = 0; i < n_rot; i += 16) {
        const __mmask16 m = mask16(n_rot - i);
        const __m512 v = _mm512_maskz_loadu_ps(m, x + i), t = _mm512_maskz_loadu_ps(m, cs + i);
        const __m512 swapped = _mm512_permute_ps(v, 0xb1);
        const __m512 rest = _mm512_mul_ps(swapped, _mm512_movehdup_ps(t));

        _mm512_mask_storeu_ps(x + i, m, _mm512_fmaddsub_ps(v, _mm512_moveldup_ps(t), rest));
    }
}

static void rope_halves(float *x, const float *cs, size_t n_rot)
{
    const size_t half = n_rot / 2;
    const __m512i even =
        _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
    const __m512i odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));

    for (size_t i = 0; i < half; i += 16) {
        const __mmask16 m = mask16(half - i);
        const size_t first = 2 * (half - i);
        const __m512 t0 = _mm512_maskz_loadu_ps(mask16(first), cs + 2 * i);
        const __mmask16 m1 = first > 16 ? mask16(first - 16) : 0;
        const __m512 t1 = _mm512_maskz_loadu_ps(m1, m1 ? cs + 2 * i + 16 : cs);
        const __m512 c = _mm512_permutex2var_ps(t0, even, t1);
        const __m512 s = _mm512_permutex2var_ps(t0, odd, t1);
        const __m512 a = _mm512_maskz_loadu_ps(m, x + i);
        const __m512 b = _mm512_maskz_loadu_ps(m, x + i + half);

        _mm512_mask_storeu_ps(x + i, m, _mm512_fmsub_ps(a, c, _mm512_mul_ps(b, s)));
        _mm512_mask_storeu_ps(x + i + half, m, _mm512_fmadd_ps(a, s, _mm512_mul_ps(b, c)));
    }
}

void kern_init_avx512_ops(struct kern *k)
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
