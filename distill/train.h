#ifndef DISTILL_TRAIN_H
#define DISTILL_TRAIN_H

/* The loop: windows in order, teacher's targets, student's pass, optimizer; evaluation on held-back text;
 * checkpoints. A run that was killed goes on from its last checkpoint and ends with the same bytes. */

#include "distill/comm.h"
#include "distill/data.h"
#include "distill/loss.h"
#include "distill/net.h"
#include "distill/optim.h"
#include "distill/qad.h"
#include "distill/teacher.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct train_opts {
    struct loss loss;
    struct optim_opts optim;
    enum gemm_math math;
    size_t n_seq;        /* sequences of a batch (memory) */
    size_t accumulate;   /* batches of a step */
    size_t rows;         /* of logits at a time, no more than the teachers answer for */
    uint64_t eval_every; /* steps; 0: at the end only */
    uint64_t save_every; /* steps; 0: at evaluations */
    /* Evaluations without a better KL (of cross entropy alone: PPL) before it stops; 0: never. */
    unsigned patience;
    /* Patterns of tensor names that stay as they are, up to a NULL; NULL: none. */
    const char *const *freeze;
    const char *only; /* a pattern: all others stay; NULL */
    /* Of hidden losses: the student's blocks that take part. The teacher watches as many, in this order. */
    const size_t *hidden;
    size_t n_hidden;
    unsigned cpu;
    struct par par;
    const struct log *log;
};

/* A line of log.csv: a step, or an evaluation. */
struct train_row {
    uint64_t step, tokens;
    double loss, norm, lr, seconds;
    bool evaluated;
    double kl, ppl, top1; /* of held-back text; kl and top1 NAN without a teacher */
};

/* What it works on; all outlive the run. */
struct train_job {
    struct params *ps;
    /* Ranks that train together, each with all of this and the same `dir`; NULL: alone. The first writes all
     * files; a step's sequences are shared out. */
    struct comm *comm;
    struct qad *qad; /* of ps: what it has is trained instead; NULL: ps itself */
    const struct model *plan;
    struct teacher *teacher; /* NULL: labels only */
    struct teacher *judge;   /* of held-back windows, live; NULL: KL is not measured */
    struct data *data;
    const char *dir; /* state, best weights, log.csv: made when absent, gone on with when there */
    const char *identity; /* digest of everything that decides the result: another one is refused */
    void (*row)(void *arg, const struct train_row *row); /* as they come; NULL */
    void *arg;
};

/* The best weights of the evaluations, or without them the last (of the moving average, when there is one), are then in
 * ps->w, with a qad in qad_params'. */
struct train_result {
    uint64_t steps, tokens;
    double first_kl, best_kl, first_ppl, best_ppl, best_top1;
    uint64_t best_step;
    bool stopped_early;
    double seconds;
    /* What a run without evaluations says of itself: means over its first and last n_losses steps; 0: not asked. */
    double first_loss, last_loss;
    uint64_t n_losses;
};

/* Those of a log of out->steps steps: over the first and the last tenth of them. Errors: ERR_IO. */
int train_log_losses(struct train_result *out, const char *path, struct err *err) WARN_UNUSED;

/* What train_run refuses before its first step, but for what it needs room or the checkpoint for: to be asked before
 * something dear is done for the run. Errors: ERR_ARG (options, no such tensor), ERR_UNSUPPORTED (as net_new). */
int train_check(const struct train_job *job, const struct train_opts *o,
                struct err *err) WARN_UNUSED;
/* *out is set whatever comes of it. Errors: those, ERR_FORMAT (NaN or infinity: step and tensor; the last good
 * checkpoint stays), ERR_IO, ERR_ARG (a checkpoint of another run), ERR_INTERRUPTED as the log asks (after a
 * checkpoint). */
int train_run(struct train_result *out, const struct train_job *job, const struct train_opts *o,
              struct err *err) WARN_UNUSED;

#endif /* DISTILL_TRAIN_H */
