/* Feed-forward networks. Gated: down(act(gate(x)) * up(x)), gate and up apart or fused;
 * plain: down(act(up(x))). Source: Shazeer 2020, "GLU variants improve transformer". */

#include "runtime/forward/forward.h"

static const struct weight_use gated_uses[] = {
    {ROLE_FFN_GATE,      WEIGHT_OPTIONAL                },
    {ROLE_FFN_UP,        WEIGHT_OPTIONAL                },
    {ROLE_FFN_GATE_UP,   WEIGHT_OPTIONAL                },
    {ROLE_FFN_DOWN,      0                              },
    {ROLE_FFN_GATE_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_UP_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_DOWN_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,          0                              },
};

static const struct weight_use plain_uses[] = {
    {ROLE_FFN_UP,        0                              },
    {ROLE_FFN_DOWN,      0                              },
    {ROLE_FFN_UP_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_FFN_DOWN_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,          0                              },
};

static int gated_check(const struct model *m, size_t layer, struct err *err)
{
    const struct weights *w = &m->layer[layer].w;
    const bool apart = w->mat[ROLE_FFN_GATE].t && w->mat[ROLE_FFN_UP].t;

    if (apart != (w->mat[ROLE_FFN_GATE_UP].t == NULL))
        return err_set(err, ERR_FORMAT,
                       "block %zu: expected the feed-forward's gate and up, fused or apart", layer);
    return 0;
}

static size_t gated_floats(const struct model *m, size_t layer)
{
    return 2 * m->layer[layer].n_ff; /* gate and up */
}

static size_t plain_floats(const struct model *m, size_t layer)
{
    return m->layer[layer].n_ff;
}

/* One call's arrays; rows of gate and up lie side by side. */
struct ffn {
    struct sess *s;
    const struct layer *l;
    size_t layer;
    float *gate, *up; /* [n, n_ff], rows ld apart; up NULL: there is no gate */
    size_t ld;
};

static void act_span(void *arg, size_t i0, size_t i1)
{
    const struct ffn *f = arg;
    const struct model *m = f->s->m;
    const size_t n_ff = f->l->n_ff;
    const float *const *vec = f->l->w.vec;

    for (size_t i = i0; i < i1; i++) {
        float *g = f->gate + i * f->ld;
        float *u = f->up ? f->up + i * f->ld : NULL;
        bias_add(m, g, vec[u ? ROLE_FFN_GATE_BIAS : ROLE_FFN_UP_BIAS], n_ff);
        if (u)
            bias_add(m, u, vec[ROLE_FFN_UP_BIAS], n_ff);
        m->act(m, f->layer, g, g, u, n_ff);
    }
}

static void down_bias_span(void *arg, size_t i0, size_t i1)
{
    const struct ffn *f = arg;
    const struct model *m = f->s->m;

    for (size_t i = i0; i < i1; i++)
        bias_add(m, f->s->y + i * m->n_embd, f->l->w.vec[ROLE_FFN_DOWN_BIAS], m->n_embd);
}

/* From gate and up to s->y. */
static void finish(struct sess *s, struct ffn *f, size_t n)
{
    const struct mm_job out = {&f->l->w.mat[ROLE_FFN_DOWN], s->y, s->m->n_embd};

    span_for(&s->par, n, act_span, f);
    sess_mm(s, &out, 1, f->gate, f->ld, n);
    if (f->l->w.vec[ROLE_FFN_DOWN_BIAS])
        span_for(&s->par, n, down_bias_span, f);
}

static void gated_run(struct sess *s, size_t layer, size_t n)
{
    const struct layer *l = &s->m->layer[layer];
    const struct weights *w = &l->w;
    struct ffn f = {s, l, layer, s->work, s->work + l->n_ff, 2 * l->n_ff};
    const struct mm_job apart[] = {
        {&w->mat[ROLE_FFN_GATE], f.gate, f.ld},
        {&w->mat[ROLE_FFN_UP],   f.up,   f.ld},
    };
    const struct mm_job fused = {&w->mat[ROLE_FFN_GATE_UP], f.gate, f.ld};
    const bool is_fused = fused.w->t != NULL;

    sess_mm(s, is_fused ? &fused : apart, is_fused ? 1 : 2, s->xn, s->m->n_embd, n);
    finish(s, &f, n);
}

static void plain_run(struct sess *s, size_t layer, size_t n)
{
    const struct layer *l = &s->m->layer[layer];
    struct ffn f = {s, l, layer, s->work, NULL, l->n_ff};
    const struct mm_job in = {&l->w.mat[ROLE_FFN_UP], f.gate, f.ld};

    sess_mm(s, &in, 1, s->xn, s->m->n_embd, n);
    finish(s, &f, n);
}

const struct part part_ffn_gated = {
    .uses = gated_uses,
    .check = gated_check,
    .work_floats = gated_floats,
    .run = gated_run,
};

const struct part part_ffn_plain = {
    .uses = plain_uses,
    .work_floats = plain_floats,
    .run = plain_run,
};
