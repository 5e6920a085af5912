#ifndef RUNTIME_MODEL_H
#define RUNTIME_MODEL_H

/* A model to run: weights (mapped, as stored), parameters, traits, tokenizer.
 * Constant once open; any number of sessions may share it. */

#include "formats/arch/arch.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/source.h"
#include "quant/kern.h"
#include "runtime/tokenizer.h"

struct model;

struct model_opts {
    unsigned cpu;        /* cpu_flag bits the kernels may use */
    enum kern_math math; /* how matrices are multiplied, see quant/kern.h */
    const char *pre;     /* as source_opts */
    const struct log *log;
};

/* Open a GGUF or a checkpoint. Errors: those of source_open; ERR_UNSUPPORTED for a
 * trait, parameter, tensor or tensor type the runtime does not compute: which. */
int model_open(struct model **out, const char *path, const struct model_opts *opts,
               struct err *err) WARN_UNUSED;
void model_free(struct model *m); /* accepts NULL */

/* What it was opened from. */
const struct source *model_source(const struct model *m);
/* NULL for a model without a vocabulary: it can be fed ids only. */
const struct tok *model_tok(const struct model *m);
size_t model_n_vocab(const struct model *m); /* logits of a position */
size_t model_n_ctx(const struct model *m);   /* positions it was trained for */

/* "f32", "bf16" or "fast" (activations in 16 bits) to a kern_math.
 * Errors: ERR_ARG naming the three. */
int model_math(enum kern_math *out, const char *name, struct err *err) WARN_UNUSED;

#endif /* RUNTIME_MODEL_H */
