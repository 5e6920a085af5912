#ifndef EVAL_INPUTS_H
#define EVAL_INPUTS_H

/* What a model's weight matrices are fed with, while it runs: an input for every weight,
 * by name. Weights that are multiplied with the same rows (Q, K and V; gate and up) share
 * one. */

#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/strmap.h"
#include "runtime/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct input {
    const char *name; /* of the weight, borrowed from the model */
    int layer;        /* of the weight; -1: not in a block */
    size_t columns;
    size_t matrices; /* 1, or the experts or heads of a stacked weight */
    bool together;   /* all its matrices see every token: heads */
    size_t same;     /* index of the input it shares; its own: none */
    double *sum2;    /* [matrices, columns] sums of squares; NULL: shared */
    uint64_t *count; /* [matrices] tokens; NULL: shared */
};

struct inputs {
    struct input *at; /* owned; in the order they were first seen */
    size_t n, cap;
    struct strmap names;
    struct arena arena; /* sums and counts */
};

/* All zeros is empty. */
void inputs_release(struct inputs *in);

/* The inputs that these rows are of: out[*n], those that others share left out, and which
 * matrix of a stacked weight meets them. New ones are made. At most INPUTS_TOGETHER.
 * Errors: ERR_NOMEM. */
enum { INPUTS_TOGETHER = 16 };
int inputs_find(size_t out[INPUTS_TOGETHER], size_t *n, size_t *matrix, struct inputs *in,
                const struct sess_input *rows, struct err *err) WARN_UNUSED;

#endif /* EVAL_INPUTS_H */
