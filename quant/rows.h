#ifndef QUANT_ROWS_H
#define QUANT_ROWS_H

/* Rows of a source tensor as numbers: decoded, permuted, transposed, with the
 * changes of its arch row applied. */

#include "formats/base/err.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stdint.h>

/* dst[n, row length] = rows r0 .. r0 + n - 1. Errors: ERR_UNSUPPORTED (no codec
 * for the stored type). Safe to call from several threads. */
int rows_read(float *dst, const struct source_tensor *t, uint64_t r0, uint64_t n,
              struct err *err) WARN_UNUSED;

/* The same as the reference converter writes them: its changes are made in the stored type.
 * What a checkpoint computes has no such rounding. */
int rows_read_to_write(float *dst, const struct source_tensor *t, uint64_t r0, uint64_t n,
                       struct err *err) WARN_UNUSED;

/* Would writing the tensor as `type` be a copy of the stored rows? Its global numbers, if it
 * has any, are to be written beside them. */
bool rows_verbatim(const struct source_tensor *t, enum dtype type);

/* Row r of a tensor that is stored coded, written in `type` without loss where it lies on
 * that type's grid: the blocks of dst that can be. x is the row as rows_read gives it.
 * true: all of them, dst is complete. */
bool rows_exact(void *dst, enum dtype type, const struct source_tensor *t, uint64_t r,
                const float *x);

/* The codes and scales of row r of a tensor that is NVFP4 by another library's layout, as blocks
 * that its global number belongs to. false: not such a tensor, or its scales are no E4M3 that a
 * block can hold; dst is undefined then. */
bool rows_codes(void *dst, const struct source_tensor *t, uint64_t r);

/* -exp(x) in the bits that conversion gives it. */
float rows_neg_exp(float x);

#endif /* QUANT_ROWS_H */
