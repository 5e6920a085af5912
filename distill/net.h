#ifndef DISTILL_NET_H
#define DISTILL_NET_H

/* Forward and backward pass of a batch, in parts that each layer chooses by traits: the model is the
 * runtime's (runtime/forward/forward.h says what it computes), its weights are those of `params`.
 *
 *   net_forward; for chunks of rows: net_logits, (loss: logits -> gradient), net_logits_back; net_backward
 *
 * Gradients are added to params.g: the caller clears it once a step, so that a step may have many batches. */

#include "distill/gemm.h"
#include "distill/params.h"
#include "runtime/model.h"

#include <stddef.h>
#include <stdint.h>

struct net;

struct net_opts {
    enum gemm_math math;
    size_t n_seq, n_tok; /* most sequences of a batch and most tokens of one */
    size_t head_rows;    /* most rows of one net_logits */
    unsigned cpu;
    struct par par;
};

/* Sequences of one length. Row r of a batch is token r % n_tok of sequence r / n_tok. */
struct net_batch {
    const int32_t *ids; /* [n_seq, n_tok] */
    /* [n_seq, n_tok] where in its sequence the token's document begins: nothing before it is seen, positions
     * count from it; NULL: all 0. */
    const int32_t *doc;
    size_t n_seq, n_tok;
};

/* Has all that m computes a way back? Errors: ERR_UNSUPPORTED naming the trait, the block or the tensor. */
int net_covers(const struct model *m, struct err *err) WARN_UNUSED;
/* `plan` is opened from the model that ps was read from; both outlive *out. Errors: ERR_UNSUPPORTED (as
 * net_covers and gemm_check), ERR_NOMEM. */
int net_new(struct net **out, const struct model *plan, struct params *ps,
            const struct net_opts *opts, struct err *err) WARN_UNUSED;
void net_free(struct net *n); /* accepts NULL */

/* Up to the last block, keeping what the backward pass needs. Errors: ERR_ARG (an id outside the
 * vocabulary, a batch too large). */
int net_forward(struct net *n, const struct net_batch *b, struct err *err) WARN_UNUSED;

/* logits[n_rows, n_vocab] of rows row0 on, bias, scale and cap applied. n_rows <= head_rows. */
void net_logits(struct net *n, float *logits, size_t row0, size_t n_rows);
/* Of the same rows: d[n_rows, n_vocab] is the loss' gradient by those logits (d is spoilt). */
void net_logits_back(struct net *n, float *d, const float *logits, size_t row0, size_t n_rows);

/* The residual stream after block `layer`, [rows, n_embd]; and where the loss' gradient by it may be added
 * (NULL: no room, `net_watch` was not asked for it) before net_backward. */
const float *net_hidden(const struct net *n, size_t layer);
float *net_hidden_grad(struct net *n, size_t layer);
/* Give layers[n_layers] a gradient of their own, cleared by each net_forward. Errors: ERR_NOMEM. */
int net_watch(struct net *n, const size_t *layers, size_t n_layers, struct err *err) WARN_UNUSED;

/* The rest of the way back. Rows that net_logits_back was not called for count as 0. */
void net_backward(struct net *n);

/* Most rows of one net_logits. */
size_t net_head_rows(const struct net *n);

#endif /* DISTILL_NET_H */
