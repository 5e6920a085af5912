#ifndef QUANT_CODED_DECODE_H
#define QUANT_CODED_DECODE_H

/* The three steps of quant/coded.c. */

#include "formats/coded.h"

#include <stddef.h>
#include <stdint.h>

enum { CODED_STRIP = 256, CODED_ROWS = 32 }; /* codes unpacked at a time; STRIP: columns */

/* code[n][CODED_STRIP] = codes of rows r0 .. r0 + n - 1, columns c0 .. c0 + k - 1.
 * c0 is a multiple of CODED_STRIP, n <= CODED_ROWS. */
void coded_unpack(uint8_t *code, const struct coded *c, uint64_t r0, size_t n, uint64_t c0,
                  size_t k);

/* The group of a column, for scales and zero points. */
uint64_t coded_group(const struct coded *c, uint64_t row, uint64_t col);
/* The scale and zero point of a row in a group; of CODED_FLAT_HIGH a group is a block. */
float coded_scale_at(const struct coded *c, uint64_t row, uint64_t group);
int coded_zero_at(const struct coded *c, uint64_t row, uint64_t group);

#endif /* QUANT_CODED_DECODE_H */
