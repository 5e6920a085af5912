/* IQ4_NL: 32 values, w = d * number[code] with sixteen uneven numbers. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/iq4_fit.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

/* The scale as F16; where those are coarse, by the error of the codes it really leads to. */
static uint16_t to_f16(float scale, const float *x, const float *w)
{
    const uint16_t h = f16_from_f32(scale);
    const int mag = h & 0x7fff;
    float near[IQ4_LANES], most = 0;
    struct iq4_sums s;
    int best = -1;

    if (mag >= SRCH_F16_COARSE)
        return mag < 0x7c00 ? h : (uint16_t)((h & 0x8000) | 0x7bff);
    for (int j = 0; j < IQ4_LANES; j++) {
        const int m = mag + j - IQ4_LANES / 2;
        near[j] = f32_from_f16((uint16_t)((h & 0x8000) | (m < 0 ? 0 : m)));
    }
    iq4_sums(&s, near, x, w);
    for (int j = 0; j < IQ4_LANES; j++) {
        const float gain = near[j] * (2.0F * s.lx[j] - near[j] * s.l2[j]);
        if (gain > most) {
            most = gain;
            best = j;
        }
    }
    return best < 0 ? 0 : f16_from_f32(near[best]);
}

static void block_encode(struct block_iq4_nl *b, const float *x, const float *w,
                         enum codec_effort effort)
{
    struct iq4_sums s;
    float scale[IQ4_LANES];
    uint8_t code[IQ4_RUN];
    const int best = iq4_modes(&s, scale, x, w, effort);

    b->d = best < 0 ? 0 : to_f16(scale[best], x, w);
    iq4_codes(code, x, f32_from_f16(b->d));
    iq4_pack(b->qs, code);
}

void iq4_nl_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_iq4_nl *b = dst;
    float w[QK];

    for (size_t i = 0; i < n; i += QK) {
        s.sigma2 = 2 * srch_mean_square(src + i, QK);
        block_encode(b++, src + i, s.importance ? srch_weights(w, &s, src, i, QK) : NULL,
                     how->effort);
    }
}

void iq4_nl_decode(float *dst, const void *src, size_t n)
{
    const struct block_iq4_nl *b = src;

    for (size_t i = 0; i < n / QK; i++)
        iq4_unpack(dst + QK * i, b[i].qs, f32_from_f16(b[i].d));
}
