#ifndef DISTILL_LOSS_H
#define DISTILL_LOSS_H

/* Losses of one row of logits against its target, and their gradients. p = softmax(teacher / T),
 * q = softmax(student / T), natural logarithms; formulas as in the golden data's README:
 *   forward_kl KL(p||q); reverse_kl KL(q||p); jsd(beta) beta KL(p||m) + (1-beta) KL(q||m), m = beta p + (1-beta) q;
 *   skew_kl(alpha) KL(p || alpha p + (1-alpha) q); skew_reverse_kl(alpha) KL(q || (1-alpha) p + alpha q);
 *   tvd sum |p - q| / 2; ce -log softmax(student)[label] at T = 1.
 * Divergences are multiplied by T^2 unless told otherwise. A logit of -inf has probability 0 and gradient 0.
 *
 * A token that the teacher has no probability for (padding of the student's vocabulary: -inf) has p = 0 in all of them, and is
 * part of q: they push the student away from it, and are finite, but for reverse_kl (and what is one: jsd(1),
 * skew_reverse_kl(0)), which is infinite. With `finite` such a p counts there as LOSS_LEAST_P. */

#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "quant/kern.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum loss_kind {
    LOSS_FORWARD_KL,
    LOSS_REVERSE_KL,
    LOSS_JSD,
    LOSS_SKEW_KL,
    LOSS_SKEW_REVERSE_KL,
    LOSS_TVD,
    LOSS_CE,
    LOSS_HIDDEN_MSE, /* mean over channels of the squared difference of residual streams */
    LOSS_HIDDEN_COS, /* 1 - cosine of them */
    LOSS_KIND_COUNT
};

enum { LOSS_TERMS_MAX = 8 };

struct loss_term {
    enum loss_kind kind;
    double weight;
    double param; /* beta, alpha */
};

/* About the least number above 0 of F32: the push away from where the teacher has nothing is 103 + log q. */
#define LOSS_LEAST_P 1.4e-45

struct loss {
    struct loss_term term[LOSS_TERMS_MAX];
    size_t n;
    double temperature;
    bool no_t2;  /* divergences are not multiplied by T^2 */
    bool finite; /* reverse_kl is, also where the teacher has no probability; training sets it */
};

/* "forward_kl", "0.5*ce + 0.5*jsd(0.3)". Errors: ERR_ARG naming the kinds, or where it is wrong. */
int loss_parse(struct loss *out, const char *text, struct err *err) WARN_UNUSED;
/* Append what loss_parse reads as the same terms. */
void loss_text(struct buf *out, const struct loss *l);
bool loss_has(const struct loss *l, enum loss_kind kind);
/* What of a teacher: its logits, its residual streams, either of them. */
bool loss_needs_logits(const struct loss *l);
bool loss_needs_hidden(const struct loss *l);
bool loss_needs_teacher(const struct loss *l);

/* A teacher's row that was kept sparse, in falling order of probability. */
struct loss_sparse {
    size_t k;
    const int32_t *id; /* [k], each once */
    const float *logp; /* [k] log-probabilities; of drawn tokens: log of their share of the draws */
    float log_rest;    /* log of what the others have together; -INFINITY: nothing (drawn tokens) */
    bool tempered;     /* at the loss's T; false: at 1, and the k + 1 are tempered as tokens */
};

struct loss_target {
    const float *logits;              /* [n_vocab] of the teacher, or NULL */
    const struct loss_sparse *sparse; /* or this, or neither (CE alone) */
    int32_t label;                    /* next token; -1: none, CE is 0 */
    bool counted;                     /* false: value 0, gradient 0 */
};

/* Value of the row (terms of logits only), and d[n] = scale * its gradient by z[n]; d is not z. A sparse
 * target meets every divergence as k outcomes and one of the rest, on both sides. */
double loss_row(float *d, const struct loss *l, const struct kern *k, const float *z,
                const struct loss_target *t, size_t n, double scale);

/* Value of hidden terms for one pair of rows h, t [n], and d[n] += scale * gradient by h. */
double loss_hidden_row(float *d, const struct loss *l, const float *h, const float *t, size_t n,
                       double scale);

#endif /* DISTILL_LOSS_H */
