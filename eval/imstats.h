#ifndef EVAL_IMSTATS_H
#define EVAL_IMSTATS_H

/* What an importance matrix says about a weight, in a few numbers: of its mean squared
 * inputs a[i] by column (over all experts that have data), as llama-imatrix
 * --show-statistics computes them. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/imatrix.h"

#include <stddef.h>

struct imstats {
    const struct imatrix_entry *entry;
    double tokens, least; /* most and fewest of a matrix */
    double sum, mean, min, max, stddev;
    double active;    /* share of columns with a > 1e-5 */
    double entropy;   /* of a / sum, bits */
    double evenness;  /* entropy / log2(columns): 1 when all are equal */
    double strong;    /* share of columns more than stddev above the mean */
    double top_share; /* of sum, that the largest hundredth of the columns has */
    double cosine;    /* with the same weight of the block before; -1: there is none */
    size_t n_unused;  /* matrices without data */
};

/* Errors: ERR_NOMEM. */
int imstats_of(struct imstats *out, const struct imatrix *im, const struct imatrix_entry *e,
               struct err *err) WARN_UNUSED;

/* A line of every weight, columns aligned; and all of it for machines, with the tokens of
 * every expert ("pare.imatrix"). */
int imstats_text(struct buf *b, const struct imatrix *im, struct err *err) WARN_UNUSED;
int imstats_json(struct buf *b, const struct imatrix *im, struct err *err) WARN_UNUSED;

#endif /* EVAL_IMSTATS_H */
