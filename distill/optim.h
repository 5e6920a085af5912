#ifndef DISTILL_OPTIM_H
#define DISTILL_OPTIM_H

/* AdamW (Loshchilov and Hutter 2019), clipping by the global norm, learning rate schedules, and the
 * moving average of weights. */

#include "distill/params.h"
#include "formats/base/par.h"

#include <stddef.h>
#include <stdint.h>

enum optim_schedule { SCHEDULE_COSINE, SCHEDULE_WSD, SCHEDULE_CONSTANT };

struct optim_opts {
    double lr, min_lr_ratio;
    double beta1, beta2, eps, weight_decay; /* decay on matrices only, the embedding included */
    double clip;                            /* 0: none. g *= min(1, clip / (norm + 1e-6)) */
    enum optim_schedule schedule;
    uint64_t warmup, total; /* steps */
    uint64_t decay;         /* WSD: last steps, falling linearly to min_lr_ratio */
    double ema;             /* 0: none; weight of the old average */
};

struct optim; /* first and second moments, average */

/* ps outlives *out. trained[ps->n]: which params change (NULL: all that are not fixed). first, n: the stretch of
 * ps->w this optimizer keeps moments for (n = SIZE_MAX: all), for sharding.
 * Errors: ERR_ARG (options out of range: which), ERR_NOMEM. */
int optim_new(struct optim **out, struct params *ps, const struct optim_opts *o,
              const bool *trained, size_t first, size_t n, const struct par *par,
              struct err *err) WARN_UNUSED;
void optim_free(struct optim *o); /* accepts NULL */

/* Learning rate of step s (from 1). */
double optim_lr(const struct optim_opts *o, uint64_t s);

/* Square of the 2-norm of the trained gradients in the stretch, summed in fixed pieces in F64. */
double optim_norm2(const struct optim *o);
/* Step s (from 1) on the stretch; norm: of all gradients, before clipping. */
void optim_step(struct optim *o, uint64_t s, double norm);

/* What a checkpoint keeps, each [n] of the stretch; ema NULL: none. */
struct optim_state {
    float *m, *v, *ema;
    size_t n;
};
struct optim_state optim_state(struct optim *o);

#endif /* DISTILL_OPTIM_H */
