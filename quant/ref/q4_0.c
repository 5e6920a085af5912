/* Q4_0: 32 values, w = d * (code - 8), code 0 .. 15. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/search.h"

static void block_encode(struct block_q4_0 *b, const float *x, const float *w,
                         enum srch_effort effort)
{
    const float fit = srch_symmetric(x, w, QK, 8, effort);
    int8_t code[QK];

    b->d = srch_symmetric_f16(fit, x, w, QK, 8);
    srch_codes(code, x, QK, f32_from_f16(b->d), 0, -8, 7);
    for (int j = 0; j < 16; j++)
        b->qs[j] = (uint8_t)((code[j] + 8) | (code[j + 16] + 8) << 4);
}

void q4_0_encode(void *dst, const float *src, size_t n, const float *importance)
{
    const struct srch_weighting s = srch_weighting(src, importance, n);
    struct block_q4_0 *b = dst;
    float w[QK];

    for (size_t i = 0; i < n; i += QK)
        block_encode(b++, src + i, srch_weights(w, &s, src, i, QK), srch_effort(&s));
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
