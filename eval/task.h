#ifndef EVAL_TASK_H
#define EVAL_TASK_H

/* Multiple-choice and cloze tasks, scored as lm-evaluation-harness scores them: each choice by
 * the log-likelihood of its tokens after the context. Files, layouts and definitions:
 * docs/formats.md, "Task files". An item's figures depend on nothing but the item and the
 * model: not on the items around it, nor on threads. */

#include "eval/stats.h"
#include "formats/base/arena.h"
#include "formats/base/buf.h"
#include "formats/base/err.h"
#include "formats/base/json.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "runtime/model.h"

#include <stdbool.h>
#include <stddef.h>

/* Part of cached results' keys: raise it when figures change. */
enum { TASK_VERSION = 2 };

/* What one model did on one file. Arrays have n_items values, in the file's order, so that
 * two models' results can be paired. */
struct task_result {
    const char *name;                     /* of the file, without folder and .jsonl */
    const char *layout;                   /* "hellaswag" */
    const char *sha256;                   /* of the file */
    size_t n_items, n_truncated;          /* truncated: longer than the model's context */
    bool have_norm, have_ppl;             /* of several choices; of a cloze task */
    struct stats_mean acc, acc_norm, ppl; /* ppl: exp of the mean of item_nll */
    double *item_correct;                 /* 1 or 0; cloze: every token was the most likely one */
    double *item_correct_norm;            /* by log-likelihood / characters; NULL: not of these */
    double *item_nll;                     /* of the right answer, nats, summed over its tokens */
    bool have_original;                   /* the rest is against it, paired item by item */
    struct stats_mean acc_diff, acc_norm_diff; /* this minus the original's */
    struct stats_mean flips;                   /* share of items, right in only one of both */
    struct stats_mean ppl_ratio;
};

/* What one model did on some files, in their order. All zeros is none. */
struct task_results {
    struct task_result *at;
    size_t n;
    struct arena arena; /* owns all of it */
};

void task_results_release(struct task_results *r); /* leaves none */

struct task_opts {
    size_t n_items; /* at most, of each file; 0: all */
    unsigned cpu;   /* cpu_flag bits the scoring may use */
    struct par par;
    const struct log *log;
    struct buf *samples; /* a JSON line for every item and model is appended; NULL: not */
};

/* Run `n` models, and the original (or NULL) once, on each file. All files are read before
 * anything is run. results: n entries; they and *original_result (NULL without an original)
 * are to be released each, also after a failure.
 * Errors: ERR_IO; ERR_FORMAT with file, line, column and what was expected; ERR_ARG (two
 * files of one name); ERR_UNSUPPORTED (no tokenizer). */
int task_run(struct task_results *results, struct task_results *original_result,
             const struct model *const *models, size_t n, const struct model *original,
             const char *const *paths, size_t n_paths, const struct task_opts *opts,
             struct err *err) WARN_UNUSED;

/* Read the files alone, for what is wrong with them; n_items as in the options. */
int task_check(const char *const *paths, size_t n_paths, size_t n_items,
               struct err *err) WARN_UNUSED;

/* Fill what is against the original, whose results on the same files those are (task_run has
 * done it already). Errors: ERR_ARG (other files or items: which). */
int task_compare(struct task_results *r, const struct task_results *original,
                 struct err *err) WARN_UNUSED;

/* The list `key` of a report's model; nothing is written where there are none. Read back, v
 * NULL being none; on success *out is owned. Errors: ERR_FORMAT naming what is missing. */
void task_results_put(struct json_out *j, const char *key, const struct task_results *r);
int task_results_get(struct task_results *out, const json_val *v, struct err *err) WARN_UNUSED;

#endif /* EVAL_TASK_H */
