#ifndef QUANT_REF_Q5_BITS_H
#define QUANT_REF_Q5_BITS_H

/* 32 five-bit codes as Q5_0 and Q5_1 store them: low halves in qs (values j and
 * j + 16 share byte j), fifth bits in the little-endian word qh. */

#include <stdint.h>

static inline void q5_bits_get(uint8_t code[32], const uint8_t qh[4], const uint8_t qs[16])
{
    for (int j = 0; j < 16; j++) {
        code[j] = (uint8_t)((qs[j] & 15) | (qh[j / 8] >> j % 8 & 1) << 4);
        code[j + 16] = (uint8_t)(qs[j] >> 4 | (qh[2 + j / 8] >> j % 8 & 1) << 4);
    }
}

static inline void q5_bits_put(uint8_t qh[4], uint8_t qs[16], const uint8_t code[32])
{
    for (int j = 0; j < 16; j++)
        qs[j] = (uint8_t)((code[j] & 15) | (code[j + 16] & 15) << 4);
    for (int k = 0; k < 4; k++) {
        unsigned bits = 0;
        for (int j = 0; j < 8; j++)
            bits |= (unsigned)(code[8 * k + j] >> 4) << j;
        qh[k] = (uint8_t)bits;
    }
}

#endif /* QUANT_REF_Q5_BITS_H */
