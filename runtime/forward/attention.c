/* Attention over a cache of keys and values: query heads share key-value heads in
 * groups; positions are rotary, a bias (ALiBi: Press et al. 2022) or none; a window or a
 * chunk may bound what is seen.
 *
 * The cache of a layer: keys [n_head_kv, n_ctx, head_k], then values
 * [n_head_kv, n_ctx, head_v]: a head's positions lie together, as the kernel
 * reads them. */

#include "runtime/forward/forward.h"

#include <math.h>
#include <string.h>

static const struct weight_use uses[] = {
    {ROLE_ATTN_Q,           WEIGHT_OPTIONAL                },
    {ROLE_ATTN_K,           WEIGHT_OPTIONAL                },
    {ROLE_ATTN_V,           WEIGHT_OPTIONAL                },
    {ROLE_ATTN_QKV,         WEIGHT_OPTIONAL                },
    {ROLE_ATTN_OUT,         0                              },
    {ROLE_ATTN_Q_BIAS,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_K_BIAS,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_V_BIAS,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_QKV_BIAS,    WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_OUT_BIAS,    WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_Q_NORM,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_Q_NORM_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_K_NORM,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_K_NORM_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_SINKS,       WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,             0                              },
};

/* Values of a token: q_step for each query head (its gate follows the query), then keys,
 * then values. */
struct widths {
    size_t q_step, q, k, v, out, all;
};

static struct widths widths(const struct model *m, const struct layer *l)
{
    struct widths w = {.q_step = l->head_k * (m->traits.attn_gate ? 2 : 1)};

    w.q = l->n_head * w.q_step;
    w.k = l->borrows ? 0 : l->n_head_kv * l->head_k;
    w.v = l->borrows ? 0 : l->n_head_kv * l->head_v;
    w.out = l->n_head * l->head_v;
    w.all = w.q + w.k + w.v;
    return w;
}

/* Do the weights have the sizes that run() goes by? */
static int check_sizes(const struct model *m, size_t layer, struct err *err)
{
    const struct layer *l = &m->layer[layer];
    const struct widths w = widths(m, l);
    const bool by_head = m->traits.qk_norm == QK_HEAD;
    const size_t q_norm = by_head ? l->head_k : l->n_head * l->head_k;
    const size_t k_norm = by_head ? l->head_k : l->n_head_kv * l->head_k;
    const size_t k = l->n_head_kv * l->head_k, v = l->n_head_kv * l->head_v;
    const struct weight_want want[] = {
        {ROLE_ATTN_Q,           w.q,       m->n_embd},
        {ROLE_ATTN_K,           k,         m->n_embd},
        {ROLE_ATTN_V,           v,         m->n_embd},
        {ROLE_ATTN_QKV,         w.all,     m->n_embd},
        {ROLE_ATTN_OUT,         m->n_embd, w.out    },
        {ROLE_ATTN_Q_BIAS,      0,         w.q      },
        {ROLE_ATTN_K_BIAS,      0,         k        },
        {ROLE_ATTN_V_BIAS,      0,         v        },
        {ROLE_ATTN_QKV_BIAS,    0,         w.all    },
        {ROLE_ATTN_Q_NORM,      0,         q_norm   },
        {ROLE_ATTN_Q_NORM_BIAS, 0,         q_norm   },
        {ROLE_ATTN_K_NORM,      0,         k_norm   },
        {ROLE_ATTN_K_NORM_BIAS, 0,         k_norm   },
        {ROLE_ATTN_SINKS,       0,         l->n_head},
    };

    return weights_expect(m, layer, want, sizeof(want) / sizeof(want[0]), err);
}

static int check_weights(const struct model *m, size_t layer, struct err *err)
{
    const struct layer *l = &m->layer[layer];
    const struct weights *w = &l->w;
    const enum arch_qk_norm norm = m->traits.qk_norm;
    const bool apart = w->mat[ROLE_ATTN_Q].t && (w->mat[ROLE_ATTN_K].t || l->borrows);
    const bool has_v = w->mat[ROLE_ATTN_V].t != NULL;

    if (apart == (w->mat[ROLE_ATTN_QKV].t != NULL))
        return err_set(err, ERR_FORMAT, "block %zu: expected queries and keys, fused or apart",
                       layer);
    if (apart && !has_v && !l->borrows && l->head_k != l->head_v)
        return err_set(err, ERR_FORMAT, "block %zu: no values, and keys are not as wide", layer);
    if (!l->borrows && !w->vec[ROLE_ATTN_Q_NORM] != !w->vec[ROLE_ATTN_K_NORM])
        return err_set(err, ERR_FORMAT, "block %zu: norms of queries and keys come together",
                       layer);
    if ((norm == QK_NONE || norm == QK_L2) && w->vec[ROLE_ATTN_Q_NORM])
        return err_set(err, ERR_UNSUPPORTED, "block %zu: norms of queries nobody asks for", layer);
    return check_sizes(m, layer, err);
}

static int check(const struct model *m, size_t layer, struct err *err)
{
    const struct layer *l = &m->layer[layer];

    if (!l->n_head || !l->n_head_kv || l->n_head % l->n_head_kv)
        return err_set(err, ERR_FORMAT, "block %zu: %zu query heads do not share %zu key heads",
                       layer, l->n_head, l->n_head_kv);
    if (!l->head_k || !l->head_v)
        return err_set(err, ERR_FORMAT, "block %zu: heads of %zu and %zu values", layer, l->head_k,
                       l->head_v);
    if (m->traits.attn_gate && l->head_k != l->head_v)
        return err_set(err, ERR_FORMAT, "block %zu: gates of %zu for heads of %zu", layer,
                       l->head_k, l->head_v);
    const struct layer *lender = &m->layer[l->kv_layer];
    if (lender->n_head_kv != l->n_head_kv || lender->head_k != l->head_k ||
        lender->head_v != l->head_v || !lender->mixer)
        return err_set(err, ERR_FORMAT, "block %zu: block %zu has other keys and values", layer,
                       l->kv_layer);
    return check_weights(m, layer, err);
}

static size_t work_floats(const struct model *m, size_t layer)
{
    const struct widths w = widths(m, &m->layer[layer]);

    return w.all + w.out;
}

static size_t cache_floats(const struct model *m, size_t layer)
{
    const struct layer *l = &m->layer[layer];

    return l->borrows ? 0 : l->n_head_kv * (l->head_k + l->head_v);
}

/* One call's arrays; n tokens, the first at position pos. */
struct attn {
    struct sess *s;
    const struct layer *l;
    size_t layer, n, pos;
    struct widths w;
    float *q, *k, *v;         /* [n, .], rows w.all apart */
    float *out;               /* [n, w.out] */
    float *cache_k, *cache_v; /* [n_head_kv, n_ctx, width] */
    struct kern_attn how;
};

static struct attn attn_at(struct sess *s, size_t layer, size_t n)
{
    const struct model *m = s->m;
    const struct layer *l = &m->layer[layer];
    struct attn a = {.s = s, .l = l, .layer = layer, .n = n, .pos = s->n, .w = widths(m, l)};
    const double scale = arch_num(m->params, ARCH_ATTN_SCALE, layer);

    a.q = s->work;
    a.k = a.q + a.w.q;
    a.v = a.k + a.w.k;
    a.out = s->work + n * a.w.all;
    a.cache_k = s->cache[l->kv_layer];
    a.cache_v = a.cache_k + l->n_head_kv * s->n_ctx * l->head_k;
    a.how.scale = (float)(scale != 0 ? scale : 1.0 / sqrt((double)l->head_k));
    a.how.cap = (float)arch_num(m->params, ARCH_ATTN_CAP, layer);
    a.how.window = l->window;
    a.how.chunk = l->chunk;
    return a;
}

/* ---- before the scores ------------------------------------------------------- */

static void bias_token(const struct attn *a, float *q, float *k, float *v)
{
    const struct model *m = a->s->m;
    const float *const *vec = a->l->w.vec;

    bias_add(m, q, vec[ROLE_ATTN_QKV_BIAS], a->w.all);
    bias_add(m, q, vec[ROLE_ATTN_Q_BIAS], a->w.q);
    bias_add(m, k, vec[ROLE_ATTN_K_BIAS], a->w.k);
    bias_add(m, v, vec[ROLE_ATTN_V_BIAS], a->w.v);
}

/* Queries, keys and values in a row; after the norms (OLMoE). */
static void clamp_token(const struct attn *a, float *q)
{
    const float limit = (float)arch_num(a->s->m->params, ARCH_CLAMP_QKV, a->layer);

    for (size_t i = 0; limit > 0 && i < a->w.all; i++)
        q[i] = fminf(fmaxf(q[i], -limit), limit);
}

/* x: n heads, `step` apart. */
static void norm_heads(const struct attn *a, float *x, size_t n, size_t step, const float *w,
                       const float *bias)
{
    const struct model *m = a->s->m;
    const size_t wide = a->l->head_k;

    switch (w || m->traits.qk_norm == QK_L2 ? m->traits.qk_norm : QK_NONE) {
    case QK_NONE:
        return; /* or optional, and not there */
    case QK_FULL:
        m->norm(m, x, x, w, bias, n * wide);
        return;
    case QK_HEAD:
        for (size_t h = 0; h < n; h++)
            m->norm(m, x + h * step, x + h * step, w, bias, wide);
        return;
    case QK_EACH:
        for (size_t h = 0; h < n; h++)
            m->norm(m, x + h * step, x + h * step, w + h * wide, bias ? bias + h * wide : NULL,
                    wide);
        return;
    case QK_L2:
        for (size_t h = 0; h < n && a->l->rope >= 0; h++)
            norm_rms(m, x + h * step, x + h * step, NULL, NULL, wide);
        return;
    }
}

static void norm_token(const struct attn *a, float *q, float *k)
{
    const float *const *vec = a->l->w.vec;

    norm_heads(a, q, a->l->n_head, a->w.q_step, vec[ROLE_ATTN_Q_NORM], vec[ROLE_ATTN_Q_NORM_BIAS]);
    if (a->l->borrows)
        return;
    norm_heads(a, k, a->l->n_head_kv, a->l->head_k, vec[ROLE_ATTN_K_NORM],
               vec[ROLE_ATTN_K_NORM_BIAS]);
}

static void rotate_token(const struct attn *a, float *q, float *k, size_t pos)
{
    const struct model *m = a->s->m;
    const float *cs = sess_rope(a->s, a->layer, pos);

    if (!cs)
        return;
    const size_t n_rot = m->ropes[a->l->rope].n_rot;
    for (size_t h = 0; h < a->l->n_head; h++)
        m->rotate(q + h * a->w.q_step, cs, n_rot);
    for (size_t h = 0; !a->l->borrows && h < a->l->n_head_kv; h++)
        m->rotate(k + h * a->l->head_k, cs, n_rot);
}

/* Queries grow with the position: 1 + t ln(1 + floor(pos / ctx)). Models with layers that
 * are not rotated (Llama 4) do so there only, counting positions from 1. */
static void temper_token(const struct attn *a, float *q, size_t pos)
{
    const struct model *m = a->s->m;
    const double t = arch_num(m->params, ARCH_ROPE_TEMP, a->layer);
    const bool given = arch_has(m->params, ARCH_ROPE_TEMP_CTX);
    const double ctx = arch_num(m->params, given ? ARCH_ROPE_TEMP_CTX : ARCH_ROPE_CTX, a->layer);
    const bool here = a->l->rope < 0;

    if (t == 0 || !(ctx > 0) || (m->rope_skips && !here))
        return;
    const float f = (float)(1 + t * log1p(floor((double)(pos + here) / ctx)));
    for (size_t i = 0; i < a->w.q; i++)
        q[i] *= f;
}

static void store_token(const struct attn *a, const float *k, const float *v, size_t pos)
{
    const struct layer *l = a->l;

    for (size_t h = 0; !l->borrows && h < l->n_head_kv; h++) {
        memcpy(a->cache_k + (h * a->s->n_ctx + pos) * l->head_k, k + h * l->head_k,
               l->head_k * sizeof(float));
        memcpy(a->cache_v + (h * a->s->n_ctx + pos) * l->head_v, v + h * l->head_v,
               l->head_v * sizeof(float));
    }
}

static void place_span(void *arg, size_t i0, size_t i1)
{
    const struct attn *a = arg;
    const struct layer *l = a->l;
    const struct model *m = a->s->m;
    const bool late = m->traits.qk_norm_late || m->traits.qk_norm == QK_L2;

    for (size_t i = i0; i < i1; i++) {
        float *q = a->q + i * a->w.all, *k = a->k + i * a->w.all, *v = a->v + i * a->w.all;
        bias_token(a, q, k, v);
        if (!l->w.mat[ROLE_ATTN_V].t && !l->w.mat[ROLE_ATTN_QKV].t)
            memcpy(v, k, a->w.v * sizeof(*v));
        if (!late)
            norm_token(a, q, k);
        clamp_token(a, q);
        for (size_t h = 0; m->traits.v_norm && !l->borrows && h < l->n_head_kv; h++)
            norm_rms(m, v + h * l->head_v, v + h * l->head_v, NULL, NULL, l->head_v);
        rotate_token(a, q, k, a->pos + i);
        if (late)
            norm_token(a, q, k);
        temper_token(a, q, a->pos + i);
        store_token(a, k, v, a->pos + i);
    }
}

/* ---- scores -------------------------------------------------------------------- */

float alibi_slope(double max, size_t h, size_t n_head)
{
    size_t p = 1;

    while (2 * p <= n_head)
        p *= 2;
    return (float)(h < p ? exp2(-max * (double)(h + 1) / (double)p)
                         : exp2(-max * (double)(2 * (h - p) + 1) / (double)(2 * p)));
}

/* Piece i: one head and one block of queries, the longest first. */
static void head_piece(void *arg, size_t i, int thread)
{
    const struct attn *a = arg;
    const struct sess *s = a->s;
    const struct layer *l = a->l;
    const size_t n_blocks = (a->n + QUERY_BLOCK - 1) / QUERY_BLOCK;
    const size_t q0 = (n_blocks - 1 - i / l->n_head) * QUERY_BLOCK;
    const size_t n = a->n - q0 < QUERY_BLOCK ? a->n - q0 : QUERY_BLOCK;
    const size_t h = i % l->n_head;
    const size_t kv = h / (l->n_head / l->n_head_kv);
    struct kern_attn how = a->how;

    if (s->m->traits.position == POS_ALIBI)
        how.slope = alibi_slope(arch_num(s->m->params, ARCH_ALIBI_MAX, a->layer), h, l->n_head);
    how.rounded = s->m->traits.alibi_rounded ? how.scale : 0;
    if (l->w.vec[ROLE_ATTN_SINKS])
        how.sink = l->w.vec[ROLE_ATTN_SINKS] + h;
    s->m->kern.attn(
        a->out + q0 * a->w.out + h * l->head_v, a->w.out, a->q + q0 * a->w.all + h * a->w.q_step,
        a->w.all, a->cache_k + kv * s->n_ctx * l->head_k, a->cache_v + kv * s->n_ctx * l->head_v, n,
        a->pos + q0, l->head_k, l->head_v, &how, s->attn_scratch + (size_t)thread * s->attn_each);
}

/* ---- after them ------------------------------------------------------------------ */

/* out *= sigmoid(gate) */
static void gate_span(void *arg, size_t i0, size_t i1)
{
    const struct attn *a = arg;
    const struct layer *l = a->l;

    for (size_t i = i0; i < i1; i++)
        for (size_t h = 0; h < l->n_head; h++) {
            float *out = a->out + i * a->w.out + h * l->head_v;
            const float *gate = a->q + i * a->w.all + h * a->w.q_step + l->head_k;
            for (size_t c = 0; c < l->head_v; c++)
                out[c] /= 1 + expf(-gate[c]);
        }
}

static void out_bias_span(void *arg, size_t i0, size_t i1)
{
    const struct attn *a = arg;
    const struct model *m = a->s->m;

    for (size_t i = i0; i < i1; i++)
        bias_add(m, a->s->y + i * m->n_embd, a->l->w.vec[ROLE_ATTN_OUT_BIAS], m->n_embd);
}

/* Tokens that follow one another. Another branch's keys and values take these ones' place. */
static void attend(struct attn *a)
{
    const size_t n_blocks = (a->n + QUERY_BLOCK - 1) / QUERY_BLOCK;

    span_for(&a->s->par, a->n, place_span, a);
    par_for(&a->s->par, a->l->n_head * n_blocks, head_piece, a);
}

static void attend_branches(const struct attn *all)
{
    const struct sess *s = all->s;
    struct attn a = *all;

    a.n = s->n_shared;
    attend(&a);
    a.pos += s->n_shared;
    for (size_t at = s->n_shared, b = 0; at < all->n; at += s->branch[b++]) {
        a.n = s->branch[b];
        a.q = all->q + at * a.w.all;
        a.k = all->k + at * a.w.all;
        a.v = all->v + at * a.w.all;
        a.out = all->out + at * a.w.out;
        attend(&a);
    }
}

static void run(struct sess *s, size_t layer, size_t n)
{
    const struct model *m = s->m;
    const struct layer *l = &m->layer[layer];
    struct attn a = attn_at(s, layer, n);
    const struct mm_job fused = {&l->w.mat[ROLE_ATTN_QKV], a.q, a.w.all};
    const struct mm_job apart[] = {
        {&l->w.mat[ROLE_ATTN_Q], a.q, a.w.all},
        {&l->w.mat[ROLE_ATTN_K], a.k, a.w.all},
        {&l->w.mat[ROLE_ATTN_V], a.v, a.w.all},
    };
    const struct mm_job out = {&l->w.mat[ROLE_ATTN_OUT], s->y, m->n_embd};

    if (fused.w->t)
        sess_mm(s, &fused, 1, s->xn, m->n_embd, n);
    else
        sess_mm(s, apart, l->borrows ? 1 : apart[2].w->t ? 3 : 2, s->xn, m->n_embd, n);
    if (s->branch)
        attend_branches(&a);
    else
        attend(&a);
    if (m->traits.attn_gate)
        span_for(&s->par, n, gate_span, &a);
    sess_mm(s, &out, 1, a.out, a.w.out, n);
    if (l->w.vec[ROLE_ATTN_OUT_BIAS])
        span_for(&s->par, n, out_bias_span, &a);
}

const struct part part_attention = {
    .uses = uses,
    .check = check,
    .work_floats = work_floats,
    .cache_floats = cache_floats,
    .run = run,
};
