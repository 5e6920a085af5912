#ifndef RUNTIME_BATCH_H
#define RUNTIME_BATCH_H

/* Many texts by one model: one after another on each thread, each with random numbers of its own,
 * so that no text depends on threads or on how many there are. */

#include "formats/base/log.h"
#include "formats/base/par.h"
#include "runtime/model.h"
#include "runtime/sample.h"

struct batch_opts {
    size_t n;                     /* texts ... */
    size_t first;                 /* ... but for those below this number */
    size_t n_tokens;              /* most tokens of one, besides the prompt */
    struct sample_opts sample;    /* seed: of text 0; the others' follow from it and their number */
    const struct tok_ids *prompt; /* [n_prompts] text i begins with prompt i % n_prompts */
    size_t n_prompts;             /* at least 1, none of them empty */
    struct par par;
    const struct log *log;
};

/* Text number i, in rising order: ids[n] that follow the prompt, without the token that ends a text, or begins
 * another; ended: there was one. Anything but 0 stops. */
typedef int batch_fn(void *arg, size_t i, const int32_t *ids, size_t n, bool ended,
                     struct err *err);

/* Errors: those of sess_new, sess_eval, sampler_new and fn; ERR_INTERRUPTED as the log asks. */
int batch_generate(const struct model *m, const struct batch_opts *o, batch_fn *fn, void *arg,
                   struct err *err) WARN_UNUSED;

/* What a text with no prompt begins with: BOS, or the token that ends the text before.
 * Errors: ERR_UNSUPPORTED (neither). */
int batch_begin(struct tok_ids *out, const struct tok *t, struct err *err) WARN_UNUSED;

#endif /* RUNTIME_BATCH_H */
