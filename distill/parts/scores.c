/* Attention's middle, by head of a sequence and blocks of its queries: only keys that some query
 * of the block sees are met. Probabilities are not kept: the log of each row's sum gives them
 * again. Source: Dao 2023, "FlashAttention-2", in the form that fits a CPU's caches. */

#include "distill/parts/parts.h"

#include <math.h>
#include <string.h>

/* One head of a sequence. */
struct head {
    const struct net *n;
    const struct block *b;
    size_t seq, h, kv, row0;    /* row0: the sequence's first */
    const float *q, *k, *v;     /* rows a.all apart */
    float *met;                 /* rows a.out apart */
    float *lse;                 /* n_head apart */
    float *k_turned, *v_turned; /* [head_k, ld], [head_v, ld] */
    float *dk, *dv;             /* the same of their gradients */
    float *s, *d;               /* [PIECE_QUERIES, ld] */
    size_t ld;
};

struct scores {
    const struct net *n;
    const struct block *b;
    float *dqkv, *dkv;
    const float *dmet;
};

/* A row of scratch: most tokens, up to a multiple of a vector. */
static size_t row_floats(const struct net *n)
{
    return (n->most_tok + 15) / 16 * 16;
}

size_t scores_scratch(const struct net *n, const struct block *b)
{
    return row_floats(n) * 2 * (b->plan->head_k + b->plan->head_v + PIECE_QUERIES);
}

static float slope(const struct model *m, const struct block *b, size_t h)
{
    return m->traits.position == POS_ALIBI
               ? alibi_slope(arch_num(m->params, ARCH_ALIBI_MAX, b->layer), h, b->plan->n_head)
               : 0;
}

static struct head head_at(const struct scores *s, size_t i, int thread)
{
    const struct net *n = s->n;
    const struct layer *l = s->b->plan;
    const struct attention *a = &s->b->a;
    struct head t = {.n = n, .b = s->b, .ld = row_floats(n)};

    t.seq = i / l->n_head;
    t.h = i % l->n_head;
    t.kv = t.h / (l->n_head / l->n_head_kv);
    t.row0 = t.seq * n->n_tok;
    const float *rows = a->qkv + t.row0 * a->all;
    t.q = rows + t.h * l->head_k;
    t.k = rows + a->q + t.kv * l->head_k;
    t.v = rows + a->q + a->k + t.kv * l->head_v;
    t.met = a->met + t.row0 * a->out + t.h * l->head_v;
    t.lse = a->lse + t.row0 * l->n_head + t.h;
    t.k_turned = n->scratch + (size_t)thread * n->scratch_floats;
    t.v_turned = t.k_turned + l->head_k * t.ld;
    t.dk = t.v_turned + l->head_v * t.ld;
    t.dv = t.dk + l->head_k * t.ld;
    t.s = t.dv + l->head_v * t.ld;
    t.d = t.s + PIECE_QUERIES * t.ld;
    return t;
}

/* The first key that query t sees. */
static size_t seen_from(const struct head *t, size_t query)
{
    const size_t doc = (size_t)t->n->from[t->row0 + query], window = t->b->plan->window;
    const size_t near = window && query + 1 > window ? query + 1 - window : 0;

    return near > doc ? near : doc;
}

/* Queries q0 .. q0 + m - 1 against keys k0 .. k0 + n - 1. */
struct span {
    size_t q0, m, k0, n;
};

static struct span span_at(const struct head *t, size_t q0)
{
    const size_t left = t->n->n_tok - q0;
    struct span p = {.q0 = q0, .m = left < PIECE_QUERIES ? left : PIECE_QUERIES};

    p.k0 = seen_from(t, q0);
    p.n = q0 + p.m - p.k0;
    return p;
}

/* dst[m, n] = rows of x against the turned keys or values. */
static void against(const struct head *t, const struct span *p, float *dst, const float *x,
                    size_t ld_x, const float *turned, size_t width)
{
    t->n->wide->mul(&(struct wide_mul){.c = dst,
                                       .ld_c = t->ld,
                                       .a = x + p->q0 * ld_x,
                                       .row_a = ld_x,
                                       .col_a = 1,
                                       .b = turned + p->k0,
                                       .ld_b = t->ld,
                                       .m = p->m,
                                       .n = p->n,
                                       .k = width});
}

/* Keys of row i that its query does not see, on both sides: 0. Returns the first it sees. */
static size_t mask(float *row, const struct head *t, const struct span *p, size_t i)
{
    const size_t first = seen_from(t, p->q0 + i) - p->k0, end = p->q0 + i + 1 - p->k0;

    memset(row, 0, first * sizeof(*row));
    memset(row + end, 0, (p->n - end) * sizeof(*row));
    return first;
}

/* ---- forward ------------------------------------------------------------------------ */

/* A score that joins row i's softmax and has no value. */
static void join_sink(const struct head *t, float *lse, float *inv)
{
    const struct param *sinks = t->b->role[ROLE_ATTN_SINKS];

    if (!sinks)
        return;
    const float sink = param_w(t->n, sinks)[t->h], top = sink > *lse ? sink : *lse;
    const float all = top + logf(expf(*lse - top) + expf(sink - top));
    *inv *= expf(*lse - all);
    *lse = all;
}

static void span_forward(const struct head *t, const struct span *p, const struct wide_score *how)
{
    const struct wide *w = t->n->wide;
    const struct layer *l = t->b->plan;
    const struct attention *a = &t->b->a;
    float inv[PIECE_QUERIES];

    against(t, p, t->s, t->q, a->all, t->k_turned, l->head_k);
    for (size_t i = 0; i < p->m; i++) {
        float *row = t->s + i * t->ld;
        const size_t first = mask(row, t, p, i), n = p->q0 + i + 1 - p->k0 - first;
        float *lse = &t->lse[(p->q0 + i) * l->n_head];
        *lse = w->soft(row + first, &inv[i], how, n, n - 1);
        join_sink(t, lse, &inv[i]);
    }
    float *met = t->met + p->q0 * a->out;
    w->mul(&(struct wide_mul){.c = met,
                              .ld_c = a->out,
                              .a = t->s,
                              .row_a = t->ld,
                              .col_a = 1,
                              .b = t->v + p->k0 * a->all,
                              .ld_b = a->all,
                              .m = p->m,
                              .n = l->head_v,
                              .k = p->n});
    for (size_t i = 0; i < p->m; i++)
        for (size_t c = 0; c < l->head_v; c++)
            met[i * a->out + c] *= inv[i];
}

static void head_forward(void *arg, size_t i, int thread)
{
    const struct scores *s = arg;
    const struct head t = head_at(s, i, thread);
    struct wide_score how = s->b->a.how;

    how.slope = slope(s->n->m, s->b, t.h);
    s->n->wide->turn(t.k_turned, t.ld, t.k, s->b->a.all, s->n->n_tok, s->b->plan->head_k);
    for (size_t q0 = 0; q0 < s->n->n_tok; q0 += PIECE_QUERIES) {
        const struct span p = span_at(&t, q0);
        span_forward(&t, &p, &how);
    }
}

void scores_forward(struct net *n, struct block *b)
{
    struct scores s = {.n = n, .b = b};

    par_for(&n->par, n->n_seq * b->plan->n_head, head_forward, &s);
}

/* ---- back ----------------------------------------------------------------------------- */

/* Where a head's gradients go. */
struct head_grad {
    const float *dmet; /* rows a.out apart */
    float *dq;         /* rows a.all apart */
    float *dk, *dv;    /* rows ld_kv apart */
    size_t ld_kv;
};

static struct head_grad head_grad_at(const struct scores *s, const struct head *t)
{
    const struct layer *l = s->b->plan;
    const struct attention *a = &s->b->a;
    struct head_grad g = {.ld_kv = a->all};
    float *rows = s->dqkv + t->row0 * a->all;

    g.dmet = s->dmet + t->row0 * a->out + t->h * l->head_v;
    g.dq = rows + t->h * l->head_k;
    g.dk = rows + a->q + t->kv * l->head_k;
    g.dv = rows + a->q + a->k + t->kv * l->head_v;
    if (l->n_head != l->n_head_kv) {
        g.ld_kv = l->head_k + l->head_v;
        g.dk = s->dkv + (t->seq * l->n_head + t->h) * s->n->n_tok * g.ld_kv;
        g.dv = g.dk + l->head_k;
    }
    return g;
}

/* Probabilities to t->s and gradients of raw scores to t->d. */
static void span_scores(const struct head *t, const struct span *p, const struct head_grad *g,
                        const struct wide_score *how)
{
    const struct layer *l = t->b->plan;
    const struct attention *a = &t->b->a;

    against(t, p, t->s, t->q, a->all, t->k_turned, l->head_k);
    against(t, p, t->d, g->dmet, a->out, t->v_turned, l->head_v);
    for (size_t i = 0; i < p->m; i++) {
        float *row = t->s + i * t->ld, *d = t->d + i * t->ld;
        const size_t at = (p->q0 + i) * a->out;
        const float mean = t->n->m->kern.dot(g->dmet + at, t->met + at, l->head_v);
        const float lse_mean[2] = {t->lse[(p->q0 + i) * l->n_head], mean};
        const size_t first = mask(row, t, p, i), n = p->q0 + i + 1 - p->k0 - first;
        (void)mask(d, t, p, i);
        t->n->wide->soft_back(row + first, d + first, how, n, n - 1, lse_mean);
    }
}

/* dst[width, n keys] += x^T . s over the span's queries: turned, so that its rows are long. */
static void gather(const struct head *t, const struct span *p, float *dst, const float *s,
                   const struct gemm_side *x, size_t width)
{
    t->n->wide->mul(&(struct wide_mul){.c = dst + p->k0,
                                       .ld_c = t->ld,
                                       .a = x->x + p->q0 * x->ld,
                                       .row_a = 1,
                                       .col_a = x->ld,
                                       .b = s,
                                       .ld_b = t->ld,
                                       .m = width,
                                       .n = p->n,
                                       .k = p->m,
                                       .add = true});
}

static void span_backward(const struct head *t, const struct span *p, const struct head_grad *g,
                          const struct wide_score *how)
{
    const struct layer *l = t->b->plan;
    const struct attention *a = &t->b->a;
    const struct gemm_side q = {t->q, a->all, false}, dmet = {g->dmet, a->out, false};

    span_scores(t, p, g, how);
    t->n->wide->mul(&(struct wide_mul){.c = g->dq + p->q0 * a->all,
                                       .ld_c = a->all,
                                       .a = t->d,
                                       .row_a = t->ld,
                                       .col_a = 1,
                                       .b = t->k + p->k0 * a->all,
                                       .ld_b = a->all,
                                       .m = p->m,
                                       .n = l->head_k,
                                       .k = p->n});
    gather(t, p, t->dk, t->d, &q, l->head_k);
    gather(t, p, t->dv, t->s, &dmet, l->head_v);
}

static void head_backward(void *arg, size_t i, int thread)
{
    const struct scores *s = arg;
    const struct layer *l = s->b->plan;
    const struct head t = head_at(s, i, thread);
    const struct head_grad g = head_grad_at(s, &t);
    const size_t n_tok = s->n->n_tok, all = s->b->a.all;
    struct wide_score how = s->b->a.how;

    how.slope = slope(s->n->m, s->b, t.h);
    s->n->wide->turn(t.k_turned, t.ld, t.k, all, n_tok, l->head_k);
    s->n->wide->turn(t.v_turned, t.ld, t.v, all, n_tok, l->head_v);
    memset(t.dk, 0, (l->head_k + l->head_v) * t.ld * sizeof(float));
    for (size_t q0 = 0; q0 < n_tok; q0 += PIECE_QUERIES) {
        const struct span p = span_at(&t, q0);
        span_backward(&t, &p, &g, &how);
    }
    s->n->wide->turn(g.dk, g.ld_kv, t.dk, t.ld, l->head_k, n_tok);
    s->n->wide->turn(g.dv, g.ld_kv, t.dv, t.ld, l->head_v, n_tok);
}

/* A sink's probability p takes -p * (sum of probability * gradient of it) from every row. */
static void sink_backward(void *arg, size_t h, int thread)
{
    const struct scores *s = arg;
    const struct net *n = s->n;
    const struct attention *a = &s->b->a;
    const struct param *sinks = s->b->role[ROLE_ATTN_SINKS];
    const size_t wide = s->b->plan->head_v;
    const float sink = param_w(n, sinks)[h];
    double sum = 0;

    (void)thread;
    for (size_t r = 0; r < n->rows; r++) {
        const size_t at = r * a->out + h * wide;
        const float p = expf(sink - a->lse[r * s->b->plan->n_head + h]);
        sum -= (double)(p * n->m->kern.dot(s->dmet + at, a->met + at, wide));
    }
    param_g(n, sinks)[h] += (float)sum;
}

void scores_backward(struct net *n, struct block *b, float *dqkv, float *dkv, const float *dmet)
{
    struct scores s = {n, b, dqkv, dkv, dmet};

    par_for(&n->par, n->n_seq * b->plan->n_head, head_backward, &s);
    if (b->role[ROLE_ATTN_SINKS])
        par_for(&n->par, b->plan->n_head, sink_backward, &s);
}
