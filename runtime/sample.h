#ifndef RUNTIME_SAMPLE_H
#define RUNTIME_SAMPLE_H

/* Choosing the next token from logits. Reproducible: seed and logits decide. */

#include "formats/base/err.h"

#include <stddef.h>
#include <stdint.h>

struct sample_opts {
    double temperature; /* 0: always the most likely token */
    size_t top_k;       /* only the k most likely; 0: all */
    double top_p;       /* only the fewest that hold this much probability; 1: all */
    uint64_t seed;
};

struct sampler;

/* For logits of n_vocab tokens. Errors: ERR_ARG (which option), ERR_NOMEM. */
int sampler_new(struct sampler **out, const struct sample_opts *opts, size_t n_vocab,
                struct err *err) WARN_UNUSED;
void sampler_free(struct sampler *s); /* accepts NULL */

/* *id = the next token. First top_k, then temperature, then top_p, of equals the
 * lower id first. Errors: ERR_FORMAT (no logit is a finite number). */
int sampler_next(int32_t *id, struct sampler *s, const float *logits, struct err *err) WARN_UNUSED;

#endif /* RUNTIME_SAMPLE_H */
