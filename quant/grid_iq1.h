#ifndef QUANT_GRID_IQ1_H
#define QUANT_GRID_IQ1_H

/* The codebook of IQ1_S and IQ1_M: eight values of -1, 0 or 1 an entry. */

#include <stdint.h>

enum { GRID_IQ1 = 2048, GRID_IQ1_HALVES = 81, GRID_IQ1_LISTED = 2176, GRID_IQ1_STEP = 4 };

/* Value j of an entry, plus one, in bits 2 j and 2 j + 1. */
extern const uint16_t grid_iq1[GRID_IQ1];

/* Half an entry is a number below 81: its four values, plus one, as digits of base 3, the first
 * one highest. The entries with the same first half h are listed from GRID_IQ1_STEP * start[h]
 * to GRID_IQ1_STEP * start[h + 1]: their second halves, ascending, and their indices; the last
 * one is repeated to fill a step. A test derives all three again. */
extern const uint16_t grid_iq1_start[GRID_IQ1_HALVES + 1], grid_iq1_entry[GRID_IQ1_LISTED];
extern const uint8_t grid_iq1_second[GRID_IQ1_LISTED];

static inline int grid_iq1_value(unsigned entry, int j)
{
    return (int)(grid_iq1[entry] >> 2 * j & 3) - 1;
}

#endif /* QUANT_GRID_IQ1_H */
