/* IQ2_XS: 256 values in sixteen runs of 16, w = d * (1/2 + s) / 4 * entry * sign. An octet has
 * nine bits of index and seven of signs. */

#include "formats/blocks.h"
#include "quant/half.h"
#include "quant/ref/grid_fit.h"
#include "quant/ref/ref.h"

enum { RUNS = 16, OCTETS = 32 };

static void pack(void *block, const struct grid_fit *f)
{
    struct block_iq2_xs *b = block;

    b->d = f->d;
    for (int i = 0; i < OCTETS; i++)
        b->qs[i] = (uint16_t)(f->entry[i][0] | (f->signs[i] & 127) << 9);
    for (int k = 0; k < RUNS / 2; k++)
        b->scales[k] = (uint8_t)(f->scale[2 * k] | f->scale[2 * k + 1] << 4);
}

static const int scales[EFFORT_COUNT] = {[EFFORT_NORMAL] = 4, [EFFORT_FAST] = 2, [EFFORT_BEST] = 4};

void iq2_xs_encode(void *dst, const float *src, size_t n, const struct codec_how *how)
{
    struct grid g = {.entries = 512,
                     .dim = 8,
                     .even = 1,
                     .middle = 0.055F,
                     .unit = 0.25F,
                     .run = 2,
                     .looks = 16,
                     .ratio = 1.1F,
                     .scales = scales[how->effort],
                     .digits = grid_iq2xs,
                     .levels = &grid_levels_2};

    grid_encode(dst, sizeof(struct block_iq2_xs), pack, &g, src, n, how);
}

void iq2_xs_decode(float *dst, const void *src, size_t n)
{
    const struct block_iq2_xs *b = src;

    for (size_t i = 0; i < n / QK_K; i++)
        for (int t = 0; t < OCTETS; t++, dst += 8) {
            const int s = b[i].scales[t / 4] >> t % 4 / 2 * 4 & 15;
            const unsigned q = b[i].qs[t];
            grid_octet(dst, f32_from_f16(b[i].d) * (0.5F + (float)s) * 0.25F, grid_iq2xs[q & 511],
                       grid_signs(q >> 9));
        }
}
