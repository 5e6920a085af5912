/* Multi-head latent attention: keys and values are kept compressed, as one latent
 * vector of KV_LORA values and one rotated part per position, that all heads share.
 * A head's key is [K . latent, rotated part], its value V . latent. Instead of
 * expanding what is cached, K is applied to the query and V to the mean of the latents:
 * q . (K c) = (K^T q) . c.
 * Sources: DeepSeek-V2 (2024), section 2.1; transformers for the norms' epsilon and the
 * scale. */

#include "runtime/forward/forward.h"

#include <math.h>
#include <string.h>

static const struct weight_use uses[] = {
    {ROLE_ATTN_Q,        WEIGHT_OPTIONAL                },
    {ROLE_MLA_Q_A,       WEIGHT_OPTIONAL                },
    {ROLE_MLA_Q_A_NORM,  WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_MLA_Q_B,       WEIGHT_OPTIONAL                },
    {ROLE_MLA_KV_A,      0                              },
    {ROLE_MLA_KV_A_NORM, WEIGHT_VECTOR                  },
    {ROLE_MLA_KV_B,      WEIGHT_OPTIONAL                },
    {ROLE_MLA_K_B,       WEIGHT_OPTIONAL                },
    {ROLE_MLA_V_B,       WEIGHT_OPTIONAL                },
    {ROLE_ATTN_OUT,      0                              },
    {ROLE_NONE,          0                              },
};

/* Of the norms between the low-rank factors, whatever the model's own is: its classes
 * give them none. */
static const float LATENT_EPS = 1e-6F;

struct size {
    size_t n_head, rank, q_rank, rot, nope, v;
    size_t key; /* nope + rot: of a query's head */
    size_t row; /* rank + rot: what is cached of a key */
};

static struct size size_of(const struct model *m, size_t layer)
{
    const struct arch_params *p = m->params;
    struct size z = {
        .n_head = (size_t)arch_int(p, ARCH_N_HEAD, layer),
        .rank = (size_t)arch_int(p, ARCH_KV_LORA, layer),
        .q_rank = m->layer[layer].w.mat[ROLE_MLA_Q_A].rows,
        .rot = (size_t)arch_int(p, ARCH_N_ROT, layer),
        .key = (size_t)arch_int(p, ARCH_HEAD_K_MLA, layer),
        .v = (size_t)arch_int(p, ARCH_HEAD_V_MLA, layer),
    };

    z.nope = z.key > z.rot ? z.key - z.rot : 0;
    z.row = z.rank + z.rot;
    return z;
}

static int check(const struct model *m, size_t layer, struct err *err)
{
    const struct matrix *w = m->layer[layer].w.mat;
    const struct size z = size_of(m, layer);
    const bool split = w[ROLE_MLA_K_B].t && w[ROLE_MLA_V_B].t;

    if (!z.n_head || !z.rank || !z.nope || !z.v)
        return err_set(err, ERR_FORMAT,
                       "block %zu: %zu heads of %zu rotated values in %zu, rank %zu", layer,
                       z.n_head, z.rot, z.key, z.rank);
    if (w[ROLE_ATTN_Q].t
            ? w[ROLE_MLA_Q_A].t || w[ROLE_MLA_Q_B].t
            : !w[ROLE_MLA_Q_A].t || !w[ROLE_MLA_Q_B].t || !m->layer[layer].w.vec[ROLE_MLA_Q_A_NORM])
        return err_set(err, ERR_FORMAT, "block %zu: queries are neither plain nor of low rank",
                       layer);
    if (split == (w[ROLE_MLA_KV_B].t != NULL))
        return err_set(err, ERR_FORMAT, "block %zu: keys and values are neither split nor together",
                       layer);
    const struct weight_want want[] = {
        {ROLE_ATTN_Q,        z.n_head * z.key,          m->n_embd     },
        {ROLE_MLA_Q_A,       z.q_rank,                  m->n_embd     },
        {ROLE_MLA_Q_A_NORM,  0,                         z.q_rank      },
        {ROLE_MLA_Q_B,       z.n_head * z.key,          z.q_rank      },
        {ROLE_MLA_KV_A,      z.row,                     m->n_embd     },
        {ROLE_MLA_KV_A_NORM, 0,                         z.rank        },
        {ROLE_MLA_KV_B,      z.n_head * (z.nope + z.v), z.rank        },
        {ROLE_MLA_K_B,       z.n_head * z.rank,         z.nope        },
        {ROLE_MLA_V_B,       z.n_head * z.v,            z.rank        },
        {ROLE_ATTN_OUT,      m->n_embd,                 z.n_head * z.v},
    };
    return weights_expect(m, layer, want, sizeof(want) / sizeof(want[0]), err);
}

static size_t work_floats(const struct model *m, size_t layer)
{
    const struct size z = size_of(m, layer);

    return z.q_rank + z.row + z.n_head * (z.key + z.v); /* q's latent, kv, q, heads' output */
}

static size_t thread_floats(const struct model *m, size_t layer, size_t n_query)
{
    const struct size z = size_of(m, layer);

    return n_query * (z.row + z.rank) + z.rank + z.nope; /* query, latents' mean, a weight row */
}

static size_t cache_floats(const struct model *m, size_t layer)
{
    const struct size z = size_of(m, layer);

    return z.row + z.rank;
}

static size_t watch_floats(const struct model *m, size_t layer)
{
    const struct size z = size_of(m, layer);

    return z.n_head * z.rank; /* heads' mean latents */
}

/* One call's arrays; n tokens, the first at position pos. */
struct mla {
    struct sess *s;
    const struct layer *l;
    struct size z;
    size_t layer, n, pos;
    float *qa, *kv, *q, *out; /* [n, q_rank], [n, row], [n, n_head, key], [n, n_head, v] */
    float *cache_k, *cache_v; /* [n_ctx, row]: latent, rotated part; [n_ctx, rank]: latent */
    struct kern_attn how;
};

/* 1 / sqrt(key width), and YaRN's correction of the temperature where it is not on the
 * angles. */
static float score_scale(const struct model *m, size_t key)
{
    const struct arch_params *p = m->params;
    const double factor = arch_num(p, ARCH_ROPE_FACTOR, 0);
    double mscale = 1;

    if (arch_int(p, ARCH_ROPE_TYPE, 0) == ARCH_ROPE_YARN && factor > 1)
        mscale += arch_num(p, ARCH_ROPE_LOGMUL, 0) * log(factor);
    return (float)(mscale * mscale / sqrt((double)key));
}

static struct mla mla_at(struct sess *s, size_t layer, size_t n)
{
    struct mla a = {.s = s, .l = &s->m->layer[layer], .layer = layer, .n = n, .pos = s->n};

    a.z = size_of(s->m, layer);
    a.qa = s->work;
    a.kv = a.qa + n * a.z.q_rank;
    a.q = a.kv + n * a.z.row;
    a.out = a.q + n * a.z.n_head * a.z.key;
    a.cache_k = s->cache[layer];
    a.cache_v = a.cache_k + s->n_ctx * a.z.row;
    a.how.scale = score_scale(s->m, a.z.key);
    return a;
}

static void norm_span(void *arg, size_t i0, size_t i1)
{
    const struct mla *a = arg;
    const size_t n = a->z.q_rank;

    for (size_t i = i0; i < i1; i++)
        a->s->m->kern.rms_norm(a->qa + i * n, a->qa + i * n, a->l->w.vec[ROLE_MLA_Q_A_NORM], n,
                               LATENT_EPS);
}

/* Rotation of one token's heads; its latent goes to the cache. */
static void place_token(const struct mla *a, size_t i)
{
    const struct model *m = a->s->m;
    const struct size *z = &a->z;
    const size_t at = a->pos + i;
    const float *cs = sess_rope(a->s, a->layer, at);
    float *kv = a->kv + i * z->row;
    float *q = a->q + i * z->n_head * z->key;

    for (size_t h = 0; cs && h < z->n_head; h++)
        m->rotate(q + h * z->key + z->nope, cs, z->rot);
    if (cs)
        m->rotate(kv + z->rank, cs, z->rot);
    m->kern.rms_norm(kv, kv, a->l->w.vec[ROLE_MLA_KV_A_NORM], z->rank, LATENT_EPS);
    memcpy(a->cache_k + at * z->row, kv, z->row * sizeof(float));
    memcpy(a->cache_v + at * z->rank, kv, z->rank * sizeof(float));
}

static void place_span(void *arg, size_t i0, size_t i1)
{
    for (size_t i = i0; i < i1; i++)
        place_token(arg, i);
}

/* to[n, row] = K^T q and the rotated part, for one head's n queries q. */
static void absorb(const struct mla *a, size_t head, float *to, const float *q, size_t n,
                   float *weight)
{
    const struct kern *k = &a->s->m->kern;
    const struct size *z = &a->z;
    const struct matrix *split = &a->l->w.mat[ROLE_MLA_K_B];
    const struct matrix *whole = &a->l->w.mat[ROLE_MLA_KV_B];
    const size_t ld_q = z->n_head * z->key;

    for (size_t i = 0; i < n; i++) {
        memset(to + i * z->row, 0, z->rank * sizeof(float));
        memcpy(to + i * z->row + z->rank, q + i * ld_q + z->nope, z->rot * sizeof(float));
    }
    for (size_t r = 0; split->t && r < z->rank; r++) { /* [nope, rank, head] */
        matrix_row(weight, split, k, head * z->rank + r);
        for (size_t i = 0; i < n; i++)
            to[i * z->row + r] = k->dot(weight, q + i * ld_q, z->nope);
    }
    for (size_t c = 0; !split->t && c < z->nope; c++) { /* [rank, head * (nope + v)] */
        matrix_row(weight, whole, k, head * (z->nope + z->v) + c);
        for (size_t i = 0; i < n; i++)
            k->axpy(to + i * z->row, weight, q[i * ld_q + c], z->rank);
    }
}

/* out[n, .. v] = V . latent, for one head. */
static void expand(const struct mla *a, size_t head, float *out, const float *latent, size_t n,
                   float *weight)
{
    const struct kern *k = &a->s->m->kern;
    const struct size *z = &a->z;
    const struct matrix *split = &a->l->w.mat[ROLE_MLA_V_B];
    const struct matrix *whole = &a->l->w.mat[ROLE_MLA_KV_B];

    for (size_t c = 0; c < z->v; c++) {
        if (split->t)
            matrix_row(weight, split, k, head * z->v + c);
        else
            matrix_row(weight, whole, k, head * (z->nope + z->v) + z->nope + c);
        for (size_t i = 0; i < n; i++)
            out[i * z->n_head * z->v + c] = k->dot(weight, latent + i * z->rank, z->rank);
    }
}

/* Piece i: one head and one block of queries, the longest first. */
static void head_piece(void *arg, size_t i, int thread)
{
    const struct mla *a = arg;
    const struct sess *s = a->s;
    const struct size *z = &a->z;
    const size_t n_blocks = (a->n + QUERY_BLOCK - 1) / QUERY_BLOCK;
    const size_t q0 = (n_blocks - 1 - i / z->n_head) * QUERY_BLOCK;
    const size_t n = a->n - q0 < QUERY_BLOCK ? a->n - q0 : QUERY_BLOCK;
    const size_t h = i % z->n_head;
    float *query = sess_thread_floats(s, thread);
    float *latent = query + n * z->row;
    float *weight = latent + n * z->rank;

    absorb(a, h, query, a->q + (q0 * z->n_head + h) * z->key, n, weight);
    s->m->kern.attn(latent, z->rank, query, z->row, a->cache_k, a->cache_v, n, a->pos + q0, z->row,
                    z->rank, &a->how, s->attn_scratch + (size_t)thread * s->attn_each);
    if (s->watch.fn) /* [n_head, n, rank] */
        memcpy(s->seen + (h * a->n + q0) * z->rank, latent, n * z->rank * sizeof(float));
    expand(a, h, a->out + (q0 * z->n_head + h) * z->v, latent, n, weight);
}

/* Every head's own rows meet its matrix. */
static void tell_heads(const struct mla *a, const struct matrix *w, const float *x, size_t ld_head,
                       size_t ld_x)
{
    for (size_t h = 0; h < a->z.n_head; h++) {
        const struct matrix slice = matrix_slice(w, a->z.n_head, h);
        const struct mm_job job = {.w = &slice};
        sess_tell(a->s, &(struct sess_input){.job = &job,
                                             .n_jobs = 1,
                                             .x = x + h * ld_head,
                                             .ld_x = ld_x,
                                             .n = a->n,
                                             .together = true});
    }
}

/* Keys' and values' matrices, which no product of all tokens meets. */
static void tell(const struct mla *a)
{
    const struct matrix *w = a->l->w.mat;
    const struct size *z = &a->z;
    const struct mm_job whole = {.w = &w[ROLE_MLA_KV_B]};

    if (whole.w->t) {
        sess_tell(a->s, &(struct sess_input){
                            .job = &whole, .n_jobs = 1, .x = a->kv, .ld_x = z->row, .n = a->n});
        return;
    }
    tell_heads(a, &w[ROLE_MLA_K_B], a->q, z->key, z->n_head * z->key);
    tell_heads(a, &w[ROLE_MLA_V_B], a->s->seen, a->n * z->rank, z->rank);
}

static void run(struct sess *s, size_t layer, size_t n)
{
    const struct model *m = s->m;
    const struct matrix *w = m->layer[layer].w.mat;
    struct mla a = mla_at(s, layer, n);
    const struct size *z = &a.z;
    const bool low = w[ROLE_MLA_Q_A].t;
    const struct mm_job in[] = {
        {.w = &w[ROLE_MLA_KV_A],                        .y = a.kv, .ld_y = z->row},
        {.w = low ? &w[ROLE_MLA_Q_A] : &w[ROLE_ATTN_Q],
         .y = low ? a.qa : a.q,
         .ld_y = low ? z->q_rank : z->n_head * z->key                            },
    };
    const struct mm_job q = {.w = &w[ROLE_MLA_Q_B], .y = a.q, .ld_y = z->n_head * z->key};
    const struct mm_job out = {.w = &w[ROLE_ATTN_OUT], .y = s->y, .ld_y = m->n_embd};

    sess_mm(s, in, 2, s->xn, m->n_embd, n);
    if (low) {
        span_for(&s->par, n, norm_span, &a);
        sess_mm(s, &q, 1, a.qa, z->q_rank, n);
    }
    span_for(&s->par, n, place_span, &a);
    par_for(&s->par, z->n_head * ((n + QUERY_BLOCK - 1) / QUERY_BLOCK), head_piece, &a);
    if (s->watch.fn)
        tell(&a);
    sess_mm(s, &out, 1, a.out, z->n_head * z->v, n);
}

const struct part part_mla = {
    .uses = uses,
    .check = check,
    .work_floats = work_floats,
    .thread_floats = thread_floats,
    .cache_floats = cache_floats,
    .watch_floats = watch_floats,
    .run = run,
};
