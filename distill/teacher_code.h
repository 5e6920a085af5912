#ifndef DISTILL_TEACHER_CODE_H
#define DISTILL_TEACHER_CODE_H

/* What a cache keeps of a row of logits: some tokens, a level of probability each, and the rest. */

#include "formats/base/err.h"
#include "quant/kern.h"
#include "runtime/rng.h"

#include <stddef.h>
#include <stdint.h>

enum {
    TEACHER_K_MAX = 4096,
    TEACHER_REST_STEPS = 2048, /* of a nat */
    TEACHER_REST_NONE = 65535, /* nothing is left; below: -number / TEACHER_REST_STEPS */
    TEACHER_LEVELS_MAX = 65536
};

struct teacher_token {
    int32_t id;
    uint32_t level;
};

struct teacher_coded {
    size_t n;
    uint32_t rest;
    struct teacher_token *token; /* [n], ids rising */
};

/* The grid of log-probabilities: close in steps of 0.002 of sqrt(p) where p is large, so that every token's
 * rounding costs the same divergence, and 0.1 nats apart where it is small; in rising order, the last 0. */
size_t teacher_levels(void);
void teacher_grid(float *level); /* [teacher_levels()] */

/* The same for draws: log(count / k) of count = 1 .. k. */
void teacher_shares(float *level, size_t k);

/* Logarithm of the sum of a coded row's probabilities, which rounding moves from 0: a token's log p is its
 * level minus this. exp_level: exp of the levels. */
double teacher_coded_sum(const struct teacher_coded *c, const double *exp_level);
/* log of the rest before that; -HUGE_VAL: nothing. */
double teacher_coded_rest(const struct teacher_coded *c);

/* What to make of rows. */
struct teacher_coder {
    const struct kern *kern;
    const float *level;      /* teacher_grid */
    const double *exp_level; /* exp of them */
    size_t n_vocab, k;
    float scale; /* of the logits: 1 / temperature */
};

/* What was lost of a row. */
struct teacher_lost {
    double kl;   /* KL(row || coded), the rest as one token */
    double rest; /* mass of tokens that are not kept */
};

/* The k most probable of z[n_vocab], of equal ones the first. copy[n_vocab]: scratch. Errors: ERR_FORMAT (a row
 * without a sum). */
int teacher_code_top(struct teacher_coded *out, struct teacher_lost *lost,
                     const struct teacher_coder *c, const float *z, float *copy,
                     struct err *err) WARN_UNUSED;

/* k draws, one from each k-th part of the distribution: as unbiased as independent ones, with less noise. */
int teacher_code_draws(struct teacher_coded *out, struct teacher_lost *lost,
                       const struct teacher_coder *c, const float *z, struct rng *rng,
                       struct err *err) WARN_UNUSED;

#endif /* DISTILL_TEACHER_CODE_H */
