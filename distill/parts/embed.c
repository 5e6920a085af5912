/* Token embeddings: scaled, with learned positions and a norm where the model has them. */

#include "distill/parts/parts.h"

/* Columns of the table whose gradient one piece of work makes: tokens may repeat. */
enum { PIECE_COLS = 64 };

static float embd_scale(const struct net *n)
{
    const float factor = (float)arch_num(n->m->params, ARCH_EMBD_SCALE, 0);

    return factor != 0 ? factor : 1;
}

struct embed {
    const struct net *n;
    const struct param *table, *places; /* places NULL: none learned */
    float scale;
};

static void embed_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct embed *b = arg;
    const struct net *n = b->n;
    const size_t e = n->m->n_embd;
    float *out = n->embd ? n->embd : n->block[0].x;

    (void)piece;
    for (size_t r = r0; r < r1; r++) {
        const float *w = param_w(n, b->table) + (size_t)n->ids[r] * e;
        const float *p = b->places ? param_w(n, b->places) + row_place(n, r) * e : NULL;
        float *x = out + r * e;
        for (size_t c = 0; c < e; c++)
            x[c] = w[c] * b->scale;
        for (size_t c = 0; p && c < e; c++)
            x[c] += p[c];
    }
}

static struct embed embed_of(const struct net *n)
{
    return (struct embed){n, params_role(n->ps, ROLE_TOKEN_EMBD, -1),
                          params_role(n->ps, ROLE_POS_EMBD, -1), embd_scale(n)};
}

void embed_forward(struct net *n)
{
    struct embed b = embed_of(n);

    net_rows(n, embed_rows, &b);
    if (n->embd)
        norm_forward(n, n->block[0].x, n->embd, &n->embd_norm, false);
}

static void embed_columns(void *arg, size_t i, int thread)
{
    const struct embed *b = arg;
    const struct net *n = b->n;
    const size_t e = n->m->n_embd, c0 = i * PIECE_COLS;
    const size_t cols = e - c0 < PIECE_COLS ? e - c0 : PIECE_COLS;

    (void)thread;
    for (size_t r = 0; r < n->rows; r++) {
        const float *d = n->dx + r * e + c0;
        float *g = param_g(n, b->table) + (size_t)n->ids[r] * e + c0;
        float *p = b->places ? param_g(n, b->places) + row_place(n, r) * e + c0 : NULL;
        n->m->kern.axpy(g, d, b->scale, cols);
        if (p)
            n->m->kern.axpy(p, d, 1, cols);
    }
}

void embed_backward(struct net *n)
{
    struct embed b = embed_of(n);

    if (n->embd)
        norm_backward(n, &(struct norm_back){n->dx, n->dx, n->embd, &n->embd_norm, 1, false});
    par_for(&n->par, (n->m->n_embd + PIECE_COLS - 1) / PIECE_COLS, embed_columns, &b);
}
