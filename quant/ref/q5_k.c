/* Q5_K: as Q4_K with a fifth bit, code 0 .. 31. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/k_fit.h"
#include "quant/ref/k_scales.h"
#include "quant/ref/k_weights.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

static void block_encode(struct block_q5_k *b, const float *x, const float *w,
                         enum codec_effort effort)
{
    struct k_fit f;

    q5_k_fit(&f, x, w, effort);
    b->d = f.d;
    b->dmin = f.dmin;
    k_scales_put(b->scales, f.s, f.m);
    for (int j = 0; j < 128; j++) {
        const uint8_t *code = f.code + j / 32 * 64 + j % 32;
        b->qs[j] = (uint8_t)((code[0] & 15) | (code[32] & 15) << 4);
    }
    for (int j = 0; j < 32; j++) {
        unsigned bits = 0;
        for (int k = 0; k < 8; k++)
            bits |= (unsigned)(f.code[32 * k + j] >> 4) << k;
        b->qh[j] = (uint8_t)bits;
    }
}

void q5_k_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q5_k *b = dst;
    float w[QK_K];

    for (size_t i = 0; i < n; i += QK_K)
        block_encode(b++, src + i, k_weights(w, &s, src, i, K_FLAT), how->effort);
}

void q5_k_decode(float *dst, const void *src, size_t n)
{
    const struct block_q5_k *b = src;

    for (size_t i = 0; i < n / QK_K; i++) {
        const float d = f32_from_f16(b[i].d), dmin = f32_from_f16(b[i].dmin);
        uint8_t s[8], m[8];
        k_scales_get(s, m, b[i].scales);
        for (int k = 0; k < 8; k++, dst += 32) {
            const uint8_t *q = b[i].qs + 32 * (k / 2);
            const float scale = d * (float)s[k], min = dmin * (float)m[k];
            for (int j = 0; j < 32; j++) {
                const int low = k % 2 ? q[j] >> 4 : q[j] & 15;
                dst[j] = scale * (float)(low | (b[i].qh[j] >> k & 1) << 4) - min;
            }
        }
    }
}
