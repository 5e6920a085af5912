#ifndef RUNTIME_SESSION_H
#define RUNTIME_SESSION_H

/* One run of a model over a growing sequence: key-value cache and scratch. The
 * same calls give the same logits at any thread count; tokens evaluated in other
 * portions may differ in the last bits. With longrope, the length of the sequence so far
 * decides about its angles, as in transformers: the first token beyond the original
 * context makes the session compute all before it again. */

#include "formats/base/err.h"
#include "formats/base/par.h"
#include "quant/matmul.h"
#include "runtime/model.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sess;

/* n_ctx: positions the cache holds, >= 1; n_batch: most tokens of one sess_eval,
 * >= 1 (larger is faster and takes more scratch; no more than n_ctx are used).
 * `m` must outlive *out. Errors: ERR_ARG, ERR_NOMEM. */
int sess_new(struct sess **out, const struct model *m, size_t n_ctx, size_t n_batch,
             const struct par *par, struct err *err) WARN_UNUSED;
/* The same, multiplying otherwise than the model was opened for. */
int sess_new_math(struct sess **out, const struct model *m, enum kern_math math, size_t n_ctx,
                  size_t n_batch, const struct par *par, struct err *err) WARN_UNUSED;
void sess_free(struct sess *s); /* accepts NULL */

/* Forget everything after the first n positions; 0 starts anew. Returns how many are
 * kept: n, or 0 where a part of the sequence cannot be had (recurrent layers). */
size_t sess_keep(struct sess *s, size_t n);
size_t sess_len(const struct sess *s);

/* Append n tokens (1 <= n <= n_batch) and write logits[n_logits, n_vocab] of the
 * last n_logits of them (0: none, logits may be NULL). Allocates nothing. On an
 * error nothing was appended: ERR_ARG (cache full, an id outside the vocabulary). */
int sess_eval(struct sess *s, const int32_t *ids, size_t n, float *logits, size_t n_logits,
              struct err *err) WARN_UNUSED;

/* Can the sequence be continued in several ways at once? Not where layers are recurrent, take
 * others' keys or are latent, nor where angles depend on the length. */
bool sess_can_branch(const struct sess *s);

/* Append n_shared tokens, and compute n_branches ways to go on from there: branch i is the next
 * len[i] >= 1 of `ids`, as if it stood alone, and does not become part of the sequence. All
 * together are at most n_batch. Logits: sess_logits, tokens counted as in `ids`. Errors: as
 * sess_eval; ERR_UNSUPPORTED (see sess_can_branch). */
int sess_branches(struct sess *s, const int32_t *ids, size_t n_shared, const size_t *len,
                  size_t n_branches, struct err *err) WARN_UNUSED;

/* Write logits[n, n_vocab] of tokens row0 .. row0 + n - 1 of the last sess_eval, so
 * that a long batch's need not all be held at once.
 * Errors: ERR_ARG (it had fewer tokens). */
int sess_logits(struct sess *s, size_t row0, size_t n, float *logits, struct err *err) WARN_UNUSED;

/* Put residual streams x[n, n_embd] after the last block, as a watcher was told them, in place of the last
 * sess_eval's: logits are then of these n tokens (n <= n_batch), so that those of earlier
 * sequences need not be computed again. The sequence itself stays. Errors: ERR_ARG. */
int sess_stream(struct sess *s, const float *x, size_t n, struct err *err) WARN_UNUSED;

/* Prepare for the same logits by parts of the vocabulary, so that they need never all be held:
 * good until the next call of another function on this session. Errors: ERR_ARG (it had
 * fewer tokens). */
int sess_head(struct sess *s, size_t row0, size_t n, struct err *err) WARN_UNUSED;

/* Write logits[n, n_tokens], rows ld apart, of tokens first .. first + n_tokens - 1. Each part on
 * one thread, threads numbered as par_for numbers those of the session's par. */
void sess_head_part(const struct sess *s, float *logits, size_t ld, size_t first, size_t n_tokens,
                    int thread);

/* Append any number of tokens, n_batch at a time, and write logits[n_vocab] of the
 * last one (NULL: none). Errors as sess_eval. */
int sess_feed(struct sess *s, const int32_t *ids, size_t n, float *logits,
              struct err *err) WARN_UNUSED;

/* Rows that meet weights in a product, told before they do. Of a stacked weight's matrices
 * (experts, heads) each is told alone, as a slice; those that meet no rows are not told. */
struct sess_input {
    const struct mm_job *job; /* n_jobs products of the same rows; only .w is set */
    size_t n_jobs;
    const float *x; /* [n, job[0].w->cols], rows ld_x apart */
    size_t ld_x, n;
    bool together; /* the weight's other matrices meet these tokens as well: heads */
};
typedef void sess_watch_fn(void *arg, const struct sess_input *in);

/* The residual stream x[n, n_embd] of an evaluation's n tokens: layer 0 is what the first block meets, layer i
 * what i blocks have left, i.e. hidden_states[i] of transformers, the last one before the output's norm. */
typedef void sess_layer_fn(void *arg, size_t layer, const float *x, size_t n);

struct sess_watch {
    sess_watch_fn *fn; /* on the caller's thread, between products; NULL: nobody watches them */
    sess_layer_fn *layer_fn; /* likewise, between blocks; NULL */
    void *arg;
    size_t n_layers; /* no blocks after these are computed, nor logits; SIZE_MAX: all */
};

/* From now on tell *w what meets every weight matrix, the output's too, and what lies between blocks: all
 * tokens of each sess_eval, whether or not it asks for logits. Errors: ERR_NOMEM. */
int sess_watch(struct sess *s, const struct sess_watch *w, struct err *err) WARN_UNUSED;

#endif /* RUNTIME_SESSION_H */
