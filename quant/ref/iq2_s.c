/* IQ2_S: 256 values in sixteen runs of 16, w = d * (1/2 + s) / 4 * entry * sign. An octet has
 * ten bits of index and all eight signs. */

#include "formats/blocks.h"
#include "quant/grid_iq2s.h"
#include "quant/half.h"
#include "quant/ref/grid_fit.h"
#include "quant/ref/ref.h"

enum { RUNS = 16, OCTETS = 32 };

static void pack(void *block, const struct grid_fit *f)
{
    struct block_iq2_s *b = block;

    b->d = f->d;
    for (int k = 0; k < OCTETS / 4; k++) {
        unsigned high = 0;
        for (int t = 0; t < 4; t++) {
            b->qs[4 * k + t] = (uint8_t)f->entry[4 * k + t][0];
            b->signs[4 * k + t] = f->signs[4 * k + t];
            high |= (unsigned)f->entry[4 * k + t][0] >> 8 << 2 * t;
        }
        b->qh[k] = (uint8_t)high;
    }
    for (int k = 0; k < RUNS / 2; k++)
        b->scales[k] = (uint8_t)(f->scale[2 * k] | f->scale[2 * k + 1] << 4);
}

static const struct trit_book book = {grid_iq2s_start, grid_iq2s_entry, grid_iq2s_second,
                                      18.0F / 17.0F};

static const int scales[EFFORT_COUNT] = {[EFFORT_NORMAL] = 2, [EFFORT_FAST] = 1, [EFFORT_BEST] = 4};

void iq2_s_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct grid g = {.entries = 1024,
                     .dim = 8,
                     .middle = 0.055F,
                     .unit = 0.25F,
                     .run = 2,
                     .looks = 16,
                     .ratio = 1.1F,
                     .scales = scales[how->effort],
                     .digits = grid_iq2s,
                     .levels = &grid_levels_2,
                     .book = &book};

    grid_encode(dst, sizeof(struct block_iq2_s), pack, &g, src, n, how);
}

void iq2_s_decode(float *dst, const void *src, size_t n)
{
    const struct block_iq2_s *b = src;

    for (size_t i = 0; i < n / QK_K; i++)
        for (int t = 0; t < OCTETS; t++, dst += 8) {
            const int s = b[i].scales[t / 4] >> t % 4 / 2 * 4 & 15;
            const int q = b[i].qs[t] | (b[i].qh[t / 4] >> t % 4 * 2 & 3) << 8;
            grid_octet(dst, f32_from_f16(b[i].d) * (0.5F + (float)s) * 0.25F, grid_iq2s[q],
                       b[i].signs[t]);
        }
}
