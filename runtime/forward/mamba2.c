/* Mamba 2: a selective state space by head, one decay for all of a head's channels.
 *   z, x B C, dt = in(u);  x B C = silu(conv(x B C));  dt = clamp(softplus(dt + bias))
 *   h[p, s] = exp(dt A) h[p, s] + dt x[p] B[s]        (B and C are shared by groups of heads)
 *   y = h . C + D x;  out(norm(y silu(z))), or out(norm(y) silu(z)), or out(y silu(z))
 * the norm by groups of channels. Source: Dao and Gu 2024, "Transformers are SSMs".
 *
 * The state of a layer: the convolution's, then h [head, width, state]. */

#include "runtime/forward/recurrent.h"

#include <math.h>

static const struct weight_use uses[] = {
    {ROLE_SSM_IN,        0                              },
    {ROLE_SSM_IN_BIAS,   WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_SSM_CONV,      WEIGHT_VECTOR                  },
    {ROLE_SSM_CONV_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_SSM_DT_BIAS,   WEIGHT_VECTOR                  },
    {ROLE_SSM_A,         WEIGHT_VECTOR                  },
    {ROLE_SSM_D,         WEIGHT_VECTOR                  },
    {ROLE_SSM_NORM,      WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_SSM_OUT,       0                              },
    {ROLE_SSM_OUT_BIAS,  WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,          0                              },
};

struct sizes {
    size_t inner, state, groups, heads, width;
    size_t head; /* channels of a head */
    size_t conv; /* convolved channels: x, B and C */
    size_t in;   /* z, those, dt */
};

static struct sizes sizes_of(const struct model *m)
{
    struct sizes z = {
        .inner = recurrent_size(m, ARCH_SSM_INNER),
        .state = recurrent_size(m, ARCH_SSM_STATE),
        .groups = recurrent_size(m, ARCH_SSM_GROUPS),
        .heads = recurrent_size(m, ARCH_SSM_DT_RANK),
        .width = recurrent_size(m, ARCH_SSM_CONV),
    };

    z.head = z.heads ? z.inner / z.heads : 0;
    z.conv = z.inner + 2 * z.groups * z.state;
    z.in = z.inner + z.conv + z.heads;
    return z;
}

static int check(const struct model *m, size_t layer, struct err *err)
{
    const struct sizes z = sizes_of(m);

    if (!z.inner || !z.state || !z.groups || !z.heads || !z.width)
        return err_set(err, ERR_FORMAT,
                       "block %zu: %zu channels, %zu values of state, %zu groups, %zu heads, "
                       "convolution of %zu",
                       layer, z.inner, z.state, z.groups, z.heads, z.width);
    if (z.inner % z.heads || z.heads % z.groups)
        return err_set(err, ERR_FORMAT,
                       "block %zu: %zu channels of %zu heads of %zu groups do not divide", layer,
                       z.inner, z.heads, z.groups);
    return 0;
}

static size_t work_floats(const struct model *m, size_t layer)
{
    const struct sizes z = sizes_of(m);

    (void)layer;
    return z.in + z.conv + z.inner;
}

static size_t state_floats(const struct model *m, size_t layer)
{
    const struct sizes z = sizes_of(m);

    (void)layer;
    return conv_state(z.conv, z.width) + z.inner * z.state;
}

struct mamba2 {
    struct sess *s;
    const struct weights *w;
    struct sizes z;
    size_t n;
    float *in;  /* [n, in] */
    float *xbc; /* [n, conv] */
    float *y;   /* [n, inner] */
    float *h;   /* [inner, state] */
    float dt_min, dt_max;
    bool norm_first; /* the norm comes before the gate */
};

/* Channels p0 .. p1 - 1 of head `head`, token i. */
static void scan_token(const struct mamba2 *a, size_t i, size_t head, size_t p0, size_t p1)
{
    const struct sizes *z = &a->z;
    const float *x = a->xbc + i * z->conv + head * z->head;
    const float *B = a->xbc + i * z->conv + z->inner + head / (z->heads / z->groups) * z->state;
    const float *C = B + z->groups * z->state;
    const float raw = a->in[i * z->in + z->inner + z->conv + head];
    const float dt =
        fminf(fmaxf(softplus(raw + a->w->vec[ROLE_SSM_DT_BIAS][head]), a->dt_min), a->dt_max);
    const float decay = expf(dt * a->w->vec[ROLE_SSM_A][head]);
    float *y = a->y + i * z->inner + head * z->head;

    for (size_t p = p0; p < p1; p++) {
        float *h = a->h + (head * z->head + p) * z->state;
        const float xdt = x[p] * dt;
        for (size_t s = 0; s < z->state; s++)
            h[s] = h[s] * decay + xdt * B[s];
        y[p] = a->s->m->kern.dot(h, C, z->state) + a->w->vec[ROLE_SSM_D][head] * x[p];
    }
}

/* Piece: a block of channels of a head. */
static void scan_piece(void *arg, size_t piece, int thread)
{
    const struct mamba2 *a = arg;
    const size_t blocks = (a->z.head + RECURRENT_BLOCK - 1) / RECURRENT_BLOCK;
    const size_t p0 = piece % blocks * RECURRENT_BLOCK;
    const size_t p1 = p0 + RECURRENT_BLOCK < a->z.head ? p0 + RECURRENT_BLOCK : a->z.head;

    (void)thread;
    for (size_t i = 0; i < a->n; i++)
        scan_token(a, i, piece / blocks, p0, p1);
}

static void gate(float *y, const float *z, size_t n)
{
    for (size_t k = 0; k < n; k++)
        y[k] *= silu(z[k]);
}

static void gate_span(void *arg, size_t i0, size_t i1)
{
    const struct mamba2 *a = arg;
    const struct model *m = a->s->m;
    const float *w = a->w->vec[ROLE_SSM_NORM];
    const size_t group = a->z.inner / a->z.groups;

    for (size_t i = i0; i < i1; i++) {
        float *y = a->y + i * a->z.inner;
        const float *z = a->in + i * a->z.in;
        if (!w || !a->norm_first)
            gate(y, z, a->z.inner);
        for (size_t g = 0; w && g < a->z.groups; g++)
            m->kern.rms_norm(y + g * group, y + g * group, w + g * group, group, m->norm_eps);
        if (w && a->norm_first)
            gate(y, z, a->z.inner);
    }
}

static struct mamba2 mamba2_at(struct sess *s, size_t layer, size_t n)
{
    const struct arch_params *p = s->m->params;
    struct mamba2 a = {.s = s, .w = &s->m->layer[layer].w, .z = sizes_of(s->m), .n = n};

    a.in = s->work;
    a.xbc = a.in + n * a.z.in;
    a.y = a.xbc + n * a.z.conv;
    a.h = s->state[layer] + conv_state(a.z.conv, a.z.width);
    a.dt_min = (float)arch_num(p, ARCH_SSM_DT_MIN, layer);
    a.dt_max = arch_num(p, ARCH_SSM_DT_MAX, layer) > 0 ? (float)arch_num(p, ARCH_SSM_DT_MAX, layer)
                                                       : INFINITY;
    a.norm_first = arch_int(p, ARCH_SSM_NORM_FIRST, layer);
    return a;
}

static void run(struct sess *s, size_t layer, size_t n)
{
    const size_t n_embd = s->m->n_embd;
    struct mamba2 a = mamba2_at(s, layer, n);
    const size_t blocks = (a.z.head + RECURRENT_BLOCK - 1) / RECURRENT_BLOCK;
    const struct mm_job in = {.w = &a.w->mat[ROLE_SSM_IN], .y = a.in, .ld_y = a.z.in};
    const struct mm_job out = {.w = &a.w->mat[ROLE_SSM_OUT], .y = s->y, .ld_y = n_embd};
    const struct conv conv = {
        .w = a.w->vec[ROLE_SSM_CONV],
        .bias = a.w->vec[ROLE_SSM_CONV_BIAS],
        .state = s->state[layer],
        .x = a.in + a.z.inner,
        .y = a.xbc,
        .n_ch = a.z.conv,
        .width = a.z.width,
        .ld_x = a.z.in,
        .ld_y = a.z.conv,
        .n = n,
        .silu = true,
    };

    sess_mm(s, &in, 1, s->xn, n_embd, n);
    bias_rows(s, a.in, a.w->vec[ROLE_SSM_IN_BIAS], a.z.in, n);
    conv_causal(s, &conv);
    par_for(&s->par, a.z.heads * blocks, scan_piece, &a);
    span_for(&s->par, n, gate_span, &a);
    sess_mm(s, &out, 1, a.y, a.z.inner, n);
    bias_rows(s, s->y, a.w->vec[ROLE_SSM_OUT_BIAS], n_embd, n);
}

const struct part part_mamba2 = {
    .uses = uses,
    .check = check,
    .work_floats = work_floats,
    .state_floats = state_floats,
    .run = run,
};
