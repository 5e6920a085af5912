/* Gated feed-forward: down(act(gate(x)) * up(x)). Source: Shazeer 2020, "GLU
 * variants improve transformer". */

#include "runtime/forward/forward.h"

static const struct weight_use uses[] = {
    {ROLE_FFN_GATE,      0                              },
    {ROLE_FFN_UP,        0                              },
    {ROLE_FFN_DOWN,      0                              },
    {ROLE_FFN_GATE_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_UP_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_DOWN_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,          0                              },
};

static size_t work_floats(const struct model *m, size_t layer)
{
    return 2 * m->layer[layer].n_ff; /* gate and up */
}

struct ffn {
    struct sess *s;
    const struct layer *l;
    float *gate, *up; /* [n, n_ff] */
};

static void gate_span(void *arg, size_t i0, size_t i1)
{
    const struct ffn *f = arg;
    const struct model *m = f->s->m;
    const size_t n_ff = f->l->n_ff;

    for (size_t i = i0; i < i1; i++) {
        float *g = f->gate + i * n_ff;
        float *u = f->up + i * n_ff;
        bias_add(m, g, f->l->w.vec[ROLE_FFN_GATE_BIAS], n_ff);
        bias_add(m, u, f->l->w.vec[ROLE_FFN_UP_BIAS], n_ff);
        m->kern.silu_mul(g, g, u, n_ff);
    }
}

static void down_bias_span(void *arg, size_t i0, size_t i1)
{
    const struct ffn *f = arg;
    const struct model *m = f->s->m;

    for (size_t i = i0; i < i1; i++)
        bias_add(m, f->s->y + i * m->n_embd, f->l->w.vec[ROLE_FFN_DOWN_BIAS], m->n_embd);
}

static void run(struct sess *s, size_t layer, size_t n)
{
    const struct model *m = s->m;
    const struct layer *l = &m->layer[layer];
    struct ffn f = {.s = s, .l = l, .gate = s->work, .up = s->work + n * l->n_ff};
    const struct mm_job in[] = {
        {.w = &l->w.mat[ROLE_FFN_GATE], .y = f.gate, .ld_y = l->n_ff},
        {.w = &l->w.mat[ROLE_FFN_UP],   .y = f.up,   .ld_y = l->n_ff},
    };
    const struct mm_job out = {.w = &l->w.mat[ROLE_FFN_DOWN], .y = s->y, .ld_y = m->n_embd};

    sess_mm(s, in, 2, s->xn, m->n_embd, n);
    span_for(&s->par, n, gate_span, &f);
    sess_mm(s, &out, 1, f.gate, l->n_ff, n);
    if (l->w.vec[ROLE_FFN_DOWN_BIAS])
        span_for(&s->par, n, down_bias_span, &f);
}

const struct part part_ffn_gated = {.uses = uses, .work_floats = work_floats, .run = run};
