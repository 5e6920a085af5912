#ifndef EVAL_FUSED_H
#define EVAL_FUSED_H

/* Scoring in the output layer: the vocabulary in stretches, each computed for all models
 * at the same positions, compared and forgotten while it is in the cache, so that
 * logits[positions, n_vocab] are never there as a whole and each output matrix is unpacked
 * once for all positions. */

#include "eval/logits_file.h"
#include "eval/score.h"
#include "formats/base/err.h"
#include "formats/base/par.h"
#include "quant/kern.h"
#include "runtime/session.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Positions scored at a time: enough for a panel of weights to be worth unpacking. */
enum { FUSED_POSITIONS = 256 };

/* A model, or what one said earlier. */
struct fused_lane {
    struct sess *sess;              /* NULL: a file instead */
    const struct logits_file *file; /* borrowed */
    double seconds;                 /* spent in it, threads at work on it counted evenly */
};

struct fused_opts {
    const struct kern *kern; /* borrowed */
    struct par par;
    size_t n_vocab;
    size_t n_lanes;
    bool have_original; /* it is lane 0 */
};

struct fused;

/* Room for scoring. Errors: ERR_NOMEM. */
int fused_new(struct fused **out, const struct fused_opts *opts, struct err *err) WARN_UNUSED;
void fused_free(struct fused *f); /* accepts NULL */

/* The positions that are scored together. */
struct fused_rows {
    size_t row0, n;      /* rows of each session's last batch, n <= FUSED_POSITIONS */
    size_t file0;        /* the first one's number in a file */
    const int32_t *next; /* [n] the tokens that follow */
};

/* out[i]: where the scores of lane i go, [n]. Any number of threads gives the same. */
int fused_score(struct fused *f, struct score *const *out, struct fused_lane *lanes,
                const struct fused_rows *rows, struct err *err) WARN_UNUSED;

#endif /* EVAL_FUSED_H */
