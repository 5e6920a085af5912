#include "runtime/forward/recurrent.h"

#include <math.h>
#include <string.h>

float softplus(float x)
{
    return x > 20.0F ? x : log1pf(expf(x));
}

float sigmoid(float x)
{
    return 1.0F / (1.0F + expf(-x));
}

float silu(float x)
{
    return x / (1.0F + expf(-x));
}

size_t recurrent_size(const struct model *m, enum arch_param which)
{
    return (size_t)arch_int(m->params, which, 0);
}

/* ---- convolution --------------------------------------------------------------- */

size_t conv_state(size_t n_ch, size_t width)
{
    return n_ch * (width - 1);
}

/* The input of channels c0 .. that stands j rows after the first of the state. */
static const float *input(const struct conv *c, size_t j, size_t c0)
{
    const size_t before = c->width - 1;

    return j < before ? c->state + j * c->n_ch + c0 : c->x + (j - before) * c->ld_x + c0;
}

/* Keep the last width - 1 inputs of k channels. */
static void move_state(const struct conv *c, size_t c0, size_t k)
{
    for (size_t j = 0; j + 1 < c->width; j++)
        memmove(c->state + j * c->n_ch + c0, input(c, j + c->n, c0), k * sizeof(float));
}

static void conv_piece(void *arg, size_t piece, int thread)
{
    const struct conv *c = arg;
    const size_t c0 = piece * RECURRENT_BLOCK;
    const size_t k = c->n_ch - c0 < RECURRENT_BLOCK ? c->n_ch - c0 : RECURRENT_BLOCK;

    (void)thread;
    for (size_t i = 0; i < c->n; i++) {
        float *y = c->y + i * c->ld_y + c0;
        for (size_t q = 0; q < k; q++)
            y[q] = c->bias ? c->bias[c0 + q] : 0.0F;
        for (size_t j = 0; j < c->width; j++) {
            const float *x = input(c, i + j, c0);
            const float *w = c->w + c0 * c->width + j;
            for (size_t q = 0; q < k; q++)
                y[q] += w[q * c->width] * x[q];
        }
        for (size_t q = 0; c->silu && q < k; q++)
            y[q] = silu(y[q]);
    }
    move_state(c, c0, k);
}

void conv_causal(struct sess *s, const struct conv *c)
{
    struct conv copy = *c;

    par_for(&s->par, (c->n_ch + RECURRENT_BLOCK - 1) / RECURRENT_BLOCK, conv_piece, &copy);
}

/* ---- biases ---------------------------------------------------------------------- */

struct bias_job {
    const struct model *m;
    float *x;
    const float *bias;
    size_t width;
};

static void bias_span(void *arg, size_t i0, size_t i1)
{
    const struct bias_job *b = arg;

    for (size_t i = i0; i < i1; i++)
        bias_add(b->m, b->x + i * b->width, b->bias, b->width);
}

void bias_rows(struct sess *s, float *x, const float *bias, size_t width, size_t n)
{
    struct bias_job job = {s->m, x, bias, width};

    if (bias)
        span_for(&s->par, n, bias_span, &job);
}
