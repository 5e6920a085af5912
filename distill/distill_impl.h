#ifndef DISTILL_DISTILL_IMPL_H
#define DISTILL_DISTILL_IMPL_H

/* Parts of distill.c: its identity, and quantization-aware runs. Seen by distill only. */

#include "distill/distill.h"
#include "distill/qad.h"
#include "formats/base/hash.h"

/* What of a run's options decides its result, but for the quantization; t: as they were chosen; from: the digest of
 * what the student starts from, of its content, as its name says nothing of it ("": the teacher). */
void distill_hash(struct hash *h, const struct distill_opts *o, const struct train_opts *t,
                  const char *from);
int distill_from_sha256(char hex[HASH_HEX_BYTES], const struct distill_opts *o,
                        struct err *err) WARN_UNUSED;

/* Is the student written as a Hugging Face folder? By the name of its output: no .gguf. */
bool distill_to_folder(const struct distill_opts *o);

/* Can it be done? Before anything takes time. Errors: ERR_ARG. */
int distill_qad_check(const struct distill_opts *o, struct err *err) WARN_UNUSED;
/* What of it decides the result. */
int distill_qad_hash(struct hash *h, const struct distill_opts *o, struct err *err) WARN_UNUSED;
/* *im, which *out needs, is the caller's to free, after *out. */
int distill_qad_open(struct qad **out, struct imatrix **im, struct params *ps,
                     const struct source *start, const struct distill_opts *o,
                     struct err *err) WARN_UNUSED;
/* The learning rate where none is given. */
double distill_rate(const struct distill_opts *o);

#endif /* DISTILL_DISTILL_IMPL_H */
