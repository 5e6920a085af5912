/* Q4_1: 32 values, w = d * code + m, code 0 .. 15. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/eight.h"
#include "quant/ref/ref.h"

enum { MOST = 15 };

static void block_pack(struct block_q4_1 *b, const float *x, float inverse, float offset)
{
    ivec lo[VEC_SUMS], hi[VEC_SUMS];

    eight_codes(lo, x, inverse, offset, 0, MOST);
    eight_codes(hi, x + QK / 2, inverse, offset, 0, MOST);
    for (int k = 0; k < VEC_SUMS; k++)
        lo[k] |= hi[k] << 4;
    eight_bytes(b->qs, lo);
}

void q4_1_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    const struct srch_weighting s = srch_weighting(src, how->importance, n);
    struct block_q4_1 *b = dst;
    struct eight e;

    for (size_t i = 0; i < n / QK; i += EIGHT) {
        uint16_t d[EIGHT], m[EIGHT];
        float inverse[EIGHT], offset[EIGHT];
        eight_init(&e, src, &s, i, n);
        eight_affine(d, m, &e, MOST, how->effort);
        eight_inverse(inverse, d);
        eight_from_f16(offset, m);
        for (size_t k = 0; k < e.n; k++, b++) {
            b->d = d[k];
            b->m = m[k];
            block_pack(b, e.x + k * QK, inverse[k], offset[k]);
        }
    }
}

void q4_1_decode(float *dst, const void *src, size_t n)
{
    const struct block_q4_1 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float d = f32_from_f16(b[i].d), m = f32_from_f16(b[i].m);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)(b[i].qs[j] & 15) * d + m;
            dst[j + 16] = (float)(b[i].qs[j] >> 4) * d + m;
        }
    }
}
