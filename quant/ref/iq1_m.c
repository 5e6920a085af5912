/* IQ1_M: 256 values, w = d * (2 s + 1) * (entry + delta): s of three bits for 16 values, delta
 * and an entry of the codebook for eight. d is F16, four bits of it in each word of scales. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/iq1_fit.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

enum { RUN = 2 }; /* octets */

static void pack(struct block_iq1_m *b, const struct iq1_fit *f)
{
    for (int k = 0; k < 4; k++) {
        unsigned sc = (unsigned)(f->d >> 4 * k & 15) << 12;
        for (int j = 0; j < 4; j++)
            sc |= (unsigned)f->s[RUN * (4 * k + j)] << 3 * j;
        b->scales[k] = (uint16_t)sc;
    }
    for (int o = 0; o < QK_K / 8; o++) {
        const unsigned high = (unsigned)(f->entry[o] >> 8 | f->minus[o] << 3);
        b->qs[o] = (uint8_t)(f->entry[o] & 255);
        b->qh[o / 2] = (uint8_t)(o % 2 ? b->qh[o / 2] | high << 4 : high);
    }
}

void iq1_m_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_iq1_m *b = dst;
    float w[QK_K];
    struct iq1_fit f;

    for (size_t i = 0; i < n; i += QK_K) {
        s.sigma2 = 2 * srch_mean_square(src + i, QK_K);
        iq1_fit(&f, src + i, srch_weights(w, &s, src, i, QK_K), RUN, how->effort);
        pack(b++, &f);
    }
}

void iq1_m_decode(float *dst, const void *src, size_t n)
{
    const struct block_iq1_m *b = src;

    for (size_t i = 0; i < n / QK_K; i++, b++) {
        unsigned bits = 0;
        for (int k = 0; k < 4; k++)
            bits |= (unsigned)(b->scales[k] >> 12) << 4 * k;
        const float d = f32_from_f16((uint16_t)bits);
        for (int o = 0; o < QK_K / 8; o++, dst += 8) {
            const unsigned s = (unsigned)b->scales[o / 8] >> 3 * (o / RUN % 4) & 7;
            const unsigned high = (unsigned)b->qh[o / 2] >> 4 * (o % 2) & 15;
            iq1_octet(dst, d * (float)(2 * s + 1), b->qs[o] | (high & 7) << 8, (int)(high >> 3));
        }
    }
}
