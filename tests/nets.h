#ifndef TESTS_NETS_H
#define TESTS_NETS_H

/* A model opened for training, with a plain loss in F64, for tests of the training pass. */

#include "distill/loss.h"
#include "distill/net.h"

#include <stddef.h>
#include <stdint.h>

struct nets {
    struct model *m;
    struct params ps;
    struct net *n;
    float *logits, *d; /* [head_rows, n_vocab] */
};

struct nets_opts {
    const char *pre;
    size_t n_seq, n_tok, head_rows;
    int threads;
    const char *level; /* of the kernels; NULL: native */
};

/* On an error nothing is left open. */
int nets_open(struct nets *t, const char *path, const struct nets_opts *o,
              struct err *err) WARN_UNUSED;
void nets_free(struct nets *t);

/* What the loss compares with; rows as of the batch. */
struct nets_target {
    const int32_t *label;    /* [rows] < 0: not counted */
    const float *teacher;    /* [rows, n_vocab]; NULL: cross entropy with the labels */
    double temperature;      /* of T^2 KL(teacher || student) */
    double counted;          /* the sum is divided by this; 0: by the counted rows */
    const struct loss *loss; /* instead of the plain one: loss_row of this */
};

/* Forward, and back when `back` (gradients are added to t->ps.g). all: [rows, n_vocab] logits, or
 * NULL. The loss, or NAN with err set. */
double nets_loss(struct nets *t, const struct net_batch *b, const struct nets_target *target,
                 float *all, int back, struct err *err);

/* 2-norm of a - b over that of b; of a alone where b is NULL. */
double nets_distance(const float *a, const float *b, size_t n);

#endif /* TESTS_NETS_H */
