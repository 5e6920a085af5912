#ifndef QUANT_CODED_H
#define QUANT_CODED_H

/* The numbers of a weight that is stored quantized (formats/coded.h). Products are exact
 * or rounded once to F32, in the order each scheme's file in formats/coded gives. */

#include "formats/coded.h"
#include "formats/dtype.h"

#include <stdbool.h>
#include <stdint.h>

/* dst[n, c->cols] = rows r0 .. r0 + n - 1 of the logical matrix. Neighbouring rows
 * together cost less than one by one where they are packed side by side. */
void coded_rows(float *dst, const struct coded *c, uint64_t r0, uint64_t n);

/* dst[n] = columns c0 .. c0 + n - 1 of row r. */
void coded_cells(float *dst, const struct coded *c, uint64_t r, uint64_t c0, size_t n);

/* Write row r in `type` where that loses nothing: blocks of dst whose decoded values equal
 * x[c->cols] (the row as coded_rows gives it), bit for bit. The others are left as they
 * are. true: every block was written. For Q4_0, Q4_1, Q5_0, Q5_1, Q8_0 when groups are
 * whole blocks and scale and zero point fit F16; for MXFP4 and NVFP4 from their like. */
bool coded_exact(void *dst, enum dtype type, const struct coded *c, uint64_t r, const float *x);

/* Codes and scales of row r as blocks of NVFP4, without the number that multiplies them all.
 * false: some scale is negative or NaN, which a block does not say, or c is no NVFP4. */
bool coded_nvfp4(void *dst, const struct coded *c, uint64_t r);

#endif /* QUANT_CODED_H */
