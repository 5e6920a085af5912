#ifndef DISTILL_PARAMS_H
#define DISTILL_PARAMS_H

/* A student's numbers in memory, as F32 in the GGUF's layout. All values lie in one array and
 * all gradients in another, so that optimizer, checkpoint and reduction walk them as one. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/source.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct param {
    const struct source_tensor *t; /* name, dims, role (t->row->role), layer; of the source */
    size_t rows, cols;             /* a matrix [rows, cols] as it multiplies: y[rows] = w . x[cols];
                                      a vector: 1 row */
    size_t at, n;                  /* its values are w[at, at + n) */
    bool matrix;                   /* two dimensions: weight decay */
    bool fixed;                    /* no part of training: tables of divisors */
};

enum { PARAMS_ALIGN = 16 }; /* values that each param begins at a multiple of: 64 bytes */

struct params {
    struct param *p; /* in the order of the source's tensors */
    size_t n;
    float *w, *g; /* [n_values], aligned to 64 bytes; gaps between params are zeros in both */
    size_t n_values;
    /* [n_layer + 1, ROLE_COUNT], row 0 outside blocks; NULL: absent */
    const struct param **by_role;
    size_t n_layer;
    struct arena arena;
};

/* Copies of all tensors of s (which must outlive *out), gradients 0. Errors: ERR_UNSUPPORTED (a tensor
 * without a role, a type without a decoder), ERR_NOMEM. */
int params_read(struct params *out, const struct source *s, struct err *err) WARN_UNUSED;
void params_release(struct params *ps); /* accepts zeros */

/* layer -1: outside blocks. NULL: absent. */
const struct param *params_role(const struct params *ps, enum arch_role role, int layer);

#endif /* DISTILL_PARAMS_H */
