#ifndef EVAL_WINDOWS_H
#define EVAL_WINDOWS_H

/* A text as a model reads it to be measured: tokenized once, cut into consecutive windows,
 * each beginning with the tokenizer's BOS where it adds one. As llama-perplexity and
 * llama-imatrix do; the rest is dropped, and one newline at the end of the text. */

#include "formats/base/err.h"
#include "runtime/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How to cut it. */
struct windows_opts {
    const char *text_name; /* for messages */
    size_t n_ctx;          /* tokens of a window */
    size_t least;          /* tokens the text must have, >= n_ctx */
    size_t most;           /* windows; 0: all */
};

struct windows {
    struct tok_ids ids;
    bool add_bos;
    int32_t bos;
    size_t n_ctx, n;
};

/* To be released also after a failure. Errors: ERR_UNSUPPORTED (no tokenizer),
 * ERR_FORMAT (text too short: how many tokens, how many needed; bytes that are no UTF-8: line and
 * column). */
int windows_cut(struct windows *w, const struct model *m, const char *text, size_t n,
                const struct windows_opts *opts, struct err *err) WARN_UNUSED;

/* Windows of ids that are there already, which *w takes over, also when it fails.
 * Errors: ERR_UNSUPPORTED (no tokenizer). */
int windows_of(struct windows *w, const struct model *m, const struct tok_ids *ids, size_t n_ctx,
               struct err *err) WARN_UNUSED;

/* ids[n_ctx] of window i. */
void windows_get(int32_t *ids, const struct windows *w, size_t i);

void windows_release(struct windows *w); /* the ids */

#endif /* EVAL_WINDOWS_H */
