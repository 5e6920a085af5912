/* Q3_K: 256 values in sixteen runs of 16, w = (d * s) * code with a 6-bit s of
 * -32 .. 31 a run, code -4 .. 3. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/k_sym.h"
#include "quant/ref/k_weights.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

/* Six bits of each run, plus 32: low halves of k and k + 8 share byte k, upper bits of
 * k, k + 4, k + 8 and k + 12 share byte 8 + k. */
static void scales_put(uint8_t b[12], const int8_t s[16])
{
    uint8_t u[16];

    for (int k = 0; k < 16; k++)
        u[k] = (uint8_t)(s[k] + 32);
    for (int k = 0; k < 8; k++)
        b[k] = (uint8_t)((u[k] & 15) | (u[k + 8] & 15) << 4);
    for (int k = 0; k < 4; k++)
        b[8 + k] =
            (uint8_t)(u[k] >> 4 | u[k + 4] >> 4 << 2 | u[k + 8] >> 4 << 4 | u[k + 12] >> 4 << 6);
}

static int scale_get(const uint8_t b[12], int k)
{
    return ((b[k % 8] >> (k / 8 * 4) & 15) | (b[8 + k % 4] >> 2 * (k / 4) & 3) << 4) - 32;
}

static void block_encode(struct block_q3_k *b, const float *x, const float *w,
                         enum codec_effort effort)
{
    struct k_sym f;
    uint8_t u[QK_K];

    q3_k_fit(&f, x, w, effort);
    b->d = f.d;
    scales_put(b->scales, f.s);
    for (int i = 0; i < QK_K; i++)
        u[i] = (uint8_t)(f.code[i] + 4);
    for (int j = 0; j < 64; j++) {
        const uint8_t *c = u + j / 32 * 128 + j % 32;
        b->qs[j] = (uint8_t)((c[0] & 3) | (c[32] & 3) << 2 | (c[64] & 3) << 4 | (c[96] & 3) << 6);
    }
    for (int j = 0; j < 32; j++) {
        unsigned bits = 0;
        for (int k = 0; k < 8; k++)
            bits |= (unsigned)(u[32 * k + j] >> 2) << k;
        b->hmask[j] = (uint8_t)bits;
    }
}

void q3_k_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q3_k *b = dst;
    float w[QK_K];

    for (size_t i = 0; i < n; i += QK_K)
        block_encode(b++, src + i, k_weights(w, &s, src, i, K_FLAT), how->effort);
}

void q3_k_decode(float *dst, const void *src, size_t n)
{
    const struct block_q3_k *b = src;

    for (size_t i = 0; i < n / QK_K; i++) {
        const float d = f32_from_f16(b[i].d);
        for (int k = 0; k < 16; k++, dst += 16) {
            const int at = 16 * (k % 2), j = k / 2;
            const uint8_t *q = b[i].qs + 32 * (k / 8) + at, *h = b[i].hmask + at;
            const float scale = d * (float)scale_get(b[i].scales, k);
            for (int l = 0; l < 16; l++) {
                const int code = (q[l] >> 2 * (j % 4) & 3) + (h[l] >> j & 1) * 4 - 4;
                dst[l] = scale * (float)code;
            }
        }
    }
}
