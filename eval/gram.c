#include "eval/gram.h"

#include "formats/base/rd.h"
#include "formats/source.h"
#include "quant/matmul.h"

#include <stdlib.h>
#include <string.h>

/* Rows of x in one product, columns of one block of the triangle's rows, columns that one
 * piece of the transposition takes. */
enum { DEPTH = 512, BLOCK = 256, STRIP = 16, DEPTH_UNIT = 16 };

struct gram {
    struct kern kern;
    struct par par;
    size_t columns; /* most */
    float *xt;      /* owned; [columns, DEPTH]: x transposed */
    float *y;       /* owned; [BLOCK, columns] */
    void *scratch;  /* owned */
    /* the product at work */
    const float *x;
    float *triangle;
    size_t ld_x, n, depth, cols, row0; /* depth: n and zeros */
};

int gram_new(struct gram **out, size_t columns, unsigned cpu, const struct par *par,
             struct err *err)
{
    struct gram *g = calloc(1, sizeof(*g));
    size_t wide, tall;

    *out = NULL;
    if (!g)
        return err_nomem(err);
    kern_init(&g->kern, cpu);
    g->par = *par;
    g->columns = columns;
    if (mul_ok(&wide, columns, DEPTH * sizeof(float)) &&
        mul_ok(&tall, columns, BLOCK * sizeof(float))) {
        g->xt = malloc(wide);
        g->y = malloc(tall);
        g->scratch = malloc(mm_scratch_bytes(&g->kern, KERN_F32, BLOCK, DEPTH, par));
    }
    if (!g->xt || !g->y || !g->scratch) {
        gram_free(g);
        return err_nomem(err);
    }
    *out = g;
    return 0;
}

void gram_free(struct gram *g)
{
    if (!g)
        return;
    free(g->xt);
    free(g->y);
    free(g->scratch);
    free(g);
}

static void transpose_strip(void *arg, size_t i, int thread)
{
    const struct gram *g = arg;
    const size_t end = (i + 1) * STRIP < g->cols ? (i + 1) * STRIP : g->cols;

    (void)thread;
    for (size_t k = i * STRIP; k < end; k++) {
        float *to = g->xt + k * g->depth;
        for (size_t r = 0; r < g->n; r++)
            to[r] = g->x[r * g->ld_x + k];
        memset(to + g->n, 0, (g->depth - g->n) * sizeof(*to));
    }
}

/* Row row0 + r of the triangle. */
static void add_row(void *arg, size_t r, int thread)
{
    const struct gram *g = arg;
    const size_t i = g->row0 + r, n = g->cols - i;
    float *to = g->triangle + i * g->cols - (i ? i * (i - 1) / 2 : 0);
    const float *from = g->y + r * (g->cols - g->row0) + r;

    (void)thread;
    for (size_t k = 0; k < n; k++)
        to[k] += from[k];
}

/* One block of rows, from the diagonal on. */
static void add_block(struct gram *g, size_t row0)
{
    const size_t rows = g->cols - row0 < BLOCK ? g->cols - row0 : BLOCK;
    const struct source_part part = {(const uint8_t *)g->xt, g->cols * g->depth * sizeof(float),
                                     NULL};
    const struct source_tensor t = {
        .name = "",
        .layer = -1,
        .type = DTYPE_F32,
        .n_dims = 2,
        .dims = {g->depth, g->cols, 1, 1},
        .n_parts = 1,
        .part = &part
    };
    const struct matrix w = {.t = &t,
                             .row0 = row0,
                             .rows = g->cols - row0,
                             .cols = g->depth,
                             .row_bytes = g->depth * sizeof(float)};
    const struct mm_job job = {.w = &w, .y = g->y, .ld_y = w.rows};

    mm(&g->kern, KERN_F32, &job, 1, g->xt + row0 * g->depth, g->depth, rows, &g->par, g->scratch);
    g->row0 = row0;
    par_for(&g->par, rows, add_row, g);
}

void gram_add(float *triangle, struct gram *g, const float *x, size_t ld_x, size_t n,
              size_t columns)
{
    g->triangle = triangle;
    g->cols = columns;
    g->ld_x = ld_x;
    for (size_t at = 0; at < n; at += DEPTH) {
        g->x = x + at * ld_x;
        g->n = n - at < DEPTH ? n - at : DEPTH;
        g->depth = (g->n + DEPTH_UNIT - 1) / DEPTH_UNIT * DEPTH_UNIT;
        par_for(&g->par, (columns + STRIP - 1) / STRIP, transpose_strip, g);
        for (size_t i = 0; i < columns; i += BLOCK)
            add_block(g, i);
    }
}
