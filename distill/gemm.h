#ifndef DISTILL_GEMM_H
#define DISTILL_GEMM_H

/* Matrix products of training: in F32 by OpenBLAS, or on tiles where the processor has them; in BF16
 * (operands rounded, sums in F32) by kernels of our own where it has the instructions. The same operands
 * give the same bits at any number of threads. */

#include "formats/base/err.h"
#include "formats/base/par.h"

#include <stdbool.h>
#include <stddef.h>

enum gemm_math { GEMM_F32, GEMM_BF16, GEMM_MATH_COUNT };

struct gemm; /* threads, kernels and scratch for packed operands; one product at a time */

/* cpu: flags of formats/base/cpu.h. Errors: ERR_UNSUPPORTED (the processor lacks what GEMM_BF16 needs). */
int gemm_check(enum gemm_math math, unsigned cpu, struct err *err) WARN_UNUSED;
/* Errors: as gemm_check, ERR_NOMEM. */
int gemm_new(struct gemm **out, enum gemm_math math, unsigned cpu, const struct par *par,
             struct err *err) WARN_UNUSED;
void gemm_free(struct gemm *g); /* accepts NULL */

/* An operand: x[rows, cols] as it enters the product, element (r, c) at x[r * ld + c], or at x[c * ld + r]
 * when it lies transposed. */
struct gemm_side {
    const float *x;
    size_t ld;
    bool transposed;
};

/* c[m, n] (rows ld_c apart) = a[m, k] . b[k, n], or += when `add`. */
void gemm(struct gemm *g, float *c, size_t ld_c, const struct gemm_side *a,
          const struct gemm_side *b, const size_t mnk[3], bool add);

#endif /* DISTILL_GEMM_H */
