#ifndef DISTILL_LOSS_IMPL_H
#define DISTILL_LOSS_IMPL_H

/* What the loss' files share: a row in blocks of outcomes, a divergence's terms in each.
 *
 * A divergence D of q = softmax(z / T) has the gradient by z[i] of (h[i] - q[i] sum h) / T with
 * h[i] = q[i] dD/dq[i], up to what is constant in dD/dq. h is finite where dD/dq is not. */

#include "distill/loss.h"

enum { LOSS_BLOCK = 512 };

/* Below this a probability counts as none where a ratio of probabilities is needed. */
#define LOSS_LEAST 1e-30F

struct loss_block {
    size_t n;
    float p[LOSS_BLOCK], q[LOSS_BLOCK];
    /* log q - log p, also where these are too small to be told from 0; of p = 0 as loss_ruled_out says */
    double lr[LOSS_BLOCK];
    double f[LOSS_BLOCK];       /* terms of the value, weighted; scratch afterwards */
    double h[LOSS_BLOCK];       /* of all divergences, weighted */
    double ratio[LOSS_BLOCK];   /* scratch */
    double value, sum_h, sum_q; /* of the block, weighted */
};

/* Fill h, value and the sums from p, q and lr. */
void loss_block_terms(struct loss_block *b, const struct loss *l, const struct kern *k);

/* What log p counts as where p = 0. */
double loss_ruled_out(const struct loss *l);

/* A loss as sums meet it: the divergence it is at the ends of its parameter's range. */
enum loss_kind loss_term_kind(const struct loss_term *t);
bool loss_is_divergence(enum loss_kind kind);

/* Divergences of a row from dense or sparse targets: the value (without T^2), and scale * the gradient by z, which is
 * added to d[n] (dense) or set (sparse). z: the student's logits and their largest. */
double loss_dense(float *d, const struct loss *l, const struct kern *k, const struct kern_soft *z,
                  const float *t, size_t n, double scale);
double loss_sparse(float *d, const struct loss *l, const struct kern *k, const struct kern_soft *z,
                   const struct loss_sparse *t, size_t n, double scale);

#endif /* DISTILL_LOSS_IMPL_H */
