/* A block: norms around its parts, sums between them (runtime/forward/forward.c has the order). */

#include "distill/parts/parts.h"

struct sum {
    const struct net *n;
    float *out;
    const float *x, *y;
};

static void sum_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct sum *s = arg;
    const size_t e = s->n->m->n_embd;
    const float scale = s->n->m->residual_scale;

    (void)piece;
    for (size_t i = r0 * e; i < r1 * e; i++)
        s->out[i] = s->x[i] + scale * s->y[i];
}

/* out = x + residual_scale * post(y) */
static void residual_forward(struct net *n, float *out, const float *x, const float *y,
                             const struct norm *post)
{
    struct sum s = {n, out, x, y};

    if (post->on) {
        norm_forward(n, n->y, y, post, false);
        s.y = n->y;
    }
    net_rows(n, sum_rows, &s);
}

void block_forward(struct net *n, struct block *b, float *out)
{
    const bool parallel = n->m->traits.parallel;
    float *y_mix = b->y_mix ? b->y_mix : n->y, *y_ffn = b->y_ffn ? b->y_ffn : n->y;
    float *mid = parallel ? out : b->mid;

    norm_forward(n, n->xn, b->x, &b->first, false);
    attention_forward(n, b, y_mix);
    residual_forward(n, mid, b->x, y_mix, &b->post_mix);
    if (!parallel || b->second.on)
        norm_forward(n, n->xn, parallel ? b->x : mid, &b->second, false);
    ffn_forward(n, b, y_ffn);
    residual_forward(n, out, mid, y_ffn, &b->post_ffn);
}

/* The gradient of a part's output, from that of the sum after it. */
static const float *part_back(struct net *n, const float *y, const struct norm *post)
{
    if (!post->on && n->m->residual_scale == 1)
        return n->dx;
    norm_backward(n, &(struct norm_back){n->dy, n->dx, y, post, n->m->residual_scale, false});
    return n->dy;
}

/* n->dx += what a norm makes of dxn. */
static void norm_into(struct net *n, const float *dxn, const float *x, const struct norm *norm)
{
    norm_backward(n, &(struct norm_back){n->dx, dxn, x, norm, 1, true});
}

static void add_watched(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct sum *s = arg;
    const size_t e = s->n->m->n_embd;

    (void)piece;
    for (size_t i = r0 * e; i < r1 * e; i++)
        s->out[i] += s->y[i];
}

/* Both parts read the same n->xn, or norms of the same x. */
static void parallel_backward(struct net *n, struct block *b)
{
    const bool two = b->second.on;
    const float *dy = part_back(n, b->y_ffn, &b->post_ffn);

    norm_forward(n, n->xn, b->x, two ? &b->second : &b->first, true);
    ffn_backward(n, b, n->dxn, dy);
    if (two) {
        norm_backward(n, &(struct norm_back){n->dx2, n->dxn, b->x, &b->second, 1, false});
        norm_forward(n, n->xn, b->x, &b->first, true);
    }
    dy = part_back(n, b->y_mix, &b->post_mix);
    attention_backward(n, b, n->dxn, dy, !two);
    norm_into(n, n->dxn, b->x, &b->first);
    if (two)
        net_rows(n, add_watched, &(struct sum){n, n->dx, NULL, n->dx2});
}

void block_backward(struct net *n, struct block *b)
{
    if (b->watch)
        net_rows(n, add_watched, &(struct sum){n, n->dx, NULL, b->watch});
    if (n->m->traits.parallel) {
        parallel_backward(n, b);
        return;
    }
    const float *dy = part_back(n, b->y_ffn, &b->post_ffn);
    norm_forward(n, n->xn, b->mid, &b->second, true);
    ffn_backward(n, b, n->dxn, dy);
    norm_into(n, n->dxn, b->mid, &b->second);
    dy = part_back(n, b->y_mix, &b->post_mix);
    norm_forward(n, n->xn, b->x, &b->first, true);
    attention_backward(n, b, n->dxn, dy, false);
    norm_into(n, n->dxn, b->x, &b->first);
}
