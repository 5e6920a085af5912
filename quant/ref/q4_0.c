/* Q4_0: 32 values, w = d * (code - 8), code 0 .. 15. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/eight.h"
#include "quant/ref/ref.h"

enum { LEVELS = 8 };

static void block_pack(struct block_q4_0 *b, const float *x, uint16_t d, float inverse)
{
    ivec lo[VEC_SUMS], hi[VEC_SUMS];

    eight_codes(lo, x, inverse, 0, LEVELS, 2 * LEVELS - 1);
    eight_codes(hi, x + QK / 2, inverse, 0, LEVELS, 2 * LEVELS - 1);
    for (int k = 0; k < VEC_SUMS; k++)
        lo[k] |= hi[k] << 4;
    b->d = d;
    eight_bytes(b->qs, lo);
}

static void find(struct eight_lines *f, const struct eight *e, enum codec_effort effort)
{
    eight_symmetric(f->d, e, LEVELS, effort);
}

static void *pack(void *dst, const struct eight *e, const struct eight_lines *f)
{
    struct block_q4_0 *b = dst;
    float inverse[EIGHT];

    eight_inverse(inverse, f->d);
    for (size_t k = 0; k < e->n; k++)
        block_pack(b++, e->x + k * QK, f->d[k], inverse[k]);
    return b;
}

void q4_0_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    eight_encode(dst, src, n, how, find, pack);
}

void q4_0_decode(float *dst, const void *src, size_t n)
{
    const struct block_q4_0 *b = src;

    for (size_t i = 0; i < n / QK; i++, dst += QK) {
        const float d = f32_from_f16(b[i].d);
        for (int j = 0; j < 16; j++) {
            dst[j] = (float)((b[i].qs[j] & 15) - 8) * d;
            dst[j + 16] = (float)((b[i].qs[j] >> 4) - 8) * d;
        }
    }
}
