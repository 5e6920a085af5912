#ifndef FORMATS_HF_PLAN_H
#define FORMATS_HF_PLAN_H

/* The tensors of the checkpoint that a GGUF is the conversion of: each one's name, shape,
 * and which rows of which GGUF tensors its rows are. The arch rows and their maps
 * (formats/source_map.h) run backwards; values are the reader's business (quant/export.h). */

#include "formats/arch/arch.h"
#include "formats/base/err.h"
#include "formats/safetensors.h"
#include "formats/source.h"
#include "formats/source_map.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one GGUF tensor gives to a checkpoint's tensor. Both fall into pieces that are alike
 * (experts, heads): piece q has the GGUF's rows first + q * each ..., `len` values each. */
struct hf_piece {
    const struct source_tensor *t;
    enum arch_change change;
    bool transposed; /* its rows are the stored columns */
    uint64_t first, each, len;
    struct source_map rows, cols; /* of the conversion: where a row, or value, comes from */
    const uint32_t *back; /* [stored rows of a piece]: the GGUF's row in the piece + 1, 0: not from
                             here. NULL: the same row. Not when transposed */
};

struct hf_tensor {
    const char *name;
    enum dtype type; /* to write */
    int n_dims;
    uint64_t dims[ST_MAX_DIMS]; /* slowest first */
    uint64_t n_rows, len;       /* stored rows, and values in each */
    uint64_t piece_rows;        /* stored rows of a piece */
    size_t n_pieces;            /* 0: one value */
    struct hf_piece *piece;
    double value;
};

struct hf_plan;

/* `arch`: the row to export as; `p`: its parameters. types: of each of the source's tensors
 * in the checkpoint. All are borrowed until free. Errors: ERR_UNSUPPORTED (a tensor that
 * checkpoints of the family have no place for), ERR_FORMAT (a tensor another needs is not
 * there), ERR_NOMEM. */
int hf_plan_new(struct hf_plan **out, const struct source *s, const struct arch *arch,
                const struct arch_params *p, const enum dtype *types, struct err *err) WARN_UNUSED;
void hf_plan_free(struct hf_plan *plan); /* accepts NULL */

/* In the GGUF's order. */
size_t hf_plan_n(const struct hf_plan *plan);
const struct hf_tensor *hf_plan_at(const struct hf_plan *plan, size_t i);

#endif /* FORMATS_HF_PLAN_H */
