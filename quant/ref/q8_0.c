/* Q8_0: 32 values, w = d * code, code -127 .. 127.
 * The encoder gives the bytes of the reference converter (gguf-py) and of ggml:
 * d = max|x| / 127, codes from the unrounded d, halves away from zero. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/vec.h"

/* Nearest whole number, halves away from zero; |x| < 2^22. The largest number below
 * a half is added: a half itself would lift 0.49999997 to 1. */
INLINE ivec round_away(vec x)
{
    const ivec u = (ivec)x, sign = u >> 31;
    const ivec r = __builtin_convertvector((vec)(u & 0x7fffffff) + 0x1.fffffep-2F, ivec);

    return (r ^ sign) - sign;
}

/* The largest magnitude, by the order of the bits. */
INLINE float largest(const float x[QK])
{
    ivec most[VEC_SUMS];

    for (int k = 0; k < VEC_SUMS; k++)
        most[k] = ivec_max((ivec)vec_load(x + k * VEC) & 0x7fffffff,
                           (ivec)vec_load(x + QK / 2 + k * VEC) & 0x7fffffff);
    return f32_from_bits((uint32_t)ivec_greatest(most));
}

typedef int8_t codes __attribute__((vector_size(VEC)));

INLINE void block_encode(struct block_q8_0 *b, const float *x)
{
    const float max = largest(x);
    const float d = max / 127.0F;
    /* a denormal d has no finite inverse; its f16 is zero anyway */
    const float inv = max < 0x1p-100F ? 0.0F : 1.0F / d;

    b->d = f16_from_f32(d);
    for (int i = 0; i < QK; i += VEC) {
        const codes c = __builtin_convertvector(round_away(vec_load(x + i) * inv), codes);
        memcpy(b->qs + i, &c, sizeof(c));
    }
}

void q8_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct block_q8_0 *b = dst;

    (void)how;
    for (size_t i = 0; i < n / QK; i++)
        block_encode(&b[i], src + i * QK);
}

void q8_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q8_0 *b = src;

    for (size_t i = 0; i < n / QK; i++) {
        const float d = f32_from_f16(b[i].d);
        for (int j = 0; j < QK; j++)
            dst[i * QK + (size_t)j] = (float)b[i].qs[j] * d;
    }
}
