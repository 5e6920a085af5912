#include "tests/plain.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    E = SMALL_EMBD,
    HEADS = SMALL_HEADS,
    KV = SMALL_KV,
    D = SMALL_HEAD,
    FF = SMALL_FF,
    VOCAB = SMALL_VOCAB,
    LAYERS = SMALL_LAYERS
};

struct cache {
    double k[LAYERS][PLAIN_MAX][KV * D], v[LAYERS][PLAIN_MAX][KV * D];
};

static const float *weight(const struct small *t, int layer, const char *name)
{
    const float *w = small_weight(t, layer, name);

    if (!w)
        abort();
    return w;
}

static void mul(double *y, const float *w, const double *x, int rows, int cols)
{
    for (int r = 0; r < rows; r++) {
        y[r] = 0;
        for (int c = 0; c < cols; c++)
            y[r] += (double)w[r * cols + c] * x[c];
    }
}

/* w NULL: ones */
static void norm(double *y, const double *x, const float *w, int n)
{
    double sum = 0;

    for (int i = 0; i < n; i++)
        sum += x[i] * x[i];
    for (int i = 0; i < n; i++)
        y[i] = x[i] / sqrt(sum / n + (double)1e-5F) * (w ? (double)w[i] : 1);
}

static void rope(double *x, int heads, int pos, double base)
{
    for (int h = 0; h < heads; h++)
        for (int i = 0; i < D / 2; i++) {
            const double a = pos * pow(base, -2.0 * i / D);
            double *p = x + h * D + 2 * i;
            const double x0 = p[0], x1 = p[1];
            p[0] = x0 * cos(a) - x1 * sin(a);
            p[1] = x0 * sin(a) + x1 * cos(a);
        }
}

static void clamp(double *x, int n, double limit)
{
    for (int i = 0; limit > 0 && i < n; i++)
        x[i] = fmin(fmax(x[i], -limit), limit);
}

static void place(double *q, double *k, const struct plain *how, int l, int pos)
{
    const bool turns = !how->alibi && !(how->skip_rope && l == 1);

    if (turns) {
        rope(q, HEADS, pos, how->base > 0 ? how->base : 10000);
        rope(k, KV, pos, how->base > 0 ? how->base : 10000);
    }
    for (int h = 0; how->l2 && turns && h < HEADS; h++)
        norm(q + h * D, q + h * D, NULL, D);
    for (int h = 0; how->l2 && turns && h < KV; h++)
        norm(k + h * D, k + h * D, NULL, D);
    if (how->temp > 0 && (!how->skip_rope || !turns)) {
        const double f = 1 + how->temp * log(1 + floor((pos + how->skip_rope) / how->temp_ctx));
        for (int i = 0; i < HEADS * D; i++)
            q[i] *= f;
    }
}

static int first_seen(const struct plain *how, int l, int pos)
{
    int first = 0;

    if (how->only_first && l > 0)
        return 0;
    if (how->window && pos >= how->window)
        first = pos - how->window + 1;
    if (how->chunk && pos / how->chunk * how->chunk > first)
        first = pos / how->chunk * how->chunk;
    return first;
}

static double score(const double *q, const double *k, const struct plain *how, int h, int back)
{
    double s = 0;

    for (int i = 0; i < D; i++)
        s += q[i] * k[i];
    s *= how->scale > 0 ? how->scale : 1 / sqrt(D);
    if (how->cap > 0)
        s = how->cap * tanh(s / how->cap);
    return how->alibi ? s - pow(2, -how->alibi_max * (h + 1) / HEADS) * back : s;
}

/* y = what attention adds for the token at pos. */
static void attention(double *y, const double *xn, struct cache *c, const struct small *t, int l,
                      int pos, const struct plain *how)
{
    double q[HEADS * D], out[HEADS * D] = {0};
    const int first = first_seen(how, l, pos);

    mul(q, weight(t, l, "attn_q.weight"), xn, HEADS * D, E);
    for (int i = 0; i < HEADS * D; i++)
        q[i] += (double)weight(t, l, "attn_q.bias")[i];
    mul(c->k[l][pos], weight(t, l, "attn_k.weight"), xn, KV * D, E);
    mul(c->v[l][pos], weight(t, l, "attn_v.weight"), xn, KV * D, E);
    clamp(q, HEADS * D, how->clamp);
    clamp(c->k[l][pos], KV * D, how->clamp);
    clamp(c->v[l][pos], KV * D, how->clamp);
    place(q, c->k[l][pos], how, l, pos);
    for (int h = 0; h < HEADS; h++) {
        const int kv = h / (HEADS / KV) * D;
        double p[PLAIN_MAX], sum = 0;
        for (int j = first; j <= pos; j++)
            sum += p[j] = exp(score(q + h * D, c->k[l][j] + kv, how, h, pos - j));
        for (int j = first; j <= pos; j++)
            for (int i = 0; i < D; i++)
                out[h * D + i] += p[j] / sum * c->v[l][j][kv + i];
    }
    mul(y, weight(t, l, "attn_output.weight"), out, E, HEADS * D);
}

static void ffn(double *y, const double *xn, const struct small *t, int l, const struct plain *how)
{
    double g[FF], u[FF];

    mul(g, weight(t, l, "ffn_gate.weight"), xn, FF, E);
    mul(u, weight(t, l, "ffn_up.weight"), xn, FF, E);
    for (int i = 0; i < FF; i++)
        g[i] = (how->act ? how->act(g[i]) : g[i] / (1 + exp(-g[i]))) * u[i];
    mul(y, weight(t, l, "ffn_down.weight"), g, E, FF);
    for (int i = 0; i < E; i++)
        y[i] += (double)weight(t, l, "ffn_down.bias")[i];
}

static void block(double *x, struct cache *c, const struct small *t, int l, int pos,
                  const struct plain *how)
{
    const double scale = how->residual_scale > 0 ? how->residual_scale : 1;
    double xn[E], y[E], z[E] = {0};

    norm(xn, x, weight(t, l, "attn_norm.weight"), E);
    attention(y, xn, c, t, l, pos, how);
    if (how->parallel) {
        norm(xn, x, weight(t, l, "ffn_norm.weight"), E);
        ffn(z, xn, t, l, how);
    }
    for (int i = 0; i < E; i++)
        x[i] += scale * (y[i] + z[i]);
    if (how->parallel)
        return;
    norm(xn, x, weight(t, l, "ffn_norm.weight"), E);
    ffn(y, xn, t, l, how);
    for (int i = 0; i < E; i++)
        x[i] += scale * y[i];
}

void plain_run(double *logits, const struct small *t, const int32_t *ids, int n,
               const struct plain *how)
{
    static const struct plain llama;
    struct cache c;
    double x[E], xn[E];

    how = how ? how : &llama;
    for (int pos = 0; pos < n; pos++) {
        double *y = logits + pos * VOCAB;
        for (int i = 0; i < E; i++)
            x[i] = (double)weight(t, -1, "token_embd.weight")[ids[pos] * E + i] *
                   (how->embd_scale > 0 ? how->embd_scale : 1);
        for (int l = 0; l < LAYERS; l++)
            block(x, &c, t, l, pos, how);
        norm(xn, x, weight(t, -1, "output_norm.weight"), E);
        mul(y, weight(t, -1, "output.weight"), xn, VOCAB, E);
        for (int i = 0; i < VOCAB; i++) {
            y[i] *= how->logit_scale > 0 ? how->logit_scale : 1;
            y[i] = how->logit_cap > 0 ? how->logit_cap * tanh(y[i] / how->logit_cap) : y[i];
        }
    }
}
