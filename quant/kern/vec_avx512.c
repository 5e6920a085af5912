/* One activation row: stored rows are decoded in registers and multiplied at once. */

#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"
#include "quant/kern/supers_avx2.h"

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
        run_ahead(block, bytes);
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

/* ---- 16-bit activations --------------------------------------------------------------- */

/* Integer products of a run's 32 weights and activations: lanes 0 .. 7 sum values 0 .. 15,
 * lanes 8 .. 15 the others. */
KERN_INLINE __m512 dot_32(__m256i q, const int16_t *x)
{
    const __m512i s =
        _mm512_dpwssd_epi32(_mm512_setzero_si512(), _mm512_cvtepi8_epi16(q), _mm512_loadu_si512(x));

    return _mm512_cvtepi32_ps(s);
}

/* Types of one run a block. */
KERN_INLINE float dot_blocks(const uint8_t *block, struct act16 x, size_t k, size_t bytes,
                             run_fn *get)
{
    __m512 sum = _mm512_setzero_ps();
    float mins = 0;

    for (size_t i = 0; i < k / 32; i++, block += bytes) {
        const struct run run = get(block, 0);

        run_ahead(block, bytes);
        sum = _mm512_fmadd_ps(dot_32(run.q, x.q + 32 * i), _mm512_set1_ps(run.s0 * x.d[i]), sum);
        mins += run.min * x.sum[i];
    }
    return _mm512_reduce_add_ps(sum) - mins;
}

/* Types of eight runs a block. */
KERN_INLINE float dot_supers(const uint8_t *block, struct act16 x, size_t k, size_t bytes,
                             run_fn *get, scales_fn *scales)
{
    const __m512i halves = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1);
    __m512 sum[2] = {_mm512_setzero_ps(), _mm512_setzero_ps()};
    __m256 mins = _mm256_setzero_ps(), f[2];

    for (size_t i = 0; i < k / 32; i += 8, block += bytes) {
        run_ahead(block, bytes);
        mins = scales_meet(f, scales(block), x.d + i, x.sum + i, mins);
        const __m512 all = _mm512_insertf32x8(_mm512_castps256_ps512(f[0]), f[1], 1);
#pragma GCC unroll 8
        for (int r = 0; r < 8; r++) {
            const __m512i at = _mm512_add_epi32(halves, _mm512_set1_epi32(2 * r));

            sum[r % 2] = _mm512_fmadd_ps(dot_32(get(block, r).q, x.q + 32 * (i + (size_t)r)),
                                         _mm512_permutexvar_ps(at, all), sum[r % 2]);
        }
    }
    return _mm512_reduce_add_ps(
        _mm512_sub_ps(_mm512_add_ps(sum[0], sum[1]), _mm512_zextps256_ps512(mins)));
}

#define VEC_INT16(name, dot)                                                                       \
    static void name##_vec_int16(float *y, const struct kern *kern, enum dtype t,                  \
                                 const uint8_t *const *w, size_t n, const void *x, size_t k)       \
    {                                                                                              \
        const struct act16 a = act16_at((void *)(uintptr_t)x, k);                                  \
                                                                                                   \
        (void)kern;                                                                                \
        (void)t;                                                                                   \
        for (size_t i = 0; i < n; i++)                                                             \
            y[i] = dot;                                                                            \
    }
#define VEC_BLOCKS(type, name, block, runs)                                                        \
    VEC_INT16(name, dot_blocks(w[i], a, k, sizeof(block), run_##name))
#define VEC_SUPERS(type, name, block, runs)                                                        \
    VEC_INT16(name, dot_supers(w[i], a, k, sizeof(block), run_##name, scales_##name))
KERN_BLOCK_TYPES(VEC_BLOCKS)
KERN_SUPER_TYPES(VEC_SUPERS)

/* The same bits as the scalar one: max, quotient and product round alike. */
static void pack_int16(void *dst, const float *x, size_t k)
{
    const struct act16 a = act16_at(dst, k);

    for (size_t b = 0; b < k / 32; b++) {
        int sum;
        const __m512i q = round_16bit(&a.d[b], &sum, x + 32 * b);

        _mm512_storeu_si512(a.q + 32 * b, q);
        a.sum[b] = a.d[b] * (float)sum;
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
    k->pack_vec[KERN_INT16] = pack_int16;
    k->vec[KERN_F32][DTYPE_F32] = k->vec[KERN_BF16][DTYPE_F32] = f32_vec;
    k->vec[KERN_F32][DTYPE_F16] = k->vec[KERN_BF16][DTYPE_F16] = f16_vec;
    k->vec[KERN_F32][DTYPE_BF16] = k->vec[KERN_BF16][DTYPE_BF16] = bf16_vec;
#define ROW(type, name, block, runs)                                                               \
    k->vec[KERN_F32][type] = k->vec[KERN_BF16][type] = name##_vec;                                 \
    k->vec[KERN_INT16][type] = name##_vec_int16;
    KERN_RUN_TYPES(ROW)
}
