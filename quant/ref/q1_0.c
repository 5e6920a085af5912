/* Q1_0: 128 values, w = d or -d. The best d is the weighted mean of the magnitudes. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"
#include "quant/vec.h"

#include <math.h>

enum { VALUES = 128 };

static float mean_magnitude(const float *x, const float *w)
{
    float mag[VALUES];

    for (int i = 0; i < VALUES; i++)
        mag[i] = fabsf(x[i]);
    return vec_dot(w, mag, VALUES) / vec_dot(w, srch_ones, VALUES);
}

void q1_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q1_0 *b = dst;
    float w[VALUES];

    for (size_t i = 0; i < n; i += VALUES, b++) {
        const float *x = src + i;
        b->d = f16_from_f32(mean_magnitude(x, srch_importance(w, &s, i, VALUES)));
        for (int k = 0; k < VALUES / 8; k++) {
            unsigned bits = 0;
            for (int j = 0; j < 8; j++)
                bits |= (unsigned)(x[8 * k + j] >= 0) << j;
            b->qs[k] = (uint8_t)bits;
        }
    }
}

void q1_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q1_0 *b = src;

    for (size_t i = 0; i < n; i += VALUES, b++) {
        const float d = f32_from_f16(b->d);
        for (int j = 0; j < VALUES; j++)
            dst[i + (size_t)j] = b->qs[j / 8] >> j % 8 & 1 ? d : -d;
    }
}
