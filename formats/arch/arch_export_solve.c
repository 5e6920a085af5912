/* Parameters that a GGUF has only what they give of: rules of rows run backwards. */

#include "formats/arch/arch_export_impl.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* Does some row read it from config.json? */
static bool is_read(const struct arch *a, enum arch_param which)
{
    for (const struct arch_key *const *set = a->keys; *set; set++)
        for (const struct arch_key *k = *set; !key_is_end(k); k++)
            if (k->param == which && k->config)
                return true;
    return false;
}

/* The value of k's parameter by its rule, with `which` set to v; NaN: none. */
static double by_rule(const struct attempt *t, const struct arch_key *k, enum arch_param which,
                      double v)
{
    struct arch_params q = t->p; /* its lists are borrowed */
    struct err ignored = {0};

    q.p[which] = (struct arch_value){.set = true, .v = v};
    q.p[k->param] = (struct arch_value){0};
    if (key_absent(&q, k, key_label(k), &ignored) || !q.p[k->param].set)
        return (double)NAN;
    return q.p[k->param].v;
}

/* A value near v of as few digits as may be by which the rule gives k's parameter. */
static bool round_to_rule(double *out, const struct attempt *t, const struct arch_key *k,
                          enum arch_param which, double v)
{
    const double want = t->p.p[k->param].v;
    char text[40];

    for (int digits = 1; digits <= 17; digits++) {
        (void)snprintf(text, sizeof(text), "%.*g", digits, v);
        *out = strtod(text, NULL);
        if ((float)by_rule(t, k, which, *out) == (float)want)
            return true;
    }
    return false;
}

static double plain(const struct attempt *t, enum arch_param which)
{
    return param_plain(&t->p, which, ARCH_NO_LAYER);
}

/* The operand `which` of k's rule, as a number to begin with. */
static double inverse(const struct attempt *t, const struct arch_key *k, enum arch_param which)
{
    const double v = plain(t, k->param);
    const double a = plain(t, k->other), b = k->other2 ? plain(t, k->other2) : 0;
    const bool first = which == k->other;

    switch (k->when_absent) {
    case ARCH_TIMES:
        return v / k->value;
    case ARCH_SQRT:
        return v * v / (k->value * k->value);
    case ARCH_RSQRT:
        return k->value * k->value / (v * v);
    case ARCH_PRODUCT:
        return v / (first ? b : a);
    case ARCH_CEIL:
        return v * k->value;
    case ARCH_SUM:
        return v - (first ? b : a);
    case ARCH_DIFFERENCE:
        return first ? v + b : a - v;
    case ARCH_QUOTIENT:
    case ARCH_RATIO:
        return first ? v * b : a / v;
    case ARCH_SAME_AS:
        return v;
    default:
        return (double)NAN;
    }
}

static bool has_two(const struct arch_key *k)
{
    switch (k->when_absent) {
    case ARCH_PRODUCT:
    case ARCH_SUM:
    case ARCH_DIFFERENCE:
    case ARCH_QUOTIENT:
    case ARCH_RATIO:
        return true;
    default:
        return false;
    }
}

/* Set the operand `which` when it is the only thing that is not known. */
static bool solve(struct attempt *t, const struct arch_key *k, enum arch_param which,
                  enum arch_param rest)
{
    double v;

    if (arch_has(&t->p, which) || !is_read(t->a, which) ||
        (has_two(k) && (!arch_has(&t->p, rest) || which == rest)))
        return false;
    const double about = inverse(t, k, which);
    if (!isfinite(about) || !round_to_rule(&v, t, k, which, about))
        return false;
    param_set(&t->p, which, v);
    return true;
}

static bool solve_row(struct attempt *t, const struct arch_key *k)
{
    if (!key_works_out(k) || !arch_has(&t->p, k->param) || t->p.p[k->param].per_layer)
        return false;
    return solve(t, k, k->other, k->other2) || (has_two(k) && solve(t, k, k->other2, k->other));
}

void export_solve(struct attempt *t)
{
    bool more = true;

    while (more) {
        more = false;
        for (const struct arch_key *const *set = t->a->keys; *set; set++)
            for (const struct arch_key *k = *set; !key_is_end(k); k++)
                more = solve_row(t, k) || more;
    }
    /* what a file without any scale means */
    if (is_read(t->a, ARCH_QUERY_DIM) && !arch_has(&t->p, ARCH_QUERY_DIM))
        param_set(&t->p, ARCH_QUERY_DIM, plain(t, ARCH_HEAD_K));
}
