/* The two ends of the forward pass, and the norms and sums between the parts. */

#include "runtime/forward/forward.h"

#include <string.h>

/* Tokens of a span: enough work to be worth a hand-out, few enough to balance. */
enum { SPAN_TOKENS = 8 };

struct spans {
    span_fn *fn;
    void *arg;
    size_t n;
};

static void one_span(void *arg, size_t i, int thread)
{
    const struct spans *s = arg;
    const size_t i0 = i * SPAN_TOKENS;
    const size_t i1 = i0 + SPAN_TOKENS < s->n ? i0 + SPAN_TOKENS : s->n;

    (void)thread;
    s->fn(s->arg, i0, i1);
}

void span_for(const struct par *par, size_t n, span_fn *fn, void *arg)
{
    struct spans s = {.fn = fn, .arg = arg, .n = n};

    par_for(par, (n + SPAN_TOKENS - 1) / SPAN_TOKENS, one_span, &s);
}

void sess_mm(struct sess *s, const struct mm_job *jobs, size_t n_jobs, const float *x, size_t ld_x,
             size_t n)
{
    mm(&s->m->kern, s->m->math, jobs, n_jobs, x, ld_x, n, &s->par, s->mm_scratch);
}

void bias_add(const struct model *m, float *x, const float *bias, size_t n)
{
    if (bias)
        m->kern.axpy(x, bias, 1.0f, n);
}

/* ---- embedding -------------------------------------------------------------- */

struct embed {
    struct sess *s;
    const int32_t *ids;
};

static void embed_span(void *arg, size_t i0, size_t i1)
{
    const struct embed *e = arg;
    const struct model *m = e->s->m;
    const struct matrix *w = &m->top.mat[ROLE_TOKEN_EMBD];

    for (size_t i = i0; i < i1; i++)
        m->kern.dec[w->t->type](e->s->x + i * m->n_embd,
                                source_row(w->t, (uint64_t)e->ids[i], w->row_bytes), m->n_embd);
}

void forward_embed(struct sess *s, const int32_t *ids, size_t n)
{
    struct embed e = {.s = s, .ids = ids};

    span_for(&s->par, n, embed_span, &e);
}

/* ---- norms before the parts, sums after them --------------------------------- */

static const struct weight_use pre_uses[] = {
    {ROLE_ATTN_NORM, WEIGHT_VECTOR},
    {ROLE_FFN_NORM,  WEIGHT_VECTOR},
    {ROLE_NONE,      0            },
};

struct residual {
    struct sess *s;
    bool add;       /* x += y */
    const float *w; /* then xn = norm(x, w); NULL: no norm */
};

static void residual_span(void *arg, size_t i0, size_t i1)
{
    const struct residual *r = arg;
    const struct sess *s = r->s;
    const struct model *m = s->m;

    for (size_t i = i0; i < i1; i++) {
        float *x = s->x + i * m->n_embd;
        if (r->add)
            m->kern.axpy(x, s->y + i * m->n_embd, 1.0f, m->n_embd);
        if (r->w)
            m->plan.norm(m, s->xn + i * m->n_embd, x, r->w, NULL);
    }
}

static void residual(struct sess *s, bool add, const float *w, size_t n)
{
    struct residual r = {.s = s, .add = add, .w = w};

    span_for(&s->par, n, residual_span, &r);
}

/* x += mixer(norm(x)); x += ffn(norm(x)). Each sum meets the norm that follows it. */
static void pre_run(struct sess *s, size_t n)
{
    const struct model *m = s->m;

    if (m->n_layer)
        residual(s, false, m->layer[0].w.vec[ROLE_ATTN_NORM], n);
    for (size_t l = 0; l < m->n_layer; l++) {
        const float *next = l + 1 < m->n_layer ? m->layer[l + 1].w.vec[ROLE_ATTN_NORM] : NULL;

        m->plan.mixer->run(s, l, n);
        residual(s, true, m->layer[l].w.vec[ROLE_FFN_NORM], n);
        m->plan.ffn->run(s, l, n);
        residual(s, true, next, n);
    }
}

const struct placement placement_pre = {.uses = pre_uses, .run = pre_run};

/* ---- logits ------------------------------------------------------------------ */

struct head {
    struct sess *s;
    size_t row0;
};

static void head_span(void *arg, size_t i0, size_t i1)
{
    const struct head *h = arg;
    const struct sess *s = h->s;
    const struct model *m = s->m;

    for (size_t i = i0; i < i1; i++)
        m->plan.norm(m, s->xn + i * m->n_embd, s->x + (h->row0 + i) * m->n_embd,
                     m->top.vec[ROLE_OUTPUT_NORM], NULL);
}

void forward_head(struct sess *s, float *logits, size_t row0, size_t n)
{
    const struct model *m = s->m;
    struct head h = {.s = s, .row0 = row0};
    const struct mm_job job = {.w = m->head, .y = logits, .ld_y = m->n_vocab};

    span_for(&s->par, n, head_span, &h);
    sess_mm(s, &job, 1, s->xn, m->n_embd, n);
}
