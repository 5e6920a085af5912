#ifndef EVAL_TASK_SCORE_H
#define EVAL_TASK_SCORE_H

/* Asking a model the requests of a task. */

#include "eval/task.h"
#include "eval/task_file.h"

/* What it says to one request. */
struct task_score {
    double ll;       /* log-likelihood of the continuation, nats */
    size_t n_tokens; /* of it */
    bool greedy;     /* each of them was the most likely one */
    bool truncated;
};

/* Where a run stands, for progress. */
struct task_clock {
    size_t done, total; /* items */
};

/* scores: one for each request, items' one after the other.
 * Errors: those of task_ids; ERR_UNSUPPORTED (no tokenizer); ERR_FORMAT (logits that are not
 * finite). */
int task_score(struct task_score *scores, const struct task *t, const struct model *m,
               const struct task_opts *opts, struct task_clock *clock, struct err *err) WARN_UNUSED;

#endif /* EVAL_TASK_SCORE_H */
