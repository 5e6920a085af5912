/* Q1_0: 128 values, w = d or -d. The best d is the weighted mean of the magnitudes. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/lanes.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

#include <math.h>

enum { VALUES = 128 };

static float across(const lanes *v)
{
    float part[LANES];

    lanes_store(part, v);
    for (int half = LANES / 2; half; half /= 2)
        for (int j = 0; j < half; j++)
            part[j] += part[j + half];
    return part[0];
}

static float mean_magnitude(const float *x, const float *w)
{
    lanes wx = {0}, sw = {0};

    for (int i = 0; i < VALUES; i += LANES) {
        float mag[LANES];
        lanes m, u;
        for (int j = 0; j < LANES; j++)
            mag[j] = fabsf(x[i + j]);
        lanes_load(&m, mag);
        lanes_load(&u, w + i);
        wx += u * m;
        sw += u;
    }
    return across(&wx) / across(&sw);
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
