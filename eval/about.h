#ifndef EVAL_ABOUT_H
#define EVAL_ABOUT_H

/* What an evaluation read, so that reports can tell whether they are of the same tokens
 * and show what stands in a window: a digest of the tokenizer's tokens, and how each
 * window begins. */

#include "eval/eval.h"
#include "eval/windows.h"
#include "formats/base/arena.h"
#include "formats/base/err.h"
#include "formats/base/hash.h"
#include "formats/base/json.h"
#include "runtime/model.h"

#include <stddef.h>
#include <stdint.h>

struct eval_about {
    char tokenizer[HASH_HEX_BYTES]; /* "": not known */
    const char **window;            /* [n_windows] beginnings, valid UTF-8 without NUL */
    size_t n_windows;
    struct arena arena; /* owned (eval_about_release) */
};

/* The windows that eval_text scores; to be released also after a failure. Errors: those of
 * windows_cut, ERR_FORMAT (no UTF-8: line and column), ERR_ARG (windows too short to score). */
int eval_windows(struct windows *out, const struct model *m, const char *text, size_t text_bytes,
                 const struct eval_opts *opts, struct err *err) WARN_UNUSED;

/* Of the windows that eval_text would score. To be released also after a failure.
 * Errors: those of eval_windows. */
int eval_about_text(struct eval_about *out, const struct model *m, const char *text,
                    size_t text_bytes, const struct eval_opts *opts, struct err *err) WARN_UNUSED;
void eval_about_release(struct eval_about *a);

/* Members "tokenizer" and "windows" of an object, and read back from one. To be released
 * also after a failure. Errors: ERR_FORMAT saying what was expected. */
void eval_about_put(struct json_out *j, const struct eval_about *a);
int eval_about_get(struct eval_about *out, const json_val *v, struct err *err) WARN_UNUSED;

#endif /* EVAL_ABOUT_H */
