/* Q6_K: 256 values in sixteen runs of 16, w = (d * s) * (code - 32) with a signed
 * 8-bit s a run, code 0 .. 63. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/k_sym.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

#include <string.h>

static void pack(struct block_q6_k *b, const int8_t code[QK_K])
{
    for (int h = 0; h < 2; h++)
        for (int l = 0; l < 32; l++) {
            const int8_t *c = code + 128 * h + l;
            const int q0 = c[0] + 32, q1 = c[32] + 32, q2 = c[64] + 32, q3 = c[96] + 32;
            b->ql[64 * h + l] = (uint8_t)((q0 & 15) | (q2 & 15) << 4);
            b->ql[64 * h + 32 + l] = (uint8_t)((q1 & 15) | (q3 & 15) << 4);
            b->qh[32 * h + l] =
                (uint8_t)(q0 >> 4 | (q1 >> 4) << 2 | (q2 >> 4) << 4 | (q3 >> 4) << 6);
        }
}

static void block_encode(struct block_q6_k *b, const float *x, const float *w,
                         enum codec_effort effort)
{
    struct k_sym f;

    q6_k_fit(&f, x, w, effort);
    b->d = f.d;
    memcpy(b->scales, f.s, sizeof(b->scales));
    pack(b, f.code);
}

void q6_k_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q6_k *b = dst;
    float w[QK_K];

    for (size_t i = 0; i < n; i += QK_K)
        block_encode(b++, src + i, srch_importance(w, &s, i, QK_K), how->effort);
}

void q6_k_decode(float *dst, const void *src, size_t n)
{
    const struct block_q6_k *b = src;

    for (size_t i = 0; i < n / QK_K; i++) {
        const float d = f32_from_f16(b[i].d);
        for (int k = 0; k < 8; k++) {
            /* 32 values: k / 4 chooses the half, k % 4 the bits within it */
            const uint8_t *ql = b[i].ql + 64 * (k / 4) + 32 * (k & 1);
            const uint8_t *qh = b[i].qh + 32 * (k / 4);
            const int low = k % 4 / 2 * 4, high = k % 4 * 2;
            for (int j = 0; j < 32; j++) {
                const float scale = d * (float)b[i].scales[2 * k + j / 16];
                const int code = (ql[j] >> low & 15) | (qh[j] >> high & 3) << 4;
                *dst++ = scale * (float)(code - 32);
            }
        }
    }
}
