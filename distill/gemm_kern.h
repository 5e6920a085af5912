#ifndef DISTILL_GEMM_KERN_H
#define DISTILL_GEMM_KERN_H

/* What a processor offers for gemm: operands are packed by blocks of rows (a) and of columns (b), and
 * packed blocks are multiplied. */

#include "distill/gemm.h"

#include <stdbool.h>
#include <stddef.h>

/* Values i .. i + n - 1 of the operand's outer index (rows of a, columns of b), and of each the values
 * k .. k + n_k - 1 of the sum. Value (i, k) lies at x[i * ld + k], or at x[k * ld + i] when strided. */
struct gemm_piece {
    const float *x;
    size_t ld;
    bool strided;
    size_t i, n, k, n_k;
};

struct gemm_kern {
    size_t m_block, n_block; /* rows and columns of packed blocks */
    size_t k_most;           /* values of the sum that one multiplication should take */
    /* Bytes of a packed block, a multiple of 64; blocks are aligned to 64. */
    size_t (*a_bytes)(size_t n_k), (*b_bytes)(size_t n_k);
    /* p->n is at most the block; what lacks to the block is packed as zeros. */
    void (*a_pack)(void *dst, const struct gemm_piece *p);
    void (*b_pack)(void *dst, const struct gemm_piece *p);
    /* c[m, n] = a . b, or += when add: of as many packed blocks, one after another, as
     * m and n need; those of the shorter side should stay in the nearest cache. */
    void (*mul)(float *c, size_t ld_c, const void *a, const void *b, const size_t mnk[3], bool add);
};

/* Values as three BF16 terms or as one. Sums in F32. */
extern const struct gemm_kern gemm_amx_f32, gemm_amx_bf16;
/* Dot products of BF16 pairs. */
extern const struct gemm_kern gemm_avx512_bf16;

/* Values of a small product's two shorter sides together. */
enum { GEMM_SMALL = 64 << 10 };

struct wide;

/* Small products in F32: nothing is packed. */
struct gemm_small {
    const struct wide *wide;
    const struct par *par;
    float *turned; /* [GEMM_SMALL] scratch */
};
/* Is c[m, n] = a[m, k] . b[k, n] one of them? */
bool gemm_is_small(const struct gemm_side *b, const size_t mnk[3]);
void gemm_small(const struct gemm_small *g, float *c, size_t ld_c, const struct gemm_side *a,
                const struct gemm_side *b, const size_t mnk[3], bool add);

/* gemm in F32 for any processor. */
void gemm_blas(const struct par *par, float *c, size_t ld_c, const struct gemm_side *a,
               const struct gemm_side *b, const size_t mnk[3], bool add);

#endif /* DISTILL_GEMM_KERN_H */
