#ifndef EVAL_EVAL_H
#define EVAL_EVAL_H

/* Perplexity of models on a text, and what each loses against an original.
 * Definitions: docs/formats.md, "Evaluation". Windows of n_ctx tokens, BOS as the
 * tokenizer says, scored on the second half; errors clustered by window. */

#include "eval/logits_file.h"
#include "eval/stats.h"
#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "runtime/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    EVAL_CTX = 512,   /* usual n_ctx */
    EVAL_CTX_MIN = 8, /* leaves three scored positions a window */
    EVAL_VERSION = 3, /* part of cached results' keys: raise it when figures change */
    EVAL_WORST = 3    /* windows shown token by token */
};

/* How `pare eval` multiplies unless told otherwise: it measures what the file lost, not
 * what kernels add to it. */
#define EVAL_MATH KERN_BF16

struct eval_opts {
    const char *text_name; /* of the text, for messages */
    size_t n_ctx;          /* tokens of a window, >= EVAL_CTX_MIN */
    size_t n_chunks;       /* most windows; 0: all */
    unsigned cpu;          /* cpu_flag bits the scoring may use */
    /* Instead of an original: what one said, and on which tokens. n_ctx must be its; with a
     * text (else NULL) its tokens must be that text's. NULL: none; borrowed. */
    const struct logits_file *logits;
    bool fast;        /* also with fast kernels: each result's `fast`, but an original's */
    const char *save; /* write the original's logits here, or those of one model; NULL: don't */
    struct par par;
    const struct log *log;
};

/* A window that lost much, token by token: what was predicted at each scored position. */
struct eval_worst {
    size_t window;
    double kld;         /* mean over the window */
    const char **token; /* [n_positions] texts, valid UTF-8 without NUL; "": part of a character
                            that a later one ends */
    double *token_kld;  /* [n_positions] */
    double *token_nll;
};

/* What one model did. Fields from ln_ratio to worst need an original. Arrays are in the
 * arena; released by eval_result_release. */
struct eval_result {
    size_t n_tokens, n_windows; /* scored */
    size_t n_positions;         /* scored in each window: n_tokens / n_windows */
    struct stats_mean nll;      /* mean negative log-likelihood per token, nats */
    struct stats_mean ppl;      /* exp(nll), error by the delta method */
    double seconds;
    bool have_original;
    struct stats_mean ln_ratio; /* nll - nll(original), paired */
    struct stats_mean ppl_ratio;
    double ln_correlation; /* of the per-token log-likelihoods */
    struct stats_mean kld; /* mean KL(original || model), nats */
    double kld_max, kld_p999, kld_p99, kld_p95, kld_p90, kld_median;
    double kld_p10, kld_p5, kld_p1, kld_min;
    struct stats_mean top1; /* share of positions with the same most likely token */
    struct stats_mean top5; /* share of the original's five most likely tokens found again */
    struct stats_mean dp;   /* p(model) - p(original) of the right token: mean */
    double dp_rms, dp_max, dp_p999, dp_p99, dp_p95, dp_p90, dp_p75, dp_median;
    double dp_p25, dp_p10, dp_p5, dp_p1, dp_p01, dp_min; /* p01: 0.1 % */
    double *window_nll; /* [n_windows] means, to pair reports later */
    double *window_kld, *window_top1, *window_top5, *window_dp;
    double *position_nll; /* [n_positions] means over windows */
    double *position_kld;
    struct eval_worst worst[EVAL_WORST]; /* of the highest mean KLD, worst first */
    size_t n_worst;
    struct eval_result *fast; /* owned; what the same file gives with fast kernels, or NULL */
    struct arena arena;
};

/* Score `n` models on the text; the original (or NULL) runs once, beside them, and
 * nothing is stored. Models whose vocabulary differs from the original's are
 * refused. One newline at the end of the text is dropped, as llama-perplexity does.
 * results: n entries; they and *original_result (NULL without an original) are to be
 * released each, also after a failure.
 * Errors: ERR_FORMAT (text too short: how many tokens, how many needed; a model whose
 * logits are not finite), ERR_UNSUPPORTED (no tokenizer, other vocabularies). */
int eval_text(struct eval_result *results, struct eval_result *original_result,
              const struct model *const *models, size_t n, const struct model *original,
              const char *text, size_t text_bytes, const struct eval_opts *opts,
              struct err *err) WARN_UNUSED;
void eval_result_release(struct eval_result *r);

#endif /* EVAL_EVAL_H */
