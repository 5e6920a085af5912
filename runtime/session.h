#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

/* One run of a model over a growing sequence: key-value cache and scratch. The
 * same tokens give the same logits at any thread count. */

#include "formats/base/err.h"
#include "formats/base/par.h"
#include "runtime/model.h"

#include <stddef.h>
#include <stdint.h>

struct sess;

/* n_ctx: positions the cache holds; n_batch: most tokens of one sess_eval (larger
 * is faster and takes more scratch). `m` must outlive *out. */
int sess_new(struct sess **out, const struct model *m, size_t n_ctx, size_t n_batch,
             const struct par *par, struct err *err) WARN_UNUSED;
void sess_free(struct sess *s); /* accepts NULL */

/* Forget everything after the first n positions. */
void sess_keep(struct sess *s, size_t n);
size_t sess_len(const struct sess *s);

/* Append n tokens (1 <= n <= n_batch) and write logits[n_logits, n_vocab] of the
 * last n_logits of them (0: none). Allocates nothing.
 * Errors: ERR_ARG (cache full, an id outside the vocabulary). */
int sess_eval(struct sess *s, const int32_t *ids, size_t n, float *logits, size_t n_logits,
              struct err *err) WARN_UNUSED;

#endif /* RUNTIME_SESSION_H */
