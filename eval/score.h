#ifndef EVAL_SCORE_H
#define EVAL_SCORE_H

/* What a model said at one position, and the summary of all of them. Pure
 * functions of logits: running the models is eval.c. */

#include "eval/eval.h"
#include "formats/base/err.h"
#include "quant/kern.h"

#include <stddef.h>
#include <stdint.h>

enum { SCORE_TOP = 5 };

/* One position; kld, dp and shared need an original. */
struct score {
    double lse;              /* log(sum exp(logits)) */
    double nll;              /* -log p(next), nats */
    double kld;              /* KL(original || model), nats */
    double dp;               /* p(next) - p_original(next) */
    size_t top;              /* the most likely token; the lowest id among equals */
    int32_t five[SCORE_TOP]; /* the most likely ones, likeliest first; -1: fewer tokens */
    unsigned shared;         /* how many of them are among the original's */
};

/* The most likely token; the lowest id among equals. */
size_t score_top(const float *logits, size_t n_vocab);

/* The SCORE_TOP most likely ones, likeliest first, the lower id first among equals. */
void score_five(int32_t five[SCORE_TOP], const float *logits, size_t n_vocab);

/* Score logits[n_vocab] against the token that follows, `next` < n_vocab. With an
 * original, own[n_vocab] are its logits at the same position and *ref what it scored.
 *   kld = sum_v p_o(v) * (log p_o(v) - log p(v))    in F64
 * A model whose logits are not finite gets an lse that is not finite. */
void score_position(struct score *out, const float *logits, size_t n_vocab, int32_t next,
                    const struct score *ref, const float *own, const struct kern *kern);

/* Sum up s[n_windows * each]; ref the original's, or NULL. *out is filled but for
 * `seconds` and the texts of its worst windows' tokens, which are "", and owned on success
 * (eval_result_release). */
int score_summary(struct eval_result *out, const struct score *s, const struct score *ref,
                  size_t n_windows, size_t each, struct err *err) WARN_UNUSED;

#endif /* EVAL_SCORE_H */
