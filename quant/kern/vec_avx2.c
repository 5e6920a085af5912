/* One activation row: stored rows are decoded in registers and multiplied at once. */

#include "quant/kern/avx2.h"
#include "quant/kern/kern_isa.h"
#include "quant/kern/supers_avx2.h"

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
        run_ahead(block, bytes);
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

/* ---- 16-bit activations --------------------------------------------------------------- */

/* Integer products of 16 weights and activations. */
KERN_INLINE __m256 dot_16(__m128i q, const int16_t *x)
{
    const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)x);

    return _mm256_cvtepi32_ps(_mm256_madd_epi16(_mm256_cvtepi8_epi16(q), v));
}

/* Both halves of a run, times f0 and f1, added to sum[2]. */
KERN_INLINE void add_run(__m256 sum[2], __m256i q, const int16_t *x, float f0, float f1)
{
    const __m256 lo = dot_16(_mm256_castsi256_si128(q), x);
    const __m256 hi = dot_16(_mm256_extracti128_si256(q, 1), x + 16);

    sum[0] = _mm256_fmadd_ps(lo, _mm256_set1_ps(f0), sum[0]);
    sum[1] = _mm256_fmadd_ps(hi, _mm256_set1_ps(f1), sum[1]);
}

/* Types of one run a block. */
KERN_INLINE float dot_blocks(const uint8_t *block, struct act16 x, size_t k, size_t bytes,
                             run_fn *get)
{
    __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    float mins = 0;

    for (size_t i = 0; i < k / 32; i++, block += bytes) {
        const struct run run = get(block, 0);

        run_ahead(block, bytes);
        add_run(sum, run.q, x.q + 32 * i, run.s0 * x.d[i], run.s1 * x.d[i]);
        mins += run.min * x.sum[i];
    }
    return sum8(_mm256_add_ps(sum[0], sum[1])) - mins;
}

/* Types of eight runs a block. */
KERN_INLINE float dot_supers(const uint8_t *block, struct act16 x, size_t k, size_t bytes,
                             run_fn *get, scales_fn *scales)
{
    __m256 sum[2] = {_mm256_setzero_ps(), _mm256_setzero_ps()};
    __m256 mins = _mm256_setzero_ps(), f[2];

    for (size_t i = 0; i < k / 32; i += 8, block += bytes) {
        float at[16];

        run_ahead(block, bytes);
        mins = scales_meet(f, scales(block), x.d + i, x.sum + i, mins);
        _mm256_storeu_ps(at, f[0]);
        _mm256_storeu_ps(at + 8, f[1]);
#pragma GCC unroll 8
        for (int r = 0; r < 8; r++)
            add_run(sum, get(block, r).q, x.q + 32 * (i + (size_t)r), at[2 * r], at[2 * r + 1]);
    }
    return sum8(_mm256_sub_ps(_mm256_add_ps(sum[0], sum[1]), mins));
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

/* The bits of the largest |x| of 32. */
static uint32_t largest(const float *x)
{
    const __m256i no_sign = _mm256_set1_epi32(0x7fffffff);
    __m256i most = _mm256_setzero_si256();
    uint32_t lane[8], out = 0;

    for (size_t i = 0; i < 32; i += 8) {
        const __m256i v = _mm256_loadu_si256((const __m256i *)(const void *)(x + i));

        most = _mm256_max_epu32(most, _mm256_and_si256(v, no_sign));
    }
    _mm256_storeu_si256((__m256i *)(void *)lane, most);
    for (size_t i = 0; i < 8; i++)
        out = lane[i] > out ? lane[i] : out;
    return out;
}

/* The same bits as the scalar one: max, quotient and product round alike. */
static void pack_int16(void *dst, const float *x, size_t k)
{
    const struct act16 a = act16_at(dst, k);

    for (size_t b = 0; b < k / 32; b++, x += 32) {
        const __m256 f = _mm256_set1_ps(act16_factor(&a.d[b], largest(x)));
        __m256i v[4], sum = _mm256_setzero_si256();

        for (size_t i = 0; i < 4; i++) {
            v[i] = _mm256_cvtps_epi32(_mm256_mul_ps(_mm256_loadu_ps(x + 8 * i), f));
            sum = _mm256_add_epi32(sum, v[i]);
        }
        /* whole numbers below 2^24: exact in F32 */
        a.sum[b] = a.d[b] * sum8(_mm256_cvtepi32_ps(sum));
        /* packing works within 128-bit halves: fours end up as 0 2 1 3 */
        for (size_t i = 0; i < 2; i++)
            _mm256_storeu_si256(
                (__m256i *)(void *)(a.q + 32 * b + 16 * i),
                _mm256_permute4x64_epi64(_mm256_packs_epi32(v[2 * i], v[2 * i + 1]), 0xd8));
    }
}

void kern_init_avx2_vec(struct kern *k)
{
    k->pack_vec[KERN_INT16] = pack_int16;
#define ROW(type, name, block, runs)                                                               \
    k->vec[KERN_F32][type] = k->vec[KERN_BF16][type] = name##_vec;                                 \
    k->vec[KERN_INT16][type] = name##_vec_int16;
    KERN_RUN_TYPES(ROW)
}
