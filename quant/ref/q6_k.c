/* Q6_K: 256 values in sixteen runs of 16, w = (d * s) * (code - 32) with a signed
 * 8-bit s a run, code 0 .. 63. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/search.h"

#include <math.h>

enum { RUN = 16, RUNS = QK_K / RUN };

/* Scales of the runs for a given d: the best of sixteen whole numbers around
 * guess[k]. Gives the sums of the best: lx = sum w x code, l2 = sum w code^2. */
static void choose_scales(int s[RUNS], float lx[RUNS], float l2[RUNS], float d,
                          const float guess[RUNS], const float *x, const float *w)
{
    for (int k = 0; k < RUNS; k++) {
        const float up = guess[k] < 0 ? guess[k] - 0.5F : guess[k] + 0.5F;
        const int centre = (int)up;
        float scale[SRCH_LANES], a[SRCH_LANES], b[SRCH_LANES], gain = 0;
        int at[SRCH_LANES];

        for (int i = 0; i < SRCH_LANES; i++) {
            const int v = centre + i - SRCH_LANES / 2;
            at[i] = v < -128 ? -128 : v > 127 ? 127 : v;
            scale[i] = d * (float)at[i];
        }
        srch_symmetric_sums(a, b, scale, x + RUN * k, w + RUN * k, RUN, 32);
        s[k] = 0;
        lx[k] = l2[k] = 0;
        for (int i = 0; i < SRCH_LANES; i++) {
            const float g = scale[i] * (2.0F * a[i] - scale[i] * b[i]);
            if (g > gain) {
                gain = g;
                s[k] = at[i];
                lx[k] = a[i];
                l2[k] = b[i];
            }
        }
    }
}

/* The d of least squares for given scales and codes. */
static float refit(const int s[RUNS], const float lx[RUNS], const float l2[RUNS])
{
    double above = 0, below = 0;

    for (int k = 0; k < RUNS; k++) {
        above += (double)s[k] * (double)lx[k];
        below += (double)(s[k] * s[k]) * (double)l2[k];
    }
    return below > 0 ? (float)(above / below) : 0;
}

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

static void block_encode(struct block_q6_k *b, const float *x, const float *w)
{
    float most[RUNS], guess[RUNS], lx[RUNS], l2[RUNS], d;
    int s[RUNS] = {0};
    int8_t code[QK_K];
    float all = 0;

    for (int k = 0; k < RUNS; k++) {
        most[k] = srch_extreme(x + RUN * k, RUN);
        all = fabsf(most[k]) > all ? fabsf(most[k]) : all;
    }
    /* the widest run gets a scale of about 122, which leaves room on both sides */
    uint16_t h = all < SRCH_TINY ? 0 : srch_f16_up(all / (32.0F * 122.0F));
    d = f32_from_f16(h);
    for (int step = 0; h && step < 2; step++) {
        for (int k = 0; k < RUNS; k++)
            guess[k] = step ? (float)s[k] * guess[k] : -most[k] / (32.0F * d);
        choose_scales(s, lx, l2, d, guess, x, w);
        const uint16_t better = f16_from_f32(refit(s, lx, l2));
        /* where F16 is coarse, rounding undoes more than a refit gains */
        if (better < 0x1000)
            break;
        const float before = d;
        h = better;
        d = f32_from_f16(h);
        for (int k = 0; k < RUNS; k++)
            guess[k] = before / d;
    }
    b->d = h;
    for (int k = 0; k < RUNS; k++) {
        b->scales[k] = (int8_t)s[k];
        srch_codes(code + RUN * k, x + RUN * k, RUN, d * (float)s[k], 0, -32, 31);
    }
    pack(b, code);
}

void q6_k_encode(void *dst, const float *src, size_t n, const float *importance)
{
    const struct srch_weighting s = srch_weighting(src, importance, n);
    struct block_q6_k *b = dst;
    float w[QK_K];

    for (size_t i = 0; i < n; i += QK_K)
        block_encode(b++, src + i, srch_importance(w, &s, i, QK_K));
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
