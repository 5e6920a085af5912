/* By OpenBLAS, on tiles of c that are multiplied side by side. */

#include "distill/gemm_kern.h"

#include <cblas.h>

/* The least rows and columns of a tile, and the most. The cut depends on the product alone, so the
 * bits do not depend on the number of threads. */
enum { TILE_LEAST = 64, TILE_MOST = 512, TILES_WANTED = 16 };

struct product {
    float *c;
    size_t ld_c;
    const struct gemm_side *a, *b;
    size_t m, n, k;
    size_t tile_m, tile_n, across; /* tiles of a row of tiles */
    float beta;
};

static void tile(void *arg, size_t i, int thread)
{
    const struct product *p = arg;
    const size_t r = i / p->across * p->tile_m, c = i % p->across * p->tile_n;
    const size_t m = p->m - r < p->tile_m ? p->m - r : p->tile_m;
    const size_t n = p->n - c < p->tile_n ? p->n - c : p->tile_n;
    const float *a = p->a->x + r * (p->a->transposed ? 1 : p->a->ld);
    const float *b = p->b->x + c * (p->b->transposed ? p->b->ld : 1);

    (void)thread;
    cblas_sgemm(CblasRowMajor, p->a->transposed ? CblasTrans : CblasNoTrans,
                p->b->transposed ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)p->k,
                1.0F, a, (blasint)p->a->ld, b, (blasint)p->b->ld, p->beta, p->c + r * p->ld_c + c,
                (blasint)p->ld_c);
}

static size_t tiles(const struct product *p)
{
    return (p->m + p->tile_m - 1) / p->tile_m * ((p->n + p->tile_n - 1) / p->tile_n);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Halve the longer side of a tile until there are enough of them, or none can be halved. */
static void cut(struct product *p)
{
    p->tile_m = p->tile_n = TILE_MOST;
    while (tiles(p) < TILES_WANTED) {
        size_t *longer = least(p->tile_m, p->m) > least(p->tile_n, p->n) ? &p->tile_m : &p->tile_n;

        if (*longer <= TILE_LEAST)
            break;
        *longer /= 2;
    }
    p->across = (p->n + p->tile_n - 1) / p->tile_n;
}

void gemm_blas(const struct par *par, float *c, size_t ld_c, const struct gemm_side *a,
               const struct gemm_side *b, const size_t mnk[3], bool add)
{
    struct product p = {.c = c,
                        .ld_c = ld_c,
                        .a = a,
                        .b = b,
                        .m = mnk[0],
                        .n = mnk[1],
                        .k = mnk[2],
                        .beta = add ? 1.0F : 0.0F};

    cut(&p);
    openblas_set_num_threads(1); /* tiles are what runs in parallel */
    par_for(par, tiles(&p), tile, &p);
}
