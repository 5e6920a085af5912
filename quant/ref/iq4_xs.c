/* IQ4_XS: 256 values in eight runs of 32, w = (d * s) * number[code] with a 6-bit s in
 * [-32, 31] a run. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/iq4_fit.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

#include <math.h>
#include <stdbool.h>

enum { RUNS = QK_K / IQ4_RUN, LEAST = -32, MOST = 31, STEPS = 2 };

/* Sixteen sets of codes of a run, and the scales that suit them. */
struct modes {
    struct iq4_sums s;
    float scale[IQ4_LANES];
    int best; /* -1: nothing but zero fits */
};

/* A run's scale in units of d, and the sums of its codes. */
struct run {
    int s;
    float gain, lx, l2;
};

/* The nearest whole number in [-32, 31]; halves to even. */
static inline float nearest_s(float v)
{
    const float r = (v + 12582912.0F) - 12582912.0F;

    return r < LEAST ? (float)LEAST : r > MOST ? (float)MOST : r;
}

/* The widest run's scale divided by these are the d to try: it lands at the end that
 * reaches further, with or without room for others to grow. */
enum { TRIES = 2 * IQ4_LANES };
static const float divisor[TRIES] = {
    -33.0F, -32.6F, -32.2F, -31.8F, -31.4F, -31.0F, -30.6F, -30.2F, -29.8F, -29.4F, -29.0F,
    -28.6F, -28.2F, -27.8F, -27.4F, -27.0F, -26.6F, -26.2F, -25.8F, -25.4F, -25.0F, -24.6F,
    -24.2F, -23.8F, -23.4F, -23.0F, -22.6F, -22.2F, -21.8F, -21.4F, -21.0F, -20.6F};

/* What the sets of codes gain with sixteen d: every run takes its best one. */
static void gains_of(float sum[IQ4_LANES], const float d[IQ4_LANES], const struct modes m[RUNS])
{
    float inverse[IQ4_LANES];

    for (int j = 0; j < IQ4_LANES; j++) {
        inverse[j] = 1.0F / d[j];
        sum[j] = 0;
    }
    for (int k = 0; k < RUNS; k++) {
        float most[IQ4_LANES] = {0};
        for (int i = 0; i < IQ4_LANES && m[k].best >= 0; i++) {
            const float scale = m[k].scale[i], lx = m[k].s.lx[i], l2 = m[k].s.l2[i];
            for (int j = 0; j < IQ4_LANES; j++) {
                const float s = d[j] * nearest_s(scale * inverse[j]);
                const float gain = s * (2.0F * lx - s * l2);
                most[j] = gain > most[j] ? gain : most[j];
            }
        }
        for (int j = 0; j < IQ4_LANES; j++)
            sum[j] += most[j];
    }
}

static uint16_t choose_d(const struct modes m[RUNS])
{
    float widest = 0, most = 0;
    uint16_t best = 0;

    for (int k = 0; k < RUNS; k++)
        if (m[k].best >= 0 && fabsf(m[k].scale[m[k].best]) > fabsf(widest))
            widest = m[k].scale[m[k].best];
    for (int at = 0; at < TRIES && widest != 0; at += IQ4_LANES) {
        float d[IQ4_LANES], gain[IQ4_LANES];
        uint16_t h[IQ4_LANES];
        for (int j = 0; j < IQ4_LANES; j++) {
            h[j] = f16_from_f32(widest / divisor[at + j]);
            if (!(h[j] & 0x7fff) || (h[j] & 0x7fff) >= 0x7c00)
                h[j] = (uint16_t)((h[j] & 0x8000) | ((h[j] & 0x7fff) ? 0x7bff : 1));
            d[j] = f32_from_f16(h[j]);
        }
        gains_of(gain, d, m);
        for (int j = 0; j < IQ4_LANES; j++)
            if (gain[j] > most) {
                most = gain[j];
                best = h[j];
            }
    }
    return best;
}

/* Try sixteen scales of a run from `first` on, in units of d. */
static void try_scales(struct run *r, float d, int first, const float *x, const float *w)
{
    float scale[IQ4_LANES];
    struct iq4_sums sums;

    first = first < LEAST ? LEAST : first > MOST - 15 ? MOST - 15 : first;
    for (int j = 0; j < IQ4_LANES; j++)
        scale[j] = d * (float)(first + j);
    iq4_sums(&sums, scale, x, w);
    for (int j = 0; j < IQ4_LANES; j++) {
        const float gain = scale[j] * (2.0F * sums.lx[j] - scale[j] * sums.l2[j]);
        if (gain > r->gain)
            *r = (struct run){first + j, gain, sums.lx[j], sums.l2[j]};
    }
}

/* Of the scales of one sign the one that suits the run best; 0: none. */
static float best_of_sign(const struct modes *m, float sign)
{
    float scale = 0, most = 0;

    for (int j = 0; j < IQ4_LANES; j++)
        if (m->scale[j] * sign > 0 && m->scale[j] * m->s.lx[j] > most) {
            most = m->scale[j] * m->s.lx[j];
            scale = m->scale[j];
        }
    return scale;
}

/* The best s of each run for d, around those that would suit it. */
static void choose_scales(struct run run[RUNS], float d, const struct modes m[RUNS], const float *x,
                          const float *w)
{
    for (int k = 0; k < RUNS; k++) {
        const float *xk = x + IQ4_RUN * k, *wk = w ? w + IQ4_RUN * k : NULL;
        run[k] = (struct run){0, 0, 0, 0};
        for (int side = -1; side <= 1 && m[k].best >= 0; side += 2)
            try_scales(&run[k], d, (int)nearest_s(best_of_sign(&m[k], (float)side) / d) - 8, xk,
                       wk);
    }
}

/* The same around the s there are, for another d near the first. */
static void change_scales(struct run run[RUNS], float d, const float *x, const float *w)
{
    for (int k = 0; k < RUNS; k++) {
        const int s = run[k].s;
        run[k] = (struct run){0, 0, 0, 0};
        if (s)
            try_scales(&run[k], d, s - 8, x + IQ4_RUN * k, w ? w + IQ4_RUN * k : NULL);
    }
}

/* The d of least squares for the scales and codes there are; 0: none, or F16 is too
 * coarse for it to be sure of a gain. */
static uint16_t refit(const struct run run[RUNS])
{
    double above = 0, below = 0;

    for (int k = 0; k < RUNS; k++) {
        const double s = run[k].s;
        above += s * (double)run[k].lx;
        below += s * s * (double)run[k].l2;
    }
    const uint16_t d = below > 0 ? f16_from_f32((float)(above / below)) : 0;
    return (d & 0x7fff) < SRCH_F16_COARSE || (d & 0x7fff) >= 0x7c00 ? 0 : d;
}

static void block_store(struct block_iq4_xs *b, const struct run run[RUNS], const float *x)
{
    uint8_t code[IQ4_RUN];
    unsigned high = 0;

    for (int k = 0; k < RUNS; k++) {
        const unsigned s = (unsigned)(run[k].s + 32);
        b->scales_l[k / 2] = (uint8_t)(k % 2 ? b->scales_l[k / 2] | (s & 15) << 4 : s & 15);
        high |= (s >> 4) << 2 * k;
        iq4_codes(code, x + IQ4_RUN * k, f32_from_f16(b->d) * (float)run[k].s);
        iq4_pack(b->qs + IQ4_RUN / 2 * k, code);
    }
    b->scales_h = (uint16_t)high;
}

static void block_encode(struct block_iq4_xs *b, const float *x, const float *w,
                         enum codec_effort effort)
{
    struct run run[RUNS] = {
        {0, 0, 0, 0}
    };
    struct modes m[RUNS];

    for (int k = 0; k < RUNS; k++)
        m[k].best =
            iq4_modes(&m[k].s, m[k].scale, x + IQ4_RUN * k, w ? w + IQ4_RUN * k : NULL, effort);
    b->d = choose_d(m);
    if (b->d)
        choose_scales(run, f32_from_f16(b->d), m, x, w);
    for (int step = 0; step < STEPS; step++) {
        const uint16_t better = refit(run);
        if (!better || better == b->d)
            break;
        b->d = better;
        change_scales(run, f32_from_f16(b->d), x, w);
    }
    block_store(b, run, x);
}

void iq4_xs_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_iq4_xs *b = dst;
    float w[QK_K];

    for (size_t i = 0; i < n; i += QK_K) {
        s.sigma2 = 2 * srch_mean_square(src + i, QK_K);
        block_encode(b++, src + i, s.importance ? srch_weights(w, &s, src, i, QK_K) : NULL,
                     how->effort);
    }
}

void iq4_xs_decode(float *dst, const void *src, size_t n)
{
    const struct block_iq4_xs *b = src;

    for (size_t i = 0; i < n / QK_K; i++, b++)
        for (int k = 0; k < RUNS; k++) {
            const int low = b->scales_l[k / 2] >> 4 * (k % 2) & 15;
            const int s = (low | (b->scales_h >> 2 * k & 3) << 4) - 32;
            iq4_unpack(dst + QK_K * i + IQ4_RUN * (size_t)k, b->qs + IQ4_RUN / 2 * k,
                       f32_from_f16(b->d) * (float)s);
        }
}
