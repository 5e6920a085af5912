#ifndef DISTILL_MEASURE_H
#define DISTILL_MEASURE_H

/* What of a model matters least, measured on text. Seen by distill only. */

#include "distill/prune.h"
#include "distill/student.h"

#include <stddef.h>
#include <stdint.h>

struct measure {
    const struct model *m;
    const struct student_sample *sample; /* NULL: none, and measuring is an error */
    struct par par;
    const struct log *log;
};

/* influence[layers of m] = 1 - mean cosine of a block's input and output over all tokens (ShortGPT,
 * arXiv 2403.03853); at[n] = the first and the last `ends` layers (2 ends <= n) and of
 * the others those of most influence, rising. Errors: ERR_ARG (no sample). */
int measure_layers(double *influence, uint32_t *at, size_t n, size_t ends,
                   const struct measure *how, struct err *err) WARN_UNUSED;

/* Choose what p keeps of its widths, by mean size of activations over all tokens (Minitron, arXiv 2407.14679):
 * channels by |what a block's norms give|, neurons by |input of the down projection|, heads by the
 * norm of their attention output, key-value heads with theirs. */
int measure_width(struct prune *p, const struct measure *how, struct err *err) WARN_UNUSED;

#endif /* DISTILL_MEASURE_H */
