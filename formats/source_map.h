#ifndef FORMATS_SOURCE_MAP_H
#define FORMATS_SOURCE_MAP_H

/* An order of rows (or of the values of a row) as arithmetic: runs of a mixed-radix
 * count, each digit with a stride of its own. Q rows of H heads of D values, halves ->
 * pairs: one run, sizes {H, D / 2, 2}, strides {D, 1, D / 2}. Rows [head][q, k, v] ->
 * [q, k, v][head]: sizes {3, H, D}, strides {D, 3 D, 1}. Every second row: sizes {n},
 * strides {2}. */

#include "formats/arch/arch.h"

#include <stddef.h>
#include <stdint.h>

enum { SOURCE_RUNS = 4, SOURCE_DIGITS = 4 };

struct source_run {
    uint64_t n;    /* how many this run covers: the product of its sizes */
    uint64_t base; /* where its first one lies */
    int n_digits;
    uint64_t size[SOURCE_DIGITS], stride[SOURCE_DIGITS]; /* slowest first */
};

/* No runs: as they are. */
struct source_map {
    int n_runs;
    struct source_run run[SOURCE_RUNS];
};

/* Where number i lies. */
uint64_t source_map_at(const struct source_map *m, uint64_t i);

/* The order of a part's rows, and of the values in a row, that a change amounts to in
 * `layer`; no runs where it does not fit. A part is what lies together: a tensor, an
 * expert's, for CHANGE_MLA_* a head's. */
void source_map_rows(struct source_map *out, enum arch_change change, const struct arch_params *p,
                     size_t layer, uint64_t n_rows);
void source_map_cols(struct source_map *out, enum arch_change change, const struct arch_params *p,
                     size_t layer, uint64_t n_cols);

/* The shape a checkpoint stores for a row in `layer`, fastest first; for TENSOR_EXPERTS,
 * of one expert. Returns how many dimensions. */
int source_map_stored(uint64_t dims[4], const struct arch_tensor *row, const struct arch_params *p,
                      size_t layer);

#endif /* FORMATS_SOURCE_MAP_H */
