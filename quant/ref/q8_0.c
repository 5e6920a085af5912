/* Q8_0: 32 values, w = d * code, code -127 .. 127.
 * The encoder gives the bytes of the reference converter (gguf-py) and of ggml:
 * d = max|x| / 127, codes from the unrounded d, halves away from zero. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/wide.h"

/* Nearest whole number, halves away from zero; |x| < 2^22. The largest number below
 * a half is added: a half itself would lift 0.49999997 to 1. */
INLINE int32_t round_away(float x)
{
    const uint32_t u = f32_bits(x);
    const int32_t r = (int32_t)(f32_from_bits(u & 0x7fffffffU) + 0x1.fffffep-2F);
    const int32_t sign = -(int32_t)(u >> 31);

    return (r ^ sign) - sign;
}

/* The largest magnitude, by the order of the bits. */
INLINE float largest(const float x[QK])
{
    int32_t lane[16] = {0};

    for (int i = 0; i < QK; i += 16)
        for (int j = 0; j < 16; j++) {
            const int32_t a = (int32_t)(f32_bits(x[i + j]) & 0x7fffffffU);
            lane[j] = a > lane[j] ? a : lane[j];
        }
    for (int half = 8; half; half /= 2)
        for (int j = 0; j < half; j++)
            lane[j] = lane[j + half] > lane[j] ? lane[j + half] : lane[j];
    return f32_from_bits((uint32_t)lane[0]);
}

INLINE void block_encode(struct block_q8_0 *b, const float *x)
{
    const float max = largest(x);
    const float d = max / 127.0F;
    /* a denormal d has no finite inverse; its f16 is zero anyway */
    const float inv = max < 0x1p-100F ? 0.0F : 1.0F / d;
    int8_t code[QK];

    for (int i = 0; i < QK; i++)
        code[i] = (int8_t)round_away(x[i] * inv);
    b->d = f16_from_f32(d);
    memcpy(b->qs, code, sizeof(code));
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
