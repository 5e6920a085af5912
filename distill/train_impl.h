#ifndef DISTILL_TRAIN_IMPL_H
#define DISTILL_TRAIN_IMPL_H

/* What the files of the training loop share. */

#include "distill/train.h"
#include "formats/base/arena.h"
#include "quant/kern.h"

/* What a run knows of itself; all of it is in a checkpoint. */
struct train_mark {
    uint64_t step, tokens;
    uint64_t best_step, n_bad; /* evaluations since the best one */
    uint64_t looked;           /* step of the last evaluation, when `evaluated` */
    bool evaluated, stopped;
    double first_kl, best_kl, first_ppl, best_ppl, best_top1;
    double seconds; /* before this process */
};

struct train {
    const struct train_job *job;
    const struct train_opts *o;
    struct params *own; /* what is trained: job->ps, or what stands for them */
    struct net *net;
    struct optim *optim;
    struct kern kern;
    struct train_mark mark;
    size_t n_tok, n_vocab, n_embd, rows;
    size_t n_seq;               /* of the batch that is in the arrays */
    int32_t *ids, *doc;         /* [n_seq, n_tok] */
    struct data_window *window; /* [n_seq] */
    uint64_t *key;              /* [n_seq] */
    float *z, *d;               /* [rows, n_vocab] logits, gradient by them */
    struct loss_target *target; /* [rows] */
    double *value;              /* [rows or n_tok] of the loss */
    bool *trained;              /* [ps->n] */
    int log_fd;
    double start; /* seconds */
    struct comm *comm;
    struct arena arena;  /* of all the arrays */
    size_t first, n_own; /* the stretch of own->w that this rank's optimizer has */
};

/* Seconds of training so far. */
double train_seconds(const struct train *t);

/* ---- a step ------------------------------------------------------------------------- */

/* Put windows `at` on (of data_order; held: of those held back) into the arrays: as many as a batch has, or
 * as there are up to `end`. */
void train_fill(struct train *t, uint64_t at, uint64_t end, bool held);
/* Forward, the loss, backward, for what is in the arrays; *sum += scale * the loss of each row. */
int train_batch(double *sum, struct train *t, double scale, struct err *err) WARN_UNUSED;
/* Rows that the loss counts, of the window. */
uint64_t train_counted(const struct train *t, const struct data_window *w);

/* ERR_FORMAT, as "the loss is" not finite in `step`: the first tensor that is not finite either, if one is. */
int train_not_finite(const struct train *t, uint64_t step, const char *what, struct err *err);

/* With a qad: its qad_use. Errors name the step. */
int train_quantized(struct train *t, uint64_t step, struct err *err) WARN_UNUSED;

/* ---- evaluation --------------------------------------------------------------------- */

/* Fills kl, ppl, top1. Errors: ERR_FORMAT (they are not finite: the weights are no good). */
int train_evaluate(struct train_row *out, struct train *t, struct err *err) WARN_UNUSED;

/* ---- files -------------------------------------------------------------------------- */

/* Both fail without harm to what lies there. */
int train_save(struct train *t, struct err *err) WARN_UNUSED;
int train_save_best(struct train *t, struct err *err) WARN_UNUSED;
/* Go on from the checkpoint when there is one. Errors: ERR_ARG (of another run), ERR_FORMAT (damaged). */
int train_load(struct train *t, struct err *err) WARN_UNUSED;
/* Into ps->w. */
int train_load_best(struct train *t, struct err *err) WARN_UNUSED;

/* The log: opened, and cut to the rows of the checkpoint. Errors: ERR_IO (also when another process trains
 * there). */
int train_log_open(struct train *t, struct err *err) WARN_UNUSED;
int train_log_row(struct train *t, const struct train_row *row, struct err *err) WARN_UNUSED;

#endif /* DISTILL_TRAIN_IMPL_H */
