/* Small products: their operands stay in a near cache as they lie, and packing them would take longer
 * than it saves. */

#include "distill/gemm_kern.h"
#include "distill/wide/wide.h"

#include <stdint.h>

/* Rows of c that one piece of work makes. */
enum { PIECE_ROWS = 32 };

struct small {
    const struct wide *wide;
    struct wide_mul mul;
};

static void small_rows(void *arg, size_t i, int thread)
{
    const struct small *s = arg;
    struct wide_mul mul = s->mul;
    const size_t r = i * PIECE_ROWS, left = mul.m - r;

    (void)thread;
    mul.c += r * mul.ld_c;
    mul.a += r * mul.row_a;
    mul.m = left < PIECE_ROWS ? left : PIECE_ROWS;
    s->wide->mul(&mul);
}

bool gemm_is_small(const struct gemm_side *b, const size_t mnk[3])
{
    const size_t m = mnk[0], n = mnk[1], k = mnk[2];
    const size_t longer = m > n ? m : n, longest = longer > k ? longer : k;

    if (!m || !n || !k || m > SIZE_MAX / n / k)
        return false;
    return m * n * k / longest <= GEMM_SMALL && (!b->transposed || n * k <= GEMM_SMALL);
}

void gemm_small(const struct gemm_small *g, float *c, size_t ld_c, const struct gemm_side *a,
                const struct gemm_side *b, const size_t mnk[3], bool add)
{
    struct small s = {.wide = g->wide};

    s.mul = (struct wide_mul){.c = c,
                              .ld_c = ld_c,
                              .a = a->x,
                              .row_a = a->transposed ? 1 : a->ld,
                              .col_a = a->transposed ? a->ld : 1,
                              .b = b->x,
                              .ld_b = b->ld,
                              .m = mnk[0],
                              .n = mnk[1],
                              .k = mnk[2],
                              .add = add};
    if (b->transposed) {
        g->wide->turn(g->turned, mnk[1], b->x, b->ld, mnk[1], mnk[2]);
        s.mul.b = g->turned;
        s.mul.ld_b = mnk[1];
    }
    par_for(g->par, (mnk[0] + PIECE_ROWS - 1) / PIECE_ROWS, small_rows, &s);
}
