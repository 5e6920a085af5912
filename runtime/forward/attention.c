/* Attention over a cache of keys and values: query heads share key-value heads in
 * groups, positions are rotary, a window may bound what is seen.
 *
 * The cache of a layer: keys [n_head_kv, n_ctx, head_k], then values
 * [n_head_kv, n_ctx, head_v]: a head's positions lie together, as the kernel
 * reads them. */

#include "runtime/forward/forward.h"

#include <math.h>
#include <string.h>

static const struct weight_use uses[] = {
    {ROLE_ATTN_Q,        0                              },
    {ROLE_ATTN_K,        0                              },
    {ROLE_ATTN_V,        0                              },
    {ROLE_ATTN_OUT,      0                              },
    {ROLE_ATTN_Q_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_K_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_V_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_ATTN_OUT_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,          0                              },
};

static int check(const struct model *m, size_t layer, struct err *err)
{
    const struct layer *l = &m->layer[layer];

    if (!l->n_head || !l->n_head_kv || l->n_head % l->n_head_kv)
        return err_set(err, ERR_FORMAT, "block %zu: %zu query heads do not share %zu key heads",
                       layer, l->n_head, l->n_head_kv);
    if (!l->head_k || !l->head_v || m->n_rot > l->head_k)
        return err_set(err, ERR_FORMAT, "block %zu: %zu rotated values in a head of %zu", layer,
                       m->n_rot, l->head_k);
    return 0;
}

static size_t work_floats(const struct model *m, size_t layer)
{
    const struct layer *l = &m->layer[layer];

    return (l->n_head + l->n_head_kv) * (l->head_k + l->head_v); /* q, k, v, heads' output */
}

static size_t cache_floats(const struct model *m, size_t layer)
{
    const struct layer *l = &m->layer[layer];

    return l->n_head_kv * (l->head_k + l->head_v);
}

/* One call's arrays; n tokens, the first at position pos. */
struct attn {
    struct sess *s;
    const struct layer *l;
    size_t n, pos;
    float *q, *k, *v, *out;   /* [n, heads * width] */
    float *cache_k, *cache_v; /* [n_head_kv, n_ctx, width] */
    float scale;
};

static struct attn attn_at(struct sess *s, size_t layer, size_t n)
{
    const struct layer *l = &s->m->layer[layer];
    struct attn a = {.s = s, .l = l, .n = n, .pos = s->n};

    a.q = s->work;
    a.k = a.q + n * l->n_head * l->head_k;
    a.v = a.k + n * l->n_head_kv * l->head_k;
    a.out = a.v + n * l->n_head_kv * l->head_v;
    a.cache_k = s->cache[layer];
    a.cache_v = a.cache_k + l->n_head_kv * s->n_ctx * l->head_k;
    a.scale = (float)(1.0 / sqrt((double)l->head_k));
    return a;
}

/* Bias and rotation of one token's heads; keys and values go to the cache. */
static void place_token(const struct attn *a, size_t i)
{
    const struct model *m = a->s->m;
    const struct layer *l = a->l;
    const size_t at = a->pos + i;
    const float *cs = a->s->rope + at * m->n_rot;
    float *q = a->q + i * l->n_head * l->head_k;
    float *k = a->k + i * l->n_head_kv * l->head_k;
    float *v = a->v + i * l->n_head_kv * l->head_v;

    bias_add(m, q, l->w.vec[ROLE_ATTN_Q_BIAS], l->n_head * l->head_k);
    bias_add(m, k, l->w.vec[ROLE_ATTN_K_BIAS], l->n_head_kv * l->head_k);
    bias_add(m, v, l->w.vec[ROLE_ATTN_V_BIAS], l->n_head_kv * l->head_v);
    for (size_t h = 0; h < l->n_head; h++)
        m->rope(q + h * l->head_k, cs, m->n_rot);
    for (size_t h = 0; h < l->n_head_kv; h++) {
        m->rope(k + h * l->head_k, cs, m->n_rot);
        memcpy(a->cache_k + (h * a->s->n_ctx + at) * l->head_k, k + h * l->head_k,
               l->head_k * sizeof(float));
        memcpy(a->cache_v + (h * a->s->n_ctx + at) * l->head_v, v + h * l->head_v,
               l->head_v * sizeof(float));
    }
}

static void place_span(void *arg, size_t i0, size_t i1)
{
    for (size_t i = i0; i < i1; i++)
        place_token(arg, i);
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
    const size_t ld_q = l->n_head * l->head_k;
    const size_t ld_out = l->n_head * l->head_v;

    s->m->kern.attn(a->out + q0 * ld_out + h * l->head_v, ld_out, a->q + q0 * ld_q + h * l->head_k,
                    ld_q, a->cache_k + kv * s->n_ctx * l->head_k,
                    a->cache_v + kv * s->n_ctx * l->head_v, n, a->pos + q0, l->window, l->head_k,
                    l->head_v, a->scale, s->attn_scratch + (size_t)thread * s->attn_each);
}

static void out_bias_span(void *arg, size_t i0, size_t i1)
{
    const struct attn *a = arg;
    const struct model *m = a->s->m;

    for (size_t i = i0; i < i1; i++)
        bias_add(m, a->s->y + i * m->n_embd, a->l->w.vec[ROLE_ATTN_OUT_BIAS], m->n_embd);
}

static void run(struct sess *s, size_t layer, size_t n)
{
    const struct model *m = s->m;
    const struct layer *l = &m->layer[layer];
    struct attn a = attn_at(s, layer, n);
    const struct mm_job in[] = {
        {.w = &l->w.mat[ROLE_ATTN_Q], .y = a.q, .ld_y = l->n_head * l->head_k   },
        {.w = &l->w.mat[ROLE_ATTN_K], .y = a.k, .ld_y = l->n_head_kv * l->head_k},
        {.w = &l->w.mat[ROLE_ATTN_V], .y = a.v, .ld_y = l->n_head_kv * l->head_v},
    };
    const struct mm_job out = {.w = &l->w.mat[ROLE_ATTN_OUT], .y = s->y, .ld_y = m->n_embd};

    sess_mm(s, in, 3, s->xn, m->n_embd, n);
    span_for(&s->par, n, place_span, &a);
    par_for(&s->par, l->n_head * ((n + QUERY_BLOCK - 1) / QUERY_BLOCK), head_piece, &a);
    sess_mm(s, &out, 1, a.out, l->n_head * l->head_v, n);
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
