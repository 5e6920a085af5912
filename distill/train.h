#ifndef DISTILL_TRAIN_H
#define DISTILL_TRAIN_H

/* The loop: windows in order, teacher's targets, student's pass, optimizer; evaluation on held-back text;
 * checkpoints. A run that was killed goes on from its last checkpoint and ends with the same bytes. */

#include "distill/data.h"
#include "distill/loss.h"
#include "distill/net.h"
#include "distill/optim.h"
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
    uint64_t eval_every; /* steps; 0: at the end only */
    uint64_t save_every; /* steps; 0: at evaluations */
    unsigned
        patience; /* evaluations without a better KL (without a teacher: PPL) before it stops; 0: never */
    const char *const
        *freeze; /* patterns of tensor names that stay as they are; ends with NULL; NULL: none */
    const char *only; /* a pattern: all others stay; NULL */
    const size_t
        *hidden_map; /* of hidden losses: [student's layers] teacher's layer; NULL: spread evenly */
    uint64_t seed;
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
    const struct model *plan;
    struct teacher *teacher; /* NULL: labels only */
    struct teacher *judge;   /* of held-back windows, live; NULL: KL is not measured */
    struct data *data;
    const char *dir; /* state, best weights, log.csv: made when absent, gone on with when there */
    const char *identity; /* digest of everything that decides the result: another one is refused */
    void (*row)(void *arg, const struct train_row *row); /* as they come; NULL */
    void *arg;
};

struct train_result {
    uint64_t steps, tokens;
    double first_kl, best_kl, first_ppl, best_ppl, best_top1;
    uint64_t best_step;
    const float *best; /* [ps->n_values] in the job's memory until train_free */
    bool stopped_early;
    double seconds;
};

/* Errors: ERR_FORMAT (NaN or infinity: step and tensor; the last good checkpoint stays), ERR_IO, ERR_ARG,
 * ERR_INTERRUPTED as the log asks (after a checkpoint). */
int train_run(struct train_result *out, const struct train_job *job, const struct train_opts *o,
              struct err *err) WARN_UNUSED;

#endif /* DISTILL_TRAIN_H */
