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

static void find(struct eight_lines *f, const struct eight *e, enum codec_effort effort)
{
    eight_affine(f->d, f->m, e, MOST, effort);
}

static void *pack(void *dst, const struct eight *e, const struct eight_lines *f)
{
    struct block_q4_1 *b = dst;
    float inverse[EIGHT], offset[EIGHT];

    eight_inverse(inverse, f->d);
    eight_from_f16(offset, f->m);
    for (size_t k = 0; k < e->n; k++, b++) {
        b->d = f->d[k];
        b->m = f->m[k];
        block_pack(b, e->x + k * QK, inverse[k], offset[k]);
    }
    return b;
}

void q4_1_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    eight_encode(dst, src, n, how, find, pack);
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
