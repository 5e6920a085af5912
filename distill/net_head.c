/* From the last residual stream to logits, by chunks of rows, and back. */

#include "distill/parts/parts.h"

struct finish {
    const struct net *n;
    float *d;
    const float *logits; /* of the way back */
    size_t rows;
};

/* Rows of a chunk that one piece of work finishes. */
enum { PIECE_LOGITS = 4 };

static const struct param *head_of(const struct net *n)
{
    const struct param *own = params_role(n->ps, ROLE_OUTPUT, -1);

    return own ? own : params_role(n->ps, ROLE_TOKEN_EMBD, -1);
}

/* What logits are multiplied by. */
static float factor(const struct net *n)
{
    const float by = (float)arch_num(n->m->params, ARCH_LOGIT_SCALE, 0);
    const float divisor = (float)arch_num(n->m->params, ARCH_LOGIT_DIVISOR, 0);

    return (by != 0 ? by : 1) / (divisor != 0 ? divisor : 1);
}

static float cap(const struct net *n)
{
    return (float)arch_num(n->m->params, ARCH_LOGIT_CAP, 0);
}

static void finish_rows(void *arg, size_t i, int thread)
{
    const struct finish *f = arg;
    const struct net *n = f->n;
    const size_t v = n->m->n_vocab;

    (void)thread;
    for (size_t r = i * PIECE_LOGITS; r < f->rows && r < (i + 1) * PIECE_LOGITS; r++) {
        float *y = f->d + r * v;
        bias_add(n->m, y, param_w(n, params_role(n->ps, ROLE_OUTPUT_BIAS, -1)), v);
        values_scale(y, factor(n), v);
        if (cap(n) > 0)
            n->wide->cap(y, y, cap(n), v);
    }
}

static void unfinish_rows(void *arg, size_t i, int thread)
{
    const struct finish *f = arg;
    const struct net *n = f->n;
    const size_t v = n->m->n_vocab;

    (void)thread;
    for (size_t r = i * PIECE_LOGITS; r < f->rows && r < (i + 1) * PIECE_LOGITS; r++) {
        if (cap(n) > 0)
            n->wide->cap_back(f->d + r * v, f->logits + r * v, cap(n), v);
        values_scale(f->d + r * v, factor(n), v);
    }
}

static bool plain(const struct net *n)
{
    return factor(n) == 1 && !(cap(n) > 0);
}

void net_logits(struct net *n, float *logits, size_t row0, size_t n_rows)
{
    const size_t e = n->m->n_embd, v = n->m->n_vocab;
    const struct gemm_side x = {n->xl + row0 * e, e, false}, w = {param_w(n, head_of(n)), e, true};
    struct finish f = {n, logits, NULL, n_rows};

    gemm(n->gemm, logits, v, &x, &w, (size_t[]){n_rows, v, e}, false);
    if (!plain(n) || params_role(n->ps, ROLE_OUTPUT_BIAS, -1))
        par_for(&n->par, (n_rows + PIECE_LOGITS - 1) / PIECE_LOGITS, finish_rows, &f);
}

void net_logits_back(struct net *n, float *d, const float *logits, size_t row0, size_t n_rows)
{
    const size_t e = n->m->n_embd, v = n->m->n_vocab;
    const struct gemm_side side = {d, v, false}, turned = {d, v, true};
    const struct gemm_side x = {n->xl + row0 * e, e, false}, w = {param_w(n, head_of(n)), e, false};
    struct finish f = {n, d, logits, n_rows};

    if (!plain(n))
        par_for(&n->par, (n_rows + PIECE_LOGITS - 1) / PIECE_LOGITS, unfinish_rows, &f);
    bias_backward(n, d, v, n_rows, params_role(n->ps, ROLE_OUTPUT_BIAS, -1));
    gemm(n->gemm, n->dxl + row0 * e, e, &side, &w, (size_t[]){n_rows, e, v}, false);
    gemm(n->gemm, param_g(n, head_of(n)), e, &turned, &x, (size_t[]){v, e, n_rows}, true);
}
