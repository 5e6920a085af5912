/* Pieces of rows, sums over them, products with weights. */

#include "distill/parts/parts.h"

#include <string.h>

/* Columns whose sums one piece of work makes. */
enum { PIECE_COLS = 64 };

struct rows_work {
    const struct net *n;
    rows_fn *fn;
    void *arg;
};

static void one_piece(void *arg, size_t i, int thread)
{
    const struct rows_work *w = arg;
    const size_t r0 = i * PIECE_ROWS, rows = w->n->rows;

    (void)thread;
    w->fn(w->arg, i, r0, r0 + PIECE_ROWS < rows ? r0 + PIECE_ROWS : rows);
}

static size_t n_pieces(const struct net *n)
{
    return (n->rows + PIECE_ROWS - 1) / PIECE_ROWS;
}

void net_rows(const struct net *n, rows_fn *fn, void *arg)
{
    struct rows_work w = {n, fn, arg};

    par_for(&n->par, n_pieces(n), one_piece, &w);
}

float *net_partial(const struct net *n, size_t piece)
{
    float *p = n->partial + piece * n->partial_floats;

    memset(p, 0, n->partial_floats * sizeof(*p));
    return p;
}

void net_collect(const struct net *n, float *g, size_t at, size_t width)
{
    const size_t pieces = n_pieces(n);

    for (size_t c = 0; g && c < width; c++) {
        double sum = 0;
        for (size_t p = 0; p < pieces; p++)
            sum += (double)n->partial[p * n->partial_floats + at + c];
        g[c] += (float)sum;
    }
}

void linear_forward(struct net *n, float *y, size_t ld_y, const float *x, size_t ld_x,
                    const struct param *w)
{
    const struct gemm_side a = {x, ld_x, false}, b = {param_w(n, w), w->cols, true};

    gemm(n->gemm, y, ld_y, &a, &b, (size_t[]){n->rows, w->rows, w->cols}, false);
}

void linear_backward(struct net *n, const struct linear_back *l)
{
    const struct param *w = l->w;
    const struct gemm_side dy = {l->dy, l->ld_dy, false}, dy_t = {l->dy, l->ld_dy, true};
    const struct gemm_side x = {l->x, l->ld_x, false}, mat = {param_w(n, w), w->cols, false};

    if (l->dx)
        gemm(n->gemm, l->dx, l->ld_dx, &dy, &mat, (size_t[]){n->rows, w->cols, w->rows}, l->add);
    gemm(n->gemm, param_g(n, w), w->cols, &dy_t, &x, (size_t[]){w->rows, w->cols, n->rows}, true);
}

/* ---- biases ------------------------------------------------------------------------- */

struct bias {
    const struct net *n;
    float *y;
    const float *dy;
    size_t ld, rows; /* rows: of dy */
    const struct param *p;
};

static void bias_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct bias *b = arg;

    (void)piece;
    for (size_t r = r0; r < r1; r++)
        bias_add(b->n->m, b->y + r * b->ld, param_w(b->n, b->p), b->p->n);
}

void bias_forward(const struct net *n, float *y, size_t ld, const struct param *bias)
{
    struct bias b = {.n = n, .y = y, .ld = ld, .p = bias};

    if (bias)
        net_rows(n, bias_rows, &b);
}

static void bias_columns(void *arg, size_t i, int thread)
{
    const struct bias *b = arg;
    const size_t c0 = i * PIECE_COLS, left = b->p->n - c0;
    const size_t cols = left < PIECE_COLS ? left : PIECE_COLS;
    float *g = param_g(b->n, b->p) + c0;
    double sum[PIECE_COLS] = {0};

    (void)thread;
    for (size_t r = 0; r < b->rows; r++)
        for (size_t c = 0; c < cols; c++)
            sum[c] += (double)b->dy[r * b->ld + c0 + c];
    for (size_t c = 0; c < cols; c++)
        g[c] += (float)sum[c];
}

void bias_backward(const struct net *n, const float *dy, size_t ld, size_t rows,
                   const struct param *bias)
{
    struct bias b = {.n = n, .dy = dy, .ld = ld, .rows = rows, .p = bias};

    if (bias)
        par_for(&n->par, (bias->n + PIECE_COLS - 1) / PIECE_COLS, bias_columns, &b);
}
