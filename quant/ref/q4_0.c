/* Q4_0: 32 values, w = d * (code - 8), code 0 .. 15. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

static void block_pack(struct block_q4_0 *b, const float *x)
{
    int8_t code[QK];

    srch_codes(code, x, QK, f32_from_f16(b->d), 0, -8, 7);
    for (int j = 0; j < 16; j++)
        b->qs[j] = (uint8_t)((code[j] + 8) | (code[j + 16] + 8) << 4);
}

void q4_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    const enum srch_effort effort = srch_effort(&s, SRCH_QUICK);
    struct block_q4_0 *b = dst;
    float w[QK];

    /* two passes: a processor works on several blocks at once where none waits for
     * what the search of the one before found */
    for (size_t i = 0; i < n / QK; i++) {
        const float *x = src + i * QK, *weights = srch_weights(w, &s, src, i * QK, QK);
        const float scale = srch_symmetric(x, weights, QK, 8, effort);
        b[i].d = srch_symmetric_f16(scale, x, weights, QK, 8);
    }
    for (size_t i = 0; i < n / QK; i++)
        block_pack(&b[i], src + i * QK);
}

void q4_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q4_0 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float d = f32_from_f16(b[i].d);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)((b[i].qs[j] & 15) - 8) * d;
            dst[j + 16] = (float)((b[i].qs[j] >> 4) - 8) * d;
        }
    }
}
