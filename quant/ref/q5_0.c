/* Q5_0: 32 values, w = d * (code - 16), code 0 .. 31. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/eight.h"
#include "quant/ref/q5_bits.h"
#include "quant/ref/ref.h"

enum { LEVELS = 16 };

static void block_pack(struct block_q5_0 *b, const float *x, uint16_t d, float inverse)
{
    ivec lo[VEC_SUMS], hi[VEC_SUMS];

    eight_codes(lo, x, inverse, 0, LEVELS, 2 * LEVELS - 1);
    eight_codes(hi, x + QK / 2, inverse, 0, LEVELS, 2 * LEVELS - 1);
    b->d = d;
    eight_five(b->qh, b->qs, lo, hi);
}

static void find(struct eight_lines *f, const struct eight *e, enum codec_effort effort)
{
    eight_symmetric(f->d, e, LEVELS, effort);
}

static void *pack(void *dst, const struct eight *e, const struct eight_lines *f)
{
    struct block_q5_0 *b = dst;
    float inverse[EIGHT];

    eight_inverse(inverse, f->d);
    for (size_t k = 0; k < e->n; k++)
        block_pack(b++, e->x + k * QK, f->d[k], inverse[k]);
    return b;
}

void q5_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    eight_encode(dst, src, n, how, find, pack);
}

void q5_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q5_0 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float d = f32_from_f16(b[i].d);
        uint8_t code[QK];
        q5_bits_get(code, b[i].qh, b[i].qs);
        for (int j = 0; j < QK; j++)
            dst[j] = (float)(code[j] - 16) * d;
    }
}
