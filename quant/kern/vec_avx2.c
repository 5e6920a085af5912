/* One activation row: stored rows are decoded in registers and multiplied at once. */

#include "quant/kern/avx2.h"
#include "quant/kern/kern_isa.h"
#include "quant/kern/runs_avx2.h"

/* ---- F32 activations ---------------------------------------------------------------- */

/* (s * q - min) . x of the low 8 codes, added to sum. */
KERN_INLINE __m256 add_8(__m256 sum, __m128i q, float s, float min, const float *x)
{
    const __m256 v = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q));
    const __m256 w = _mm256_fmsub_ps(v, _mm256_set1_ps(s), _mm256_set1_ps(min));

    return _mm256_fmadd_ps(w, _mm256_loadu_ps(x), sum);
}

KERN_INLINE float dot_runs(const uint8_t *block, const float *x, size_t k, size_t bytes, int runs,
                           run_fn *get)
{
    __m256 a = _mm256_setzero_ps(), b = _mm256_setzero_ps();

    for (size_t i = 0; i < k; block += bytes) {
#pragma GCC unroll 8
        for (int r = 0; r < runs; r++, i += 32) {
            const struct run run = get(block, r);
            const __m128i lo = _mm256_castsi256_si128(run.q);
            const __m128i hi = _mm256_extracti128_si256(run.q, 1);

            a = add_8(a, lo, run.s0, run.min, x + i);
            b = add_8(b, _mm_srli_si128(lo, 8), run.s0, run.min, x + i + 8);
            a = add_8(a, hi, run.s1, run.min, x + i + 16);
            b = add_8(b, _mm_srli_si128(hi, 8), run.s1, run.min, x + i + 24);
        }
    }
    return sum8(_mm256_add_ps(a, b));
}

#define VEC(type, name, block, runs)                                                               \
    static void name##_vec(float *y, const struct kern *kern, enum dtype t,                        \
                           const uint8_t *const *w, size_t n, const void *x, size_t k)             \
    {                                                                                              \
        (void)kern;                                                                                \
        (void)t;                                                                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = dot_runs(w[i], x, k, sizeof(block), runs, run_##name);                          \
    }
KERN_RUN_TYPES(VEC)

/* ---- 8-bit activations ---------------------------------------------------------------- */

/* Signed times signed bytes: |q| times x with q's sign, pairs summed in 16 bits (at
 * most 2 * 128 * 127: no overflow). Lanes 0 .. 3 sum values 0 .. 15, lanes 4 .. 7 the
 * others. */
KERN_INLINE __m256i dot_32(__m256i q, __m256i x)
{
    const __m256i pairs = _mm256_maddubs_epi16(_mm256_abs_epi8(q), _mm256_sign_epi8(x, q));

    return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1));
}

KERN_INLINE float dot_int8(const uint8_t *block, struct act8 x, size_t k, size_t bytes, int runs,
                           run_fn *get)
{
    __m256 sum = _mm256_setzero_ps();
    float mins = 0;

    for (size_t at = 0; at < k / 32; block += bytes) {
#pragma GCC unroll 8
        for (int r = 0; r < runs; r++, at++) {
            const struct run run = get(block, r);
            const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(x.q + 32 * at));
            const __m256 scale = _mm256_set_m128(_mm_set1_ps(run.s1 * x.d[2 * at + 1]),
                                                 _mm_set1_ps(run.s0 * x.d[2 * at]));

            sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(dot_32(run.q, v)), scale, sum);
            mins += run.min * x.sum[at];
        }
    }
    return sum8(sum) - mins;
}

#define VEC_INT8(type, name, block, runs)                                                          \
    static void name##_vec_int8(float *y, const struct kern *kern, enum dtype t,                   \
                                const uint8_t *const *w, size_t n, const void *x, size_t k)        \
    {                                                                                              \
        const struct act8 a = act8_at((void *)(uintptr_t)x, k);                                    \
                                                                                                   \
        (void)kern;                                                                                \
        (void)t;                                                                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = dot_int8(w[i], a, k, sizeof(block), runs, run_##name);                          \
    }
KERN_RUN_TYPES(VEC_INT8)

/* 16 values as integers to v[2]; returns d times their sum. */
static float pack_16(__m256i v[2], float *d, const float *x)
{
    const float max = max_abs16(x);
    const __m256 f = _mm256_set1_ps(max > 0 ? 127 / max : 0);

    v[0] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x), f));
    v[1] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8), f));
    *d = max / 127;
    /* whole numbers below 2^24: exact in F32 */
    return *d * sum8(_mm256_cvtepi32_ps(_mm256_add_epi32(v[0], v[1])));
}

/* The same bits as the scalar one: max, quotient and product round alike. */
static void pack_int8(void *dst, const float *x, size_t k)
{
    const struct act8 a = act8_at(dst, k);

    for (size_t b = 0; b < k / 32; b++, x += 32) {
        __m256i v[4], words0, words1;
        const float first = pack_16(v, &a.d[2 * b], x);

        a.sum[b] = first + pack_16(v + 2, &a.d[2 * b + 1], x + 16);
        /* packing works within 128-bit halves: fours end up as 0 2 4 6 1 3 5 7 */
        words0 = _mm256_packs_epi32(v[0], v[1]);
        words1 = _mm256_packs_epi32(v[2], v[3]);
        _mm256_storeu_si256((__m256i *)(void *)(a.q + 32 * b),
                            _mm256_permutevar8x32_epi32(_mm256_packs_epi16(words0, words1),
                                                        _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7)));
    }
}

void kern_init_avx2_vec(struct kern *k)
{
    k->pack_vec[KERN_INT8] = pack_int8;
#define ROW(type, name, block, runs)                                                               \
    k->vec[KERN_F32][type] = k->vec[KERN_BF16][type] = name##_vec;                                 \
    k->vec[KERN_INT8][type] = name##_vec_int8;
    KERN_RUN_TYPES(ROW)
}
