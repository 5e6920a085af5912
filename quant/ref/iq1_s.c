/* IQ1_S: 256 values in eight runs of 32, w = d * (2 s + 1) * (entry + delta): s of three bits
 * and delta a run, an entry of the codebook for eight values. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/iq1_fit.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

enum { RUN = 4 }; /* octets */

void iq1_s_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_iq1_s *b = dst;
    float w[QK_K];
    struct iq1_fit f;

    for (size_t i = 0; i < n; i += QK_K, b++) {
        s.sigma2 = 2 * srch_mean_square(src + i, QK_K);
        iq1_fit(&f, src + i, srch_weights(w, &s, src, i, QK_K), RUN, how->effort);
        b->d = f.d;
        for (int k = 0; k < QK_K / 32; k++) {
            unsigned h = (unsigned)f.s[RUN * k] << 12 | (unsigned)f.minus[RUN * k] << 15;
            for (int o = 0; o < RUN; o++) {
                b->qs[RUN * k + o] = (uint8_t)(f.entry[RUN * k + o] & 255);
                h |= (unsigned)(f.entry[RUN * k + o] >> 8) << 3 * o;
            }
            b->qh[k] = (uint16_t)h;
        }
    }
}

void iq1_s_decode(float *dst, const void *src, size_t n)
{
    const struct block_iq1_s *b = src;

    for (size_t i = 0; i < n / QK_K; i++, b++)
        for (int o = 0; o < QK_K / 8; o++, dst += 8) {
            const unsigned h = b->qh[o / RUN];
            const float scale = f32_from_f16(b->d) * (float)(2 * (h >> 12 & 7) + 1);
            iq1_octet(dst, scale, b->qs[o] | (h >> 3 * (o % RUN) & 7) << 8, (int)(h >> 15));
        }
}
