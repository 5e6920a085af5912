/* Q2_0: 64 values, w = d * (code - 1), code 0 .. 3. The two sides differ, so the sign of
 * d is worth a search: -2 .. 1 times -d. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/ref/search.h"

enum { VALUES = 64, LEVELS = 2 };

static void block_pack(struct block_q2_0 *b, const float *x, uint16_t scale)
{
    int8_t code[VALUES];

    srch_codes(code, x, VALUES, f32_from_f16(scale), 0, -LEVELS, LEVELS - 1);
    b->d = scale & 0x7fff ? scale ^ 0x8000 : 0;
    for (int j = 0; j < VALUES / 4; j++) {
        const int8_t *c = code + 4 * j;
        b->qs[j] = (uint8_t)((1 - c[0]) | (1 - c[1]) << 2 | (1 - c[2]) << 4 | (1 - c[3]) << 6);
    }
}

void q2_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q2_0 *b = dst;
    float w[VALUES];

    for (size_t i = 0; i < n; i += VALUES, b++) {
        const float *x = src + i, *weights = srch_importance(w, &s, i, VALUES);
        const float scale =
            srch_symmetric(x, weights, VALUES, LEVELS, s.importance ? SRCH_NORMAL : SRCH_QUICK);
        block_pack(b, x, srch_symmetric_f16(scale, x, weights, VALUES, LEVELS));
    }
}

void q2_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q2_0 *b = src;

    for (size_t i = 0; i < n; i += VALUES, b++) {
        const float d = f32_from_f16(b->d);
        for (int j = 0; j < VALUES; j++)
            dst[i + (size_t)j] = (float)((b->qs[j / 4] >> 2 * (j % 4) & 3) - 1) * d;
    }
}
