/* IQ3_S: 256 values in eight runs of 32, w = d * (1 + 2 s) * entry * sign. Four values have nine
 * bits of index, all their signs are stored. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/grid_fit.h"
#include "quant/ref/ref.h"

enum { RUNS = 8, OCTETS = 32 };

static void pack(void *block, const struct grid_fit *f)
{
    struct block_iq3_s *b = block;

    b->d = f->d;
    for (int k = 0; k < RUNS; k++) {
        unsigned high = 0;
        for (int e = 0; e < 8; e++) {
            const unsigned entry = f->entry[4 * k + e / 2][e % 2];
            b->qs[8 * k + e] = (uint8_t)entry;
            high |= entry >> 8 << e;
        }
        b->qh[k] = (uint8_t)high;
    }
    for (int i = 0; i < OCTETS; i++)
        b->signs[i] = f->signs[i];
    for (int k = 0; k < RUNS / 2; k++)
        b->scales[k] = (uint8_t)(f->scale[2 * k] | f->scale[2 * k + 1] << 4);
}

static const int scales[EFFORT_COUNT] = {[EFFORT_NORMAL] = 2, [EFFORT_FAST] = 1, [EFFORT_BEST] = 4};

void iq3_s_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct grid g = {.entries = 512,
                     .dim = 4,
                     .middle = 0.17F,
                     .unit = 2.0F,
                     .run = 4,
                     .looks = how->effort == EFFORT_BEST ? 32 : 16,
                     .ratio = how->effort == EFFORT_BEST ? 1.07F : 1.14F,
                     .scales = scales[how->effort],
                     .digits = grid_iq3s,
                     .levels = &grid_levels_3s};

    grid_encode(dst, sizeof(struct block_iq3_s), pack, &g, src, n, how);
}

/* Entry e of 64. */
static uint16_t entry_at(const struct block_iq3_s *b, int e)
{
    return grid_iq3s[b->qs[e] | (b->qh[e / 8] >> e % 8 & 1) << 8];
}

void iq3_s_decode(float *dst, const void *src, size_t n)
{
    const struct block_iq3_s *b = src;

    for (size_t i = 0; i < n / QK_K; i++)
        for (int t = 0; t < OCTETS; t++, dst += 8) {
            const int s = b[i].scales[t / 8] >> t % 8 / 4 * 4 & 15;
            grid_quads(dst, f32_from_f16(b[i].d) * (float)(1 + 2 * s), entry_at(&b[i], 2 * t),
                       entry_at(&b[i], 2 * t + 1), b[i].signs[t], &grid_levels_3s);
        }
}
