/* Gated delta net: linear attention whose memory forgets and corrects itself.
 *   q k v = silu(conv(in(u)));  beta = sigmoid(b);  g = A softplus(a + bias)
 *   q, k: every head divided by its length; q / sqrt(width)
 *   S = exp(g) S;  S += k (beta (v - S^T k))^T;  o = S^T q       (by value head)
 *   y = out(rms_norm(o) silu(z))
 * Key heads are shared by value heads: next to each other, or every n-th
 * (traits.delta_tiled). Source: Yang, Kautz and Hatamizadeh 2024, "Gated Delta Networks".
 *
 * The state of a layer: the convolution's, then S [value head, value width, key width]. */

#include "runtime/forward/recurrent.h"

#include <math.h>

static const struct weight_use uses[] = {
    {ROLE_SSM_IN,         0                              },
    {ROLE_SSM_GATE,       0                              },
    {ROLE_SSM_BETA,       WEIGHT_OPTIONAL                },
    {ROLE_SSM_ALPHA,      WEIGHT_OPTIONAL                },
    {ROLE_SSM_BETA_ALPHA, WEIGHT_OPTIONAL                },
    {ROLE_SSM_CONV,       WEIGHT_VECTOR                  },
    {ROLE_SSM_CONV_BIAS,  WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_SSM_DT_BIAS,    WEIGHT_VECTOR                  },
    {ROLE_SSM_A,          WEIGHT_VECTOR                  },
    {ROLE_SSM_NORM,       WEIGHT_VECTOR                  },
    {ROLE_SSM_OUT,        0                              },
    {ROLE_NONE,           0                              },
};

struct sizes {
    size_t nk, nv, dk, dv, width;
    size_t keys, values; /* nk * dk, nv * dv */
    size_t conv;         /* q, k and v */
};

static struct sizes sizes_of(const struct model *m)
{
    struct sizes z = {
        .nk = recurrent_size(m, ARCH_SSM_GROUPS),
        .nv = recurrent_size(m, ARCH_SSM_DT_RANK),
        .dk = recurrent_size(m, ARCH_SSM_STATE),
        .values = recurrent_size(m, ARCH_SSM_INNER),
        .width = recurrent_size(m, ARCH_SSM_CONV),
    };

    z.dv = z.nv ? z.values / z.nv : 0;
    z.keys = z.nk * z.dk;
    z.conv = 2 * z.keys + z.values;
    return z;
}

static int check(const struct model *m, size_t layer, struct err *err)
{
    const struct sizes z = sizes_of(m);
    const struct weights *w = &m->layer[layer].w;

    if (!z.nk || !z.nv || !z.dk || !z.dv || !z.width)
        return err_set(
            err, ERR_FORMAT,
            "block %zu: %zu key heads of %zu, %zu value heads of %zu, convolution of %zu", layer,
            z.nk, z.dk, z.nv, z.dv, z.width);
    if (z.nv % z.nk || z.values % z.nv)
        return err_set(err, ERR_FORMAT, "block %zu: %zu value heads do not share %zu key heads",
                       layer, z.nv, z.nk);
    if (!w->mat[ROLE_SSM_BETA_ALPHA].t && (!w->mat[ROLE_SSM_BETA].t || !w->mat[ROLE_SSM_ALPHA].t))
        return err_set(err, ERR_FORMAT, "block %zu: the weights of beta and alpha are missing",
                       layer);
    return 0;
}

static size_t work_floats(const struct model *m, size_t layer)
{
    const struct sizes z = sizes_of(m);

    (void)layer;
    return 2 * z.conv + 2 * z.values + 2 * z.nv; /* qkv, convolved; z and o; beta and alpha */
}

static size_t state_floats(const struct model *m, size_t layer)
{
    const struct sizes z = sizes_of(m);

    (void)layer;
    return conv_state(z.conv, z.width) + z.values * z.dk;
}

struct delta {
    struct sess *s;
    const struct weights *w;
    struct sizes z;
    size_t n;
    float *qkv, *conv; /* [n, conv] */
    float *gate, *out; /* [n, values] */
    float *ba;         /* [n, 2 * nv]: beta and alpha of a token, see places */
    float *state;      /* [nv, dv, dk] */
    bool fused;        /* ba is [key head][its betas, its alphas] */
};

/* Where in a token's ba beta of value head h stands; *alpha: its alpha. */
static size_t places(size_t *alpha, const struct delta *a, size_t h)
{
    const size_t each = a->z.nv / a->z.nk;
    const size_t beta = a->fused ? h / each * 2 * each + h % each : h;

    *alpha = beta + (a->fused ? each : a->z.nv);
    return beta;
}

/* x /= sqrt(sum x^2 + eps), then *= scale. */
static void unit(float *x, size_t n, float scale)
{
    const float eps = 1e-6F; /* the reference's, whatever the model's epsilon */
    float sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    scale *= 1.0F / sqrtf(sum + eps);
    for (size_t i = 0; i < n; i++)
        x[i] *= scale;
}

/* Heads of a token to unit length; beta and the decay exp(g) from b and a. */
static void prepare_span(void *arg, size_t i0, size_t i1)
{
    const struct delta *a = arg;
    const struct sizes *z = &a->z;
    const float scale = (float)(1.0 / sqrt((double)z->dk));

    for (size_t i = i0; i < i1; i++) {
        float *q = a->conv + i * z->conv, *k = q + z->keys, *ba = a->ba + i * 2 * z->nv;
        for (size_t h = 0; h < z->nk; h++) {
            unit(q + h * z->dk, z->dk, scale);
            unit(k + h * z->dk, z->dk, 1.0F);
        }
        for (size_t h = 0; h < z->nv; h++) {
            size_t alpha;
            const size_t beta = places(&alpha, a, h);
            ba[beta] = sigmoid(ba[beta]);
            ba[alpha] = expf(a->w->vec[ROLE_SSM_A][h] *
                             softplus(ba[alpha] + a->w->vec[ROLE_SSM_DT_BIAS][h]));
        }
    }
}

/* Values d0 .. d1 - 1 of head h, token i: each has a row of S of its own. */
static void scan_token(const struct delta *a, size_t i, size_t h, size_t d0, size_t d1)
{
    const struct sizes *z = &a->z;
    const struct kern *kern = &a->s->m->kern;
    const size_t kh = a->s->m->traits.delta_tiled ? h % z->nk : h / (z->nv / z->nk);
    const float *q = a->conv + i * z->conv + kh * z->dk, *k = q + z->keys;
    const float *v = a->conv + i * z->conv + 2 * z->keys + h * z->dv;
    size_t at_decay;
    const float beta = a->ba[i * 2 * z->nv + places(&at_decay, a, h)];
    const float decay = a->ba[i * 2 * z->nv + at_decay];

    for (size_t d = d0; d < d1; d++) {
        float *row = a->state + (h * z->dv + d) * z->dk;
        for (size_t j = 0; j < z->dk; j++)
            row[j] *= decay;
        kern->axpy(row, k, (v[d] - kern->dot(row, k, z->dk)) * beta, z->dk);
        a->out[i * z->values + h * z->dv + d] = kern->dot(row, q, z->dk);
    }
}

/* Piece: a block of values of a head. */
static void scan_piece(void *arg, size_t piece, int thread)
{
    const struct delta *a = arg;
    const size_t blocks = (a->z.dv + RECURRENT_BLOCK - 1) / RECURRENT_BLOCK;
    const size_t d0 = piece % blocks * RECURRENT_BLOCK;
    const size_t d1 = d0 + RECURRENT_BLOCK < a->z.dv ? d0 + RECURRENT_BLOCK : a->z.dv;

    (void)thread;
    for (size_t i = 0; i < a->n; i++)
        scan_token(a, i, piece / blocks, d0, d1);
}

static void gate_span(void *arg, size_t i0, size_t i1)
{
    const struct delta *a = arg;
    const struct model *m = a->s->m;
    const size_t dv = a->z.dv;

    for (size_t i = i0 * a->z.nv; i < i1 * a->z.nv; i++) {
        float *o = a->out + i * dv;
        m->kern.rms_norm(o, o, a->w->vec[ROLE_SSM_NORM], dv, m->norm_eps);
        for (size_t d = 0; d < dv; d++)
            o[d] *= silu(a->gate[i * dv + d]);
    }
}

static struct delta delta_at(struct sess *s, size_t layer, size_t n)
{
    struct delta a = {.s = s, .w = &s->m->layer[layer].w, .z = sizes_of(s->m), .n = n};

    a.qkv = s->work;
    a.conv = a.qkv + n * a.z.conv;
    a.gate = a.conv + n * a.z.conv;
    a.out = a.gate + n * a.z.values;
    a.ba = a.out + n * a.z.values;
    a.state = s->state[layer] + conv_state(a.z.conv, a.z.width);
    a.fused = a.w->mat[ROLE_SSM_BETA_ALPHA].t;
    return a;
}

/* Everything that comes straight from the input. */
static void project(const struct delta *a)
{
    const struct sizes *z = &a->z;
    struct mm_job jobs[4] = {
        {.w = &a->w->mat[ROLE_SSM_IN],   .y = a->qkv,  .ld_y = z->conv  },
        {.w = &a->w->mat[ROLE_SSM_GATE], .y = a->gate, .ld_y = z->values},
    };
    size_t n = 2;

    if (a->fused) {
        jobs[n++] =
            (struct mm_job){.w = &a->w->mat[ROLE_SSM_BETA_ALPHA], .y = a->ba, .ld_y = 2 * z->nv};
    } else {
        jobs[n++] = (struct mm_job){.w = &a->w->mat[ROLE_SSM_BETA], .y = a->ba, .ld_y = 2 * z->nv};
        jobs[n++] =
            (struct mm_job){.w = &a->w->mat[ROLE_SSM_ALPHA], .y = a->ba + z->nv, .ld_y = 2 * z->nv};
    }
    sess_mm(a->s, jobs, n, a->s->xn, a->s->m->n_embd, a->n);
}

static void run(struct sess *s, size_t layer, size_t n)
{
    struct delta a = delta_at(s, layer, n);
    const size_t blocks = (a.z.dv + RECURRENT_BLOCK - 1) / RECURRENT_BLOCK;
    const struct mm_job out = {.w = &a.w->mat[ROLE_SSM_OUT], .y = s->y, .ld_y = s->m->n_embd};
    const struct conv conv = {
        .w = a.w->vec[ROLE_SSM_CONV],
        .bias = a.w->vec[ROLE_SSM_CONV_BIAS],
        .state = s->state[layer],
        .x = a.qkv,
        .y = a.conv,
        .n_ch = a.z.conv,
        .width = a.z.width,
        .ld_x = a.z.conv,
        .ld_y = a.z.conv,
        .n = n,
        .silu = true,
    };

    project(&a);
    conv_causal(s, &conv);
    span_for(&s->par, n, prepare_span, &a);
    par_for(&s->par, a.z.nv * blocks, scan_piece, &a);
    span_for(&s->par, n, gate_span, &a);
    sess_mm(s, &out, 1, a.out, a.z.values, n);
}

const struct part part_delta_net = {
    .uses = uses,
    .check = check,
    .work_floats = work_floats,
    .state_floats = state_floats,
    .run = run,
};
