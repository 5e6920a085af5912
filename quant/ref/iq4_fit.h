#ifndef QUANT_REF_IQ4_FIT_H
#define QUANT_REF_IQ4_FIT_H

/* The uneven sixteen numbers of IQ4_NL and IQ4_XS, and the search for the scale of a run of
 * 32 values, x ~ scale * iq4_number[code]. */

#include "quant/codec.h"

#include <stdint.h>

enum { IQ4_RUN = 32, IQ4_LANES = 16, IQ4_MOST = 127 };

extern const float iq4_number[16];

/* What some codes of a run give: sum w x number and sum w number^2. Of a scale s they gain
 * s (2 lx - s l2) over zeros; lx / l2 is their best scale. */
struct iq4_sums {
    float lx[IQ4_LANES], l2[IQ4_LANES];
};

/* The codes nearest to x / scale of sixteen scales at a time. w NULL: all ones. */
void iq4_sums(struct iq4_sums *s, const float scale[IQ4_LANES], const float x[IQ4_RUN],
              const float *w);

/* Sixteen good sets of codes, each with the scale that suits it: the local best of as many
 * parts of the range worth looking at. The overall best is at the lane returned; -1: nothing
 * but zero fits. */
int iq4_modes(struct iq4_sums *s, float scale[IQ4_LANES], const float x[IQ4_RUN], const float *w,
              enum codec_effort effort);

/* The nearest codes; with scale 0 that of the number nearest to 0. */
void iq4_codes(uint8_t code[IQ4_RUN], const float x[IQ4_RUN], float scale);

/* qs[j] = codes of values j and j + 16 */
void iq4_pack(uint8_t qs[IQ4_RUN / 2], const uint8_t code[IQ4_RUN]);

/* dst[32] = scale * number */
void iq4_unpack(float dst[IQ4_RUN], const uint8_t qs[IQ4_RUN / 2], float scale);

#endif /* QUANT_REF_IQ4_FIT_H */
