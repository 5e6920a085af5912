#ifndef DISTILL_QAD_IMPL_H
#define DISTILL_QAD_IMPL_H

/* What qad.c, qad_global.c and qad_write.c share. */

#include "distill/qad.h"
#include "quant/importance.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { QAD_FIELDS = 2 }; /* most 16-bit scales of a block that can be trained */

/* A matrix that the mix gives a type of blocks. */
struct qad_matrix {
    size_t index; /* of ps->p and of the source's tensors */
    const struct codec *codec;
    size_t len, n_blocks, block_values, block_bytes, row_bytes; /* n_blocks: of a row */
    /* QAD_SCALES: */
    size_t n_fields, field[QAD_FIELDS]; /* where they lie in a block; 0 of them: frozen */
    uint8_t *bytes;                     /* as the encoder made it */
    /* The number of quant/global.h: now, and the one its frozen codes were made with. */
    bool numbered;
    float number, number_begun;
};

/* Rows of a matrix, worked on by one thread. */
struct qad_piece {
    const struct qad_matrix *m;
    size_t r0, n;
    double sum; /* of a numbered matrix: gradient times decoded values */
    struct err err;
};

struct qad {
    struct qad_opts o;
    struct params *ps;
    const struct source *s;
    enum dtype *types; /* by source tensor */
    struct importance *imp;
    struct params t; /* what is trained */
    struct qad_matrix *matrix;
    size_t n_matrices;
    struct qad_piece *piece;
    size_t n_pieces;
    uint8_t *scratch; /* of every thread, scratch_each: a row in blocks, and one as values */
    size_t scratch_each;
    struct arena arena;
};

/* A thread's room for a row in blocks, and for one as values. */
static inline uint8_t *qad_blocks(const struct qad *q, int thread)
{
    return q->scratch + (size_t)thread * q->scratch_each;
}

static inline float *qad_values(const struct qad *q, int thread)
{
    return (float *)(void *)(qad_blocks(q, thread) + q->scratch_each / 2);
}

/* dst = row r as the file holds it, in blocks. values: room for a row. */
int qad_row(uint8_t *dst, const struct qad *q, const struct qad_matrix *m, size_t r, float *values,
            struct err *err) WARN_UNUSED;

/* Set the numbers: from the weights that the frozen codes are made of; for what is trained, as it is now. */
void qad_numbers_begin(struct qad *q);
void qad_numbers(struct qad *q);
/* Their gradients, of QAD_SCALES, from the pieces' sums. */
void qad_numbers_gather(struct qad *q);

#endif /* DISTILL_QAD_IMPL_H */
