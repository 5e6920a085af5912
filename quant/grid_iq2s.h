#ifndef QUANT_GRID_IQ2S_H
#define QUANT_GRID_IQ2S_H

/* The codebook of IQ2_S (quant/grids.h) as quant/grid_iq1.h lists that of IQ1: entries by their
 * first halves. A test derives it again. */

#include "quant/grid_iq1.h"

enum { GRID_IQ2S_LISTED = 1148 };

extern const uint16_t grid_iq2s_start[GRID_IQ1_HALVES + 1], grid_iq2s_entry[GRID_IQ2S_LISTED];
extern const uint8_t grid_iq2s_second[GRID_IQ2S_LISTED];

#endif /* QUANT_GRID_IQ2S_H */
