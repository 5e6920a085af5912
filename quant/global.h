#ifndef QUANT_GLOBAL_H
#define QUANT_GLOBAL_H

/* The number that is written beside an NVFP4 weight, and that its values are divided by before they are encoded:
 * what brings the largest of a matrix to the largest that a block can hold, 6 * 448. Which weights can have one, and
 * the tensor it stands in: formats/source_global.c. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/dtype.h"
#include "formats/source.h"

#include <stddef.h>
#include <stdint.h>

/* How many numbers t needs when it is encoded as `type`: one for each matrix of a stack; 0: none. */
size_t global_count(const struct source *s, const struct source_tensor *t, enum dtype type);

/* The largest magnitude of x[n]. */
float global_largest(const float *x, size_t n);
/* The number for values of up to that; 1 where it would be none of F32's normal ones. */
float global_number(float largest);

/* Which of t's n numbers is that of row r. */
size_t global_of_row(const struct source_tensor *t, size_t n, uint64_t r);

/* *beside = the tensor that holds t's n numbers; name and place are the arena's, global[n] stays the caller's.
 * Errors: ERR_NOMEM. */
int global_beside(struct source_tensor *beside, const struct source_tensor *t, const float *global,
                  size_t n, struct arena *arena, struct err *err) WARN_UNUSED;

#endif /* QUANT_GLOBAL_H */
