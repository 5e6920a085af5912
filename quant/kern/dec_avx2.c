/* Decoders with 8 values an instruction, and rows as integers. */

#include "quant/kern/kern_isa.h"
#include "quant/kern/runs_avx2.h"

#include <string.h>

/* s * q - min of the low 8 codes. */
KERN_INLINE void put_8(float *dst, __m128i q, float s, float min)
{
    const __m256 v = _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(q));

    _mm256_storeu_ps(dst, _mm256_sub_ps(_mm256_mul_ps(v, _mm256_set1_ps(s)), _mm256_set1_ps(min)));
}

KERN_INLINE void decode(float *dst, const void *src, size_t n, size_t bytes, int runs, run_fn *get)
{
    const uint8_t *block = src;

    for (; n; block += bytes) {
#pragma GCC unroll 8
        for (int r = 0; r < runs; r++, dst += 32, n -= 32) {
            const struct run run = get(block, r);
            const __m128i lo = _mm256_castsi256_si128(run.q);
            const __m128i hi = _mm256_extracti128_si256(run.q, 1);

            put_8(dst, lo, run.s0, run.min);
            put_8(dst + 8, _mm_srli_si128(lo, 8), run.s0, run.min);
            put_8(dst + 16, hi, run.s1, run.min);
            put_8(dst + 24, _mm_srli_si128(hi, 8), run.s1, run.min);
        }
    }
}

#define DECODER(type, name, block, runs)                                                           \
    static void name##_dec(float *dst, const void *src, size_t n)                                  \
    {                                                                                              \
        decode(dst, src, n, sizeof(block), runs, run_##name);                                      \
    }
KERN_RUN_TYPES(DECODER)

static void f16_dec(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        const __m128i h = _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i));

        _mm256_storeu_ps(dst + i, _mm256_cvtph_ps(h));
    }
    for (; i < n; i++) {
        uint16_t h;

        memcpy(&h, p + 2 * i, sizeof(h));
        dst[i] = _cvtsh_ss(h);
    }
}

static void bf16_dec(float *dst, const void *src, size_t n)
{
    const uint8_t *p = src;
    size_t i = 0;

    for (; i + 8 <= n; i += 8) {
        const __m128i h = _mm_loadu_si128((const __m128i *)(const void *)(p + 2 * i));
        const __m256i v = _mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16);

        _mm256_storeu_si256((__m256i *)(void *)(dst + i), v);
    }
    for (; i < n; i++) {
        const uint16_t zero = 0;

        memcpy(dst + i, &zero, sizeof(zero));
        memcpy((uint8_t *)(dst + i) + 2, p + 2 * i, sizeof(zero));
    }
}

/* ---- integers of a row ---------------------------------------------------------------- */

KERN_INLINE void ints(int8_t *q, float *scale, float *min, const uint8_t *block, size_t k,
                      size_t bytes, int runs, run_fn *get)
{
    for (size_t at = 0; at < k / 32; block += bytes) {
#pragma GCC unroll 8
        for (int r = 0; r < runs; r++, at++) {
            const struct run run = get(block, r);

            _mm256_storeu_si256((__m256i *)(void *)(q + 32 * at), run.q);
            scale[2 * at] = run.s0;
            scale[2 * at + 1] = run.s1;
            min[at] = run.min;
        }
    }
}

#define INTS(type, name, block, runs)                                                              \
    static void name##_ints(int8_t *q, float *scale, float *min, const void *src, size_t k)        \
    {                                                                                              \
        ints(q, scale, min, src, k, sizeof(block), runs, run_##name);                              \
    }
KERN_RUN_TYPES(INTS)

void kern_init_avx2_dec(struct kern *k)
{
    k->dec[DTYPE_F16] = f16_dec;
    k->dec[DTYPE_BF16] = bf16_dec;
#define ROW(type, name, block, runs)                                                               \
    k->dec[type] = name##_dec;                                                                     \
    k->ints[type] = name##_ints;
    KERN_RUN_TYPES(ROW)
}
