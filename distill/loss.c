#include "distill/loss.h"

#include "distill/loss_impl.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* {name, has a parameter, which one when none is given} */
static const struct {
    const char *name;
    bool param;
    double usual;
} kinds[LOSS_KIND_COUNT] = {
    [LOSS_FORWARD_KL] = {"forward_kl",      false, 0  },
    [LOSS_REVERSE_KL] = {"reverse_kl",      false, 0  },
    [LOSS_JSD] = {"jsd",             true,  0.5},
    [LOSS_SKEW_KL] = {"skew_kl",         true,  0.1},
    [LOSS_SKEW_REVERSE_KL] = {"skew_reverse_kl", true,  0.1},
    [LOSS_TVD] = {"tvd",             false, 0  },
    [LOSS_CE] = {"ce",              false, 0  },
    [LOSS_HIDDEN_MSE] = {"hidden_mse",      false, 0  },
    [LOSS_HIDDEN_COS] = {"hidden_cos",      false, 0  },
};

/* ---- text -------------------------------------------------------------------------- */

static const char *skip(const char *p)
{
    return p + strspn(p, " \t");
}

/* A number at *p; false: none there. */
static bool take_num(double *out, const char **p)
{
    char *end;

    if (!strchr("0123456789.", **p) || !**p)
        return false;
    *out = strtod(*p, &end);
    if (end == *p)
        return false;
    *p = skip(end);
    return true;
}

static bool take_kind(struct loss_term *t, const char **p)
{
    const size_t n = strspn(*p, "abcdefghijklmnopqrstuvwxyz_");

    for (int i = 0; i < LOSS_KIND_COUNT; i++)
        if (strlen(kinds[i].name) == n && !strncmp(*p, kinds[i].name, n)) {
            t->kind = (enum loss_kind)i;
            t->param = kinds[i].usual;
            *p = skip(*p + n);
            return true;
        }
    return false;
}

static bool take_param(struct loss_term *t, const char **p)
{
    if (**p != '(')
        return true;
    *p = skip(*p + 1);
    if (!kinds[t->kind].param || !take_num(&t->param, p) || **p != ')')
        return false;
    *p = skip(*p + 1);
    return t->param >= 0 && t->param <= 1;
}

static bool take_term(struct loss_term *t, const char **p)
{
    *t = (struct loss_term){.weight = 1};
    if (take_num(&t->weight, p)) {
        if (**p != '*')
            return false;
        *p = skip(*p + 1);
    }
    return isfinite(t->weight) && t->weight >= 0 && take_kind(t, p) && take_param(t, p);
}

int loss_parse(struct loss *out, const char *text, struct err *err)
{
    struct loss l = {.temperature = 1};
    const char *p = skip(text), *at = p;
    bool good = true;

    while (good) {
        at = p;
        good = l.n < LOSS_TERMS_MAX && take_term(&l.term[l.n], &p);
        l.n += good;
        if (!good || !*p)
            break;
        good = *p == '+';
        p = skip(p + 1);
    }
    if (good) {
        *out = l;
        return 0;
    }
    return err_set(
        err, ERR_ARG,
        "loss '%s': wrong from '%s' on; it is a sum of up to %d of forward_kl, reverse_kl, "
        "jsd(0 to 1), skew_kl(0 to 1), skew_reverse_kl(0 to 1), tvd, ce, hidden_mse, "
        "hidden_cos, each with a weight: 0.5*ce + 0.5*forward_kl",
        text, at, LOSS_TERMS_MAX);
}

void loss_text(struct buf *out, const struct loss *l)
{
    for (size_t i = 0; i < l->n; i++) {
        const struct loss_term *t = &l->term[i];

        buf_str(out, i ? " + " : "");
        if (t->weight != 1)
            buf_fmt(out, "%g*", t->weight);
        buf_str(out, kinds[t->kind].name);
        if (kinds[t->kind].param)
            buf_fmt(out, "(%g)", t->param);
    }
}

/* ---- what it is made of ------------------------------------------------------------ */

bool loss_has(const struct loss *l, enum loss_kind kind)
{
    for (size_t i = 0; i < l->n; i++)
        if (l->term[i].kind == kind)
            return true;
    return false;
}

bool loss_is_divergence(enum loss_kind kind)
{
    return kind < LOSS_CE;
}

bool loss_needs_logits(const struct loss *l)
{
    for (size_t i = 0; i < l->n; i++)
        if (loss_is_divergence(l->term[i].kind))
            return true;
    return false;
}

bool loss_needs_hidden(const struct loss *l)
{
    return loss_has(l, LOSS_HIDDEN_MSE) || loss_has(l, LOSS_HIDDEN_COS);
}

bool loss_needs_teacher(const struct loss *l)
{
    return loss_needs_logits(l) || loss_needs_hidden(l);
}

/* The weight that all divergences share: T^2, or 1. */
static double loss_t2(const struct loss *l)
{
    return l->no_t2 ? 1 : l->temperature * l->temperature;
}

enum loss_kind loss_term_kind(const struct loss_term *t)
{
    const bool first = t->param <= 0, last = t->param >= 1;

    if ((t->kind == LOSS_JSD && first) || (t->kind == LOSS_SKEW_KL && first))
        return LOSS_FORWARD_KL;
    if ((t->kind == LOSS_JSD && last) || (t->kind == LOSS_SKEW_REVERSE_KL && first))
        return LOSS_REVERSE_KL;
    return t->kind;
}

/* ---- a row ------------------------------------------------------------------------- */

/* -log softmax(z)[label], weighted; d += its gradient. */
static double cross_entropy(float *d, const struct loss *l, const struct kern *k,
                            const struct kern_soft *z, int32_t label, size_t n, double scale)
{
    struct kern_soft pull = *z;
    double weight = 0, lse;

    for (size_t i = 0; i < l->n; i++)
        weight += l->term[i].kind == LOSS_CE ? l->term[i].weight : 0;
    if (weight <= 0 || label < 0)
        return 0;
    lse = k->log_sum_exp(z->x, n);
    pull.weight = (float)(scale * weight * exp((double)z->max - lse));
    k->soft_pull(d, &pull, NULL, 1, n);
    if (z->x[label] != -INFINITY)
        d[label] -= (float)(scale * weight);
    return weight * (lse - (double)z->x[label]);
}

/* 0, or NAN when there is one: a row without any probability has no loss. */
static double none(const float *z, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (isnan(z[i]))
            return (double)NAN;
    return 0;
}

double loss_row(float *d, const struct loss *l, const struct kern *k, const float *z,
                const struct loss_target *t, size_t n, double scale)
{
    const double t2 = loss_t2(l);
    struct kern_soft soft = {z, -INFINITY, 1};
    double value = 0;

    if (t->counted)
        soft.max = k->max(z, n);
    memset(d, 0, n * sizeof(*d));
    if (soft.max == -INFINITY)
        return t->counted ? none(z, n) : 0;
    if (loss_needs_logits(l) && t->sparse)
        value = t2 * loss_sparse(d, l, k, &soft, t->sparse, n, scale * t2);
    else if (loss_needs_logits(l) && t->logits)
        value = t2 * loss_dense(d, l, k, &soft, t->logits, n, scale * t2);
    return value + cross_entropy(d, l, k, &soft, t->label, n, scale);
}
