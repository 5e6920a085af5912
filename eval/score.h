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

/* ---- a position, read a stretch of the vocabulary at a time --------------------- */

/* The likeliest tokens so far, likeliest first, the lower id first among equals. */
struct score_best {
    float logit[SCORE_TOP];
    int32_t id[SCORE_TOP]; /* -1: there are fewer */
};

/* The sum over a stretch. */
struct score_part {
    double lse;   /* log(sum exp(logits)); -INFINITY: all are */
    double apart; /* mean of original's logit - model's, weighed by the original's shares of
                     the stretch; 0 for an original */
};

/* No tokens yet. */
void score_best_clear(struct score_best *b);
/* Also those that another stretch, or another thread, found. */
void score_best_add(struct score_best *to, const struct score_best *from);

/* Tokens first .. first + n - 1 have logits x[n]; own[n] are the original's, or NULL. */
void score_stretch(struct score_part *out, struct score_best *best, const float *x,
                   const float *own, size_t first, size_t n, const struct kern *kern);

/* *to and *part together. ref_to, ref_part: the original's before its own are joined; NULL
 * for an original. F64, so that the order matters in the last bits only. */
void score_join(struct score_part *to, const struct score_part *part,
                const struct score_part *ref_to, const struct score_part *ref_part);

/* The position from all its vocabulary: next_logit is that of the token that follows, `total`
 * the log of what exp(logits) add up to: the whole part's lse, or 0 where they are log-probabilities.
 *   kld = sum_v p_o(v) * (log p_o(v) - log p(v))
 *       = share * (apart + lse - total of the original), share = exp(lse_o - total_o)
 * A model whose logits are not finite gets an lse that is not finite. */
void score_finish(struct score *out, const struct score_best *best, double next_logit,
                  double total);
/* And against the original; `all` and ref_all are of the whole vocabulary. */
void score_against(struct score *out, const struct score_part *all, const struct score *ref,
                   const struct score_part *ref_all);

/* ---- all positions ------------------------------------------------------------------ */

/* Sum up s[n_windows * each]; ref the original's, or NULL. *out is filled but for
 * `seconds`, what lies behind `fast`, and the texts of its worst windows' tokens, which are "", and owned on success
 * (eval_result_release). */
int score_summary(struct eval_result *out, const struct score *s, const struct score *ref,
                  size_t n_windows, size_t each, struct err *err) WARN_UNUSED;

#endif /* EVAL_SCORE_H */
