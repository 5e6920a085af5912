#ifndef TOOLS_GENERATE_BATCH_H
#define TOOLS_GENERATE_BATCH_H

/* pare generate --batch: many texts into a file of JSON Lines, which pare distill reads. */

#include "runtime/batch.h"

struct generate_batch {
    const char *out;     /* the file */
    const char *prompts; /* JSON Lines: "text" to continue, or "messages" to answer; NULL */
    const char *prompt;  /* the text all begin with; NULL: none. n_prompt: its bytes */
    size_t n_prompt;
    /* The text of special tokens stands for them: in prompts, and in the texts, which say so. */
    bool special;
    const char *kernels; /* by name */
    struct batch_opts opts;
};

/* Texts that a prompt began are written with it. What a run that was stopped had written is gone on with by the next
 * one of the same model, prompts and options; their number may be another. */
int generate_batch(const struct model *m, const struct generate_batch *g,
                   struct err *err) WARN_UNUSED;

#endif /* TOOLS_GENERATE_BATCH_H */
