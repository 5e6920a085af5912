/* Q8_0: 32 values, w = d * code, code -127 .. 127.
 * The encoder gives the bytes of the reference converter (gguf-py) and of ggml:
 * d = max|x| / 127, codes from the unrounded d, halves away from zero. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"

/* Nearest whole number, halves away from zero; |x| < 2^30. */
static inline int32_t round_away(float x)
{
    const float a = x < 0.0F ? -x : x;
    const int32_t whole = (int32_t)a;
    const int32_t r = whole + (a - (float)whole >= 0.5F);

    return x < 0.0F ? -r : r;
}

static void block_encode(struct block_q8_0 *b, const float *x)
{
    float max = 0.0F;

    for (int i = 0; i < QK; i++) {
        const float a = x[i] < 0.0F ? -x[i] : x[i];
        max = a > max ? a : max;
    }
    const float d = max / 127.0F;
    /* a denormal d has no finite inverse; its f16 is zero anyway */
    const float inv = max < 0x1p-100F ? 0.0F : 1.0F / d;

    b->d = f16_from_f32(d);
    for (int i = 0; i < QK; i++)
        b->qs[i] = (int8_t)round_away(x[i] * inv);
}

void q8_0_encode(void *dst, const float *src, size_t n, const float *importance)
{
    struct block_q8_0 *b = dst;

    (void)importance;
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
