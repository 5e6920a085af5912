/* TQ1_0: 256 values, w = d * (digit - 1), five base-3 digits a byte: the byte is the
 * fraction 0.ddddd of 256, rounded up, so that multiplying by 3 brings out one digit after
 * the other. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/ref.h"
#include "quant/ref/ternary.h"

/* Where the digits of a byte lie: digit n of byte m is value first + step * n + m. */
struct span {
    uint8_t bytes, digits, first, step;
};
enum { SPANS = 3 };
static const struct span spans[SPANS] = {
    {32, 5, 0,   32},
    {16, 5, 160, 16},
    {4,  4, 240, 4 }
};

static void digits_put(uint8_t *byte, const struct span *s, const uint8_t *digit)
{
    for (size_t m = 0; m < s->bytes; m++) {
        unsigned v = 0;
        for (size_t n = 0; n < 5; n++)
            v = v * 3 + (n < s->digits ? digit[s->first + s->step * n + m] : 0U);
        byte[m] = (uint8_t)((v * 256 + 242) / 243);
    }
}

static void digits_get(float *dst, const struct span *s, const uint8_t *byte, float d)
{
    static const uint8_t power[] = {1, 3, 9, 27, 81};

    for (size_t n = 0; n < s->digits; n++)
        for (size_t m = 0; m < s->bytes; m++) {
            const unsigned rest = (byte[m] * (unsigned)power[n]) & 255U;
            dst[s->first + s->step * n + m] = (float)((int)(rest * 3 >> 8) - 1) * d;
        }
}

void tq1_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_tq1_0 *b = dst;
    uint8_t digit[QK_K];
    float w[QK_K];

    for (size_t i = 0; i < n; i += QK_K, b++) {
        b->d = ternary_fit(digit, src + i, srch_importance(w, &s, i, QK_K), how->effort);
        digits_put(b->qs, &spans[0], digit);
        digits_put(b->qs + spans[0].bytes, &spans[1], digit);
        digits_put(b->qh, &spans[2], digit);
    }
}

void tq1_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_tq1_0 *b = src;

    for (size_t i = 0; i < n; i += QK_K, b++) {
        const float d = f32_from_f16(b->d);
        digits_get(dst + i, &spans[0], b->qs, d);
        digits_get(dst + i, &spans[1], b->qs + spans[0].bytes, d);
        digits_get(dst + i, &spans[2], b->qh, d);
    }
}
