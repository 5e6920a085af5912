#ifndef QUANT_REF_TERNARY_H
#define QUANT_REF_TERNARY_H

/* The search behind TQ1_0 and TQ2_0: 256 values, x ~ d * (digit - 1), digit 0, 1 or 2. */

#include "quant/codec.h"
#include "quant/ref/search.h"

#include <stdint.h>

/* The F16 d >= 0 of least weighted error, and the digits it leads to. */
uint16_t ternary_fit(uint8_t digit[256], const float *x, const float *w, enum codec_effort effort);

#endif /* QUANT_REF_TERNARY_H */
