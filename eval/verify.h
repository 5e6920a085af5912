#ifndef EVAL_VERIFY_H
#define EVAL_VERIFY_H

/* Do two forms of a model compute the same? A fixed prompt through both, in full F32
 * precision. */

#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"

#include <stddef.h>

struct verify {
    size_t n_tokens;  /* of the prompt */
    double nmse;      /* sum (a - b)^2 / sum a^2 over all logits, a being the first model's */
    size_t same_best; /* positions whose best token is the same */
};

struct verify_opts {
    unsigned cpu;    /* cpu_flag bits the kernels may use */
    const char *pre; /* as source_opts, for a checkpoint */
    struct par par;
    const struct log *log;
};

/* The prompt is a built-in text when the first model has a vocabulary, else ids in
 * order. Errors: those of model_open; ERR_FORMAT (a logit that is not finite,
 * vocabularies of different sizes). */
int verify_models(struct verify *out, const char *path_a, const char *path_b,
                  const struct verify_opts *opts, struct err *err) WARN_UNUSED;

#endif /* EVAL_VERIFY_H */
