/* Decoders with 16 values an instruction. */

#include "quant/kern/avx512.h"
#include "quant/kern/kern_isa.h"
#include "quant/kern/runs_avx2.h"

#include <string.h>

/* s * q - min of 16 codes. */
KERN_INLINE __m512 values(__m128i q, float s, float min)
{
    const __m512 v = _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(q));

    return _mm512_sub_ps(_mm512_mul_ps(v, _mm512_set1_ps(s)), _mm512_set1_ps(min));
}

KERN_INLINE void decode(float *dst, const void *src, size_t n, size_t bytes, int runs, run_fn *get)
{
    const uint8_t *block = src;

    for (; n; block += bytes) {
#pragma GCC unroll 8
        for (int r = 0; r < runs; r++, dst += 32, n -= 32) {
            const struct run run = get(block, r);

            _mm512_storeu_ps(dst, values(_mm256_castsi256_si128(run.q), run.s0, run.min));
            _mm512_storeu_ps(dst + 16, values(_mm256_extracti128_si256(run.q, 1), run.s1, run.min));
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
    const uint16_t *h = src;

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);

        _mm512_mask_storeu_ps(dst + i, m, _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(m, h + i)));
    }
}

static void bf16_dec(float *dst, const void *src, size_t n)
{
    const uint16_t *h = src;

    for (size_t i = 0; i < n; i += 16) {
        const __mmask16 m = mask16(n - i);
        const __m512i v = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, h + i));

        _mm512_mask_storeu_epi32(dst + i, m, _mm512_slli_epi32(v, 16));
    }
}

void kern_init_avx512_dec(struct kern *k)
{
    k->dec[DTYPE_F16] = f16_dec;
    k->dec[DTYPE_BF16] = bf16_dec;
#define ROW(type, name, block, runs) k->dec[type] = name##_dec;
    KERN_RUN_TYPES(ROW)
}
