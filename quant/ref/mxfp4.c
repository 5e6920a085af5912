/* MXFP4: 32 values, w = 2^(e - 127) * e2m1[code]. The encoder takes the exponent that
 * brings the largest magnitude to between 4 and 8, or one more where that halves what
 * would be cut off at 6: whichever has the smaller squared error. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/e2m1.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

#include <math.h>

/* 2^(e - 128): half of what `e` says, for values counted in halves; a denormal below 2. */
static inline float half_scale(unsigned e)
{
    return f32_from_bits(e < 2 ? 0x200000U << e : (e - 1) << 23);
}

/* 2^(e - 127), e from 0 to 254. */
static float power(int e)
{
    return f32_from_bits(e ? (uint32_t)e << 23 : 1U << 22);
}

static void block_encode(struct block_mxfp4 *b, const float *x, const float *w)
{
    uint8_t code[QK];
    float max, least_x;
    int exp = 0;

    vec_bounds(&least_x, &max, x, QK);
    max = -least_x > max ? -least_x : max;
    (void)frexpf(max, &exp); /* max = f 2^exp, f in [0.5, 1) */
    const int want = max > 0 ? exp - 3 + 127 : 0, low = want < 0 ? 0 : want > 253 ? 253 : want;
    const float here = e2m1_error(x, w, QK, power(low), power(254 - low));
    const float above = e2m1_error(x, w, QK, power(low + 1), power(253 - low));
    const int e = max > 0 ? low + (here > above) : 0;
    e2m1_codes(code, x, QK, max > 0 ? power(254 - e) : 0);
    b->e = (uint8_t)e;
    for (int j = 0; j < QK / 2; j++)
        b->qs[j] = (uint8_t)(code[j] | code[j + QK / 2] << 4);
}

void mxfp4_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_mxfp4 *b = dst;
    float w[QK];

    for (size_t i = 0; i < n; i += QK)
        block_encode(b++, src + i, srch_importance(w, &s, i, QK));
}

void mxfp4_decode(float *dst, const void *src, size_t n)
{
    static const float twice[16] = {0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12};
    const struct block_mxfp4 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float s = half_scale(b[i].e);
        for (int j = 0; j < QK / 2; j++) {
            dst[j] = twice[b[i].qs[j] & 15] * s;
            dst[j + QK / 2] = twice[b[i].qs[j] >> 4] * s;
        }
    }
}
