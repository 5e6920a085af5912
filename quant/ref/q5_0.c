/* Q5_0: 32 values, w = d * (code - 16), code 0 .. 31. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/q5_bits.h"
#include "quant/ref/ref.h"
#include "quant/search.h"

static void block_encode(struct block_q5_0 *b, const float *x, const float *w,
                         enum srch_effort effort)
{
    const float fit = srch_symmetric(x, w, QK, 16, effort);
    int8_t code[QK];
    uint8_t up[QK];

    b->d = srch_symmetric_f16(fit, x, w, QK, 16);
    srch_codes(code, x, QK, f32_from_f16(b->d), 0, -16, 15);
    for (int j = 0; j < QK; j++)
        up[j] = (uint8_t)(code[j] + 16);
    q5_bits_put(b->qh, b->qs, up);
}

void q5_0_encode(void *dst, const float *src, size_t n, const float *importance)
{
    const struct srch_weighting s = srch_weighting(src, importance, n);
    struct block_q5_0 *b = dst;
    float w[QK];

    for (size_t i = 0; i < n; i += QK)
        block_encode(b++, src + i, srch_weights(w, &s, src, i, QK), srch_effort(&s));
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
