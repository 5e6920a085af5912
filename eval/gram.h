#ifndef EVAL_GRAM_H
#define EVAL_GRAM_H

/* Sums over rows of x[i] x[j]. */

#include "formats/base/err.h"
#include "formats/base/par.h"
#include "quant/kern.h"

#include <stddef.h>

struct gram;

/* For rows of up to `columns` values. Errors: ERR_NOMEM. */
int gram_new(struct gram **out, size_t columns, unsigned cpu, const struct par *par,
             struct err *err) WARN_UNUSED;
void gram_free(struct gram *g); /* accepts NULL */

/* triangle += x^T x: of x[n, columns], rows ld_x apart, the upper triangle, row after row.
 * Products and sums of up to 512 rows in F32, in an order that does not depend on the
 * number of threads. */
void gram_add(float *triangle, struct gram *g, const float *x, size_t ld_x, size_t n,
              size_t columns);

#endif /* EVAL_GRAM_H */
