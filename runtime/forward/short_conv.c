/* Short convolution with two gates: B, C, x = in(u);  y = out(C * conv(B * x)).
 * Source: LiquidAI's LFM2.
 *
 * The state of a layer: the convolution's. */

#include "runtime/forward/recurrent.h"

static const struct weight_use uses[] = {
    {ROLE_CONV_IN,       0                              },
    {ROLE_CONV_IN_BIAS,  WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_CONV,          WEIGHT_VECTOR                  },
    {ROLE_CONV_BIAS,     WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_CONV_OUT,      0                              },
    {ROLE_CONV_OUT_BIAS, WEIGHT_VECTOR | WEIGHT_OPTIONAL},
    {ROLE_NONE,          0                              },
};

static int check(const struct model *m, size_t layer, struct err *err)
{
    if (!recurrent_size(m, ARCH_CONV_CACHE))
        return err_set(err, ERR_FORMAT, "block %zu: a convolution of no width", layer);
    return 0;
}

static size_t work_floats(const struct model *m, size_t layer)
{
    (void)layer;
    return 5 * m->n_embd; /* B, C, x; B * x; convolved */
}

static size_t state_floats(const struct model *m, size_t layer)
{
    (void)layer;
    return conv_state(m->n_embd, recurrent_size(m, ARCH_CONV_CACHE));
}

struct short_conv {
    size_t width;
    const float *bcx; /* [n, 3 * width] */
    float *bx, *y;    /* [n, width] */
};

static void gate_in(void *arg, size_t i0, size_t i1)
{
    const struct short_conv *a = arg;

    for (size_t i = i0; i < i1; i++) {
        const float *b = a->bcx + i * 3 * a->width, *x = b + 2 * a->width;
        for (size_t c = 0; c < a->width; c++)
            a->bx[i * a->width + c] = b[c] * x[c];
    }
}

static void gate_out(void *arg, size_t i0, size_t i1)
{
    const struct short_conv *a = arg;

    for (size_t i = i0; i < i1; i++) {
        const float *gate = a->bcx + i * 3 * a->width + a->width;
        for (size_t c = 0; c < a->width; c++)
            a->y[i * a->width + c] *= gate[c];
    }
}

static void run(struct sess *s, size_t layer, size_t n)
{
    const struct weights *w = &s->m->layer[layer].w;
    const size_t width = s->m->n_embd;
    float *bcx = s->work, *bx = bcx + n * 3 * width, *y = bx + n * width;
    struct short_conv a = {.width = width, .bcx = bcx, .bx = bx, .y = y};
    const struct mm_job in = {.w = &w->mat[ROLE_CONV_IN], .y = bcx, .ld_y = 3 * width};
    const struct mm_job out = {.w = &w->mat[ROLE_CONV_OUT], .y = s->y, .ld_y = width};
    const struct conv conv = {
        .w = w->vec[ROLE_CONV],
        .bias = w->vec[ROLE_CONV_BIAS],
        .state = s->state[layer],
        .x = bx,
        .y = y,
        .n_ch = width,
        .width = recurrent_size(s->m, ARCH_CONV_CACHE),
        .ld_x = width,
        .ld_y = width,
        .n = n,
    };

    sess_mm(s, &in, 1, s->xn, width, n);
    bias_rows(s, bcx, w->vec[ROLE_CONV_IN_BIAS], 3 * width, n);
    span_for(&s->par, n, gate_in, &a);
    conv_causal(s, &conv);
    span_for(&s->par, n, gate_out, &a);
    sess_mm(s, &out, 1, y, width, n);
    bias_rows(s, s->y, w->vec[ROLE_CONV_OUT_BIAS], width, n);
}

const struct part part_short_conv = {
    .uses = uses,
    .check = check,
    .work_floats = work_floats,
    .state_floats = state_floats,
    .run = run,
};
