/* IQ3_XXS: 256 values in eight runs of 32, w = d * (1/2 + s) / 2 * entry * sign. Four values have
 * a byte of index, eight have seven bits of signs. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/grid_fit.h"
#include "quant/ref/ref.h"

enum { RUNS = 8, OCTETS = 32 };

static void pack(void *block, const struct grid_fit *f)
{
    struct block_iq3_xxs *b = block;

    b->d = f->d;
    for (int i = 0; i < OCTETS; i++) {
        b->qs[2 * i] = (uint8_t)f->entry[i][0];
        b->qs[2 * i + 1] = (uint8_t)f->entry[i][1];
    }
    for (int k = 0; k < RUNS; k++) {
        uint32_t word = (uint32_t)f->scale[k] << 28;
        for (int t = 0; t < 4; t++)
            word |= (uint32_t)(f->signs[4 * k + t] & 127) << 7 * t;
        for (int t = 0; t < 4; t++)
            b->words[4 * k + t] = (uint8_t)(word >> 8 * t);
    }
}

static const int scales[EFFORT_COUNT] = {[EFFORT_NORMAL] = 4, [EFFORT_FAST] = 2, [EFFORT_BEST] = 4};

void iq3_xxs_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct grid g = {.entries = 256,
                     .dim = 4,
                     .even = 1,
                     .middle = 0.045F,
                     .unit = 0.5F,
                     .run = 4,
                     .looks = 48,
                     .ratio = 1.035F,
                     .scales = scales[how->effort],
                     .digits = grid_iq3xxs,
                     .levels = &grid_levels_3xxs};

    grid_encode(dst, sizeof(struct block_iq3_xxs), pack, &g, src, n, how);
}

void iq3_xxs_decode(float *dst, const void *src, size_t n)
{
    const struct block_iq3_xxs *b = src;

    for (size_t i = 0; i < n / QK_K; i++)
        for (int k = 0; k < RUNS; k++) {
            const uint8_t *q = b[i].words + 4 * k;
            const uint32_t word =
                (uint32_t)q[0] | (uint32_t)q[1] << 8 | (uint32_t)q[2] << 16 | (uint32_t)q[3] << 24;
            const float d = f32_from_f16(b[i].d) * (0.5F + (float)(word >> 28)) * 0.5F;
            for (int t = 4 * k; t < 4 * k + 4; t++, dst += 8)
                grid_quads(dst, d, grid_iq3xxs[b[i].qs[2 * t]], grid_iq3xxs[b[i].qs[2 * t + 1]],
                           grid_signs(word >> 7 * (t % 4) & 127), &grid_levels_3xxs);
        }
}
