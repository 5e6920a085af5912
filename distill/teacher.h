#ifndef DISTILL_TEACHER_H
#define DISTILL_TEACHER_H

/* Where targets come from: a live model, or a cache of its logits (formats in docs/formats.md). */

#include "distill/loss.h"
#include "formats/base/err.h"
#include "formats/base/log.h"
#include "formats/base/par.h"
#include "runtime/model.h"

#include <stddef.h>
#include <stdint.h>

struct teacher;

/* m is the caller's. student: its tokenizer; vocabularies of other lengths are reconciled by the token strings
 * (n_vocab of the student: columns the teacher lacks are -inf, further ones of the teacher must be unused).
 * n_tok: most tokens of a sequence; n_rows: most rows of one teacher_rows; layers[n_layers]: residual streams
 * to keep (NULL, 0: none). Errors: ERR_ARG (the first token that differs), ERR_NOMEM. */
struct teacher_opts {
    const struct vocab *student;
    size_t n_vocab, n_tok, n_rows;
    const size_t *layers;
    size_t n_layers;
    struct par par;
};
int teacher_live(struct teacher **out, const struct model *m, const struct teacher_opts *o,
                 struct err *err) WARN_UNUSED;
void teacher_free(struct teacher *t); /* accepts NULL */

/* One sequence (doc as in struct net_batch, NULL: one document): what teacher_rows then answers for. key: of the
 * sequence, which a cache finds it by: its window's number in the data. Errors: ERR_FORMAT (the cache has
 * other tokens there, or a checksum does not fit), ERR_ARG. */
int teacher_sequence(struct teacher *t, uint64_t key, const int32_t *ids, const int32_t *doc,
                     size_t n, struct err *err) WARN_UNUSED;

/* Targets of its rows row0 .. row0 + n - 1: sets .logits or .sparse of out[n]; good until the next call. */
int teacher_rows(struct loss_target *out, struct teacher *t, size_t row0, size_t n,
                 struct err *err) WARN_UNUSED;
/* [n_tok, n_embd] after block layers[i] of opts; NULL: a cache. */
const float *teacher_hidden(const struct teacher *t, size_t i);

/* ---- cache ----------------------------------------------------------------------- */

enum teacher_keep {
    TEACHER_TOP_K,  /* the k most probable and the rest as one */
    TEACHER_SAMPLED /* k draws from the teacher: unbiased gradients (arXiv 2503.16870) */
};

struct data;

struct teacher_cache_opts {
    enum teacher_keep keep;
    size_t k;
    double temperature;    /* of the softmax that is kept, the run's */
    enum kern_math math;   /* of the teacher */
    uint64_t seed;         /* of draws */
    const char *model_hex; /* digest of the teacher's tensors (source_sha256) */
    const struct log *log;
};
struct teacher_cache_result {
    uint64_t n_tokens, bytes;
    double kl;   /* mean KL(teacher || what the cache says of it), the rest as one token */
    double rest; /* mean mass of the rest */
};
/* Write the targets of all windows of `data` to path, atomically; t is live. */
int teacher_cache_write(struct teacher_cache_result *out, const char *path, struct teacher *t,
                        const struct data *data, const struct teacher_cache_opts *o,
                        struct err *err) WARN_UNUSED;
/* Map it. Errors: ERR_FORMAT (not one, damaged: where), ERR_ARG (made otherwise than `want` says, for another
 * tokenizer, or from other data: both are named). Any seed is taken. */
int teacher_cached(struct teacher **out, const char *path, const struct teacher_cache_opts *want,
                   const struct data *data, const struct teacher_opts *o,
                   struct err *err) WARN_UNUSED;

#endif /* DISTILL_TEACHER_H */
