/* TQ2_0: 256 values, w = d * (code - 1), code 0 .. 2 (3 is never written). */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/ref/ternary.h"

enum { SPAN = 128, DEEP = 32 }; /* values in 32 bytes */

void tq2_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_tq2_0 *b = dst;
    uint8_t code[QK_K];
    float w[QK_K];

    for (size_t i = 0; i < n; i += QK_K, b++) {
        b->d = ternary_fit(code, src + i, srch_importance(w, &s, i, QK_K), how->effort);
        for (size_t h = 0; h < QK_K / SPAN; h++) {
            const uint8_t *c = code + SPAN * h;
            for (size_t l = 0; l < DEEP; l++)
                b->qs[DEEP * h + l] = (uint8_t)(c[l] | c[l + DEEP] << 2 | c[l + 2 * DEEP] << 4 |
                                                c[l + 3 * DEEP] << 6);
        }
    }
}

void tq2_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_tq2_0 *b = src;

    for (size_t i = 0; i < n; i += QK_K, b++) {
        const float d = f32_from_f16(b->d);
        for (size_t h = 0; h < QK_K / SPAN; h++, dst += SPAN)
            for (size_t j = 0; j < SPAN / DEEP; j++)
                for (size_t l = 0; l < DEEP; l++)
                    dst[DEEP * j + l] = (float)((b->qs[DEEP * h + l] >> 2 * j & 3) - 1) * d;
    }
}
