/* Rotary positions: frequencies with the extensions that stretch a context.
 * Sources: Su et al. 2021 (RoFormer); Peng et al. 2023 (YaRN); Ding et al. 2024
 * (LongRoPE), with the numbers transformers uses where a paper leaves a choice. */

#include "runtime/forward/forward.h"

#include <math.h>
#include <string.h>

/* YaRN's defaults where a file gives none. */
static const double BETA_FAST = 32.0, BETA_SLOW = 1.0;

/* The numbers of one kind of layer; equal numbers share a table. */
struct kind {
    double base, factor, ctx;
    size_t n_rot;
    int type; /* enum arch_rope_scaling */
    bool own; /* a windowed layer, and those have angles of their own */
};

/* Zero means "not given", as in transformers. */
static double given(const struct model *m, enum arch_param which, size_t layer, double otherwise)
{
    const double v = arch_num(m->params, which, layer);

    return v != 0 ? v : otherwise;
}

static struct kind kind_of(const struct model *m, size_t layer)
{
    const struct arch_params *p = m->params;
    struct kind k;

    memset(&k, 0, sizeof(k)); /* compared as bytes */
    k.base = arch_num(p, ARCH_ROPE_BASE, layer);
    k.ctx = given(m, ARCH_ROPE_CTX, layer, (double)m->n_ctx);
    k.n_rot = (size_t)arch_int(p, ARCH_N_ROT, layer);
    k.type = (int)arch_int(p, ARCH_ROPE_TYPE, layer);
    k.own = arch_int(p, ARCH_AT_WINDOW, layer) &&
            (arch_has(p, ARCH_ROPE_BASE_SWA) || arch_has(p, ARCH_ROPE_TYPE_SWA) ||
             arch_has(p, ARCH_N_ROT_SWA));
    if (k.type == ARCH_ROPE_NONE && m->top.vec[ROLE_ROPE_LONG])
        k.type = ARCH_ROPE_LONG; /* a GGUF that has the divisors does not name it */
    if (k.own && !arch_has(p, ARCH_ROPE_TYPE_SWA))
        k.type = ARCH_ROPE_NONE; /* in a GGUF only the others' is named */
    k.factor = k.type == ARCH_ROPE_LONG ? (double)m->n_ctx / k.ctx : 1.0;
    k.factor = given(m, ARCH_ROPE_FACTOR, layer, k.factor);
    return k;
}

/* The (real) pair index whose wave turns `turns` times within the original context. */
static double pair_of_turns(double turns, const struct kind *k)
{
    const double two_pi = 6.283185307179586;

    return (double)k->n_rot * log(k->ctx / (turns * two_pi)) / (2.0 * log(k->base));
}

/* Fast waves keep their frequency, slow ones are stretched by the factor, those
 * between are blended along a ramp over the pairs. */
static void yarn(struct rope *r, const struct model *m, const struct kind *k, size_t layer)
{
    double low = pair_of_turns(given(m, ARCH_ROPE_FAST, layer, BETA_FAST), k);
    double high = pair_of_turns(given(m, ARCH_ROPE_SLOW, layer, BETA_SLOW), k);

    if (!arch_int(m->params, ARCH_ROPE_EXACT, layer)) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0.0);
    high = fmin(high, (double)k->n_rot - 1.0);
    if (low == high)
        high += 0.001; /* no division by zero: a step instead of a ramp */
    for (size_t i = 0; i < k->n_rot / 2; i++) {
        const double ramp = fmin(fmax(((double)i - low) / (high - low), 0.0), 1.0);
        r->freq[i] *= (1.0 - ramp) + ramp / k->factor;
    }
    /* where a multiplier is given, scores have it instead (multi-head latent attention) */
    const bool in_scores = arch_num(m->params, ARCH_ROPE_LOGMUL, layer) != 0;
    const double grown = k->factor > 1.0 && !in_scores ? 0.1 * log(k->factor) + 1.0 : 1.0;
    r->magnitude = given(m, ARCH_ROPE_ATTN, layer, grown);
}

/* dst = freq / the divisors of a tensor, which must have as many. */
static int divide(double *dst, const double *freq, const struct model *m, enum arch_role role,
                  size_t n, struct err *err)
{
    const float *divisor = m->top.vec[role];
    const struct source_tensor *t = source_role(m->source, role, -1);

    if (!divisor || !t)
        return err_set(err, ERR_FORMAT, "rope scaling by divisors without their tensor");
    if (source_row_len(t) * source_n_rows(t) < n)
        return err_set(err, ERR_FORMAT, "tensor %s: expected %zu divisors", t->name, n);
    for (size_t i = 0; i < n; i++)
        dst[i] = freq[i] / (double)divisor[i];
    return 0;
}

/* The short divisors up to the original context, the long ones for sequences beyond. */
static int longrope(struct rope *r, struct model *m, const struct kind *k, size_t layer,
                    struct err *err)
{
    const size_t half = k->n_rot / 2;

    r->freq_far = arena_array(&m->arena, half, sizeof(*r->freq_far));
    if (!r->freq_far)
        return err_nomem(err);
    if (!(k->ctx >= 1 && k->ctx <= (double)UINT32_MAX))
        return err_set(err, ERR_FORMAT, "rope scaling from a context of %g", k->ctx);
    int rc = divide(r->freq_far, r->freq, m, ROLE_ROPE_LONG, half, err);
    if (!rc)
        rc = divide(r->freq, r->freq, m, ROLE_ROPE_SHORT, half, err);
    m->rope_near = (size_t)k->ctx;
    const double grown = k->factor > 1.0 ? sqrt(1.0 + log(k->factor) / log(k->ctx)) : 1.0;
    r->magnitude = given(m, ARCH_ROPE_ATTN, layer, grown);
    return rc;
}

static int scale(struct rope *r, struct model *m, const struct kind *k, size_t layer,
                 struct err *err)
{
    const size_t half = k->n_rot / 2;

    if (!(k->factor > 0.0) || !isfinite(k->factor))
        return err_set(err, ERR_FORMAT, "rope scaling factor %g", k->factor);
    switch (k->type) {
    case ARCH_ROPE_NONE:
        /* a GGUF with divisors does not name its scaling */
        if (!m->top.vec[ROLE_ROPE_FREQS] || k->own)
            return 0;
        return divide(r->freq, r->freq, m, ROLE_ROPE_FREQS, half, err);
    case ARCH_ROPE_LLAMA3:
    case ARCH_ROPE_TABLE:
        return divide(r->freq, r->freq, m, ROLE_ROPE_FREQS, half, err);
    case ARCH_ROPE_LINEAR:
        for (size_t i = 0; i < half; i++)
            r->freq[i] /= k->factor;
        return 0;
    case ARCH_ROPE_YARN:
        yarn(r, m, k, layer);
        return 0;
    case ARCH_ROPE_LONG:
        return longrope(r, m, k, layer, err);
    default:
        return err_set(err, ERR_UNSUPPORTED, "the runtime does not compute rope scaling %d",
                       k->type);
    }
}

static int rope_new(struct rope *r, struct model *m, const struct kind *k, size_t layer,
                    struct err *err)
{
    if (k->n_rot % 2 || k->n_rot > arch_int(m->params, ARCH_HEAD_K, layer))
        return err_set(err, ERR_FORMAT, "block %zu: %zu rotated values in a head of %llu", layer,
                       k->n_rot, (unsigned long long)arch_int(m->params, ARCH_HEAD_K, layer));
    if (!(k->base > 1.0) || !isfinite(k->base))
        return err_set(err, ERR_FORMAT, "rope base %g", k->base);
    r->n_rot = k->n_rot;
    r->magnitude = 1.0;
    r->freq = arena_array(&m->arena, k->n_rot / 2, sizeof(*r->freq));
    if (!r->freq)
        return err_nomem(err);
    for (size_t i = 0; i < k->n_rot / 2; i++)
        r->freq[i] = pow(k->base, -2.0 * (double)i / (double)k->n_rot);
    return scale(r, m, k, layer, err);
}

static bool rotates(const struct model *m, size_t layer)
{
    const enum arch_position p = m->traits.position;

    return (p == POS_ROPE_PAIRS || p == POS_ROPE_HALVES) && m->layer[layer].mixer &&
           arch_int(m->params, ARCH_AT_ROPE, layer) && arch_int(m->params, ARCH_N_ROT, layer);
}

int rope_init(struct model *m, struct err *err)
{
    struct kind *kinds = arena_array(&m->arena, m->n_layer, sizeof(*kinds));

    m->ropes = arena_array(&m->arena, m->n_layer, sizeof(*m->ropes));
    if (!kinds || !m->ropes)
        return err_nomem(err);
    m->rotate = m->traits.position == POS_ROPE_HALVES ? m->kern.rope_halves : m->kern.rope_pairs;
    for (size_t i = 0; i < m->n_layer; i++) {
        size_t at = 0;
        m->layer[i].rope = -1;
        if (!rotates(m, i)) {
            m->rope_skips = m->rope_skips || m->layer[i].mixer;
            continue;
        }
        kinds[m->n_ropes] = kind_of(m, i);
        while (memcmp(&kinds[at], &kinds[m->n_ropes], sizeof(*kinds)) != 0)
            at++;
        m->layer[i].rope = (int)at;
        if (at < m->n_ropes)
            continue;
        const int rc = rope_new(&m->ropes[m->n_ropes++], m, &kinds[at], i, err);
        if (rc)
            return rc;
    }
    return 0;
}

void rope_table(float *cs, const struct rope *r, bool far, size_t n)
{
    const size_t half = r->n_rot / 2;
    const double *freq = far && r->freq_far ? r->freq_far : r->freq;

    for (size_t pos = 0; pos < n; pos++)
        for (size_t i = 0; i < half; i++) {
            const double angle = (double)pos * freq[i];
            cs[(pos * half + i) * 2] = (float)(r->magnitude * cos(angle));
            cs[(pos * half + i) * 2 + 1] = (float)(r->magnitude * sin(angle));
        }
}

const float *sess_rope(const struct sess *s, size_t layer, size_t pos)
{
    const int i = s->m->layer[layer].rope;

    return i < 0 ? NULL : s->rope[i] + pos * s->m->ropes[i].n_rot;
}
