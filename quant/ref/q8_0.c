/* Q8_0: 32 values, w = d * code, code -127 .. 127.
 * The encoder gives the bytes of the reference converter (gguf-py) and of ggml:
 * d = max|x| / 127, codes from the unrounded d, halves away from zero. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/wide.h"

/* Nearest whole number, halves away from zero; |x| < 2^30. */
INLINE int32_t round_away(float x)
{
    const float a = x < 0.0F ? -x : x;
    const int32_t whole = (int32_t)a;
    const int32_t r = whole + (a - (float)whole >= 0.5F);

    return x < 0.0F ? -r : r;
}

INLINE float largest(const float x[QK])
{
    float lane[8] = {0};

    for (int i = 0; i < QK; i += 8)
        for (int j = 0; j < 8; j++) {
            const float a = x[i + j] < 0.0F ? -x[i + j] : x[i + j];
            lane[j] = a > lane[j] ? a : lane[j];
        }
    for (int j = 1; j < 8; j++)
        lane[0] = lane[j] > lane[0] ? lane[j] : lane[0];
    return lane[0];
}

INLINE void block_encode(struct block_q8_0 *b, const float *x)
{
    const float max = largest(x);
    const float d = max / 127.0F;
    /* a denormal d has no finite inverse; its f16 is zero anyway */
    const float inv = max < 0x1p-100F ? 0.0F : 1.0F / d;
    int32_t code[QK];

    b->d = f16_from_f32(d);
    for (int i = 0; i < QK; i++)
        code[i] = round_away(x[i] * inv);
    for (int i = 0; i < QK; i++)
        b->qs[i] = (int8_t)code[i];
}

WIDE void q8_0_encode(void *dst, const float *src, size_t n, const float *importance)
{
    struct block_q8_0 *b = dst;

    (void)importance;
    for (size_t i = 0; i < n / QK; i++)
        block_encode(&b[i], src + i * QK);
}

WIDE void q8_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q8_0 *b = src;

    for (size_t i = 0; i < n / QK; i++) {
        const float d = f32_from_f16(b[i].d);
        for (int j = 0; j < QK; j++)
            dst[i * QK + (size_t)j] = (float)b[i].qs[j] * d;
    }
}
