#ifndef DISTILL_TEACHER_IMPL_H
#define DISTILL_TEACHER_IMPL_H

/* What the kinds of teacher share. */

#include "distill/teacher.h"
#include "formats/base/hash.h"

/* A kind. Arguments were checked by teacher.c. */
struct teacher_kind {
    int (*sequence)(struct teacher *t, uint64_t key, const int32_t *ids, const int32_t *doc,
                    size_t n, struct err *err);
    int (*rows)(struct loss_target *out, struct teacher *t, size_t row0, size_t n, struct err *err);
    const float *(*hidden)(const struct teacher *t, size_t i); /* NULL: a cache */
    void (*free)(struct teacher *t);
};

/* The beginning of every kind. */
struct teacher {
    const struct teacher_kind *kind;
    size_t n_vocab, n_tok, n_rows, n_layers; /* of teacher_opts */
    size_t n;                                /* tokens of the sequence it answers for */
    struct par par;
    char tok_hex[HASH_HEX_BYTES]; /* of the student's tokenizer; "": it has none */
};

/* Fill what does not depend on the kind. Errors: ERR_ARG. */
int teacher_init(struct teacher *t, const struct teacher_kind *kind, const struct teacher_opts *o,
                 struct err *err) WARN_UNUSED;

/* SHA-256 over the number and text of every token that is in use, so that padding does not matter. */
int teacher_tok_hex(char hex[HASH_HEX_BYTES], const struct vocab *v, struct err *err) WARN_UNUSED;

/* Do the columns of a teacher's logits mean what the student's do? n_teacher: columns. *n_same: how
 * many both have. Errors: ERR_ARG (the first token that differs: number, both texts). */
int teacher_same_tokens(size_t *n_same, const struct vocab *teacher, size_t n_teacher,
                        const struct vocab *student, size_t n_student, struct err *err) WARN_UNUSED;

/* A cache that lies in data[0, size), which outlives *out, without regard to what it was made from.
 * Errors: those of teacher_cached. */
int teacher_cached_bytes(struct teacher **out, const void *data, size_t size,
                         const struct teacher_opts *o, struct err *err) WARN_UNUSED;

#endif /* DISTILL_TEACHER_IMPL_H */
