/* Rotary scaling back into config.json: theta, the kind, and its numbers. */

#include "formats/arch/arch_export_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- divisors among the tensors ----------------------------------------------------- */

static bool gives(const struct attempt *t, const struct arch_params *p)
{
    float made[512];

    if (t->m->n_freqs > sizeof(made) / sizeof(made[0]))
        return false;
    rope_divisors(made, t->m->n_freqs, p);
    return !memcmp(made, t->m->freqs, t->m->n_freqs * sizeof(made[0]));
}

static void set_llama3(struct arch_params *p, double factor, double ctx, double low, double high)
{
    param_set(p, ARCH_ROPE_TYPE, ARCH_ROPE_LLAMA3);
    param_set(p, ARCH_ROPE_FACTOR, factor);
    param_set(p, ARCH_ROPE_CTX, ctx);
    param_set(p, ARCH_ROPE_LOW, low);
    param_set(p, ARCH_ROPE_HIGH, high);
}

/* Of llama3's four numbers three count; a context and a highest factor that the divisors
 * between its ends give, the lowest being 1. Two of them make a line: 1 / d = (1 - s) / f + s,
 * s = (context / wave - low) / (high - low). */
static bool fit_line(struct attempt *t, double factor)
{
    const double base = arch_num(&t->p, ARCH_ROPE_BASE, ARCH_NO_LAYER);
    const size_t n = t->m->n_freqs;
    double s[2], turns[2];
    size_t found = 0;

    for (size_t i = 0; i < n && found < 2; i++) {
        const double d = (double)t->m->freqs[i];
        if (!(d > 1.0001 && d < factor * 0.9999))
            continue;
        s[found] = (1 / d - 1 / factor) / (1 - 1 / factor);
        turns[found++] = pow(base, -(double)i / (double)n) / (2 * 3.14159265358979323846);
    }
    if (found < 2 || !(fabs(turns[0] - turns[1]) > 0))
        return false;
    const double slope = (s[0] - s[1]) / (turns[0] - turns[1]); /* context / (high - low) */
    const double at = slope * turns[0] - s[0];                  /* low / (high - low) */
    if (!(at > 0) || !(slope > 0))
        return false;
    const double high = 1 + round(1e3 / at) / 1e3;
    set_llama3(&t->p, factor, round(slope * (high - 1)), 1, high);
    return gives(t, &t->p);
}

/* Published numbers, then powers of two and what lies between. */
static bool fit_usual(struct attempt *t, double factor)
{
    static const double highs[] = {4, 8, 2, 16, 32};

    for (size_t h = 0; h < sizeof(highs) / sizeof(highs[0]); h++)
        for (double ctx = 16; ctx <= 4194304; ctx *= 2) {
            set_llama3(&t->p, factor, ctx, 1, highs[h]);
            if (gives(t, &t->p))
                return true;
        }
    return false;
}

/* Divisors of 1 and of nearly infinity: a part of the head that is rotated. */
static bool fit_table(struct attempt *t)
{
    size_t ones = 0;

    while (ones < t->m->n_freqs && t->m->freqs[ones] == 1)
        ones++;
    param_set(&t->p, ARCH_ROPE_TYPE, ARCH_ROPE_TABLE);
    param_set(&t->p, ARCH_ROPE_PART, (double)ones / (double)t->m->n_freqs);
    return gives(t, &t->p);
}

void export_rope_tensors(struct attempt *t)
{
    const struct arch_params before = t->p; /* lists are shared */
    double most = 1;

    t->p.rope_long = t->m->freqs_long;
    t->p.rope_short = t->m->freqs_short;
    t->p.rope_n = t->m->freqs_long ? t->m->n_freqs : 0;
    if (t->m->freqs_long)
        param_set(&t->p, ARCH_ROPE_TYPE, ARCH_ROPE_LONG);
    if (!t->m->freqs)
        return;
    for (size_t i = 0; i < t->m->n_freqs; i++)
        most = (double)t->m->freqs[i] > most ? (double)t->m->freqs[i] : most;
    if (fit_table(t))
        return;
    t->p = before;
    if (!fit_usual(t, most) && !fit_line(t, most)) /* near enough: the divisors are kept beside */
        set_llama3(&t->p, most, 8192, 1, 4);
}

/* ---- the object --------------------------------------------------------------------- */

struct rope {
    struct attempt *t;
    const char *at; /* "rope_scaling." */
};

static void put_num(const struct rope *r, const char *key, double v)
{
    char path[KEY_BYTES];

    (void)snprintf(path, sizeof(path), "%s%s", r->at, key);
    conf_num(&r->t->c, path, v, false);
}

static void put_param(const struct rope *r, const char *key, enum arch_param which)
{
    if (arch_has(&r->t->p, which))
        put_num(r, key, arch_num(&r->t->p, which, ARCH_NO_LAYER));
}

static void put_type(const struct rope *r, const char *name)
{
    char path[KEY_BYTES];

    (void)snprintf(path, sizeof(path), "%srope_type", r->at);
    conf_str(&r->t->c, path, name);
}

static void put_factors(const struct rope *r, const char *key, const float *v)
{
    char path[KEY_BYTES], text[40];
    struct buf b = {0};

    for (size_t i = 0; i < r->t->p.rope_n; i++) {
        conf_show(text, sizeof(text), (double)v[i]);
        buf_fmt(&b, "%s%s", i ? ", " : "[", text);
    }
    buf_str(&b, "]");
    (void)snprintf(path, sizeof(path), "%s%s", r->at, key);
    r->t->c.bad = r->t->c.bad || b.bad;
    conf_text(&r->t->c, path, b.p ? b.p : "[]", false);
    buf_release(&b);
}

/* The factor on cos and sin: given, or by way of mscale and mscale_all_dim, which a file
 * shows in the multiplier only. */
static void put_attn(const struct rope *r)
{
    struct attempt *t = r->t;
    const double factor = arch_num(&t->p, ARCH_ROPE_FACTOR, ARCH_NO_LAYER);
    double all = arch_num(&t->p, ARCH_YARN_MSCALE, ARCH_NO_LAYER);

    if (!arch_has(&t->p, ARCH_YARN_MSCALE) && arch_has(&t->p, ARCH_ROPE_LOGMUL))
        all = arch_num(&t->p, ARCH_ROPE_LOGMUL, ARCH_NO_LAYER);
    if (export_has_key(t, "{}.rope.scaling.yarn_attn_factor") || factor <= 1) {
        put_param(r, "attention_factor", ARCH_ROPE_ATTN);
        return;
    }
    if (arch_has(&t->p, ARCH_ROPE_ATTN)) {
        all = all != 0 ? all : 1;
        const double want = arch_num(&t->p, ARCH_ROPE_ATTN, ARCH_NO_LAYER);
        const double m = (want * (0.1 * all * log(factor) + 1) - 1) / (0.1 * log(factor));
        char text[40];
        (void)snprintf(text, sizeof(text), "%.6g", m);
        put_num(r, "mscale", strtod(text, NULL));
    }
    if (all != 0)
        put_num(r, "mscale_all_dim", all);
}

static void put_yarn(const struct rope *r)
{
    put_type(r, "yarn");
    put_param(r, "factor", ARCH_ROPE_FACTOR);
    put_param(r, "original_max_position_embeddings", ARCH_ROPE_CTX);
    put_param(r, "beta_fast", ARCH_ROPE_FAST);
    put_param(r, "beta_slow", ARCH_ROPE_SLOW);
    put_param(r, "extrapolation_factor", ARCH_ROPE_EXT);
    put_attn(r);
    if (arch_has(&r->t->p, ARCH_ROPE_EXACT)) {
        char path[KEY_BYTES];
        (void)snprintf(path, sizeof(path), "%struncate", r->at);
        conf_bool(&r->t->c, path, arch_num(&r->t->p, ARCH_ROPE_EXACT, ARCH_NO_LAYER) == 0);
    }
}

static void put_long(const struct rope *r)
{
    const struct arch_params *p = &r->t->p;
    const double n = arch_num(p, ARCH_ROPE_CTX, 0), s = arch_num(p, ARCH_N_CTX, 0) / n;
    const double attn = s <= 1 || n <= 1 ? 1 : sqrt(1 + log(s) / log(n));

    put_type(r, "longrope");
    put_factors(r, "long_factor", p->rope_long);
    put_factors(r, "short_factor", p->rope_short);
    if (arch_has(p, ARCH_ROPE_CTX)) {
        put_param(r, "original_max_position_embeddings", ARCH_ROPE_CTX);
        conf_num(&r->t->c, "original_max_position_embeddings", n, false);
    }
    if ((float)arch_num(p, ARCH_ROPE_ATTN, 0) != (float)attn)
        put_param(r, "attention_factor", ARCH_ROPE_ATTN);
}

/* A kind that was asked for by name is stretched by nothing. */
static void put_none(const struct rope *r)
{
    char path[KEY_BYTES];

    (void)snprintf(path, sizeof(path), "%srope_type", r->at);
    if (conf_has(&r->t->c, path)) {
        put_num(r, "factor", 1);
        put_num(r, "alpha", 1);
    }
    put_type(r, "default");
}

static void put_kind(const struct rope *r)
{
    switch (arch_int(&r->t->p, ARCH_ROPE_TYPE, ARCH_NO_LAYER)) {
    case ARCH_ROPE_LINEAR:
        put_type(r, "linear");
        put_param(r, "factor", ARCH_ROPE_FACTOR);
        break;
    case ARCH_ROPE_LLAMA3:
        put_type(r, "llama3");
        put_param(r, "factor", ARCH_ROPE_FACTOR);
        put_param(r, "original_max_position_embeddings", ARCH_ROPE_CTX);
        put_param(r, "low_freq_factor", ARCH_ROPE_LOW);
        put_param(r, "high_freq_factor", ARCH_ROPE_HIGH);
        break;
    case ARCH_ROPE_YARN:
        put_yarn(r);
        break;
    case ARCH_ROPE_LONG:
        if (r->t->p.rope_long && r->t->p.rope_short)
            put_long(r);
        break;
    case ARCH_ROPE_TABLE:
        put_type(r, "proportional");
        put_param(r, "partial_rotary_factor", ARCH_ROPE_PART);
        break;
    default:
        put_none(r);
    }
}

/* Layers of both kinds have an object of their own. */
static void put_both(struct attempt *t)
{
    const struct rope full = {t, "rope_parameters.full_attention."};
    const struct rope windowed = {t, "rope_parameters.sliding_attention."};

    put_kind(&full);
    put_param(&full, "rope_theta", ARCH_ROPE_BASE);
    put_type(&windowed, "default");
    put_param(&windowed, "rope_theta", ARCH_ROPE_BASE_SWA);
}

/* An object with the theta inside, where the rows put something there; theta beside it,
 * and an object for scaling only, else. */
void export_rope(struct attempt *t)
{
    const bool scaled = arch_int(&t->p, ARCH_ROPE_TYPE, ARCH_NO_LAYER) != ARCH_ROPE_NONE;
    const struct rope old = {t, "rope_scaling."}, new = {t, "rope_parameters."};

    if (conf_has(&t->c, "rope_parameters.sliding_attention") ||
        conf_has(&t->c, "rope_parameters.full_attention")) {
        put_both(t);
        return;
    }
    if (arch_has(&t->p, ARCH_ROPE_BASE))
        conf_num(&t->c, "rope_theta", arch_num(&t->p, ARCH_ROPE_BASE, ARCH_NO_LAYER), false);
    if (conf_has(&t->c, "rope_parameters")) {
        put_kind(&new);
        put_param(&new, "rope_theta", ARCH_ROPE_BASE);
        put_param(&new, "partial_rotary_factor", ARCH_ROPE_PART);
    } else if (scaled || conf_has(&t->c, "rope_scaling")) {
        put_kind(&old);
    } else if (t->a->rope) {
        put_kind(&new);
        put_param(&new, "rope_theta", ARCH_ROPE_BASE);
    }
}
