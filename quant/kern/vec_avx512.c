/* One activation row: stored rows are decoded in registers and multiplied at once. */

#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"
#include "quant/kern/runs_avx2.h"

/* ---- F32 activations ---------------------------------------------------------------- */

/* (s * q - min) . x of 16 values, added to sum. */
KERN_INLINE __m512 add_16(__m512 sum, __m128i q, float s, float min, const float *x)
{
    const __m512 v = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q));
    const __m512 w = _mm512_fmsub_ps(v, _mm512_set1_ps(s), _mm512_set1_ps(min));

    return _mm512_fmadd_ps(w, _mm512_loadu_ps(x), sum);
}

KERN_INLINE float dot_runs(const uint8_t *block, const float *x, size_t k, size_t bytes, int runs,
                           run_fn *get)
{
    __m512 a = _mm512_setzero_ps(), b = _mm512_setzero_ps();

    for (size_t i = 0; i < k; block += bytes) {
#pragma GCC unroll 8
        for (int r = 0; r < runs; r++, i += 32) {
            const struct run run = get(block, r);

            a = add_16(a, _mm256_castsi256_si128(run.q), run.s0, run.min, x + i);
            b = add_16(b, _mm256_extracti128_si256(run.q, 1), run.s1, run.min, x + i + 16);
        }
    }
    return _mm512_reduce_add_ps(_mm512_add_ps(a, b));
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

/* 16 weights of a float type, those of the mask. */
typedef __m512 load_fn(const uint8_t *p, size_t i, __mmask16 m);

KERN_INLINE __m512 load_f32(const uint8_t *p, size_t i, __mmask16 m)
{
    return _mm512_maskz_loadu_ps(m, p + 4 * i);
}

KERN_INLINE __m512 load_f16(const uint8_t *p, size_t i, __mmask16 m)
{
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, p + 2 * i));
}

KERN_INLINE __m512 load_bf16(const uint8_t *p, size_t i, __mmask16 m)
{
    const __m512i v = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, p + 2 * i));

    return _mm512_castsi512_ps(_mm512_slli_epi32(v, 16));
}

KERN_INLINE float dot_floats(const uint8_t *w, const float *x, size_t k, load_fn *load)
{
    __m512 s[4] = {_mm512_setzero_ps(), _mm512_setzero_ps(), _mm512_setzero_ps(),
                   _mm512_setzero_ps()};
    size_t i = 0;

    for (; i + 64 <= k; i += 64)
#pragma GCC unroll 4
        for (size_t j = 0; j < 4; j++)
            s[j] =
                _mm512_fmadd_ps(load(w, i + 16 * j, 0xffff), _mm512_loadu_ps(x + i + 16 * j), s[j]);
    for (; i < k; i += 16) {
        const __mmask16 m = mask16(k - i);

        s[0] = _mm512_fmadd_ps(load(w, i, m), _mm512_maskz_loadu_ps(m, x + i), s[0]);
    }
    return _mm512_reduce_add_ps(
        _mm512_add_ps(_mm512_add_ps(s[0], s[1]), _mm512_add_ps(s[2], s[3])));
}

#define VEC_FLOAT(name)                                                                            \
    static void name##_vec(float *y, const struct kern *kern, enum dtype t,                        \
                           const uint8_t *const *w, size_t n, const void *x, size_t k)             \
    {                                                                                              \
        (void)kern;                                                                                \
        (void)t;                                                                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = dot_floats(w[i], x, k, load_##name);                                            \
    }
VEC_FLOAT(f32)
VEC_FLOAT(f16)
VEC_FLOAT(bf16)

/* ---- 8-bit activations ---------------------------------------------------------------- */

/* Signed times signed bytes: |q| times x with q's sign. Lanes 0 .. 3 sum values
 * 0 .. 15, lanes 4 .. 7 the others. */
KERN_INLINE float dot_int8(const uint8_t *block, struct act8 x, size_t k, size_t bytes, int runs,
                           run_fn *get)
{
    __m256 sum = _mm256_setzero_ps();
    float mins = 0;
    size_t at = 0;

    for (; at < k / 32; block += bytes) {
#pragma GCC unroll 8
        for (int r = 0; r < runs; r++, at++) {
            const struct run run = get(block, r);
            const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(x.q + 32 * at));
            const __m256i s = _mm256_dpbusd_epi32(_mm256_setzero_si256(), _mm256_abs_epi8(run.q),
                                                  _mm256_sign_epi8(v, run.q));
            const __m256 scale = _mm256_set_m128(_mm_set1_ps(run.s1 * x.d[2 * at + 1]),
                                                 _mm_set1_ps(run.s0 * x.d[2 * at]));

            sum = _mm256_fmadd_ps(_mm256_cvtepi32_ps(s), scale, sum);
            mins += run.min * x.sum[at];
        }
    }
    return _mm512_reduce_add_ps(_mm512_zextps256_ps512(sum)) - mins;
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

/* The same bits as the scalar one: max, quotient and product round alike. */
static void pack_int8(void *dst, const float *x, size_t k)
{
    const struct act8 a = act8_at(dst, k);

    for (size_t b = 0; b < k / 16; b++) {
        int sum;
        const __m128i q = round_8bit(&a.d[b], &sum, x + 16 * b);
        const float part = a.d[b] * (float)sum;

        _mm_storeu_si128((__m128i *)(void *)(a.q + 16 * b), q);
        a.sum[b / 2] = b % 2 ? a.sum[b / 2] + part : part;
    }
}

static void pack_bf16(void *dst, const float *x, size_t k)
{
    float *y = dst;

    for (size_t i = 0; i < k; i += 16) {
        const __mmask16 m = mask16(k - i);

        _mm512_mask_storeu_ps(y + i, m, round_bf16(_mm512_maskz_loadu_ps(m, x + i)));
    }
}

void kern_init_avx512_vec(struct kern *k)
{
    k->pack_vec[KERN_BF16] = pack_bf16;
    k->pack_vec[KERN_INT8] = pack_int8;
    k->vec[KERN_F32][DTYPE_F32] = k->vec[KERN_BF16][DTYPE_F32] = f32_vec;
    k->vec[KERN_F32][DTYPE_F16] = k->vec[KERN_BF16][DTYPE_F16] = f16_vec;
    k->vec[KERN_F32][DTYPE_BF16] = k->vec[KERN_BF16][DTYPE_BF16] = bf16_vec;
#define ROW(type, name, block, runs)                                                               \
    k->vec[KERN_F32][type] = k->vec[KERN_BF16][type] = name##_vec;                                 \
    k->vec[KERN_INT8][type] = name##_vec_int8;
    KERN_RUN_TYPES(ROW)
}
