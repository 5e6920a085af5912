#ifndef EVAL_TASK_IDS_H
#define EVAL_TASK_IDS_H

/* A task's requests as a model reads them: which tokens are context, which are scored. The
 * same cut as lm-evaluation-harness's for models of Hugging Face. */

#include "eval/task_file.h"
#include "runtime/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Tokens of one request: n_context >= 1 of them, then n_scored >= 1. */
struct task_pair {
    size_t at; /* in task_ids.ids */
    size_t n_context, n_scored;
    bool truncated; /* tokens fell off the left end: too long for the model */
};

struct task_ids {
    struct tok_ids ids;
    struct task_pair *pair; /* owned; items' requests one after the other */
    size_t n;
    size_t longest; /* most tokens a model is fed at once: all but a request's last */
};

/* White space at the end of a context belongs to the continuation; both are encoded together,
 * and what follows the tokens of the context alone is scored. BOS as the tokenizer says,
 * unless the text begins with it. Without a context, BOS (else EOS) stands for it. No more
 * than n_ctx tokens are fed (0: any number): the first ones go.
 * To be released also after a failure. Errors: ERR_FORMAT, ERR_UNSUPPORTED with file and line:
 * a continuation without tokens, or longer than n_ctx; neither BOS nor EOS where it is needed. */
int task_ids(struct task_ids *out, const struct task *t, const struct tok *tok, size_t n_ctx,
             struct err *err) WARN_UNUSED;
void task_ids_release(struct task_ids *ids);

#endif /* EVAL_TASK_IDS_H */
