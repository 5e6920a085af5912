#ifndef EVAL_OVERLAP_H
#define EVAL_OVERLAP_H

/* Do two texts share a run of tokens? Figures measured on what a model was calibrated with
 * say nothing. Linear time; 16 MiB beside the texts' ids. */

#include "formats/base/err.h"
#include "runtime/model.h"
#include "runtime/tokenizer.h"

#include <stdbool.h>
#include <stddef.h>

enum { OVERLAP_RUN = 64 }; /* tokens */

struct overlap_text {
    const char *path; /* for messages; tells JSON Lines (formats/lines.h) */
    const char *text;
    size_t n; /* bytes */
};

/* 0 when no run of OVERLAP_RUN tokens is in both, nor in what JSON Lines among them say. Errors: ERR_FORMAT naming
 * both, the lines and how the run begins; ERR_NOMEM. */
int overlap_check(const struct tok *tok, const struct overlap_text *a, const struct overlap_text *b,
                  struct err *err) WARN_UNUSED;

/* The same of the text that the model's importance matrix was collected on, where the file
 * names one that can be found: as it is told, beside the model, or beside `b`; 0 otherwise. */
int overlap_check_model(const struct model *m, const struct overlap_text *b,
                        struct err *err) WARN_UNUSED;

/* The same of a text that a file in `beside`'s folder names as `told`. */
int overlap_check_named(const struct tok *tok, const char *told, const char *beside,
                        const struct overlap_text *b, struct err *err) WARN_UNUSED;

/* First item shared: a[*at_a, + run) equals b[*at_b, + run). */
int overlap_find(bool *found, size_t *at_a, size_t *at_b, const struct tok_ids *a,
                 const struct tok_ids *b, struct err *err) WARN_UNUSED;

#endif /* EVAL_OVERLAP_H */
