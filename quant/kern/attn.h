#ifndef QUANT_KERN_ATTN_H
#define QUANT_KERN_ATTN_H

/* Attention of one head as two small matrix products around a softmax, for a block
 * of queries at a time, on any instruction set that has a register tile. */

#include "quant/kern.h"
#include "quant/kern/tile.h"

struct attn_isa {
    size_t tile_rows, tile_cols; /* of `product` */
    tile_fn *product;
    /* kt[depth, tile_cols] = k[n <= tile_cols, depth] transposed, zeros beyond n; depth
     * is rounded up to 16 rows. */
    void (*pack_keys)(float *kt, struct tile_in k, size_t n, size_t depth);
    /* p[n] = exp(scale * (p - max p)); returns the sum. */
    float (*exp_row)(float *p, size_t n, float scale);
    /* p[n] = cap * tanh(p / cap) */
    void (*cap_row)(float *p, size_t n, float cap);
};

/* The arguments of kern.attn. */
struct attn_job {
    struct tile_out out;
    struct tile_in q, k, v;
    size_t m, pos, dk, dv;
    const struct kern_attn *how;
};

/* As kern.attn and kern.attn_bytes say. */
void attn_run(const struct attn_isa *isa, const struct attn_job *job, void *scratch);
/* Scratch of attn_run for m queries that see n_pos positions. */
size_t attn_run_bytes(const struct attn_isa *isa, size_t m, size_t n_pos);

#endif /* QUANT_KERN_ATTN_H */
