#ifndef QUANT_GRIDS_H
#define QUANT_GRIDS_H

/* Codebooks of the IQ2 and IQ3 types. An entry is the magnitudes of eight (IQ2) or four
 * (IQ3) neighbouring values, a digit each, first value in the lowest bits: two bits
 * into grid_levels_2, or three into grid_levels_3xxs or grid_levels_3s. */

#include <stdint.h>

extern const uint16_t grid_iq2xxs[256], grid_iq2xs[512], grid_iq2s[1024];
extern const uint16_t grid_iq3xxs[256], grid_iq3s[512];

/* Levels lie `step` apart from `base` on, but for the highest, which is `more` further. */
struct grid_levels {
    int base, step, top, more; /* top: the highest digit */
};

static const struct grid_levels grid_levels_2 = {8, 17, 2, 1};   /* 8 25 43 */
static const struct grid_levels grid_levels_3xxs = {4, 8, 7, 2}; /* 4 12 .. 52 62 */
static const struct grid_levels grid_levels_3s = {1, 2, 7, 0};   /* 1 3 .. 15 */

/* Of one digit. */
static inline int grid_level(const struct grid_levels *l, int digit)
{
    return l->base + l->step * digit + (digit == l->top ? l->more : 0);
}

/* The sign byte behind seven stored bits: bit j for value j, an even number of them set. */
static inline unsigned grid_signs(unsigned seven)
{
    unsigned p = seven ^ seven >> 4;

    p ^= p >> 2;
    return seven | ((p ^ p >> 1) & 1) << 7;
}

/* dst[8] = d * entry * sign of IQ2's eight digits. */
static inline void grid_octet(float *dst, float d, unsigned digits, unsigned signs)
{
    for (int i = 0; i < 8; i++) {
        const float v = d * (float)grid_level(&grid_levels_2, (int)(digits >> 2 * i & 3));
        dst[i] = signs >> i & 1 ? -v : v;
    }
}

/* The same of two entries with four digits each. */
static inline void grid_quads(float *dst, float d, unsigned first, unsigned second, unsigned signs,
                              const struct grid_levels *l)
{
    const unsigned digits = first | second << 12;

    for (int i = 0; i < 8; i++) {
        const float v = d * (float)grid_level(l, (int)(digits >> 3 * i & 7));
        dst[i] = signs >> i & 1 ? -v : v;
    }
}

#endif /* QUANT_GRIDS_H */
