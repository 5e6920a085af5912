/* Rotary positions: frequencies with the extensions that stretch a context.
 * Sources: Su et al. 2021 (RoFormer); Peng et al. 2023 (YaRN), with the numbers
 * transformers uses where the paper leaves a choice. */

#include "runtime/forward/forward.h"

#include <math.h>

/* YaRN's defaults where a file gives none. */
static const double BETA_FAST = 32.0, BETA_SLOW = 1.0;

/* The (real) pair index whose wave turns `turns` times within `n_ctx` positions. */
static double pair_of_turns(double turns, double n_rot, double base, double n_ctx)
{
    const double two_pi = 6.283185307179586;

    return n_rot * log(n_ctx / (turns * two_pi)) / (2.0 * log(base));
}

/* Zero means "not given", as in transformers. */
static double given(const struct arch_params *p, enum arch_param which, double otherwise)
{
    const double v = arch_num(p, which, 0);

    return v != 0 ? v : otherwise;
}

/* Fast waves keep their frequency, slow ones are stretched by the factor, those
 * between are blended along a ramp over the pairs. */
static void yarn(struct model *m, double base, double factor)
{
    const struct arch_params *p = m->params;
    const double n_rot = (double)m->n_rot;
    const double n_ctx = given(p, ARCH_ROPE_CTX, (double)m->n_ctx);
    double low = pair_of_turns(given(p, ARCH_ROPE_FAST, BETA_FAST), n_rot, base, n_ctx);
    double high = pair_of_turns(given(p, ARCH_ROPE_SLOW, BETA_SLOW), n_rot, base, n_ctx);

    if (!arch_int(p, ARCH_ROPE_EXACT, 0)) {
        low = floor(low);
        high = ceil(high);
    }
    low = fmax(low, 0.0);
    high = fmin(high, n_rot - 1.0);
    if (low == high)
        high += 0.001; /* no division by zero: a step instead of a ramp */
    for (size_t i = 0; i < m->n_rot / 2; i++) {
        const double ramp = fmin(fmax(((double)i - low) / (high - low), 0.0), 1.0);
        m->rope_freq[i] *= (1.0 - ramp) + ramp / factor;
    }
    m->rope_magnitude = given(p, ARCH_ROPE_ATTN, factor > 1.0 ? 0.1 * log(factor) + 1.0 : 1.0);
}

static int scale(struct model *m, double base, struct err *err)
{
    const double factor = given(m->params, ARCH_ROPE_FACTOR, 1.0);
    const int type = (int)arch_int(m->params, ARCH_ROPE_TYPE, 0);
    const float *divisor = m->top.vec[ROLE_ROPE_FREQS];

    if (!(factor > 0.0) || !isfinite(factor))
        return err_set(err, ERR_FORMAT, "rope scaling factor %g", factor);
    for (size_t i = 0; divisor && i < m->n_rot / 2; i++)
        m->rope_freq[i] /= (double)divisor[i];
    switch (type) {
    case ARCH_ROPE_NONE:
        return 0;
    case ARCH_ROPE_LLAMA3:
        return divisor ? 0
                       : err_set(err, ERR_FORMAT,
                                 "rope scaling by divisors (llama3) without rope_freqs");
    case ARCH_ROPE_LINEAR:
        for (size_t i = 0; i < m->n_rot / 2; i++)
            m->rope_freq[i] /= factor;
        return 0;
    case ARCH_ROPE_YARN:
        yarn(m, base, factor);
        return 0;
    default:
        return err_set(err, ERR_UNSUPPORTED, "the runtime does not compute rope scaling %d", type);
    }
}

int rope_init(struct model *m, struct err *err)
{
    const enum arch_position position = source_arch(m->source)->traits.position;
    const double base = arch_num(m->params, ARCH_ROPE_BASE, 0);

    if (position != POS_ROPE_PAIRS && position != POS_ROPE_HALVES)
        return err_set(err, ERR_UNSUPPORTED, "the runtime computes rotary positions only");
    m->rope = position == POS_ROPE_PAIRS ? m->kern.rope_pairs : m->kern.rope_halves;
    m->n_rot = (size_t)arch_int(m->params, ARCH_N_ROT, 0);
    if (!m->n_rot || m->n_rot % 2 || m->n_rot > arch_int(m->params, ARCH_HEAD_K, 0))
        return err_set(err, ERR_FORMAT, "%zu rotated values in a head of %llu", m->n_rot,
                       (unsigned long long)arch_int(m->params, ARCH_HEAD_K, 0));
    if (!(base > 1.0) || !isfinite(base))
        return err_set(err, ERR_FORMAT, "rope base %g", base);

    m->rope_freq = arena_array(&m->arena, m->n_rot / 2, sizeof(*m->rope_freq));
    if (!m->rope_freq)
        return err_nomem(err);
    for (size_t i = 0; i < m->n_rot / 2; i++)
        m->rope_freq[i] = pow(base, -2.0 * (double)i / (double)m->n_rot);
    m->rope_magnitude = 1.0;
    return scale(m, base, err);
}

void rope_table(float *cs, const struct model *m, size_t n)
{
    const size_t half = m->n_rot / 2;

    for (size_t pos = 0; pos < n; pos++)
        for (size_t i = 0; i < half; i++) {
            const double angle = (double)pos * m->rope_freq[i];
            cs[(pos * half + i) * 2] = (float)(m->rope_magnitude * cos(angle));
            cs[(pos * half + i) * 2 + 1] = (float)(m->rope_magnitude * sin(angle));
        }
}
