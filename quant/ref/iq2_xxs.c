/* IQ2_XXS: 256 values in eight runs of 32, w = d * (1/2 + s) / 4 * entry * sign. A run's four
 * octets have a byte of index and seven bits of signs each. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/grid_fit.h"
#include "quant/ref/ref.h"

enum { RUNS = 8 };

static void pack(void *block, const struct grid_fit *f)
{
    struct block_iq2_xxs *b = block;

    b->d = f->d;
    for (int k = 0; k < RUNS; k++) {
        uint32_t word = (uint32_t)f->scale[k] << 28;
        for (int t = 0; t < 4; t++) {
            b->qs[8 * k + t] = (uint8_t)f->entry[4 * k + t][0];
            word |= (uint32_t)(f->signs[4 * k + t] & 127) << 7 * t;
        }
        for (int t = 0; t < 4; t++)
            b->qs[8 * k + 4 + t] = (uint8_t)(word >> 8 * t);
    }
}

static const int scales[EFFORT_COUNT] = {[EFFORT_NORMAL] = 4, [EFFORT_FAST] = 2, [EFFORT_BEST] = 4};

void iq2_xxs_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct grid g = {.entries = 256,
                     .dim = 8,
                     .even = 1,
                     .middle = 0.055F,
                     .unit = 0.25F,
                     .run = 4,
                     .looks = 16,
                     .ratio = 1.1F,
                     .scales = scales[how->effort],
                     .digits = grid_iq2xxs,
                     .levels = &grid_levels_2};

    grid_encode(dst, sizeof(struct block_iq2_xxs), pack, &g, src, n, how);
}

void iq2_xxs_decode(float *dst, const void *src, size_t n)
{
    const struct block_iq2_xxs *b = src;

    for (size_t i = 0; i < n / QK_K; i++)
        for (int k = 0; k < RUNS; k++) {
            const uint8_t *q = b[i].qs + 8 * k;
            const uint32_t word =
                (uint32_t)q[4] | (uint32_t)q[5] << 8 | (uint32_t)q[6] << 16 | (uint32_t)q[7] << 24;
            const float d = f32_from_f16(b[i].d) * (0.5F + (float)(word >> 28)) * 0.25F;
            for (int t = 0; t < 4; t++, dst += 8)
                grid_octet(dst, d, grid_iq2xxs[q[t]], grid_signs(word >> 7 * t & 127));
        }
}
