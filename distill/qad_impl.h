#ifndef DISTILL_QAD_IMPL_H
#define DISTILL_QAD_IMPL_H

/* What qad.c and qad_write.c share. */

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
};

/* Rows of a matrix, worked on by one thread. */
struct qad_piece {
    const struct qad_matrix *m;
    size_t r0, n;
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
    uint8_t *scratch; /* of every thread: scratch_each */
    size_t scratch_each;
    struct arena arena;
};

/* dst = row r as the file holds it, in blocks. */
int qad_row(uint8_t *dst, const struct qad *q, const struct qad_matrix *m, size_t r,
            struct err *err) WARN_UNUSED;

#endif /* DISTILL_QAD_IMPL_H */
