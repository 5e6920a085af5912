/* Mamba: a selective state space by channel.
 *   x, z = in(u);  x = silu(conv(x));  dt, B, C = x_proj(x), each RMS-normalised where
 *   the model has such norms;  dt = softplus(dt_proj(dt) + bias)
 *   h[c, s] = exp(dt[c] A[c, s]) h[c, s] + dt[c] B[s] x[c]
 *   y = out((h . C + D x) silu(z))
 * Source: Gu and Dao 2023, "Mamba", algorithm 2; norms: Jamba, FalconMamba.
 *
 * The state of a layer: the convolution's, then h [inner, state]. */

#include "runtime/forward/recurrent.h"

#include <math.h>

static const struct weight_use uses[] = {
    {ROLE_SSM_IN,        0                              },
    {ROLE_SSM_IN_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_SSM_CONV,      WEIGHT_VECTOR                  },
    {ROLE_SSM_CONV_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_SSM_X,         0                              },
    {ROLE_SSM_DT,        0                              },
    {ROLE_SSM_DT_BIAS,   WEIGHT_VECTOR                  },
    {ROLE_SSM_DT_NORM,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_SSM_B_NORM,    WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_SSM_C_NORM,    WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_SSM_A,         WEIGHT_VECTOR                  },
    {ROLE_SSM_D,         WEIGHT_VECTOR                  },
    {ROLE_SSM_OUT,       0                              },
    {ROLE_SSM_OUT_BIAS,  WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,          0                              },
};

struct sizes {
    size_t inner, state, rank, width;
    size_t dbc; /* dt, B and C of a token */
};

static struct sizes sizes_of(const struct model *m)
{
    struct sizes z = {
        .inner = recurrent_size(m, ARCH_SSM_INNER),
        .state = recurrent_size(m, ARCH_SSM_STATE),
        .rank = recurrent_size(m, ARCH_SSM_DT_RANK),
        .width = recurrent_size(m, ARCH_SSM_CONV),
    };

    z.dbc = z.rank + 2 * z.state;
    return z;
}

static int check(const struct model *m, size_t layer, struct err *err)
{
    const struct sizes z = sizes_of(m);

    if (!z.inner || !z.state || !z.rank || !z.width)
        return err_set(err, ERR_FORMAT,
                       "block %zu: %zu channels, %zu values of state, rank %zu, convolution of %zu",
                       layer, z.inner, z.state, z.rank, z.width);
    return 0;
}

static size_t work_floats(const struct model *m, size_t layer)
{
    const struct sizes z = sizes_of(m);

    (void)layer;
    return 4 * z.inner + z.dbc; /* x and z, convolved x, dt, and dbc */
}

static size_t state_floats(const struct model *m, size_t layer)
{
    const struct sizes z = sizes_of(m);

    (void)layer;
    return conv_state(z.inner, z.width) + z.inner * z.state;
}

struct mamba {
    struct sess *s;
    const struct weights *w;
    struct sizes z;
    size_t n;
    float *xz;  /* [n, 2 * inner] */
    float *x;   /* [n, inner], later y */
    float *dt;  /* [n, inner] */
    float *dbc; /* [n, rank + 2 * state] */
    float *h;   /* [inner, state] */
    float eps;
    bool normed;
};

/* x = x / sqrt(mean(x^2) + eps) * w */
static void norm(float *x, const float *w, size_t n, float eps)
{
    float sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    const float scale = 1.0F / sqrtf(sum / (float)n + eps);
    for (size_t i = 0; i < n; i++)
        x[i] *= scale * (w ? w[i] : 1.0F);
}

static void norm_span(void *arg, size_t i0, size_t i1)
{
    const struct mamba *a = arg;

    for (size_t i = i0; i < i1; i++) {
        float *dt = a->dbc + i * a->z.dbc;
        norm(dt, a->w->vec[ROLE_SSM_DT_NORM], a->z.rank, a->eps);
        norm(dt + a->z.rank, a->w->vec[ROLE_SSM_B_NORM], a->z.state, a->eps);
        norm(dt + a->z.rank + a->z.state, a->w->vec[ROLE_SSM_C_NORM], a->z.state, a->eps);
    }
}

/* Token i of channel c. */
static void scan_one(const struct mamba *a, size_t i, size_t c)
{
    const size_t state = a->z.state;
    const float *A = a->w->vec[ROLE_SSM_A] + c * state;
    const float *B = a->dbc + i * a->z.dbc + a->z.rank, *C = B + state;
    float *h = a->h + c * state, *x = a->x + i * a->z.inner + c;
    const float dt = softplus(a->dt[i * a->z.inner + c] + a->w->vec[ROLE_SSM_DT_BIAS][c]);
    float y = 0;

    for (size_t s = 0; s < state; s++) {
        h[s] = expf(dt * A[s]) * h[s] + dt * B[s] * *x;
        y += h[s] * C[s];
    }
    y += *x * a->w->vec[ROLE_SSM_D][c];
    *x = y * silu(a->xz[i * 2 * a->z.inner + a->z.inner + c]);
}

static void scan_piece(void *arg, size_t piece, int thread)
{
    const struct mamba *a = arg;
    const size_t c0 = piece * RECURRENT_BLOCK;
    const size_t c1 = c0 + RECURRENT_BLOCK < a->z.inner ? c0 + RECURRENT_BLOCK : a->z.inner;

    (void)thread;
    for (size_t i = 0; i < a->n; i++)
        for (size_t c = c0; c < c1; c++)
            scan_one(a, i, c);
}

static struct mamba mamba_at(struct sess *s, size_t layer, size_t n)
{
    const struct model *m = s->m;
    struct mamba a = {.s = s, .w = &m->layer[layer].w, .z = sizes_of(m), .n = n};

    a.xz = s->work;
    a.x = a.xz + n * 2 * a.z.inner;
    a.dt = a.x + n * a.z.inner;
    a.dbc = a.dt + n * a.z.inner;
    a.h = s->state[layer] + conv_state(a.z.inner, a.z.width);
    a.eps = arch_has(m->params, ARCH_SSM_NORM_EPS)
                ? (float)arch_num(m->params, ARCH_SSM_NORM_EPS, layer)
                : m->norm_eps;
    a.normed = arch_int(m->params, ARCH_SSM_NORMS, layer) || a.w->vec[ROLE_SSM_DT_NORM];
    return a;
}

static void run(struct sess *s, size_t layer, size_t n)
{
    const size_t n_embd = s->m->n_embd;
    struct mamba a = mamba_at(s, layer, n);
    const size_t inner = a.z.inner;
    const struct mm_job in = {.w = &a.w->mat[ROLE_SSM_IN], .y = a.xz, .ld_y = 2 * inner};
    const struct mm_job x_proj = {.w = &a.w->mat[ROLE_SSM_X], .y = a.dbc, .ld_y = a.z.dbc};
    const struct mm_job dt_proj = {.w = &a.w->mat[ROLE_SSM_DT], .y = a.dt, .ld_y = inner};
    const struct mm_job out = {.w = &a.w->mat[ROLE_SSM_OUT], .y = s->y, .ld_y = n_embd};
    const struct conv conv = {
        .w = a.w->vec[ROLE_SSM_CONV],
        .bias = a.w->vec[ROLE_SSM_CONV_BIAS],
        .state = s->state[layer],
        .x = a.xz,
        .y = a.x,
        .n_ch = inner,
        .width = a.z.width,
        .ld_x = 2 * inner,
        .ld_y = inner,
        .n = n,
        .silu = true,
    };

    sess_mm(s, &in, 1, s->xn, n_embd, n);
    bias_rows(s, a.xz, a.w->vec[ROLE_SSM_IN_BIAS], 2 * inner, n);
    conv_causal(s, &conv);
    sess_mm(s, &x_proj, 1, a.x, inner, n);
    if (a.normed)
        span_for(&s->par, n, norm_span, &a);
    sess_mm(s, &dt_proj, 1, a.dbc, a.z.dbc, n);
    par_for(&s->par, (inner + RECURRENT_BLOCK - 1) / RECURRENT_BLOCK, scan_piece, &a);
    sess_mm(s, &out, 1, a.x, inner, n);
    bias_rows(s, s->y, a.w->vec[ROLE_SSM_OUT_BIAS], n_embd, n);
}

const struct part part_mamba = {
    .uses = uses,
    .check = check,
    .work_floats = work_floats,
    .state_floats = state_floats,
    .run = run,
};
