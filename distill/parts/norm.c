/* Norms of whole rows. */

#include "distill/parts/parts.h"

#include <string.h>

struct wide_norm norm_how(const struct net *n, const struct norm *norm, size_t width)
{
    return (struct wide_norm){.w = param_w(n, norm->w),
                              .bias = param_w(n, norm->bias),
                              .n = width,
                              .eps = n->m->norm_eps,
                              .layer = n->m->traits.norm == NORM_LAYER};
}

struct forward {
    const struct net *n;
    float *y;
    const float *x;
    const struct norm *norm;
    struct wide_norm how;
    bool again;
};

static void forward_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct forward *f = arg;
    const size_t e = f->n->m->n_embd;

    (void)piece;
    for (size_t r = r0; r < r1; r++) {
        float *stat = f->norm->stat + 2 * r;
        if (f->again)
            f->n->wide->norm_again(f->y + r * e, stat, f->x + r * e, &f->how);
        else
            f->n->wide->norm(f->y + r * e, stat, f->x + r * e, &f->how);
    }
}

void norm_forward(const struct net *n, float *y, const float *x, const struct norm *norm,
                  bool again)
{
    struct forward f = {n, y, x, norm, norm_how(n, norm, n->m->n_embd), again};

    if (norm->on)
        net_rows(n, forward_rows, &f);
    else if (y != x)
        memcpy(y, x, n->rows * n->m->n_embd * sizeof(*y));
}

struct back {
    const struct net *n;
    const struct norm_back *b;
    struct wide_norm how;
};

static void back_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct back *k = arg;
    const struct norm_back *b = k->b;
    const struct norm *norm = b->norm;
    const size_t e = k->n->m->n_embd;
    float *sums = net_partial(k->n, piece);

    for (size_t r = r0; r < r1; r++)
        k->n->wide->norm_back(b->dx + r * e, norm->w ? sums : NULL, norm->bias ? sums + e : NULL,
                              b->dy + r * e, b->x + r * e, norm->stat + 2 * r, &k->how);
}

static void pass_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct back *k = arg;
    const size_t e = k->n->m->n_embd;

    (void)piece;
    for (size_t i = r0 * e; i < r1 * e; i++)
        k->b->dx[i] = (k->b->add ? k->b->dx[i] : 0) + k->b->scale * k->b->dy[i];
}

void norm_backward(const struct net *n, const struct norm_back *b)
{
    const size_t e = n->m->n_embd;
    struct back k = {n, b, norm_how(n, b->norm, e)};

    if (!b->norm->on) {
        net_rows(n, pass_rows, &k);
        return;
    }
    k.how.add = b->add;
    k.how.scale = b->scale;
    net_rows(n, back_rows, &k);
    net_collect(n, param_g(n, b->norm->w), 0, e);
    net_collect(n, param_g(n, b->norm->bias), e, e);
}
