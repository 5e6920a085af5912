#ifndef RUNTIME_FORWARD_RECURRENT_H
#define RUNTIME_FORWARD_RECURRENT_H

/* Steps that recurrent mixers share. Tokens are worked through in order; threads
 * divide channels or heads. */

#include "runtime/forward/forward.h"

#include <stdbool.h>
#include <stddef.h>

/* Channels, or rows of a state, that one piece of parallel work takes. */
enum { RECURRENT_BLOCK = 32 };

/* A causal convolution of every channel by itself:
 *   y[i, c] = act(bias[c] + sum_j w[c, j] * x[i - width + 1 + j, c])
 * where rows before the first come from `state`, the width - 1 inputs before it, which
 * is moved on by n tokens. y is not x. */
struct conv {
    const float *w;    /* [n_ch, width] */
    const float *bias; /* [n_ch], or NULL */
    float *state;      /* [width - 1, n_ch] */
    const float *x;    /* [n, ld_x] */
    float *y;          /* [n, ld_y] */
    size_t n_ch, width, ld_x, ld_y, n;
    bool silu; /* act: x * sigmoid(x); else none */
};

/* y of a convolution; its state is moved on. */
void conv_causal(struct sess *s, const struct conv *c);
/* Floats of its state. */
size_t conv_state(size_t n_ch, size_t width);

/* log(1 + exp(x)), as torch computes it. */
float softplus(float x);
float sigmoid(float x);
/* x * sigmoid(x) */
float silu(float x);

/* Add a bias to each of n rows; nothing for NULL. */
void bias_rows(struct sess *s, float *x, const float *bias, size_t width, size_t n);

/* A part's own parameter as a size. */
size_t recurrent_size(const struct model *m, enum arch_param which);

#endif /* RUNTIME_FORWARD_RECURRENT_H */
