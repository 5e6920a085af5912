/* Attention around its scores: projections, biases, norms of queries and keys, rotation. */

#include "distill/parts/parts.h"

#include <math.h>
#include <string.h>

/* ---- a token's queries and keys ------------------------------------------------------ */

struct place {
    struct net *n;
    struct block *b;
    float *dqkv, *dkv; /* of the way back */
    bool late;         /* norms come after rotation */
};

static struct place place_of(struct net *n, struct block *b)
{
    return (struct place){.n = n, .b = b, .late = n->m->traits.qk_norm_late};
}

/* A norm takes `wide` values: a head, or all of them. */
static size_t norm_width(const struct net *n, const struct layer *l, size_t heads)
{
    return n->m->traits.qk_norm == QK_FULL ? heads * l->head_k : l->head_k;
}

size_t attention_norms(const struct net *n, const struct block *b)
{
    return n->m->traits.qk_norm == QK_FULL ? 2 : b->plan->n_head + b->plan->n_head_kv;
}

/* A norm of some of a token's heads: where its weights begin, and those of its gradients. */
struct qk {
    const struct param *w, *bias;
    size_t heads, wide;
    bool each;      /* heads have weights of their own */
    size_t partial; /* of the weights' sums; the biases' follow those of all weights */
};

static struct qk qk_of(const struct place *p, bool key)
{
    const struct layer *l = p->b->plan;
    const struct param **role = p->b->role;
    struct qk k = {.w = role[key ? ROLE_ATTN_K_NORM : ROLE_ATTN_Q_NORM],
                   .bias = role[key ? ROLE_ATTN_K_NORM_BIAS : ROLE_ATTN_Q_NORM_BIAS],
                   .heads = key ? l->n_head_kv : l->n_head,
                   .partial = key ? p->b->a.q : 0};

    k.wide = norm_width(p->n, l, k.heads);
    k.each = p->n->m->traits.qk_norm == QK_EACH;
    return k;
}

/* Norms of one kind of a token: n of them. */
static size_t qk_n(const struct qk *k, const struct layer *l)
{
    return k->heads * l->head_k / k->wide;
}

static struct wide_norm qk_how(const struct place *p, const struct qk *k, size_t i)
{
    const struct norm norm = {true, k->w, k->bias, NULL};
    struct wide_norm how = norm_how(p->n, &norm, k->wide);

    how.scale = 1;
    if (k->each && how.w)
        how.w += i * k->wide;
    if (k->each && how.bias)
        how.bias += i * k->wide;
    return how;
}

static float *stat_of(const struct place *p, size_t row, bool key)
{
    const size_t queries = p->n->m->traits.qk_norm == QK_FULL ? 1 : p->b->plan->n_head;

    return p->b->a.stat + (row * attention_norms(p->n, p->b) + (key ? queries : 0)) * 2;
}

/* x: a token's queries, or its keys; what the norm reads is kept. */
static void qk_forward(const struct place *p, float *x, size_t row, bool key)
{
    const struct attention *a = &p->b->a;
    const struct qk k = qk_of(p, key);
    float *raw = a->raw + row * (a->q + a->k) + (key ? a->q : 0), *stat = stat_of(p, row, key);

    for (size_t i = 0; i < qk_n(&k, p->b->plan); i++) {
        const struct wide_norm how = qk_how(p, &k, i);
        memcpy(raw + i * k.wide, x + i * k.wide, k.wide * sizeof(*raw));
        p->n->wide->norm(x + i * k.wide, stat + 2 * i, x + i * k.wide, &how);
    }
}

static void qk_backward(const struct place *p, float *d, float *sums, size_t row, bool key)
{
    const struct attention *a = &p->b->a;
    const struct qk k = qk_of(p, key);
    const float *raw = a->raw + row * (a->q + a->k) + (key ? a->q : 0);
    const float *stat = stat_of(p, row, key);

    for (size_t i = 0; i < qk_n(&k, p->b->plan); i++) {
        const struct wide_norm how = qk_how(p, &k, i);
        float *dw = sums + k.partial + (k.each ? i * k.wide : 0), *db = dw + a->q + a->k;
        p->n->wide->norm_back(d + i * k.wide, k.w ? dw : NULL, k.bias ? db : NULL, d + i * k.wide,
                              raw + i * k.wide, stat + 2 * i, &how);
    }
}

static void qk_collect(const struct place *p, bool key)
{
    const struct attention *a = &p->b->a;
    const struct qk k = qk_of(p, key);

    if (k.w)
        net_collect(p->n, param_g(p->n, k.w), k.partial, k.w->n);
    if (k.bias)
        net_collect(p->n, param_g(p->n, k.bias), k.partial + a->q + a->k, k.bias->n);
}

size_t attention_partial(const struct block *b)
{
    return 2 * (b->a.q + b->a.k);
}

/* Queries and keys of a row, which lie together, by the angles of its place; back: by the opposite
 * ones. */
static void rotate(const struct place *p, float *q, size_t row, bool back)
{
    const struct net *n = p->n;
    const struct layer *l = p->b->plan;

    if (l->rope < 0)
        return;
    const size_t n_rot = n->m->ropes[l->rope].n_rot;
    const size_t pos = row_place(n, row);
    const float *cs = (n->far ? n->cs_far : n->cs)[l->rope] + 2 * pos * n_rot;
    n->wide->rotate(q, &(struct wide_turns){.cos = cs,
                                            .sin = cs + n_rot,
                                            .heads = l->n_head + l->n_head_kv,
                                            .width = l->head_k,
                                            .n_rot = n_rot,
                                            .halves = n->m->traits.position == POS_ROPE_HALVES,
                                            .back = back});
}

/* What queries at a place are multiplied by (temper_token of the runtime). */
static float temper(const struct place *p, size_t row)
{
    const struct model *m = p->n->m;
    const size_t layer = p->b->layer;
    const double t = arch_num(m->params, ARCH_ROPE_TEMP, layer);
    const bool given = arch_has(m->params, ARCH_ROPE_TEMP_CTX);
    const double ctx = arch_num(m->params, given ? ARCH_ROPE_TEMP_CTX : ARCH_ROPE_CTX, layer);
    const bool here = p->b->plan->rope < 0;
    const size_t pos = row_place(p->n, row);

    if (t == 0 || !(ctx > 0) || (m->rope_skips && !here))
        return 1;
    return (float)(1 + t * log1p(floor((double)(pos + here) / ctx)));
}

static void place_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct place *p = arg;
    const struct attention *a = &p->b->a;
    const struct param **role = p->b->role;
    const struct net *n = p->n;

    (void)piece;
    for (size_t r = r0; r < r1; r++) {
        float *q = a->qkv + r * a->all, *k = q + a->q, *v = k + a->k;
        bias_add(n->m, q, param_w(n, role[ROLE_ATTN_QKV_BIAS]), a->all);
        bias_add(n->m, q, param_w(n, role[ROLE_ATTN_Q_BIAS]), a->q);
        bias_add(n->m, k, param_w(n, role[ROLE_ATTN_K_BIAS]), a->k);
        bias_add(n->m, v, param_w(n, role[ROLE_ATTN_V_BIAS]), a->v);
        if (p->late)
            rotate(p, q, r, false);
        if (a->raw) {
            qk_forward(p, q, r, false);
            qk_forward(p, k, r, true);
        }
        if (!p->late)
            rotate(p, q, r, false);
        values_scale(q, temper(p, r), a->q);
    }
}

/* dk and dv of a row: sums over the query heads that share them. */
static void share(const struct place *p, size_t row)
{
    const struct layer *l = p->b->plan;
    const struct attention *a = &p->b->a;
    const size_t group = l->n_head / l->n_head_kv, wide = l->head_k + l->head_v;
    const size_t n_tok = p->n->n_tok, seq = row / n_tok, t = row % n_tok;
    float *dk = p->dqkv + row * a->all + a->q, *dv = dk + a->k;

    for (size_t h = 0; group > 1 && h < l->n_head; h++) {
        const float *from = p->dkv + ((seq * l->n_head + h) * n_tok + t) * wide;
        float *k = dk + h / group * l->head_k, *v = dv + h / group * l->head_v;
        if (h % group == 0) {
            memcpy(k, from, l->head_k * sizeof(*k));
            memcpy(v, from + l->head_k, l->head_v * sizeof(*v));
        } else {
            p->n->m->kern.axpy(k, from, 1, l->head_k);
            p->n->m->kern.axpy(v, from + l->head_k, 1, l->head_v);
        }
    }
}

static void unplace_rows(void *arg, size_t piece, size_t r0, size_t r1)
{
    const struct place *p = arg;
    const struct attention *a = &p->b->a;
    float *sums = a->raw ? net_partial(p->n, piece) : NULL;

    for (size_t r = r0; r < r1; r++) {
        float *q = p->dqkv + r * a->all;
        share(p, r);
        values_scale(q, temper(p, r), a->q);
        if (!p->late)
            rotate(p, q, r, true);
        if (a->raw) {
            qk_backward(p, q, sums, r, false);
            qk_backward(p, q + a->q, sums, r, true);
        }
        if (p->late)
            rotate(p, q, r, true);
    }
}

/* ---- the whole ------------------------------------------------------------------------- */

void attention_forward(struct net *n, struct block *b, float *y)
{
    const struct param **role = b->role;
    const size_t e = n->m->n_embd;
    struct attention *a = &b->a;
    struct place p = place_of(n, b);

    if (role[ROLE_ATTN_QKV]) {
        linear_forward(n, a->qkv, a->all, n->xn, e, role[ROLE_ATTN_QKV]);
    } else {
        linear_forward(n, a->qkv, a->all, n->xn, e, role[ROLE_ATTN_Q]);
        linear_forward(n, a->qkv + a->q, a->all, n->xn, e, role[ROLE_ATTN_K]);
        linear_forward(n, a->qkv + a->q + a->k, a->all, n->xn, e, role[ROLE_ATTN_V]);
    }
    net_rows(n, place_rows, &p);
    scores_forward(n, b);
    linear_forward(n, y, e, a->met, a->out, role[ROLE_ATTN_OUT]);
    bias_forward(n, y, e, role[ROLE_ATTN_OUT_BIAS]);
}

size_t attention_work(const struct net *n, const struct block *b)
{
    const struct layer *l = b->plan;
    const bool shared = l->n_head != l->n_head_kv;

    (void)n;
    return b->a.all + b->a.out + (shared ? l->n_head * (l->head_k + l->head_v) : 0);
}

/* Back from dqkv to the weights and dxn. */
static void project_backward(struct net *n, struct block *b, float *dxn, const float *dqkv,
                             bool add)
{
    const struct param **role = b->role;
    const struct attention *a = &b->a;
    const size_t e = n->m->n_embd;
    const enum arch_role w[] = {ROLE_ATTN_Q, ROLE_ATTN_K, ROLE_ATTN_V};
    const enum arch_role bias[] = {ROLE_ATTN_Q_BIAS, ROLE_ATTN_K_BIAS, ROLE_ATTN_V_BIAS};
    const size_t at[] = {0, a->q, a->q + a->k};

    bias_backward(n, dqkv, a->all, n->rows, role[ROLE_ATTN_QKV_BIAS]);
    if (role[ROLE_ATTN_QKV])
        linear_backward(
            n, &(struct linear_back){dxn, e, add, dqkv, n->xn, a->all, e, role[ROLE_ATTN_QKV]});
    for (size_t i = 0; i < 3; i++) {
        bias_backward(n, dqkv + at[i], a->all, n->rows, role[bias[i]]);
        if (!role[ROLE_ATTN_QKV])
            linear_backward(n, &(struct linear_back){dxn, e, add || i, dqkv + at[i], n->xn, a->all,
                                                     e, role[w[i]]});
    }
}

void attention_backward(struct net *n, struct block *b, float *dxn, const float *dy, bool add)
{
    const struct attention *a = &b->a;
    const size_t e = n->m->n_embd;
    float *dmet = n->work;
    struct place p = place_of(n, b);

    p.dqkv = dmet + n->rows * a->out;
    p.dkv = p.dqkv + n->rows * a->all;
    bias_backward(n, dy, e, n->rows, b->role[ROLE_ATTN_OUT_BIAS]);
    linear_backward(n, &(struct linear_back){dmet, a->out, false, dy, a->met, e, a->out,
                                             b->role[ROLE_ATTN_OUT]});
    scores_backward(n, b, p.dqkv, p.dkv, dmet);
    net_rows(n, unplace_rows, &p);
    if (a->raw) {
        qk_collect(&p, false);
        qk_collect(&p, true);
    }
    project_backward(n, b, dxn, p.dqkv, add);
}
