#ifndef QUANT_MATMUL_H
#define QUANT_MATMUL_H

/* Matrix products of activations with stored weights, on every core. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/par.h"
#include "formats/source.h"
#include "quant/kern.h"

#include <stddef.h>

/* A weight as it is stored: rows found through source_row, so that a permuted
 * checkpoint tensor needs no copy. */
struct matrix {
    const struct source_tensor *t; /* borrowed; or F32 rows in an arena */
    size_t row0;                   /* the first row is this one of t */
    size_t rows, cols, row_bytes;
    const float *global; /* of t: each of n_global stretches of rows is multiplied by one */
    size_t n_global;
};

/* All rows of t. Those that do not lie in the file as they are (transposed, scaled,
 * coded by another library) are decoded once, to F32 in `arena`. Errors:
 * ERR_UNSUPPORTED (a type without a decoder), ERR_FORMAT (a row that is no whole
 * number of blocks), ERR_NOMEM. Messages name the tensor. */
int matrix_init(struct matrix *out, const struct source_tensor *t, struct arena *arena,
                struct err *err) WARN_UNUSED;

/* Matrix e of `n` that are stacked in one. */
struct matrix matrix_slice(const struct matrix *stack, size_t n, size_t e);

/* dst[w.cols] = row r. */
void matrix_row(float *dst, const struct matrix *w, const struct kern *k, size_t r);

/* y[m, w.rows] = x[m, w.cols] . w^T; rows of y are ld_y apart. */
struct mm_job {
    const struct matrix *w;
    float *y;
    size_t ld_y;
};

/* Scratch for products of up to m rows with matrices of up to `cols` columns. */
size_t mm_scratch_bytes(const struct kern *k, enum kern_math math, size_t m, size_t cols,
                        const struct par *par);

/* Several products of the same x (rows ld_x apart), which is packed once: Q, K and
 * V; gate and up. All weights have the same number of columns. Results do not
 * depend on the number of threads. */
void mm(const struct kern *k, enum kern_math math, const struct mm_job *jobs, size_t n_jobs,
        const float *x, size_t ld_x, size_t m, const struct par *par, void *scratch);

/* A product whose columns of y are computed bit by bit, each time the caller wants some,
 * so that y need never be there as a whole. The caller sets the first fields. */
struct mm_parts {
    const struct kern *k;
    enum kern_math want;
    const struct matrix *w;
    const float *x; /* [m, w->cols], one row after another; read by mm_parts_open only */
    size_t m;
    /* set by mm_parts_open */
    enum kern_math math;
    uint8_t *act;    /* x packed, in the scratch */
    uint8_t *panels; /* one per thread */
    size_t panel_bytes;
};

/* Pack x. scratch: mm_scratch_bytes, in use until the last mm_part. */
void mm_parts_open(struct mm_parts *p, const struct par *par, void *scratch);

/* y[m, n] = x . (rows row .. row + n - 1 of w)^T; rows of y are ld_y apart. On thread
 * `thread` of those the scratch is for. */
void mm_part(const struct mm_parts *p, float *y, size_t ld_y, size_t row, size_t n, int thread);

#endif /* QUANT_MATMUL_H */
