/* The two ends of the forward pass, and the norms and sums between the parts. */

#include "runtime/forward/forward.h"

#include <math.h>
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

float *sess_thread_floats(const struct sess *s, int thread)
{
    return (float *)(void *)(s->attn_scratch + (size_t)thread * s->attn_each + s->attn_bytes);
}

void sess_tell(struct sess *s, const struct sess_input *in)
{
    if (s->watch.fn)
        s->watch.fn(s->watch.arg, in);
}

void sess_mm(struct sess *s, const struct mm_job *jobs, size_t n_jobs, const float *x, size_t ld_x,
             size_t n)
{
    sess_tell(s, &(struct sess_input){.job = jobs, .n_jobs = n_jobs, .x = x, .ld_x = ld_x, .n = n});
    mm(&s->m->kern, s->math, jobs, n_jobs, x, ld_x, n, &s->par, s->mm_scratch);
}

void bias_add(const struct model *m, float *x, const float *bias, size_t n)
{
    if (bias)
        m->kern.axpy(x, bias, 1.0f, n);
}

static void scale(float *x, float factor, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] *= factor;
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
    const struct weights *w = &m->top;
    const float factor = (float)arch_num(m->params, ARCH_EMBD_SCALE, 0);

    for (size_t i = i0; i < i1; i++) {
        float *x = e->s->x + i * m->n_embd;
        matrix_row(x, &w->mat[ROLE_TOKEN_EMBD], &m->kern, (size_t)e->ids[i]);
        if (factor != 0)
            scale(x, factor, m->n_embd);
        if (w->mat[ROLE_POS_EMBD].t) {
            float *pos = e->s->xn + i * m->n_embd;
            matrix_row(pos, &w->mat[ROLE_POS_EMBD], &m->kern, sess_pos(e->s, i));
            m->kern.axpy(x, pos, 1.0f, m->n_embd);
        }
        if (w->vec[ROLE_TOKEN_EMBD_NORM])
            m->norm(m, x, x, w->vec[ROLE_TOKEN_EMBD_NORM], w->vec[ROLE_TOKEN_EMBD_NORM_BIAS],
                    m->n_embd);
    }
}

void forward_embed(struct sess *s, const int32_t *ids, size_t n)
{
    struct embed e = {.s = s, .ids = ids};

    span_for(&s->par, n, embed_span, &e);
    if (s->m->n_embd_layer)
        layer_inputs(s, ids, n);
}

/* ---- norms around the parts, sums between them --------------------------------- */

/* A norm of a block; `on` false: there is none here. */
struct block_norm {
    bool on;
    const float *w, *bias; /* NULL: without */
};

static struct block_norm norm_of(const struct layer *l, enum arch_role w, enum arch_role bias)
{
    return (struct block_norm){true, l->w.vec[w], bias ? l->w.vec[bias] : NULL};
}

/* What the first part of a block reads. */
static struct block_norm norm_first(const struct model *m, size_t layer)
{
    const struct layer *l = &m->layer[layer];
    const bool two = l->w.vec[ROLE_ATTN_NORM_2] != NULL;

    if (m->traits.norm_place == NORM_POST)
        return (struct block_norm){0};
    return two ? norm_of(l, ROLE_ATTN_NORM_2, ROLE_ATTN_NORM_2_BIAS)
               : norm_of(l, ROLE_ATTN_NORM, ROLE_ATTN_NORM_BIAS);
}

/* What the feed-forward reads after a mixer. Off in a parallel block whose parts read the
 * same. */
static struct block_norm norm_second(const struct model *m, size_t layer)
{
    const struct layer *l = &m->layer[layer];
    const bool own = l->w.vec[ROLE_FFN_NORM] != NULL;

    if (m->traits.norm_place == NORM_POST)
        return (struct block_norm){0};
    if (!m->traits.parallel || own)
        return norm_of(l, ROLE_FFN_NORM, ROLE_FFN_NORM_BIAS);
    if (l->w.vec[ROLE_ATTN_NORM_2])
        return norm_of(l, ROLE_ATTN_NORM, ROLE_ATTN_NORM_BIAS);
    return (struct block_norm){0};
}

static struct block_norm norm_after(const struct model *m, size_t layer, enum arch_role role)
{
    if (m->traits.norm_place == NORM_PRE)
        return (struct block_norm){0};
    return norm_of(&m->layer[layer], role, ROLE_NONE);
}

/* y = post(y); x = (x + y) * layer_scale; xn = norm(x). */
struct residual {
    struct sess *s;
    bool add;    /* there is a y */
    bool keep;   /* xn stays as it is */
    bool before; /* xn is of x before the sum */
    struct block_norm post, next;
    const float *layer_scale; /* [1]; NULL: 1 */
};

static void next_input(const struct residual *r, float *xn, const float *x)
{
    const struct model *m = r->s->m;

    if (r->keep)
        return;
    if (r->next.on)
        m->norm(m, xn, x, r->next.w, r->next.bias, m->n_embd);
    else
        memcpy(xn, x, m->n_embd * sizeof(*xn));
}

static void residual_span(void *arg, size_t i0, size_t i1)
{
    const struct residual *r = arg;
    const struct sess *s = r->s;
    const struct model *m = s->m;

    for (size_t i = i0; i < i1; i++) {
        float *x = s->x + i * m->n_embd, *y = s->y + i * m->n_embd, *xn = s->xn + i * m->n_embd;

        if (r->before)
            next_input(r, xn, x);
        if (r->post.on)
            m->norm(m, y, y, r->post.w, r->post.bias, m->n_embd);
        if (r->add)
            m->kern.axpy(x, y, m->residual_scale, m->n_embd);
        if (r->layer_scale)
            scale(x, *r->layer_scale, m->n_embd);
        if (!r->before)
            next_input(r, xn, x);
    }
}

static void residual(struct residual r, size_t n)
{
    span_for(&r.s->par, n, residual_span, &r);
}

static void add_span(void *arg, size_t i0, size_t i1)
{
    const struct sess *s = arg;
    const size_t n = s->m->n_embd;

    s->m->kern.axpy(s->y + i0 * n, s->y2 + i0 * n, 1.0f, (i1 - i0) * n);
}

/* s->y = what the mixer, the recurrent part or both make of s->xn. */
static void mix(struct sess *s, size_t layer, size_t n)
{
    const struct layer *l = &s->m->layer[layer];

    if (l->mixer)
        l->mixer->run(s, layer, n);
    if (l->mixer && l->recurrent)
        memcpy(s->y2, s->y, n * s->m->n_embd * sizeof(*s->y));
    if (l->recurrent)
        l->recurrent->run(s, layer, n);
    if (l->mixer && l->recurrent)
        span_for(&s->par, n, add_span, s);
}

/* s->xn holds the first part's input; leaves there the next block's. */
static void block(struct sess *s, size_t layer, size_t n)
{
    const struct model *m = s->m;
    const struct layer *l = &m->layer[layer];
    const bool mixes = l->mixer || l->recurrent;
    const bool last = layer + 1 == m->n_layer;
    struct residual end = {.s = s, .keep = last, .layer_scale = l->w.vec[ROLE_LAYER_SCALE]};

    if (!last)
        end.next = norm_first(m, layer + 1);
    if (mixes) {
        struct residual r = {.s = s, .add = true, .before = m->traits.parallel};
        r.post = norm_after(m, layer, ROLE_ATTN_POST_NORM);
        r.next = norm_second(m, layer);
        r.keep = m->traits.parallel && !r.next.on;
        mix(s, layer, n);
        if (l->ffn)
            residual(r, n);
        else
            end.post = r.post;
    }
    if (l->ffn) {
        end.post = norm_after(m, layer, ROLE_FFN_POST_NORM);
        l->ffn->run(s, layer, n);
    }
    end.add = mixes || l->ffn;
    if (m->n_embd_layer) {
        residual((struct residual){.s = s, .add = end.add, .keep = true, .post = end.post}, n);
        layer_input_run(s, layer, n);
        end.add = true;
        end.post = norm_of(l, ROLE_LAYER_IN_NORM, ROLE_NONE);
    }
    residual(end, n);
}

static void tell_layer(const struct sess *s, size_t layer, size_t n)
{
    if (s->watch.layer_fn)
        s->watch.layer_fn(s->watch.arg, layer, s->x, n);
}

void forward_blocks(struct sess *s, size_t n)
{
    const bool watched = s->watch.fn || s->watch.layer_fn;

    residual((struct residual){.s = s, .next = norm_first(s->m, 0)}, n);
    tell_layer(s, 0, n);
    for (size_t l = 0; l < s->m->n_layer && (!watched || l < s->watch.n_layers); l++) {
        block(s, l, n);
        tell_layer(s, l + 1, n);
    }
}

/* ---- logits ------------------------------------------------------------------ */

struct head {
    struct sess *s;
    float *logits;
    size_t row0;
};

static void head_norm_span(void *arg, size_t i0, size_t i1)
{
    const struct head *h = arg;
    const struct sess *s = h->s;
    const struct model *m = s->m;

    for (size_t i = i0; i < i1; i++)
        m->norm(m, s->xn + i * m->n_embd, s->x + (h->row0 + i) * m->n_embd,
                m->top.vec[ROLE_OUTPUT_NORM], m->top.vec[ROLE_OUTPUT_NORM_BIAS], m->n_embd);
}

/* Bias, factor and cap of the logits of n tokens from `first` on; zeros: not done. */
static void finish(const struct model *m, float *y, size_t first, size_t n)
{
    const float factor = (float)arch_num(m->params, ARCH_LOGIT_SCALE, 0);
    const float divisor = (float)arch_num(m->params, ARCH_LOGIT_DIVISOR, 0);
    const float cap = (float)arch_num(m->params, ARCH_LOGIT_CAP, 0);
    const float *bias = m->top.vec[ROLE_OUTPUT_BIAS];

    bias_add(m, y, bias ? bias + first : NULL, n);
    if (factor != 0)
        scale(y, factor, n);
    for (size_t j = 0; divisor != 0 && j < n; j++)
        y[j] /= divisor;
    for (size_t j = 0; cap > 0 && j < n; j++)
        y[j] = cap * tanhf(y[j] / cap);
}

static void finish_span(void *arg, size_t i0, size_t i1)
{
    const struct head *h = arg;
    const struct model *m = h->s->m;

    for (size_t i = i0; i < i1; i++)
        finish(m, h->logits + i * m->n_vocab, 0, m->n_vocab);
}

void forward_head(struct sess *s, float *logits, size_t row0, size_t n)
{
    const struct model *m = s->m;
    struct head h = {.s = s, .logits = logits, .row0 = row0};
    const struct mm_job job = {.w = m->head, .y = logits, .ld_y = m->n_vocab};

    span_for(&s->par, n, head_norm_span, &h);
    mm(&m->kern, s->math, &job, 1, s->xn, m->n_embd, n, &s->par, s->mm_scratch);
    span_for(&s->par, n, finish_span, &h);
}

void forward_head_open(struct sess *s, size_t row0, size_t n)
{
    const struct model *m = s->m;
    struct head h = {.s = s, .row0 = row0};

    span_for(&s->par, n, head_norm_span, &h);
    s->head = (struct mm_parts){.k = &m->kern, .want = s->math, .w = m->head, .x = s->xn, .m = n};
    mm_parts_open(&s->head, &s->par, s->mm_scratch);
}

void forward_head_part(const struct sess *s, float *logits, size_t ld, size_t first, size_t n,
                       int thread)
{
    mm_part(&s->head, logits, ld, first, n, thread);
    for (size_t i = 0; i < s->head.m; i++)
        finish(s->m, logits + i * ld, first, n);
}

void forward_head_tell(struct sess *s, size_t n)
{
    struct head h = {.s = s};
    const struct mm_job job = {.w = s->m->head};

    if (!s->watch.fn || s->watch.n_layers < s->m->n_layer)
        return;
    span_for(&s->par, n, head_norm_span, &h);
    sess_tell(s, &(struct sess_input){
                     .job = &job, .n_jobs = 1, .x = s->xn, .ld_x = s->m->n_embd, .n = n});
}
