/* Q6_K: 256 values in sixteen runs of 16, w = (d * s) * (code - 32) with a signed
 * 8-bit s a run, code 0 .. 63. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/k_sym.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"
#include "quant/wide.h"

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

/* Sixteen codes; low and high: where their bits are. Constants, so that this becomes vectors. */
INLINE float *run_decode(float *dst, float scale, const uint8_t *ql, int low, const uint8_t *qh,
                         int high)
{
    for (int j = 0; j < 16; j++) {
        const int code = (ql[j] >> low & 15) | (qh[j] >> high & 3) << 4;
        dst[j] = scale * (float)(code - 32);
    }
    return dst + 16;
}

void q6_k_decode(float *dst, const void *src, size_t n)
{
    const struct block_q6_k *b = src;

    for (size_t i = 0; i < n / QK_K; i++) {
        const float d = f32_from_f16(b[i].d);
        for (int h = 0; h < 2; h++) {
            const uint8_t *ql = b[i].ql + 64 * h, *qh = b[i].qh + 32 * h;
            const int8_t *s = b[i].scales + 8 * h;
            dst = run_decode(dst, d * (float)s[0], ql, 0, qh, 0);
            dst = run_decode(dst, d * (float)s[1], ql + 16, 0, qh + 16, 0);
            dst = run_decode(dst, d * (float)s[2], ql + 32, 0, qh, 2);
            dst = run_decode(dst, d * (float)s[3], ql + 48, 0, qh + 16, 2);
            dst = run_decode(dst, d * (float)s[4], ql, 4, qh, 4);
            dst = run_decode(dst, d * (float)s[5], ql + 16, 4, qh + 16, 4);
            dst = run_decode(dst, d * (float)s[6], ql + 32, 4, qh, 6);
            dst = run_decode(dst, d * (float)s[7], ql + 48, 4, qh + 16, 6);
        }
    }
}
