/* Q5_0: 32 values, w = d * (code - 16), code 0 .. 31. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/q5_bits.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

static void block_pack(struct block_q5_0 *b, const float *x)
{
    int8_t code[QK];
    uint8_t up[QK];

    srch_codes(code, x, QK, f32_from_f16(b->d), 0, -16, 15);
    for (int j = 0; j < QK; j++)
        up[j] = (uint8_t)(code[j] + 16);
    q5_bits_put(b->qh, b->qs, up);
}

void q5_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    const enum srch_effort effort = srch_effort(&s, SRCH_QUICK);
    struct block_q5_0 *b = dst;
    float w[QK];

    /* two passes: a processor works on several blocks at once where none waits for
     * what the search of the one before found */
    for (size_t i = 0; i < n / QK; i++) {
        const float *x = src + i * QK, *weights = srch_weights(w, &s, src, i * QK, QK);
        const float scale = srch_symmetric(x, weights, QK, 16, effort);
        b[i].d = srch_symmetric_f16(scale, x, weights, QK, 16);
    }
    for (size_t i = 0; i < n / QK; i++)
        block_pack(&b[i], src + i * QK);
}

void q5_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q5_0 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float d = f32_from_f16(b[i].d);
        uint8_t code[QK];
        q5_bits_get(code, b[i].qh, b[i].qs);
        for (int j = 0; j < QK; j++)
            dst[j] = (float)(code[j] - 16) * d;
    }
}
