/* Feed-forward networks: down(act(gate(x)) * up(x)), or down(act(up(x))). */

#include "distill/parts/parts.h"

#include <math.h>

/* Where gate (up of a plain one) and up lie: gate's rows first, when they are apart. */
struct ffn {
    struct net *n;
    const struct block *b;
    const struct param *in, *up, *down;    /* up NULL: fused with `in`, or plain */
    const struct param *in_bias, *up_bias; /* NULL: none */
    float *h;                              /* [rows, n_ff] */
    size_t n_ff;
    bool gated;
};

static struct ffn ffn_of(struct net *n, const struct block *b)
{
    const struct param **role = b->role;
    const size_t n_ff = b->plan->n_ff;
    struct ffn f = {.n = n, .b = b, .down = role[ROLE_FFN_DOWN], .h = n->work, .n_ff = n_ff};

    f.gated = b->n_gate > n_ff;
    if (!f.gated) {
        f.in = role[ROLE_FFN_UP];
        f.in_bias = role[ROLE_FFN_UP_BIAS];
        return f;
    }
    f.in = role[ROLE_FFN_GATE_UP] ? role[ROLE_FFN_GATE_UP] : role[ROLE_FFN_GATE];
    f.up = role[ROLE_FFN_GATE_UP] ? NULL : role[ROLE_FFN_UP];
    f.in_bias = role[ROLE_FFN_GATE_BIAS];
    f.up_bias = role[ROLE_FFN_UP_BIAS];
    return f;
}

static void act_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct ffn *f = arg;
    const struct model *m = f->n->m;
    const struct net *n = f->n;

    (void)piece;
    for (size_t r = r0; r < r1; r++) {
        float *g = f->b->gate + r * f->b->n_gate, *u = f->gated ? g + f->n_ff : NULL;
        bias_add(m, g, param_w(n, f->in_bias), f->n_ff);
        if (u)
            bias_add(m, u, param_w(n, f->up_bias), f->n_ff);
        m->act(m, f->b->layer, f->h + r * f->n_ff, g, u, f->n_ff);
    }
}

void ffn_forward(struct net *n, struct block *b, float *y)
{
    struct ffn f = ffn_of(n, b);
    const size_t e = n->m->n_embd;

    linear_forward(n, b->gate, b->n_gate, n->xn, e, f.in);
    if (f.up)
        linear_forward(n, b->gate + f.n_ff, b->n_gate, n->xn, e, f.up);
    net_rows(n, act_rows, &f);
    linear_forward(n, y, e, f.h, f.n_ff, f.down);
    bias_forward(n, y, e, b->role[ROLE_FFN_DOWN_BIAS]);
}

static double softplus(double x)
{
    return x > 20 ? x : log1p(exp(x));
}

/* As act_back of struct wide; runtime/forward/act.c has the formula. */
static void xielu_back(const struct ffn *f, float *g, float *u, float *dh)
{
    const struct arch_params *p = f->n->m->params;
    const size_t layer = f->b->layer;
    const float beta = (float)arch_num(p, ARCH_XIELU_BETA, layer);
    const float eps = (float)arch_num(p, ARCH_XIELU_EPS, layer);
    const float a = (float)softplus(arch_num(p, ARCH_XIELU_ALPHA_P, layer));
    const float b = beta + (float)softplus(arch_num(p, ARCH_XIELU_ALPHA_N, layer));

    for (size_t i = 0; i < f->n_ff; i++) {
        const float v = g[i], d = dh[i], by = u ? u[i] : 1;
        const float bent = expm1f(v < eps ? v : eps);
        const float value = (v > 0 ? a * v * v : b * (bent - v)) + beta * v;
        const float slope = (v > 0 ? 2 * a * v : b * (v < eps ? bent : -1)) + beta;
        g[i] = d * by * slope;
        if (u)
            u[i] = d * value;
        dh[i] = value * by;
    }
}

/* Gradients take the place of gate and up, and h that of its own gradient. */
static void act_back_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct ffn *f = arg;
    const struct net *n = f->n;

    (void)piece;
    for (size_t r = r0; r < r1; r++) {
        float *g = f->b->gate + r * f->b->n_gate, *u = f->gated ? g + f->n_ff : NULL;
        float *h = f->h + r * f->n_ff;
        if (n->m->traits.act == ACT_XIELU)
            xielu_back(f, g, u, h);
        else
            n->wide->act_back[n->m->traits.act](g, u, h, f->n_ff);
    }
}

void ffn_backward(struct net *n, struct block *b, float *dxn, const float *dy)
{
    struct ffn f = ffn_of(n, b);
    const size_t e = n->m->n_embd;
    struct linear_back in = {dxn, e, false, b->gate, n->xn, b->n_gate, e, f.in};
    struct linear_back up = {dxn, e, true, b->gate + f.n_ff, n->xn, b->n_gate, e, f.up};
    const struct gemm_side side_y = {dy, e, false}, turned_y = {dy, e, true};
    const struct gemm_side down = {param_w(n, f.down), f.n_ff, false}, h = {f.h, f.n_ff, false};

    bias_backward(n, dy, e, n->rows, b->role[ROLE_FFN_DOWN_BIAS]);
    gemm(n->gemm, f.h, f.n_ff, &side_y, &down, (size_t[]){n->rows, f.n_ff, e}, false);
    net_rows(n, act_back_rows, &f);
    gemm(n->gemm, param_g(n, f.down), f.n_ff, &turned_y, &h, (size_t[]){e, f.n_ff, n->rows}, true);
    bias_backward(n, b->gate, b->n_gate, n->rows, f.in_bias);
    bias_backward(n, b->gate + f.n_ff, b->n_gate, n->rows, f.up_bias);
    linear_backward(n, &in);
    if (f.up)
        linear_backward(n, &up);
}
