/* Q5_1: 32 values, w = d * code + m, code 0 .. 31. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/q5_bits.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

static void block_encode(struct block_q5_1 *b, const float *x, const float *w,
                         enum srch_effort effort)
{
    struct srch_line line = srch_affine(x, w, QK, 31, 0, effort);
    int8_t code[QK];
    uint8_t up[QK];

    line = srch_affine_f16(line, x, w, QK, 31);
    b->d = f16_from_f32(line.scale);
    b->m = f16_from_f32(line.offset);
    srch_codes(code, x, QK, line.scale, line.offset, 0, 31);
    for (int j = 0; j < QK; j++)
        up[j] = (uint8_t)code[j];
    q5_bits_put(b->qh, b->qs, up);
}

void q5_1_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q5_1 *b = dst;
    float w[QK];

    for (size_t i = 0; i < n; i += QK)
        block_encode(b++, src + i, srch_weights(w, &s, src, i, QK), srch_effort(&s, SRCH_QUICK));
}

void q5_1_decode(float *dst, const void *src, size_t n)
{
    const struct block_q5_1 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float d = f32_from_f16(b[i].d), m = f32_from_f16(b[i].m);
        uint8_t code[QK];
        q5_bits_get(code, b[i].qh, b[i].qs);
        for (int j = 0; j < QK; j++)
            dst[j] = (float)code[j] * d + m;
    }
}
