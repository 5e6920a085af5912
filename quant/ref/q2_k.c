/* Q2_K: 256 values in sixteen runs of 16, w = (d * s) * code - dmin * m with 4-bit
 * s and m a run, code 0 .. 3. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/k_fit.h"
#include "quant/ref/k_weights.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

static void block_encode(struct block_q2_k *b, const float *x, const float *w,
                         enum codec_effort effort)
{
    struct k_fit f;

    q2_k_fit(&f, x, w, effort);
    b->d = f.d;
    b->dmin = f.dmin;
    for (int k = 0; k < 16; k++)
        b->scales[k] = (uint8_t)(f.s[k] | f.m[k] << 4);
    for (int j = 0; j < 64; j++) {
        const uint8_t *code = f.code + j / 32 * 128 + j % 32;
        b->qs[j] = (uint8_t)(code[0] | code[32] << 2 | code[64] << 4 | code[96] << 6);
    }
}

void q2_k_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q2_k *b = dst;
    float w[QK_K];

    for (size_t i = 0; i < n; i += QK_K)
        block_encode(b++, src + i, k_weights(w, &s, src, i, K_FLAT), how->effort);
}

void q2_k_decode(float *dst, const void *src, size_t n)
{
    const struct block_q2_k *b = src;

    for (size_t i = 0; i < n / QK_K; i++) {
        const float d = f32_from_f16(b[i].d), dmin = f32_from_f16(b[i].dmin);
        for (int k = 0; k < 16; k++, dst += 16) {
            const uint8_t *q = b[i].qs + 32 * (k / 8) + 16 * (k % 2);
            const float scale = d * (float)(b[i].scales[k] & 15);
            const float min = dmin * (float)(b[i].scales[k] >> 4);
            for (int j = 0; j < 16; j++)
                dst[j] = scale * (float)(q[j] >> 2 * (k / 2 % 4) & 3) - min;
        }
    }
}
