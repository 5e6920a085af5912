/* Q6_K: 256 values in sixteen runs of 16, w = (d * s) * (code - 32) with a signed
 * 8-bit s a run, code 0 .. 63. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

#include <math.h>

enum { RUN = 16, RUNS = QK_K / RUN };

/* A run's scale, and with it sum w x code and sum w code^2. */
struct run {
    int s;
    float gain, lx, l2;
};

/* Try the scales first .. first + 15 in units of d, cut to what a byte holds. */
static void try_scales(struct run *r, float d, int first, const float *x, const float *w)
{
    float scale[SRCH_LANES], lx[SRCH_LANES], l2[SRCH_LANES];
    int s[SRCH_LANES];

    for (int i = 0; i < SRCH_LANES; i++) {
        s[i] = first + i < -128 ? -128 : first + i > 127 ? 127 : first + i;
        scale[i] = d * (float)s[i];
    }
    srch_symmetric_sums(lx, l2, scale, x, w, RUN, 32);
    for (int i = 0; i < SRCH_LANES; i++) {
        const float gain = scale[i] * (2.0F * lx[i] - scale[i] * l2[i]);
        if (gain > r->gain)
            *r = (struct run){s[i], gain, lx[i], l2[i]};
    }
}

/* The best scale of each run for a given d, around guess[k]. */
static void choose_scales(struct run run[RUNS], float d, const float guess[RUNS], const float *x,
                          const float *w, enum srch_effort effort)
{
    for (int k = 0; k < RUNS; k++) {
        const int centre = (int)(guess[k] < 0 ? guess[k] - 0.5F : guess[k] + 0.5F);
        const int toward = centre < 0 ? 1 : -1; /* smaller scales */
        run[k] = (struct run){0, 0, 0, 0};
        try_scales(&run[k], d, centre - SRCH_LANES / 2, x + RUN * k, w + RUN * k);
        for (int far = 1; far <= 2 && effort == SRCH_THOROUGH; far++) {
            try_scales(&run[k], d, centre - SRCH_LANES / 2 + toward * far * SRCH_LANES, x + RUN * k,
                       w + RUN * k);
            try_scales(&run[k], d, centre - SRCH_LANES / 2 - toward * far * SRCH_LANES, x + RUN * k,
                       w + RUN * k);
        }
    }
}

/* The d of least squares for given scales and codes. */
static float refit(const struct run run[RUNS])
{
    double above = 0, below = 0;

    for (int k = 0; k < RUNS; k++) {
        const double s = run[k].s;
        above += s * (double)run[k].lx;
        below += s * s * (double)run[k].l2;
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

/* The scale that the widest run starts with: room for larger ones, more of it
 * where the search goes far. */
static const float widest[] = {
    [SRCH_QUICK] = 122.0F, [SRCH_NORMAL] = 122.0F, [SRCH_THOROUGH] = 100.0F};

static uint16_t first_d(float guess[RUNS], const float *x, enum srch_effort effort)
{
    float most[RUNS], all = 0;

    for (int k = 0; k < RUNS; k++) {
        most[k] = srch_extreme(x + RUN * k, RUN);
        all = fabsf(most[k]) > all ? fabsf(most[k]) : all;
    }
    if (all < SRCH_TINY)
        return 0;
    const uint16_t d = srch_f16_up(all / (32.0F * widest[effort]));
    for (int k = 0; k < RUNS; k++)
        guess[k] = -most[k] / (32.0F * f32_from_f16(d));
    return d;
}

static void block_encode(struct block_q6_k *b, const float *x, const float *w,
                         enum srch_effort effort)
{
    struct run run[RUNS] = {
        {0, 0, 0, 0}
    };
    float guess[RUNS];
    int8_t code[QK_K];

    b->d = first_d(guess, x, effort);
    for (int step = 0; b->d && step < 2; step++) {
        const float d = f32_from_f16(b->d);
        choose_scales(run, d, guess, x, w, effort);
        const uint16_t better = f16_from_f32(refit(run));
        /* where F16 is coarse, rounding undoes more than a refit gains */
        if (better < SRCH_F16_COARSE || better >= 0x7c00)
            break;
        b->d = better;
        for (int k = 0; k < RUNS; k++)
            guess[k] = (float)run[k].s * (d / f32_from_f16(better));
    }
    for (int k = 0; k < RUNS; k++) {
        b->scales[k] = (int8_t)run[k].s;
        srch_codes(code + RUN * k, x + RUN * k, RUN, f32_from_f16(b->d) * (float)run[k].s, 0, -32,
                   31);
    }
    pack(b, code);
}

void q6_k_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q6_k *b = dst;
    float w[QK_K];

    for (size_t i = 0; i < n; i += QK_K)
        block_encode(b++, src + i, srch_importance(w, &s, i, QK_K), srch_effort(&s, SRCH_QUICK));
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
